/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Capturing: from definitions to a payload with everything they reach, code and state. */
#ifndef ACHAR_MAGICS_CAPTURE_H
#define ACHAR_MAGICS_CAPTURE_H

#include "magics/context.h"
#include "pickler/payload/payload.h"

struct capture_roots {
    uint32_t *ids;
    size_t n, capacity;
    bool is_heavy; /* what is not a definition nests loops (struct plan) */
};

void capture_roots_clear(struct capture_roots *roots);
void capture_roots_add(struct capture_roots *roots, uint32_t id);

/* The closure of the roots over code and values: functions and variables that are met in
 * values extend it. NULL in *ret when something cannot travel; the result names it. The
 * entry is the caller's to fill. */
int capture(struct magic_context *context, struct capture_roots *roots,
            struct payload **ret, struct result *result, struct error *err) MUST_USE;

/* Whose memory the values of such a payload are in, when there are large ones; borrowed,
 * else NULL. */
struct blob *capture_values(const struct payload *payload);

/* What a payload will show besides what its definitions display. */
struct capture_shown {
    uint32_t type; /* of the value, 0: none */
    const struct allocation_site *sites;
    size_t n_sites;
};

/* As capture(), with the functions mime_TYPE of the session that say how what is shown
 * looks (what a pointer leads to, too), unless these cannot travel. */
int capture_with_mime(struct magic_context *context, struct capture_roots *roots,
                      struct capture_shown shown, struct payload **ret,
                      struct result *result, struct error *err) MUST_USE;

/* A payload as bytes with its hash. */
struct packed_payload {
    struct buffer bytes;
    uint8_t hash[PAYLOAD_HASH_SIZE];
};

/* Turns an error into the user's result: a payload that cannot be packed. */
int capture_pack(const struct payload *payload, struct packed_payload *ret,
                 struct result *result) MUST_USE;

#endif
