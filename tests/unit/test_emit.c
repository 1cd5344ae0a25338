/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Text from definitions: positions, and each macro at the version of its time. */
#include "pickler/graph/emit.h"

#include "tests/unit/check.h"

static const struct definition *definitions[16];

static const struct definition *find(void *context, uint32_t id)
{
    return id < 16 ? definitions[id] : NULL;
}

static struct definition *make(uint32_t id, enum definition_kind kind, const char *name,
                               const char *source, uint32_t a, uint32_t b)
{
    struct definition *definition = must_alloc(sizeof(*definition));
    definition->id = id;
    definition->kind = kind;
    definition->name = must_strdup(name);
    definition->source = must_strdup(source);
    definition->cell = id;
    definition->line = 1;
    definition_add_ref(definition, a);
    definition_add_ref(definition, b);
    definitions[id] = definition;
    return definition;
}

static void clear(void)
{
    for (int i = 0; i < 16; i++) {
        definition_free((struct definition *)definitions[i]);
        definitions[i] = NULL;
    }
}

static void test_versions(void)
{
    make(1, DEFINITION_MACRO, "N", "#define N 1", 0, 0);
    make(2, DEFINITION_FUNCTION, "f", "int f(void) { return N; }", 1, 0);
    make(3, DEFINITION_MACRO, "N", "#define N 2", 0, 0);
    make(4, DEFINITION_FUNCTION, "g", "int g(void) { return N; }", 3, 0);
    make(5, DEFINITION_FUNCTION, "h", "int h(int N) { return N; }", 0, 0);
    make(6, DEFINITION_FUNCTION, "k", "int k(int x) { return x; }", 0, 0);
    struct buffer out = {0};
    CLEANUP(emitter_freep) struct emitter *emitter = emitter_new(find, NULL, &out);
    for (int i = 1; i <= 6; i++)
        emitter_define(emitter, definitions[i]);
    CHECK_STRING(buffer_string(&out), "#undef N\n#line 1 \"In[1]\"\n#define N 1\n"
                                      "#line 1 \"In[2]\"\nint f(void) { return N; }\n"
                                      "#undef N\n#line 1 \"In[3]\"\n#define N 2\n"
                                      "#line 1 \"In[4]\"\nint g(void) { return N; }\n"
                                      "#undef N\n"
                                      "#line 1 \"In[5]\"\nint h(int N) { return N; }\n"
                                      "#line 1 \"In[6]\"\nint k(int x) { return x; }\n");
    buffer_clear(&out);
    emitter_macros(emitter, (uint32_t[]){4, 1}, 2);
    CHECK_STRING(buffer_string(&out), "#undef N\n#line 1 \"In[1]\"\n#define N 1\n");
    buffer_clear(&out);
    clear();
}

static void test_nested(void)
{
    make(1, DEFINITION_MACRO, "A", "#define A(x) B(x)", 2, 0);
    make(2, DEFINITION_MACRO, "B", "#define B(x) ((x) + C)", 3, 0);
    make(3, DEFINITION_MACRO, "C", "#define C 5", 0, 0);
    make(4, DEFINITION_MACRO, "D", "#define D(x) x##_t", 0, 0);
    struct definition *f =
        make(5, DEFINITION_FUNCTION, "f", "int f(int x)\n{\n    return A(x);\n}", 1, 0);
    f->declaration = must_strdup("int f(int x);");
    f->column = 9;
    struct buffer out = {0};
    CLEANUP(emitter_freep) struct emitter *emitter = emitter_new(find, NULL, &out);
    emitter_declare(emitter, f); /* the prototype mentions no macro */
    CHECK_STRING(buffer_string(&out), "#line 1 \"In[5]\"\n    int f(int x);\n");
    buffer_clear(&out);
    emitter_define(emitter, f);
    CHECK_STRING(buffer_string(&out),
                 "#undef A\n#line 1 \"In[1]\"\n#define A(x) B(x)\n"
                 "#undef B\n#line 1 \"In[2]\"\n#define B(x) ((x) + C)\n"
                 "#undef C\n#line 1 \"In[3]\"\n#define C 5\n"
                 "#line 1 \"In[5]\"\n    int f(int x)\n{\n    return A(x);\n}\n");
    buffer_clear(&out);
    clear();
}

static void test_positions(void)
{
    struct definition *f =
        make(1, DEFINITION_FUNCTION, "f", "static int\n  f(void);", 0, 0);
    f->line = 7, f->column = 3;
    struct definition *s =
        make(2, DEFINITION_TYPE, "struct s", "struct s {\n int x;\n};", 0, 0);
    s->line = 4, s->column = 8;
    struct definition *include =
        make(3, DEFINITION_INCLUDE, "<math.h>", "#include <math.h>", 0, 0);
    struct buffer out = {0};
    CLEANUP(emitter_freep) struct emitter *emitter = emitter_new(find, NULL, &out);
    emitter_declare(emitter, f);
    emitter_declare(emitter, s);
    emitter_declare(emitter, include);
    CHECK_STRING(buffer_string(&out), "#line 6 \"In[1]\"\nstatic int\n  f(void);\n"
                                      "#line 4 \"In[2]\"\nstruct s {\n int x;\n};\n"
                                      "#include <math.h>\n");
    buffer_clear(&out);
    clear();
}

int main(void)
{
    test_versions();
    test_nested();
    test_positions();
    return check_status();
}
