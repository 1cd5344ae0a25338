/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `achar inspect`: what is in a payload file, without running any of it. */
#include <stdio.h>
#include <string.h>

#include "kernel/app/command.h"
#include "kernel/app/payload_file.h"
#include "pickler/value/value.h"

static const char *spelling(const struct types *types, uint32_t id)
{
    const char *text = types_get(types, id)->spelling;
    return text && *text ? text : "?";
}

static void print_signer(const struct payload_file *file)
{
    char hex[SIGN_HEX_SIZE];
    sign_key_to_hex(file->signer, hex);
    if (file->signer_name)
        printf("signed by    %s (%s)\n", hex, file->signer_name);
    else
        printf(
            "signed by    %s (NOT TRUSTED: it will not be run; if you know whose key it "
            "is: achar key --trust %s NAME)\n",
            hex, hex);
}

static void print_strings(const char *title, char *const *strings, size_t n)
{
    printf("%-12s ", title);
    for (size_t i = 0; i < n; i++)
        printf("%s%s", i ? ", " : "", strings[i]);
    puts(n ? "" : "none");
}

static void print_entry(const struct payload *payload)
{
    const struct types *types = &payload->types;
    switch (payload->entry) {
    case PAYLOAD_NONE:
        puts("entry        none: functions and variables");
        return;
    case PAYLOAD_CALL:
        printf("entry        call -> %s", spelling(types, payload->value_type));
        break;
    case PAYLOAD_RANGE:
        printf("entry        for each index");
        break;
    case PAYLOAD_MAP:
        printf("entry        map %s -> %s", spelling(types, payload->in_type),
               spelling(types, payload->value_type));
        break;
    }
    if (payload->cell)
        printf(", In[%u]", payload->cell);
    puts(payload->returns_state ? ", returns the state it changes" : "");
}

static void print_definitions(const struct payload *payload)
{
    printf("definitions  %zu%s\n", payload->n_definitions,
           payload->needs_cc ? " (need gcc or clang)" : "");
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const struct definition *d = payload->definitions[i];
        CLEANUP(freep)
        char *place =
            d->cell ? must_format("In[%u]:%u", d->cell, d->line) : must_strdup("-");
        size_t size = d->source ? strlen(d->source) : 0;
        printf("  %-9s %-24s %-10s %6zu bytes", definition_kind_name(d->kind), d->name,
               place, size);
        if (d->kind == DEFINITION_VARIABLE || d->kind == DEFINITION_FUNCTION)
            printf("  %s", spelling(&payload->types, d->type));
        putchar('\n');
    }
}

static void print_types(const struct payload *payload)
{
    const struct types *types = &payload->types;
    puts("types");
    for (uint32_t id = 1; id < types->n; id++) {
        const struct type *type = types_get(types, id);
        if (type_is_record(type) && type->is_incomplete)
            printf("  %s (incomplete)\n", spelling(types, id));
        else if (type_is_record(type))
            printf("  %s, %zu members\n", spelling(types, id), type->n_fields);
        else if (type->kind == TYPE_ENUM)
            printf("  %s, %zu enumerators\n", spelling(types, id), type->n_enumerators);
    }
}

static int print_state(const struct payload *payload, struct error *err)
{
    struct types types = {0};
    struct value_root_info *roots = NULL;
    size_t n = 0;
    printf("state        %zu bytes\n", payload->values_size);
    if (!payload->values_size)
        return 0;
    int r = value_types(payload->values, payload->values_size, &types, err);
    if (r == 0)
        r = value_roots(payload->values, payload->values_size, &roots, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++) {
        printf("  %-24s %-20s", roots[i].name, spelling(&types, roots[i].type));
        if (roots[i].count != 1)
            printf(" x %llu", (unsigned long long)roots[i].count);
        printf(" %6llu bytes\n", (unsigned long long)roots[i].bytes);
    }
    if (r == 0)
        value_roots_free(roots, n);
    types_clear(&types);
    return r;
}

static int print_source(const struct payload *payload, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    struct types no_layouts;
    types_init(&no_layouts);
    int r = payload_unit(payload, &no_layouts, &text, err);
    types_clear(&no_layouts);
    if (r == 0)
        fputs(buffer_string(&text), stdout);
    return r;
}

static int print_manifest(const char *path, const struct payload_file *file,
                          struct error *err)
{
    const struct payload *payload = file->payload;
    printf("%s: %zu bytes, format version %d\n", path, file->bytes.size, PAYLOAD_VERSION);
    print_signer(file);
    print_strings("names", payload->names, payload->n_names);
    print_entry(payload);
    print_strings("libraries", payload->libraries, payload->n_libraries);
    print_definitions(payload);
    print_types(payload);
    return print_state(payload, err);
}

static int run(int argc, char **argv)
{
    const char *path = NULL;
    bool wants_source = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--source") == 0) {
            wants_source = true;
        } else if (argv[i][0] == '-' || path) {
            fprintf(stderr, "achar inspect: unknown argument '%s'\n", argv[i]);
            return COMMAND_USAGE;
        } else {
            path = argv[i];
        }
    }
    if (!path) {
        fprintf(stderr, "achar inspect: a payload file is needed\n");
        return COMMAND_USAGE;
    }
    CLEANUP(payload_file_clear) struct payload_file file = {0};
    struct error err = {0};
    int r = payload_file_open(path, false, &file, &err);
    if (r == 0)
        r = wants_source ? print_source(file.payload, &err)
                         : print_manifest(path, &file, &err);
    if (r < 0)
        fprintf(stderr, "achar inspect: '%s': %s\n", path, err.text);
    return r < 0 ? 1 : 0;
}

const struct command command_inspect = {
    .name = "inspect",
    .summary = "show what a payload file holds, without running it",
    .usage = "FILE.achar [--source]\n"
             "\n"
             "  --source    print the C text instead of the manifest",
    .run = run,
};
