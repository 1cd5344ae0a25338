/* SPDX-License-Identifier: BSD-3-Clause
 *
 * UTF-8 checked by the table of Unicode 15, section 3.9 (well-formed byte sequences). */
#include "kernel/wire/text.h"

#include <stdbool.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"

/* Bytes of a sequence that starts with `lead`, and the range of its second byte; 0 when
 * no sequence starts so. */
static size_t sequence(unsigned char lead, unsigned char *ret_low,
                       unsigned char *ret_high)
{
    *ret_low = 0x80;
    *ret_high = 0xBF;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (lead == 0xE0)
            *ret_low = 0xA0;
        if (lead == 0xED)
            *ret_high = 0x9F;
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (lead == 0xF0)
            *ret_low = 0x90;
        if (lead == 0xF4)
            *ret_high = 0x8F;
        return 4;
    }
    return 0;
}

/* How many bytes at `at` belong together. *ret_valid: a whole character; else either cut
 * short by the end (*ret_cut) or wrong. */
static size_t measure(const unsigned char *at, size_t left, bool *ret_valid,
                      bool *ret_cut)
{
    unsigned char low, high;
    size_t need = sequence(at[0], &low, &high);
    *ret_valid = *ret_cut = false;
    if (need == 0)
        return 1;
    for (size_t i = 1; i < need; i++) {
        if (i == left) {
            *ret_cut = true;
            return i;
        }
        if (at[i] < low || at[i] > high)
            return i;
        low = 0x80;
        high = 0xBF;
    }
    *ret_valid = true;
    return need;
}

/* Completes the waiting character byte by byte; returns the bytes of text it used. */
static size_t finish_waiting(struct text_cleaner *cleaner, const unsigned char *text,
                             size_t size, struct buffer *out)
{
    size_t used = 0;
    while (cleaner->n_waiting && used < size) {
        cleaner->waiting[cleaner->n_waiting] = text[used];
        bool is_valid, is_cut;
        size_t n = measure(cleaner->waiting, cleaner->n_waiting + 1, &is_valid, &is_cut);
        if (is_cut) {
            cleaner->n_waiting++;
            used++;
            continue;
        }
        if (is_valid) {
            buffer_add(out, cleaner->waiting, n);
            used++;
        } else {
            buffer_add_string(out, REPLACEMENT);
        }
        cleaner->n_waiting = 0;
    }
    return used;
}

void text_cleaner_add(struct text_cleaner *cleaner, const char *text, size_t size,
                      struct buffer *out)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t at = finish_waiting(cleaner, bytes, size, out), start = at;
    while (at < size) {
        bool is_valid = true, is_cut = false;
        size_t n =
            bytes[at] < 0x80 ? 1 : measure(bytes + at, size - at, &is_valid, &is_cut);
        if (is_valid) {
            at += n;
            continue;
        }
        buffer_add(out, bytes + start, at - start);
        if (is_cut) {
            memcpy(cleaner->waiting, bytes + at, n);
            cleaner->n_waiting = n;
        } else {
            buffer_add_string(out, REPLACEMENT);
        }
        at += n;
        start = at;
    }
    buffer_add(out, bytes + start, at - start);
}

void text_cleaner_end(struct text_cleaner *cleaner, struct buffer *out)
{
    if (cleaner->n_waiting)
        buffer_add_string(out, REPLACEMENT);
    cleaner->n_waiting = 0;
}

char *text_valid(const char *text)
{
    struct buffer out = {0};
    struct text_cleaner cleaner = {0};
    if (text)
        text_cleaner_add(&cleaner, text, strlen(text), &out);
    text_cleaner_end(&cleaner, &out);
    return buffer_take(&out);
}

static bool starts_point(char c)
{
    return ((unsigned char)c & 0xC0) != 0x80;
}

size_t text_count_points(const char *text, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += starts_point(text[i]);
    return n;
}

size_t text_offset(const char *text, size_t size, size_t points)
{
    for (size_t i = 0; i < size; i++)
        if (starts_point(text[i]) && points-- == 0)
            return i;
    return size;
}
