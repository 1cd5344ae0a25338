/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/quantity.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};

static const struct unit times[] = {{"ms", 1},      {"s", 1000},        {"m", 60000},
                                    {"min", 60000}, {"h", 3600 * 1000}, {NULL, 0}};
static const struct unit sizes[] = {{"k", 0x1p10}, {"kb", 0x1p10}, {"kib", 0x1p10},
                                    {"m", 0x1p20}, {"mb", 0x1p20}, {"mib", 0x1p20},
                                    {"g", 0x1p30}, {"gb", 0x1p30}, {"gib", 0x1p30},
                                    {"t", 0x1p40}, {"tb", 0x1p40}, {NULL, 0}};

static double quantity(const char *text, const struct unit *units, double alone)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || !isfinite(number) || number < 0)
        return -1;
    if (!*end && alone > 0)
        return number * alone;
    for (; units->name; units++)
        if (!strcasecmp(end, units->name))
            return number * units->factor;
    return -1;
}

double quantity_time(const char *text, double unit_ms)
{
    return quantity(text, times, unit_ms);
}

double quantity_size(const char *text)
{
    return quantity(text, sizes, 0);
}

char *quantity_show_size(uint64_t bytes)
{
    static const char *const names[] = {"bytes", "kB", "MB", "GB", "TB"};
    double number = (double)bytes;
    size_t i = 0;
    for (; number >= 1000 && i < 4; i++)
        number /= 1000;
    return i ? must_format("%.3g %s", number, names[i])
             : must_format("%" PRIu64 " bytes", bytes);
}

char *quantity_show_time(double ms)
{
    uint64_t seconds = (uint64_t)(ms / 1000 + 0.5);
    if (ms < 59500)
        return must_format("%.1f s", ms / 1000);
    if (seconds < 3600)
        return must_format("%" PRIu64 " min %" PRIu64 " s", seconds / 60, seconds % 60);
    return must_format("%" PRIu64 " h %" PRIu64 " min", seconds / 3600,
                       seconds % 3600 / 60);
}
