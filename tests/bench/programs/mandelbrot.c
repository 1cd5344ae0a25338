/* SPDX-License-Identifier: BSD-3-Clause
 * A struct by value, an inner loop of dependent floating-point operations. */
struct point {
    double re, im;
};
/* next cell */
struct point square_plus(struct point z, struct point c)
{
    return (struct point){z.re * z.re - z.im * z.im + c.re, 2 * z.re * z.im + c.im};
}
/* next cell */
double norm(struct point z)
{
    return z.re * z.re + z.im * z.im;
}
/* next cell */
int steps(struct point c, int limit)
{
    struct point z = {0, 0};
    int n = 0;
    while (n < limit && norm(z) <= 4) {
        z = square_plus(z, c);
        n++;
    }
    return n;
}
/* next cell */
double work(void)
{
    long total = 0;
    for (int y = 0; y < 400; y++)
        for (int x = 0; x < 400; x++)
            total += steps((struct point){x / 200.0 - 1.5, y / 200.0 - 1.0}, 200);
    return (double)total;
}
