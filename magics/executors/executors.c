/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/executors/executor.h"

#include <stddef.h>

const struct executor_type *const executor_types[] = {
    &executor_local,
    NULL,
};
