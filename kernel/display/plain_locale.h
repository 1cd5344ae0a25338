/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Numbers are shown in the C locale, whatever a cell has given to setlocale(). */
#ifndef ACHAR_DISPLAY_PLAIN_LOCALE_H
#define ACHAR_DISPLAY_PLAIN_LOCALE_H

#include <locale.h>

struct display_locale {
    locale_t plain, before;
};

static inline struct display_locale display_locale_set(void)
{
    struct display_locale set = {.plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0)};
    set.before = set.plain ? uselocale(set.plain) : (locale_t)0;
    return set;
}

static inline void display_locale_restore(const struct display_locale *set)
{
    if (!set->plain)
        return;
    uselocale(set->before);
    freelocale(set->plain);
}

#endif
