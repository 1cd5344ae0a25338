/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/tcc_helper.h"

#include <stddef.h>
#include <string.h>

/* libtcc1.a, linked in; the names have no prototypes that a C compiler would accept. */
#define HELPERS(X)                                                                       \
    X(__fixdfdi)                                                                         \
    X(__fixsfdi)                                                                         \
    X(__fixunsdfdi)                                                                      \
    X(__fixunssfdi)                                                                      \
    X(__fixunsxfdi)                                                                      \
    X(__fixxfdi) X(__floatundidf) X(__floatundisf) X(__floatundixf) X(__va_arg) X(alloca)

#define DECLARE(name) extern char helper_##name[] __asm__(#name);
HELPERS(DECLARE)

void *tcc_helper(const char *name)
{
#define ENTRY(symbol) {#symbol, helper_##symbol},
    static const struct {
        const char *name;
        char *address;
    } helpers[] = {HELPERS(ENTRY)};
    for (size_t i = 0; i < sizeof(helpers) / sizeof(*helpers); i++)
        if (!strcmp(helpers[i].name, name))
            return helpers[i].address;
    return NULL;
}
