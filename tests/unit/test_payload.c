/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/payload/payload.h"

#include <errno.h>

#include "tests/unit/check.h"
#include "tests/unit/example.h"

/* A session of a few cells: redefined macros, mutual recursion, a static local, a type.
 */
struct session {
    struct graph *graph;
    struct types types;
    uint32_t int_type, point_type, pointer_type, function_type;
    uint32_t include, old_scale, new_scale, point, origin, count, half, even, odd, area;
};

static uint32_t define(struct session *s, enum definition_kind kind, const char *name,
                       const char *source, const char *declaration, uint32_t cell,
                       const uint32_t *refs, size_t n_refs)
{
    struct definition *d = must_alloc(sizeof(*d));
    d->id = graph_next_id(s->graph);
    d->kind = kind;
    d->name = must_strdup(name);
    d->source = must_strdup(source);
    d->declaration = must_strdup(declaration);
    d->cell = cell;
    d->line = 1;
    d->column = 5;
    for (size_t i = 0; i < n_refs; i++)
        definition_add_ref(d, refs[i]);
    if (kind == DEFINITION_FUNCTION)
        d->type = s->function_type;
    if (kind == DEFINITION_VARIABLE)
        d->type = strcmp(name, "origin") == 0 ? s->point_type : s->int_type;
    graph_add(s->graph, d);
    return graph_next_id(s->graph) - 1;
}

#define REFS(...) (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / 4

static void add_types(struct session *s)
{
    types_init(&s->types);
    struct type integer = {.kind = TYPE_INT, .spelling = must_strdup("int")};
    s->int_type = types_add(&s->types, &integer);
    struct type function = {.kind = TYPE_FUNCTION,
                            .spelling = must_strdup("int (int)"),
                            .target = s->int_type,
                            .n_fields = 1};
    function.fields = must_alloc(sizeof(*function.fields));
    function.fields[0] =
        (struct type_field){.name = must_strdup("n"), .type = s->int_type, .bits = -1};
    s->function_type = types_add(&s->types, &function);
    struct type point = {
        .kind = TYPE_STRUCT, .spelling = must_strdup("struct point"), .n_fields = 3};
    point.fields = must_alloc(3 * sizeof(*point.fields));
    static const char *const names[] = {"x", "y", "SCALE"};
    for (int i = 0; i < 3; i++)
        point.fields[i] = (struct type_field){
            .name = must_strdup(names[i]), .type = s->int_type, .bits = i == 1 ? 4 : -1};
    s->point_type = types_add(&s->types, &point);
}

static void session_init(struct session *s)
{
    *s = (struct session){.graph = graph_new()};
    add_types(s);
    s->include = define(s, DEFINITION_INCLUDE, "<stdio.h>", "#include <stdio.h>", NULL, 1,
                        NULL, 0);
    s->point = define(s, DEFINITION_TYPE, "struct point",
                      "struct point { int x, y : 4; int SCALE; };", NULL, 1, NULL, 0);
    types_edit(&s->types, s->point_type)->definition = s->point;
    s->old_scale =
        define(s, DEFINITION_MACRO, "SCALE", "#define SCALE 10", NULL, 2, NULL, 0);
    s->half = define(s, DEFINITION_FUNCTION, "scaled",
                     "int scaled(int n) { return n * SCALE; }", "int scaled(int n);", 2,
                     REFS(s->old_scale));
    s->new_scale =
        define(s, DEFINITION_MACRO, "SCALE", "#define SCALE 1000", NULL, 3, NULL, 0);
    s->origin =
        define(s, DEFINITION_VARIABLE, "origin", "struct point origin = {1, 2, 3};",
               "extern struct point origin;", 4, REFS(s->point));
    s->count = define(s, DEFINITION_VARIABLE, "even__calls", "int even__calls = 40;",
                      "extern int even__calls;", 5, NULL, 0);
    s->even = graph_next_id(s->graph) + 1;
    s->odd = define(s, DEFINITION_FUNCTION, "odd",
                    "int odd(int n) { return n == 0 ? 0 : even(n - 1); }",
                    "int odd(int n);", 5, REFS(s->even));
    s->even = define(s, DEFINITION_FUNCTION, "even",
                     "int even(int n) { even__calls++; return n == 0 ? 1 : odd(n - 1); }",
                     "int even(int n);", 5, REFS(s->odd, s->count));
    s->area = define(s, DEFINITION_FUNCTION, "area",
                     "int area(int n) { printf(\"%d\\n\", n); return scaled(n) + SCALE + "
                     "even(4) + origin.x; }",
                     "int area(int n);", 6,
                     REFS(s->include, s->half, s->new_scale, s->even, s->origin));
}

static void session_clear(struct session *s)
{
    graph_free(s->graph);
    types_clear(&s->types);
}

static struct payload *capture(const struct session *s)
{
    struct payload *payload = NULL;
    struct error err = {0};
    CHECK_OK(payload_new(s->graph, &s->types, &s->area, 1, &payload, &err), err);
    payload->entry = PAYLOAD_CALL;
    payload->entry_text = must_strdup(
        "int achar_value; void achar_entry(void) { achar_value = area(2) + SCALE; }");
    payload->value_type = types_import(&payload->types, &s->types, s->int_type);
    payload->cell = 7;
    payload->libraries = must_alloc(sizeof(char *));
    payload->libraries[payload->n_libraries++] = must_strdup("libm.so.6");
    payload->values = must_strdup("not looked at");
    payload->values_size = strlen(payload->values);
    return payload;
}

static struct buffer packed(const struct payload *payload)
{
    struct buffer out = {0};
    struct error err = {0};
    CHECK_OK(payload_pack(payload, &out, &err), err);
    return out;
}

static bool is_equal(const struct buffer *a, const void *data, size_t size)
{
    return a->size == size && memcmp(a->data, data, size) == 0;
}

static void test_capture(const struct session *s)
{
    CLEANUP(payload_freep) struct payload *payload = capture(s);
    CHECK_INT(payload->n_definitions, graph_count(s->graph));
    CHECK_INT(payload->n_names, 1);
    CHECK_STRING(payload->names[0], "area");
    for (size_t i = 0; i < payload->n_definitions; i++)
        CHECK_INT(payload->definitions[i]->id, i + 1);
    const char **variables;
    size_t n;
    payload_variables(payload, &variables, &n);
    CHECK_INT(n, 2);
    CHECK_STRING(variables[0], "even__calls");
    CHECK_STRING(variables[1], "origin");
    free(variables);
}

static void test_round_trip(const struct session *s)
{
    CLEANUP(payload_freep) struct payload *payload = capture(s), *again = capture(s);
    CLEANUP(buffer_clear) struct buffer a = packed(payload), b = packed(again);
    CHECK(is_equal(&a, b.data, b.size));
    CLEANUP(payload_freep) struct payload *back = NULL;
    struct error err = {0};
    CHECK_OK(payload_unpack(a.data, a.size, &back, &err), err);
    CLEANUP(buffer_clear) struct buffer c = packed(back);
    CHECK(is_equal(&a, c.data, c.size));
    CHECK_STRING(back->entry_text, payload->entry_text);
    CHECK_STRING(back->libraries[0], "libm.so.6");
    CHECK_INT(back->values_size, payload->values_size);
    uint8_t x[PAYLOAD_HASH_SIZE], y[PAYLOAD_HASH_SIZE];
    payload_hash(a.data, a.size, x);
    payload_hash(c.data, c.size, y);
    CHECK(memcmp(x, y, sizeof(x)) == 0);
}

static void check_bytes(const char *data, size_t size, bool is_whole)
{
    CLEANUP(payload_freep) struct payload *payload = NULL;
    struct error err = {0};
    int r = payload_unpack(data, size, &payload, &err);
    if (r < 0) {
        CHECK_INT(r, -EBADMSG);
        CHECK(err.text[0]);
        return;
    }
    CHECK(is_whole);
    CLEANUP(buffer_clear) struct buffer again = packed(payload);
    CHECK(is_equal(&again, data, size));
    CLEANUP(buffer_clear) struct buffer text = {0};
    CHECK_OK(payload_unit(payload, NULL, &text, &err), err);
}

/* Whatever is read packs to the same bytes again, or is refused. */
static void test_damage(const struct session *s)
{
    CLEANUP(payload_freep) struct payload *payload = capture(s);
    CLEANUP(buffer_clear) struct buffer whole = packed(payload);
    /* Without libraries and state, which a payload may end before. */
    size_t required = whole.size - (2 + payload->values_size) - (2 + 1 + 1 + 9);
    for (size_t n = 0; n < whole.size; n++) {
        CLEANUP(freep) char *cut = must_strndup("", 0);
        cut = must_realloc(cut, n + 1, 1);
        memcpy(cut, whole.data, n);
        check_bytes(cut, n, n == required || n == whole.size - 2 - payload->values_size);
    }
    uint32_t random = 12345;
    for (int round = 0; round < 20000; round++) {
        CLEANUP(freep) char *copy = must_realloc(NULL, whole.size, 1);
        memcpy(copy, whole.data, whole.size);
        for (int i = 0; i <= round % 3; i++) {
            random = random * 1664525u + 1013904223u;
            size_t at =
                round < 6000 ? (size_t)round / 3 % whole.size : random / 7 % whole.size;
            copy[at] = (char)(random >> 24);
        }
        check_bytes(copy, whole.size, true);
    }
}

static void test_refusals(const struct session *s)
{
    struct error err = {0};
    struct payload *payload = NULL;
    struct session t = *s;
    uint32_t missing =
        define(&t, DEFINITION_FUNCTION, "missing", NULL, "int missing(int);", 8, NULL, 0);
    uint32_t user =
        define(&t, DEFINITION_FUNCTION, "user", "int user(int n) { return missing(n); }",
               "int user(int n);", 8, REFS(missing));
    CHECK_INT(payload_new(s->graph, &s->types, &user, 1, &payload, &err), -EINVAL);
    CHECK(strstr(err.text,
                 "'missing' is declared in In[8] but not defined (user -> missing)"));

    uint32_t point = define(&t, DEFINITION_TYPE, "struct point",
                            "struct point { int z; };", NULL, 9, NULL, 0);
    uint32_t both =
        define(&t, DEFINITION_FUNCTION, "both",
               "int both(int n) { struct point p = {n}; return p.z + origin.x; }",
               "int both(int n);", 9, REFS(point, s->origin));
    err = (struct error){0};
    CHECK_INT(payload_new(s->graph, &s->types, &both, 1, &payload, &err), -EINVAL);
    CHECK(strstr(err.text, "two versions of 'struct point'"));
    CHECK(strstr(err.text, "In[1] (both -> origin -> struct point)"));

    /* The same text again is not another version. */
    uint32_t same =
        define(&t, DEFINITION_TYPE, "struct point",
               "struct point { int x, y : 4; int SCALE; };", NULL, 10, NULL, 0);
    uint32_t fine = define(&t, DEFINITION_FUNCTION, "fine",
                           "int fine(int n) { struct point p = origin; return p.x + n; }",
                           "int fine(int n);", 10, REFS(same, s->origin));
    err = (struct error){0};
    CHECK_OK(payload_new(s->graph, &s->types, &fine, 1, &payload, &err), err);
    CHECK_INT(payload->n_definitions, 3);
    payload_free(payload);
    uint32_t nothing = 999999;
    CHECK_INT(payload_new(s->graph, &s->types, &nothing, 1, &payload, &err), -EINVAL);
}

static const char *const program_end =
    "\nint main(void) { unsigned long long t[8]; extern void achar_entry(void);\n"
    "achar_entry(); achar_layout_%u(t); printf(\"%%d %%d %%llu %%llu\\n\", achar_value, "
    "even__calls, t[0], t[4]); return 0; }\n";

/* What the unit computes when a compiler and linker get it. */
static void test_unit(const struct session *s, const char *compiler)
{
    CLEANUP(payload_freep) struct payload *payload = capture(s);
    CLEANUP(buffer_clear) struct buffer text = {0}, output = {0};
    struct error err = {0};
    CHECK_OK(payload_unit(payload, NULL, &text, &err), err);
    uint32_t point = 0;
    for (uint32_t i = 1; i < payload->types.n; i++)
        if (payload->types.at[i]->kind == TYPE_STRUCT)
            point = i;
    buffer_format(&text, program_end, point);
    char path[] = "/tmp/achar-test-payload-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, text.data, text.size) == (ssize_t)text.size);
    close(fd);
    CLEANUP(freep)
    char *command =
        must_format("%s -o %s.out -x c %s 2>&1 && %s.out", compiler, path, path, path);
    FILE *pipe = popen(command, "r");
    char line[4096];
    while (pipe && fgets(line, sizeof(line), pipe))
        buffer_add_string(&output, line);
    CHECK_INT(pipe ? pclose(pipe) : -1, 0);
    /* 2 * 10 (the old SCALE) + 1000 + even(4) + origin.x + 1000; even ran 3 times; the
     * member called SCALE is at offset 8 of 12. */
    CHECK_STRING(buffer_string(&output), "2\n2022 43 12 8\n");
    unlink(path);
    CLEANUP(freep) char *program = must_format("%s.out", path);
    unlink(program);
}

/* The payload that FORMAT.md shows byte by byte. */
static void test_example(const char *format)
{
    struct payload payload = {.cell = 2};
    types_init(&payload.types);
    struct type integer = {.kind = TYPE_INT, .spelling = must_strdup("int")};
    uint32_t int_type = types_add(&payload.types, &integer);
    struct type function = {.kind = TYPE_FUNCTION,
                            .spelling = must_strdup("int (int)"),
                            .target = int_type,
                            .n_fields = 1};
    function.fields = must_alloc(sizeof(*function.fields));
    function.fields[0] =
        (struct type_field){.name = must_strdup("n"), .type = int_type, .bits = -1};
    struct definition twice = {
        .id = 1,
        .kind = DEFINITION_FUNCTION,
        .name = (char *)"twice",
        .source = (char *)"int twice(int n) { return 2 * n; }",
        .declaration = (char *)"int twice(int n);",
        .cell = 2,
        .line = 1,
        .column = 5,
        .type = types_add(&payload.types, &function),
    };
    struct definition *definitions[] = {&twice};
    payload.definitions = definitions;
    payload.n_definitions = 1;
    payload_set_names(&payload, (const char *const[]){"twice"}, 1);
    CLEANUP(buffer_clear) struct buffer bytes = packed(&payload);
    CLEANUP(buffer_clear)
    struct buffer expected = example_read(format, "Example payload");
    CHECK(is_equal(&bytes, expected.data, expected.size));
    for (size_t i = 0; !expected.size && i < bytes.size; i++)
        fprintf(stderr, "%02x ", (unsigned char)bytes.data[i]);
    check_bytes(expected.data, expected.size, true);
    payload_set_names(&payload, NULL, 0);
    free(payload.names);
    types_clear(&payload.types);
}

int main(int argc, char **argv)
{
    struct session session;
    CHECK_INT(argc, 2);
    test_example(argv[1]);
    session_init(&session);
    test_capture(&session);
    test_round_trip(&session);
    test_damage(&session);
    test_unit(&session, "cc -w");
    test_refusals(&session);
    session_clear(&session);
    return check_status();
}
