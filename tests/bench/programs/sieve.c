/* SPDX-License-Identifier: BSD-3-Clause
 * Bytes of a global array. */
enum { LIMIT = 4000000 };
char composite[LIMIT + 1];
/* next cell */
void strike(int prime)
{
    for (int i = 2 * prime; i <= LIMIT; i += prime)
        composite[i] = 1;
}
/* next cell */
int is_prime(int n)
{
    return !composite[n];
}
/* next cell */
double work(void)
{
    int count = 0;
    for (int i = 0; i <= LIMIT; i++)
        composite[i] = 0;
    for (int i = 2; i <= LIMIT; i++) {
        if (!is_prime(i))
            continue;
        count++;
        if (i <= 2000)
            strike(i);
    }
    return count;
}
