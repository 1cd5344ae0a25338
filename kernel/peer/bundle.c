/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/peer/bundle.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static void clear_part(struct bundle_part *part)
{
    free(part->mime);
    buffer_clear(&part->data);
    free(part->metadata);
}

void bundle_clear(struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->n_parts; i++)
        clear_part(&bundle->parts[i]);
    free(bundle->parts);
    free(bundle->id);
    *bundle = (struct bundle){0};
}

void bundle_move(struct bundle *to, struct bundle *from)
{
    bundle_clear(to);
    *to = *from;
    *from = (struct bundle){0};
}

/* type/subtype of RFC 6838, with parameters allowed. */
static bool is_mime(const char *text)
{
    size_t size = text ? strnlen(text, BUNDLE_MIME_MAX + 1) : 0;
    const char *slash = size ? strchr(text, '/') : NULL;
    if (!slash || slash == text || !slash[1] || size > BUNDLE_MIME_MAX)
        return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("/.+-_;= \"!#$&^", *c))
            return false;
    return true;
}

static struct bundle_part *find_part(const struct bundle *bundle, const char *mime)
{
    for (size_t i = 0; i < bundle->n_parts; i++)
        if (!strcmp(bundle->parts[i].mime, mime))
            return &bundle->parts[i];
    return NULL;
}

static struct bundle_part *add_part(struct bundle *bundle, char *mime)
{
    GROW(bundle->parts, bundle->n_parts, bundle->capacity);
    struct bundle_part *part = &bundle->parts[bundle->n_parts++];
    *part = (struct bundle_part){.mime = mime};
    return part;
}

bool bundle_add(struct bundle *bundle, const char *mime, const void *data, size_t size)
{
    if (!is_mime(mime) || size > BUNDLE_SIZE_MAX - bundle_size(bundle))
        return false;
    struct bundle_part *part = find_part(bundle, mime);
    if (!part && bundle->n_parts == BUNDLE_PARTS_MAX)
        return false;
    if (!part)
        part = add_part(bundle, must_strdup(mime));
    buffer_add(&part->data, data, size);
    return true;
}

bool bundle_add_all(struct bundle *bundle, const struct bundle *from)
{
    for (size_t i = 0; i < from->n_parts; i++) {
        const struct bundle_part *part = &from->parts[i];
        if (!bundle_add(bundle, part->mime, part->data.data, part->data.size) ||
            (part->metadata && !bundle_set_metadata(bundle, part->mime, part->metadata)))
            return false;
    }
    return true;
}

bool bundle_add_text(struct bundle *bundle, const char *mime, const char *text)
{
    return bundle_add(bundle, mime, text, strlen(text));
}

bool bundle_set_metadata(struct bundle *bundle, const char *mime, const char *json)
{
    struct bundle_part *part = mime ? find_part(bundle, mime) : NULL;
    if (!part)
        return false;
    free(part->metadata);
    part->metadata = must_strdup(json);
    return true;
}

const struct bundle_part *bundle_find(const struct bundle *bundle, const char *mime)
{
    return find_part(bundle, mime);
}

char *bundle_take_text(struct bundle *bundle)
{
    struct bundle_part *part = find_part(bundle, "text/plain");
    if (!part)
        return NULL;
    char *text = buffer_take(&part->data);
    clear_part(part);
    memmove(part, part + 1,
            (size_t)(bundle->parts + --bundle->n_parts - part) * sizeof(*part));
    return text;
}

size_t bundle_size(const struct bundle *bundle)
{
    size_t size = 0;
    for (size_t i = 0; i < bundle->n_parts; i++)
        size += bundle->parts[i].data.size;
    return size;
}

void bundle_pack(const struct bundle *bundle, struct buffer *out)
{
    pack_u64(out, bundle->action);
    pack_string(out, bundle->id);
    pack_u64(out, bundle->n_parts);
    for (size_t i = 0; i < bundle->n_parts; i++) {
        const struct bundle_part *part = &bundle->parts[i];
        pack_string(out, part->mime);
        pack_bytes(out, part->data.data, part->data.size);
        pack_string(out, part->metadata);
    }
}

int bundle_unpack(struct unpack *in, struct bundle *ret, struct error *err)
{
    struct bundle bundle = {
        .action = (enum bundle_action)unpack_max(in, BUNDLE_ACTION_COUNT - 1)};
    bundle.id = unpack_string(in);
    size_t n = (size_t)unpack_max(in, BUNDLE_PARTS_MAX);
    for (size_t i = 0; i < n && !in->failed; i++) {
        struct bundle_part *part = add_part(&bundle, unpack_string(in));
        size_t size = 0;
        const void *data = unpack_bytes(in, &size);
        part->metadata = unpack_string(in);
        in->failed |= !is_mime(part->mime) || size > BUNDLE_SIZE_MAX ||
                      bundle_size(&bundle) > BUNDLE_SIZE_MAX - size;
        if (!in->failed)
            buffer_add(&part->data, data, size);
    }
    if (in->failed) {
        bundle_clear(&bundle);
        return error_set(err, -EBADMSG, "what is to be shown cannot be read");
    }
    *ret = bundle;
    return 0;
}
