/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/cc.h"

const char *const cc_machine_flags[] = {NULL};
