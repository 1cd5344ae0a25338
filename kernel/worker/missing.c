/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "kernel/worker/zygote.h"
#include "pickler/value/value.h"
#ifdef NO_ZYGOTE
int zygote_main(void)
{
    return 1;
}
#endif
#ifdef NO_VALUE
int value_dump(const struct value_world *world, const struct value_root *roots,
               size_t n_roots, struct value_dump *ret, struct error *err)
{
    return error_set(err, -ENOSYS, "no value graph yet");
}
void value_dump_clear(struct value_dump *dump)
{
}
int value_load(const struct value_world *world, const void *data, size_t size,
               const struct value_root *at, struct error *err)
{
    return error_set(err, -ENOSYS, "no value graph yet");
}
#endif
