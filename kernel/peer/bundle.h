/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One thing to be shown, in several representations by MIME type, of which a front end
 * picks the best that it knows; or what is to be done about what was shown before. */
#ifndef ACHAR_PEER_BUNDLE_H
#define ACHAR_PEER_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "pickler/base/error.h"
#include "pickler/base/pack.h"

#define BUNDLE_SIZE_MAX (64u << 20) /* bytes of all data together */
#define BUNDLE_PARTS_MAX 32
#define BUNDLE_MIME_MAX 127 /* characters of a MIME type */

enum bundle_action {
    BUNDLE_SHOW,
    BUNDLE_UPDATE,      /* what was shown under this id changes, wherever it is */
    BUNDLE_CLEAR,       /* the cell's output so far goes away; no parts */
    BUNDLE_CLEAR_LATER, /* the same, when the next output comes */
    BUNDLE_ACTION_COUNT
};

struct bundle_part {
    char *mime;         /* "text/html" */
    struct buffer data; /* bytes as they are: nothing is encoded yet */
    char *metadata;     /* JSON object, such as {"width": 100}; NULL: none */
};

struct bundle {
    enum bundle_action action;
    char *id; /* what an update names; NULL: it cannot be updated */
    struct bundle_part *parts;
    size_t n_parts, capacity;
};

void bundle_clear(struct bundle *bundle);
/* Hands everything over; what `to` held is freed, and `from` is empty afterwards. */
void bundle_move(struct bundle *to, struct bundle *from);
/* Adds to the part of this type, making it when there is none. False: the limits above
 * are reached, or the type is not one ("name/name"), and nothing was added. */
bool bundle_add(struct bundle *bundle, const char *mime, const void *data,
                size_t size) MUST_USE;
/* Adds copies of the parts of another, with their metadata. */
bool bundle_add_all(struct bundle *bundle, const struct bundle *from) MUST_USE;
bool bundle_add_text(struct bundle *bundle, const char *mime, const char *text) MUST_USE;
/* Replaces; false when there is no such part. */
bool bundle_set_metadata(struct bundle *bundle, const char *mime,
                         const char *json) MUST_USE;
const struct bundle_part *bundle_find(const struct bundle *bundle, const char *mime);
/* Takes text/plain out; NULL: there is none. */
char *bundle_take_text(struct bundle *bundle) MUST_USE;
size_t bundle_size(const struct bundle *bundle); /* bytes of data */

void bundle_pack(const struct bundle *bundle, struct buffer *out);
/* *ret must be empty and stays so on failure. */
int bundle_unpack(struct unpack *in, struct bundle *ret, struct error *err) MUST_USE;

#endif
