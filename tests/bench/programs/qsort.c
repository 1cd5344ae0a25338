/* SPDX-License-Identifier: BSD-3-Clause
 * The library calls back, and our own sort beside it. */
#include <stdlib.h>
enum { COUNT = 400000 };
unsigned values[COUNT], state;
/* next cell */
unsigned next_random(void)
{
    state = state * 1664525u + 1013904223u;
    return state;
}
/* next cell */
int compare(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return (x > y) - (x < y);
}
/* next cell */
void fill(void)
{
    state = 1;
    for (int i = 0; i < COUNT; i++)
        values[i] = next_random();
}
/* next cell */
void exchange(unsigned *a, unsigned *b)
{
    unsigned kept = *a;
    *a = *b;
    *b = kept;
}
/* next cell */
void sort(unsigned *first, unsigned *last)
{
    while (first < last) {
        unsigned *low = first, *high = last, middle = first[(last - first) / 2];
        while (low <= high) {
            while (compare(low, &middle) < 0)
                low++;
            while (compare(high, &middle) > 0)
                high--;
            if (low <= high)
                exchange(low++, high--);
        }
        sort(first, high);
        first = low;
    }
}
/* next cell */
double work(void)
{
    fill();
    qsort(values, COUNT, sizeof(*values), compare);
    double sum = values[COUNT / 3];
    fill();
    sort(values, values + COUNT - 1);
    return sum + values[COUNT / 2];
}
