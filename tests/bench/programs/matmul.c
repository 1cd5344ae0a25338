/* SPDX-License-Identifier: BSD-3-Clause
 * Doubles in global matrices. */
enum { SIZE = 320 };
double left[SIZE][SIZE], right[SIZE][SIZE], product[SIZE][SIZE];
/* next cell */
double element(int row, int column)
{
    return (row * 31 + column * 17) % 101 / 101.0;
}
/* next cell */
void add_scaled(double *restrict to, const double *restrict from, double factor)
{
    for (int i = 0; i < SIZE; i++)
        to[i] += factor * from[i];
}
/* next cell */
void fill(void)
{
    for (int i = 0; i < SIZE; i++)
        for (int k = 0; k < SIZE; k++) {
            left[i][k] = element(i, k);
            right[i][k] = element(k, i);
            product[i][k] = 0;
        }
}
/* next cell */
double work(void)
{
    double trace = 0;
    fill();
    for (int i = 0; i < SIZE; i++)
        for (int k = 0; k < SIZE; k++)
            add_scaled(product[i], right[k], left[i][k]);
    for (int i = 0; i < SIZE; i++)
        trace += product[i][i];
    return trace;
}
