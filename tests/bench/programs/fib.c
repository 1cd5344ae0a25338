/* SPDX-License-Identifier: BSD-3-Clause
 * Calls and nothing else. */
int is_small(int n)
{
    return n < 2;
}
/* next cell */
int fib(int n)
{
    return is_small(n) ? n : fib(n - 1) + fib(n - 2);
}
/* next cell */
double work(void)
{
    return fib(35);
}
