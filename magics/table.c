/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of magics: what is listed here is compiled, dispatched, completed and
 * documented. */
#include "magics/magic.h"

/* One a line, in order. */
/* clang-format off */
#define MAGICS(X) \
    X(args) \
    X(asan) \
    X(asm) \
    X(attach) \
    X(call) \
    X(cancel) \
    X(cc) \
    X(checkpoint) \
    X(executor) \
    X(expand) \
    X(export) \
    X(include) \
    X(jobs) \
    X(limit) \
    X(link) \
    X(logs) \
    X(lsmagic) \
    X(map) \
    X(opt) \
    X(parfor) \
    X(pickle) \
    X(pkg) \
    X(remote) \
    X(reset) \
    X(result) \
    X(std) \
    X(time) \
    X(timeit) \
    X(ubsan) \
    X(undef) \
    X(undo) \
    X(unpickle) \
    X(valgrind) \
    X(wait) \
    X(who) \
    X(whos)
/* clang-format on */

#define DECLARE(name) extern const struct magic magic_##name;
MAGICS(DECLARE)

#define ENTRY(name) &magic_##name,
const struct magic *const magic_table[] = {MAGICS(ENTRY) NULL};
