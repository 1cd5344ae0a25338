/* SPDX-License-Identifier: BSD-3-Clause
 * Bodies that attract each other: structs in a global array, and a library's function. */
#include <math.h>
struct body {
    double x[3], v[3], mass;
};
enum { BODIES = 5 };
struct body bodies[BODIES];
/* next cell */
void place(void)
{
    for (int i = 0; i < BODIES; i++)
        bodies[i] = (struct body){{i * 1.5 + 1, (i % 3) - 0.4 * i, 0.3 * i * i},
                                  {0.1 * (i % 2), -0.05 * i, 0.02 * i},
                                  1.0 / (i + 1)};
}
/* next cell */
void attract(struct body *a, struct body *b, double dt)
{
    double d[3], square = 0;
    for (int k = 0; k < 3; k++) {
        d[k] = a->x[k] - b->x[k];
        square += d[k] * d[k];
    }
    double scale = dt / (square * sqrt(square));
    for (int k = 0; k < 3; k++) {
        a->v[k] -= d[k] * b->mass * scale;
        b->v[k] += d[k] * a->mass * scale;
    }
}
/* next cell */
void advance(double dt)
{
    for (int i = 0; i < BODIES; i++)
        for (int k = i + 1; k < BODIES; k++)
            attract(&bodies[i], &bodies[k], dt);
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++)
            bodies[i].x[k] += dt * bodies[i].v[k];
}
/* next cell */
double work(void)
{
    place();
    for (int i = 0; i < 400000; i++)
        advance(0.0001);
    return bodies[0].x[0];
}
