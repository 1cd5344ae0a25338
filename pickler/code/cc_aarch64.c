/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/cc.h"

const char *const cc_machine_flags[] = {"-fsigned-char", "-mno-omit-leaf-frame-pointer",
                                        "-mno-outline-atomics", NULL};
