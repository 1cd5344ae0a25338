/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of magics: what is listed here is compiled, dispatched, completed and
 * documented. */
#include "magics/magic.h"

extern const struct magic magic_call, magic_executor, magic_link, magic_lsmagic,
    magic_map, magic_pickle, magic_pkg, magic_remote, magic_time, magic_timeit,
    magic_unpickle, magic_who;

const struct magic *const magic_table[] = {
    &magic_call,     &magic_executor, &magic_link,   &magic_lsmagic, &magic_map,
    &magic_pickle,   &magic_pkg,      &magic_remote, &magic_time,    &magic_timeit,
    &magic_unpickle, &magic_who,      NULL,
};
