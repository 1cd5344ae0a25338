/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the readers of DWARF share; for files of this folder. */
#ifndef ACHAR_CODE_DWARF_H
#define ACHAR_CODE_DWARF_H

#include "pickler/code/lines.h"

/* Reads give 0 once there was too little. */
struct dwarf_cursor {
    const uint8_t *start, *at, *end;
    bool failed;
};

uint64_t dwarf_fixed(struct dwarf_cursor *in, unsigned size);
uint64_t dwarf_uleb(struct dwarf_cursor *in);
int64_t dwarf_sleb(struct dwarf_cursor *in);
const char *dwarf_string(struct dwarf_cursor *in, size_t *size);

/* The files of the line program at `offset`, from 1: *ret is owned. */
bool dwarf_files(struct lines *lines, const struct image *image, uint64_t offset,
                 struct line_file **ret, size_t *ret_n);

#endif
