/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/app/run_entry.h"

#include <errno.h>

#include "tests/unit/check.h"

static uint32_t make(struct types *types, enum type_kind kind, const char *spelling,
                     uint32_t target)
{
    struct type type = {
        .kind = kind, .spelling = must_strdup(spelling), .target = target};
    return types_add(types, &type);
}

static uint32_t function(struct types *types, uint32_t result, const uint32_t *parameters,
                         size_t n)
{
    static const char *const names[] = {"a", "b", "c"};
    uint32_t id = make(types, TYPE_FUNCTION, "function", result);
    struct type *type = types_edit(types, id);
    type->fields = must_alloc((n + 1) * sizeof(*type->fields));
    for (size_t i = 0; i < n; i++)
        type->fields[i] =
            (struct type_field){must_strdup(names[i]), parameters[i], -1, 0};
    type->n_fields = n;
    return id;
}

static void define(struct payload *payload, enum definition_kind kind, const char *name,
                   uint32_t type)
{
    struct definition *d = must_alloc(sizeof(*d));
    d->id = (uint32_t)payload->n_definitions + 1;
    d->kind = kind;
    d->name = must_strdup(name);
    d->source = must_strdup("not looked at");
    d->type = type;
    payload->definitions =
        must_realloc(payload->definitions, d->id, sizeof(*payload->definitions));
    payload->definitions[payload->n_definitions++] = d;
}

/* area(int, double), put(char, char *, bool), mode(enum), at(struct *), main, count */
static struct payload *make_payload(void)
{
    struct payload *p = must_alloc(sizeof(*p));
    struct types *t = &p->types;
    types_init(t);
    uint32_t i = make(t, TYPE_INT, "int", 0), d = make(t, TYPE_DOUBLE, "double", 0);
    uint32_t c = make(t, TYPE_CHAR, "char", 0), s = make(t, TYPE_POINTER, "char *", c);
    uint32_t v = make(t, TYPE_POINTER, "char **", s), b = make(t, TYPE_BOOL, "_Bool", 0);
    uint32_t u = make(t, TYPE_UCHAR, "unsigned char", 0);
    uint32_t e = make(t, TYPE_ENUM, "enum mode", make(t, TYPE_UINT, "unsigned int", 0));
    uint32_t n =
        make(t, TYPE_POINTER, "struct node *", make(t, TYPE_STRUCT, "struct node", 0));
    struct type *mode = types_edit(t, e);
    mode->enumerators = must_alloc(sizeof(*mode->enumerators));
    mode->enumerators[0] = (struct type_enumerator){must_strdup("FAST"), 1};
    mode->n_enumerators = 1;
    define(p, DEFINITION_FUNCTION, "area", function(t, d, (uint32_t[]){i, d}, 2));
    define(p, DEFINITION_FUNCTION, "put", function(t, 0, (uint32_t[]){c, s, b}, 3));
    define(p, DEFINITION_FUNCTION, "mode", function(t, i, (uint32_t[]){e, u}, 2));
    define(p, DEFINITION_FUNCTION, "at", function(t, i, (uint32_t[]){n}, 1));
    define(p, DEFINITION_FUNCTION, "main", function(t, i, (uint32_t[]){i, v}, 2));
    define(p, DEFINITION_VARIABLE, "count", i);
    payload_set_names(p, (const char *const[]){"area", "put", "count"}, 3);
    return p;
}

/* The entry's text, or the error's behind "! ". */
static char *entry_of(const char *name, const char *a, const char *b, const char *c)
{
    CLEANUP(payload_freep) struct payload *payload = make_payload();
    char *arguments[] = {(char *)a, (char *)b, (char *)c, NULL};
    size_t n = 0;
    while (arguments[n])
        n++;
    struct error err = {0};
    int r = run_entry_make(payload, name, arguments, n, &err);
    if (r < 0) {
        CHECK_INT(r, -EINVAL);
        CHECK(payload->entry == PAYLOAD_NONE && !payload->entry_text);
        return must_format("! %s", err.text);
    }
    CHECK_INT(payload->entry, PAYLOAD_CALL);
    return must_strdup(payload->entry_text);
}

static void check_entry(const char *name, const char *a, const char *b, const char *c,
                        const char *expected, int line)
{
    CLEANUP(freep) char *text = entry_of(name, a, b, c);
    if (!strstr(text, expected)) {
        fprintf(stderr, "line %d: ", line);
        CHECK_STRING(text, expected);
    }
}

#define ENTRY(name, a, b, c, expected) check_entry(name, a, b, c, expected, __LINE__)

int main(void)
{
    ENTRY("area", "2", "0.5", NULL, "achar_value = area(2ULL, 0.5);");
    ENTRY("area", "-2147483648", "1e3", NULL, "area((-2147483647LL - 1), 1000.0)");
    ENTRY("area", "0x10", "inf", NULL, "area(16ULL, (1.0 / 0.0))");
    ENTRY("area", "2147483648", "1", NULL,
          "! argument 1 of 'area' is 'int': '2147483648' is out of its range");
    ENTRY("area", "2x", "1", NULL,
          "! argument 1 of 'area' is 'int': '2x' is not an integer");
    ENTRY("area", " 2", "1", NULL, "is not an integer");
    ENTRY("area", "", "1", NULL, "is not an integer");
    ENTRY("area", "2", "abc", NULL,
          "! argument 2 of 'area' is 'double': 'abc' is not a number");
    ENTRY("area", "2", "1e999", NULL, "is out of its range");
    ENTRY("area", "2", "1;exit(1)", NULL, "is not a number");
    ENTRY("area", "2", NULL, NULL,
          "! 'area' takes 2 arguments (int a, double b), 1 given");
    ENTRY("put", "x", "say \"hi\"\n", "true",
          "put('x', (char []){\"say \\\"hi\\\"\\n\"}, 1);");
    ENTRY("put", "xy", "", "true", "'xy' is not a single character");
    ENTRY("put", "'", "", "no", "'no' is neither true nor false");
    ENTRY("mode", "FAST", "255", NULL, "mode(FAST, 255ULL)");
    ENTRY("mode", "3", "0", NULL, "mode(3ULL, 0ULL)");
    ENTRY("mode", "SLOW", "0", NULL, "'SLOW' is not one of its names");
    ENTRY("mode", "FAST", "256", NULL, "is out of its range");
    ENTRY("mode", "FAST", "-1", NULL, "is negative");
    ENTRY("at", "0", NULL, NULL,
          "! argument 1 of 'at' is 'struct node *', which cannot be given");
    ENTRY("main", "a b", NULL, NULL,
          "char *achar_arguments[] = {(char []){\"main\"}, (char []){\"a b\"}, 0};\n"
          "    exit(main(2, achar_arguments));");
    ENTRY("count", NULL, NULL, NULL, "sizeof(count)");
    ENTRY("count", "1", NULL, NULL, "! 'count' is a variable and takes no arguments");
    ENTRY("nothing", NULL, NULL, NULL,
          "! it has no function or variable 'nothing'; it has 'area', 'put', 'count'");
    ENTRY(NULL, NULL, NULL, NULL,
          "! it holds 'area', 'put', 'count': choose one with --name");
    return check_status();
}
