/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/handlers/mime.h"

#include <errno.h>
#include <string.h>

#include "kernel/wire/message.h"
#include "kernel/wire/text.h"

static bool ends_with(const char *text, size_t size, const char *end)
{
    size_t n = strlen(end);
    return size >= n && !memcmp(text + size - n, end, n);
}

/* Without parameters: "text/html; charset=utf-8" is text/html. */
static size_t essence(const char *mime)
{
    return strcspn(mime, "; ");
}

static bool is_json(const char *mime)
{
    size_t size = essence(mime);
    return ends_with(mime, size, "/json") || ends_with(mime, size, "+json");
}

static bool is_text(const char *mime)
{
    size_t size = essence(mime);
    return !strncmp(mime, "text/", 5) || ends_with(mime, size, "/xml") ||
           ends_with(mime, size, "+xml") || ends_with(mime, size, "/javascript");
}

static json_t *base64(const struct buffer *data)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = (const unsigned char *)data->data;
    CLEANUP(freep) char *text = must_alloc((data->size + 2) / 3 * 4 + 1);
    char *to = text;
    for (size_t at = 0; at < data->size; at += 3) {
        size_t left = data->size - at;
        unsigned group = (unsigned)bytes[at] << 16;
        group |= left > 1 ? (unsigned)bytes[at + 1] << 8 : 0;
        group |= left > 2 ? bytes[at + 2] : 0;
        *to++ = digits[group >> 18];
        *to++ = digits[group >> 12 & 63];
        *to++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[group & 63] : '=';
    }
    return json_stringn_nocheck(text, (size_t)(to - text));
}

static json_t *parse(const char *what, const char *mime, const char *text, size_t size,
                     struct error *problem)
{
    json_error_t why;
    json_t *value = json_loadb(text ? text : "", size,
                               JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    if (!value && problem && !problem->code)
        error_set(problem, -EINVAL, "the %s of '%s' is not JSON: line %d, column %d: %s",
                  what, mime, why.line, why.column, why.text);
    return value;
}

static json_t *part_value(const struct bundle_part *part, struct error *problem)
{
    if (is_json(part->mime))
        return parse("data", part->mime, part->data.data, part->data.size, problem);
    if (!is_text(part->mime))
        return base64(&part->data);
    CLEANUP(buffer_clear) struct buffer valid = {0};
    struct text_cleaner cleaner = {0};
    text_cleaner_add(&cleaner, buffer_string(&part->data), part->data.size, &valid);
    text_cleaner_end(&cleaner, &valid);
    return json_stringn_nocheck(buffer_string(&valid), valid.size);
}

json_t *mime_data(const struct bundle *bundle, struct error *problem)
{
    json_t *data = json_object();
    for (size_t i = 0; i < bundle->n_parts; i++) {
        json_t *value = part_value(&bundle->parts[i], problem);
        if (value)
            json_object_set_new(data, bundle->parts[i].mime, value);
    }
    return data;
}

json_t *mime_metadata(const struct bundle *bundle, struct error *problem)
{
    json_t *metadata = json_object();
    for (size_t i = 0; i < bundle->n_parts; i++) {
        const struct bundle_part *part = &bundle->parts[i];
        json_t *value = part->metadata ? parse("metadata", part->mime, part->metadata,
                                               strlen(part->metadata), problem)
                                       : NULL;
        if (value)
            json_object_set_new(metadata, part->mime, value);
    }
    return metadata;
}
