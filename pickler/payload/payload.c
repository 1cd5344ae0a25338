/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Payloads as bytes (FORMAT.md). Packing is a function of the payload alone, and what
 * unpacks packs to the same bytes: one payload, one encoding, one hash. */
#include "pickler/payload/payload.h"

#include <errno.h>
#include <string.h>

#define MAGIC "ACHP"
#define MAGIC_SIZE 4
#define HEADER_SIZE (MAGIC_SIZE + 2)

enum section {
    SECTION_ENTRY = 1,
    SECTION_NAMES,
    SECTION_TYPES,
    SECTION_DEFINITIONS,
    SECTION_LIBRARIES,    /* absent when there are none */
    SECTION_VALUES,       /* absent when empty */
    SECTION_SITES,        /* absent when empty */
    SECTION_OUTS,         /* absent when empty */
    SECTION_SURROUNDINGS, /* absent when empty */
    SECTION_END
};

enum { RETURNS_STATE = 1, NEEDS_CC = 2, IS_HEAVY = 4, IS_PLAIN = 8, ALL_FLAGS = 15 };

static void strings_free(char **strings, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(strings[i]);
    free(strings);
}

void payload_drop_values(struct payload *payload)
{
    if (payload->values_release)
        payload->values_release(payload->values_owner);
    else
        free(payload->values);
    payload->values_release = NULL;
    payload->values_owner = NULL;
    payload->values = NULL;
}

void payload_free(struct payload *payload)
{
    if (!payload)
        return;
    for (size_t i = 0; i < payload->n_definitions; i++)
        definition_free(payload->definitions[i]);
    free(payload->definitions);
    strings_free(payload->names, payload->n_names);
    strings_free(payload->libraries, payload->n_libraries);
    for (size_t i = 0; i < payload->n_outs; i++)
        free(payload->outs[i].name);
    free(payload->outs);
    surroundings_clear(&payload->surroundings);
    types_clear(&payload->types);
    free(payload->entry_text);
    payload_drop_values(payload);
    free(payload->cuts);
    free(payload->sites);
    free(payload);
}

void payload_set_names(struct payload *payload, const char *const *names, size_t n)
{
    char **copies = must_alloc(n * sizeof(*copies));
    for (size_t i = 0; i < n; i++)
        copies[i] = must_strdup(names[i]);
    strings_free(payload->names, payload->n_names);
    payload->names = copies;
    payload->n_names = n;
}

void payload_add_out(struct payload *payload, const char *name, uint32_t type)
{
    payload->outs =
        must_realloc(payload->outs, payload->n_outs + 1, sizeof(*payload->outs));
    payload->outs[payload->n_outs++] =
        (struct payload_out){.name = must_strdup(name), .type = type};
}

bool payload_has_variable(const struct payload *payload, const char *name)
{
    for (size_t i = 0; i < payload->n_definitions; i++)
        if (payload->definitions[i]->kind == DEFINITION_VARIABLE &&
            !strcmp(payload->definitions[i]->name, name))
            return true;
    return false;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void payload_variables(const struct payload *payload, const char ***ret, size_t *ret_n)
{
    const char **names = must_alloc(payload->n_definitions * sizeof(*names));
    size_t n = 0;
    for (size_t i = 0; i < payload->n_definitions; i++)
        if (payload->definitions[i]->kind == DEFINITION_VARIABLE &&
            !definition_is_constant(payload->definitions[i]))
            names[n++] = payload->definitions[i]->name;
    qsort(names, n, sizeof(*names), compare_names);
    *ret = names;
    *ret_n = n;
}

/* --- packing --- */

static void pack_strings(struct buffer *out, char *const *strings, size_t n)
{
    pack_u64(out, n);
    for (size_t i = 0; i < n; i++)
        pack_string(out, strings[i]);
}

static void pack_sites(struct buffer *out, const struct allocation_site *sites, size_t n)
{
    pack_u64(out, n);
    for (size_t i = 0; i < n; i++) {
        pack_u64(out, sites[i].line);
        pack_u64(out, sites[i].type);
    }
}

static void pack_outs(struct buffer *out, const struct payload_out *outs, size_t n)
{
    pack_u64(out, n);
    for (size_t i = 0; i < n; i++) {
        pack_string(out, outs[i].name);
        pack_u64(out, outs[i].type);
    }
}

static void pack_section(const struct payload *payload, enum section section,
                         bool is_bare, struct buffer *out)
{
    switch (section) {
    case SECTION_ENTRY:
        pack_u64(out, payload->entry);
        pack_string(out, payload->entry_text);
        pack_u64(out, (payload->returns_state ? RETURNS_STATE : 0) |
                          (payload->needs_cc ? NEEDS_CC : 0) |
                          (payload->is_heavy ? IS_HEAVY : 0) |
                          (payload->is_plain ? IS_PLAIN : 0));
        pack_u64(out, payload->value_type);
        pack_u64(out, payload->in_type);
        pack_u64(out, payload->cell);
        return;
    case SECTION_NAMES:
        pack_strings(out, payload->names, payload->n_names);
        return;
    case SECTION_TYPES:
        types_pack(&payload->types, 0, out);
        return;
    case SECTION_DEFINITIONS:
        pack_u64(out, payload->n_definitions);
        for (size_t i = 0; i < payload->n_definitions; i++)
            definition_pack(payload->definitions[i], out);
        return;
    case SECTION_LIBRARIES:
        if (payload->n_libraries)
            pack_strings(out, payload->libraries, payload->n_libraries);
        return;
    case SECTION_SITES:
        if (payload->n_sites)
            pack_sites(out, payload->sites, payload->n_sites);
        return;
    case SECTION_OUTS:
        if (payload->n_outs)
            pack_outs(out, payload->outs, payload->n_outs);
        return;
    case SECTION_SURROUNDINGS:
        if (!surroundings_are_empty(&payload->surroundings))
            surroundings_pack(&payload->surroundings, is_bare, out);
        return;
    case SECTION_VALUES:
    case SECTION_END:
        return;
    }
}

static void add_section(struct buffer *out, enum section section, const void *data,
                        size_t size)
{
    if (!size)
        return;
    buffer_add_char(out, (char)section);
    pack_bytes(out, data, size);
}

static int check_sizes(const struct payload *payload, struct error *err)
{
    if (payload->n_definitions > PAYLOAD_DEFINITIONS_MAX)
        return error_set(err, -EFBIG, "the payload has %zu definitions, more than %d",
                         payload->n_definitions, PAYLOAD_DEFINITIONS_MAX);
    if (payload->n_names > PAYLOAD_NAMES_MAX)
        return error_set(err, -EFBIG, "the payload has %zu names, more than %d",
                         payload->n_names, PAYLOAD_NAMES_MAX);
    if (payload->n_libraries > PAYLOAD_LIBRARIES_MAX)
        return error_set(err, -EFBIG, "the payload needs %zu libraries, more than %d",
                         payload->n_libraries, PAYLOAD_LIBRARIES_MAX);
    if (payload->n_outs > PAYLOAD_NAMES_MAX)
        return error_set(err, -EFBIG, "the payload brings home %zu names, more than %d",
                         payload->n_outs, PAYLOAD_NAMES_MAX);
    if (payload->types.n > TYPES_MAX)
        return error_set(err, -EFBIG, "the payload has %zu types, more than %d",
                         payload->types.n, TYPES_MAX);
    return 0;
}

/* Of what payload_pack() would write; what goes into memory is known to be there. */
static int check_bulk(const struct payload *payload, struct error *err)
{
    uint64_t files = 0;
    for (size_t i = 0; i < payload->surroundings.n_files; i++)
        files += payload->surroundings.files[i].size;
    if (payload->values_size > PAYLOAD_SIZE_MAX)
        return error_set(err, -EFBIG, "the payload's state has %zu bytes, more than %zu",
                         payload->values_size, PAYLOAD_SIZE_MAX);
    if (files > PAYLOAD_SIZE_MAX)
        return error_set(err, -EFBIG,
                         "the payload's files have %llu bytes, more than %zu",
                         (unsigned long long)files, PAYLOAD_SIZE_MAX);
    return 0;
}

static int pack(const struct payload *payload, bool is_bare, struct buffer *out,
                struct error *err)
{
    int r = check_sizes(payload, err);
    if (r == 0 && !is_bare)
        r = check_bulk(payload, err);
    if (r < 0)
        return r;
    size_t start = out->size;
    buffer_add(out, MAGIC, MAGIC_SIZE);
    buffer_add_char(out, PAYLOAD_VERSION & 0xff);
    buffer_add_char(out, PAYLOAD_VERSION >> 8);
    for (int section = SECTION_ENTRY; section < SECTION_VALUES; section++) {
        CLEANUP(buffer_clear) struct buffer content = {0};
        pack_section(payload, (enum section)section, is_bare, &content);
        add_section(out, (enum section)section, content.data, content.size);
    }
    add_section(out, SECTION_VALUES, payload->values, is_bare ? 0 : payload->values_size);
    for (int section = SECTION_SITES; section < SECTION_END; section++) {
        CLEANUP(buffer_clear) struct buffer content = {0};
        pack_section(payload, (enum section)section, is_bare, &content);
        add_section(out, (enum section)section, content.data, content.size);
    }
    size_t size = out->size - start;
    if (size <= PAYLOAD_SIZE_MAX)
        return 0;
    out->size = start;
    out->data[start] = '\0';
    return error_set(err, -EFBIG, "the payload has %zu bytes, more than %zu", size,
                     PAYLOAD_SIZE_MAX);
}

int payload_pack(const struct payload *payload, struct buffer *out, struct error *err)
{
    return pack(payload, false, out, err);
}

int payload_pack_bare(const struct payload *payload, struct buffer *out,
                      struct error *err)
{
    return pack(payload, true, out, err);
}

/* --- unpacking --- */

static int damaged(struct error *err, const char *what)
{
    return error_set(err, -EBADMSG, "the payload is damaged: %s", what);
}

static char **unpack_strings(struct unpack *in, size_t max, size_t *ret_n)
{
    size_t n = unpack_count(in);
    if (in->failed || n > max) {
        in->failed = true;
        return NULL;
    }
    char **strings = must_alloc(n * sizeof(*strings));
    for (*ret_n = 0; *ret_n < n && !in->failed; (*ret_n)++) {
        strings[*ret_n] = unpack_string(in);
        if (!strings[*ret_n] || !*strings[*ret_n])
            in->failed = true;
    }
    return strings;
}

static void unpack_entry(struct unpack *in, struct payload *payload)
{
    payload->entry = (enum payload_entry)unpack_max(in, PAYLOAD_RANGE);
    payload->entry_text = unpack_string(in);
    uint64_t flags = unpack_max(in, ALL_FLAGS);
    payload->returns_state = flags & RETURNS_STATE;
    payload->needs_cc = flags & NEEDS_CC;
    payload->is_heavy = flags & IS_HEAVY;
    payload->is_plain = flags & IS_PLAIN;
    payload->value_type = (uint32_t)unpack_max(in, TYPES_MAX);
    payload->in_type = (uint32_t)unpack_max(in, TYPES_MAX);
    payload->cell = (uint32_t)unpack_max(in, UINT32_MAX);
}

static int unpack_definitions(struct unpack *in, struct payload *payload,
                              struct error *err)
{
    size_t n = unpack_count(in);
    if (in->failed || n > PAYLOAD_DEFINITIONS_MAX)
        return damaged(err, "the number of definitions");
    payload->definitions = must_alloc(n * sizeof(*payload->definitions));
    while (payload->n_definitions < n) {
        struct definition *definition = NULL;
        int r = definition_unpack(in, &definition, NULL);
        if (r < 0)
            return damaged(err, "a definition cannot be read");
        payload->definitions[payload->n_definitions++] = definition;
    }
    return 0;
}

static void unpack_sites(struct unpack *in, struct payload *payload)
{
    size_t n = unpack_count(in);
    payload->sites = must_alloc((n + 1) * sizeof(*payload->sites));
    for (; payload->n_sites < n && !in->failed; payload->n_sites++)
        payload->sites[payload->n_sites] =
            (struct allocation_site){.line = (uint32_t)unpack_max(in, UINT32_MAX),
                                     .type = (uint32_t)unpack_max(in, TYPES_MAX)};
    in->failed |= !n;
}

static void unpack_outs(struct unpack *in, struct payload *payload)
{
    size_t n = unpack_count(in);
    in->failed |= !n || n > PAYLOAD_NAMES_MAX;
    for (size_t i = 0; i < n && !in->failed; i++) {
        CLEANUP(freep) char *name = unpack_string(in);
        uint32_t type = (uint32_t)unpack_max(in, TYPES_MAX);
        in->failed |= !name || !*name;
        if (!in->failed)
            payload_add_out(payload, name, type);
    }
}

static int unpack_section(struct payload *payload, enum section section, const void *data,
                          size_t size, struct error *err)
{
    struct unpack in = unpack_init(data, size);
    int r = 0;
    switch (section) {
    case SECTION_ENTRY:
        unpack_entry(&in, payload);
        break;
    case SECTION_NAMES:
        payload->names = unpack_strings(&in, PAYLOAD_NAMES_MAX, &payload->n_names);
        break;
    case SECTION_TYPES:
        r = types_unpack(&payload->types, &in, NULL);
        break;
    case SECTION_DEFINITIONS:
        r = unpack_definitions(&in, payload, err);
        break;
    case SECTION_LIBRARIES:
        payload->libraries =
            unpack_strings(&in, PAYLOAD_LIBRARIES_MAX, &payload->n_libraries);
        if (!payload->n_libraries)
            in.failed = true;
        break;
    case SECTION_VALUES:
        payload->values = malloc(size + 1);
        if (!payload->values)
            return error_set(err, -ENOMEM, "no memory for %zu bytes of state", size);
        memcpy(payload->values, data, size);
        payload->values_size = size;
        return 0;
    case SECTION_SITES:
        unpack_sites(&in, payload);
        break;
    case SECTION_OUTS:
        unpack_outs(&in, payload);
        break;
    case SECTION_SURROUNDINGS:
        surroundings_unpack(&in, &payload->surroundings);
        break;
    case SECTION_END:
        break;
    }
    static const char *const names[] = {
        [SECTION_ENTRY] = "its entry",
        [SECTION_NAMES] = "its names",
        [SECTION_TYPES] = "its types",
        [SECTION_DEFINITIONS] = "its definitions",
        [SECTION_LIBRARIES] = "its libraries",
        [SECTION_VALUES] = "its state",
        [SECTION_SITES] = "its sites",
        [SECTION_OUTS] = "what it brings home",
        [SECTION_SURROUNDINGS] = "the surroundings of its tasks",
    };
    if (r == 0 && unpack_done(&in))
        return 0;
    return damaged(err, names[section]);
}

/* Sections stand in order, each at most once, the first four always. */
static int unpack_sections(struct payload *payload, struct unpack *in, struct error *err)
{
    int last = 0;
    while (in->at < in->end) {
        int section = *in->at++;
        size_t size = 0;
        const void *data = unpack_bytes(in, &size);
        if (in->failed || !size)
            return damaged(err, "it is cut short");
        if (section <= last || section >= SECTION_END ||
            (section <= SECTION_DEFINITIONS && section != last + 1))
            return damaged(err, "its sections are not in order");
        last = section;
        int r = unpack_section(payload, (enum section)section, data, size, err);
        if (r < 0)
            return r;
    }
    return last < SECTION_DEFINITIONS ? damaged(err, "a section is missing") : 0;
}

static bool is_definition_sound(const struct payload *payload, size_t i)
{
    const struct definition *definition = payload->definitions[i];
    if (definition->id != i + 1 || definition->type >= payload->types.n ||
        definition->is_stale)
        return false;
    for (size_t k = 0; k < definition->n_refs; k++)
        if (definition->refs[k] == definition->id ||
            definition->refs[k] > payload->n_definitions)
            return false;
    for (size_t k = 0; k < definition->n_sites; k++)
        if (definition->sites[k].type >= payload->types.n)
            return false;
    if (definition->kind == DEFINITION_LINK)
        return true;
    return definition->source && *definition->source;
}

static bool is_entry_sound(const struct payload *payload)
{
    bool has_text = payload->entry_text && *payload->entry_text;
    if (payload->value_type >= payload->types.n || payload->in_type >= payload->types.n)
        return false;
    switch (payload->entry) {
    case PAYLOAD_NONE:
        return !payload->entry_text && !payload->value_type && !payload->in_type;
    case PAYLOAD_CALL:
        return has_text && !payload->in_type;
    case PAYLOAD_MAP:
        return has_text && payload->value_type && payload->in_type;
    case PAYLOAD_RANGE:
        return has_text && !payload->value_type && !payload->in_type;
    }
    return false;
}

/* What one section says about another. */
static int check_whole(const struct payload *payload, struct error *err)
{
    if (!is_entry_sound(payload))
        return damaged(err, "its entry does not fit the rest");
    for (size_t i = 0; i < payload->n_outs; i++)
        if (payload->outs[i].type >= payload->types.n ||
            !payload_has_variable(payload, payload->outs[i].name) ||
            (payload->entry == PAYLOAD_RANGE) != (payload->outs[i].type != 0))
            return damaged(err, "what it brings home does not fit the rest");
    for (size_t i = 0; i < payload->n_sites; i++)
        if (payload->sites[i].type >= payload->types.n)
            return damaged(err, "a site of the entry does not fit the rest");
    for (size_t i = 0; i < payload->n_definitions; i++)
        if (!is_definition_sound(payload, i))
            return damaged(err, "a definition does not fit the rest");
    for (size_t i = 1; i < payload->types.n; i++)
        if (payload->types.at[i]->definition > payload->n_definitions)
            return damaged(err, "a type does not fit the definitions");
    return 0;
}

int payload_unpack(const void *data, size_t size, struct payload **ret, struct error *err)
{
    const uint8_t *bytes = data;
    if (size < HEADER_SIZE || memcmp(bytes, MAGIC, MAGIC_SIZE) != 0)
        return error_set(err, -EBADMSG,
                         "it is not a payload: it does not start with '%s'", MAGIC);
    if (size > PAYLOAD_SIZE_MAX)
        return error_set(err, -EBADMSG, "the payload has %zu bytes, more than %zu", size,
                         PAYLOAD_SIZE_MAX);
    unsigned version = bytes[MAGIC_SIZE] | (unsigned)bytes[MAGIC_SIZE + 1] << 8;
    if (version != PAYLOAD_VERSION)
        return error_set(err, -EBADMSG,
                         "the payload has format version %u; this reads %u", version,
                         PAYLOAD_VERSION);
    CLEANUP(payload_freep) struct payload *payload = must_alloc(sizeof(*payload));
    types_init(&payload->types);
    struct unpack in = unpack_init(bytes + HEADER_SIZE, size - HEADER_SIZE);
    int r = unpack_sections(payload, &in, err);
    if (r == 0)
        r = check_whole(payload, err);
    if (r < 0)
        return r;
    *ret = TAKE(payload);
    return 0;
}
