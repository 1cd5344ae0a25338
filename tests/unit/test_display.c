/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/display/value.h"

#include <complex.h>
#include <errno.h>
#include <float.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <sys/mman.h>

#include "kernel/display/literal.h"
#include "tests/unit/display_world.h"

static uint32_t enum_of(const char *spelling, const char *const *names, const int *values,
                        size_t n)
{
    uint32_t id = make(TYPE_ENUM, spelling, make(TYPE_UINT, "unsigned int", 0));
    struct type *t = types_edit(&types, id);
    t->enumerators = must_alloc(n * sizeof(*t->enumerators));
    for (size_t i = 0; i < n; i++)
        t->enumerators[i] =
            (struct type_enumerator){.name = must_strdup(names[i]), .value = values[i]};
    t->n_enumerators = n;
    return id;
}

static void test_numbers(void)
{
    uint32_t t;
    SHOWS(int_type, (int){-42}, "-42");
    t = make(TYPE_ULLONG, "unsigned long long", 0);
    SHOWS(t, (unsigned long long){ULLONG_MAX}, "18446744073709551615");
    t = make(TYPE_LLONG, "long long", 0);
    SHOWS(t, (long long){LLONG_MIN}, "-9223372036854775808");
    t = make(TYPE_SCHAR, "signed char", 0);
    SHOWS(t, (signed char){-1}, "-1");
    t = make(TYPE_UCHAR, "uint8_t", 0);
    SHOWS(t, (unsigned char){200}, "200");
    t = make(TYPE_CHAR, "char", 0);
    SHOWS(t, (char){'a'}, "'a' (97)");
    SHOWS(t, (char){'\''}, "'\\'' (39)");
    SHOWS(t, (char){'\n'}, "'\\n' (10)");
    SHOWS(t, (char){'\0'}, "'\\0' (0)");
    SHOWS(t, (char){'\xe9'}, "'\\351' (-23)");
    t = make(TYPE_BOOL, "_Bool", 0);
    SHOWS(t, (bool){true}, "true");
    SHOWS(t, (unsigned char){7}, "(bool)7");
    t = make(TYPE_INT128, "__int128", 0);
    SHOWS(t, (__int128){(__int128)1 << 100}, "1267650600228229401496703205376");
    SHOWS(t, (unsigned __int128){(unsigned __int128)1 << 127},
          "-170141183460469231731687303715884105728");
    t = make(TYPE_UINT128, "unsigned __int128", 0);
    SHOWS(t, (unsigned __int128){-1}, "340282366920938463463374607431768211455");
}

static void test_floats(void)
{
    uint32_t t = make(TYPE_DOUBLE, "double", 0);
    SHOWS(t, (double){3}, "3.0");
    SHOWS(t, (double){0.1}, "0.1");
    SHOWS(t, (double){0.1 + 0.2}, "0.30000000000000004");
    SHOWS(t, (double){1e100}, "1e+100");
    SHOWS(t, (double){-0.0}, "-0.0");
    SHOWS(t, (double){5e-324}, "5e-324");
    SHOWS(t, (double){DBL_MAX}, "1.7976931348623157e+308");
    SHOWS(t, (double){INFINITY}, "inf");
    SHOWS(t, (double){NAN}, "nan");
    uint32_t f = make(TYPE_FLOAT, "float", 0);
    SHOWS(f, (float){0.1f}, "0.1");
    SHOWS(f, (float){16777216}, "16777216.0");
    uint32_t l = make(TYPE_LDOUBLE, "long double", 0);
    SHOWS(l, (long double){0.1L}, "0.1");
    SHOWS(make(TYPE_COMPLEX, "double _Complex", t), (double complex){1.5 - 2 * I},
          "1.5 - 2.0*I");
    if (setlocale(LC_ALL, "de_DE.UTF-8"))
        SHOWS(t, (double){2.5}, "2.5");
    setlocale(LC_ALL, "C");
}

static void test_enums(void)
{
    uint32_t color = enum_of("enum color", (const char *const[]){"RED", "GREEN", "BLUE"},
                             (const int[]){0, 1, 2}, 3);
    SHOWS(color, (unsigned){2}, "BLUE");
    SHOWS(color, (unsigned){7}, "(enum color)7");
    SHOWS(color, (unsigned){3}, "(enum color)3");
    uint32_t mode = enum_of("mode_t", (const char *const[]){"READ", "WRITE", "RUN"},
                            (const int[]){1, 2, 4}, 3);
    SHOWS(mode, (unsigned){5}, "READ | RUN");
    SHOWS(mode, (unsigned){0}, "(mode_t)0");
    SHOWS(mode, (unsigned){9}, "READ | 8");
    SHOWS(mode, (unsigned){8}, "(mode_t)8");
}

static void test_strings(void)
{
    uint32_t c = make(TYPE_CHAR, "char", 0), text = pointer_to(c, "char *");
    SHOWS(array_of(c, 8), "say \"hi\"", "\"say \\\"hi\\\"\"");
    SHOWS(array_of(c, 8), "ab\0\0\0\0\0", "\"ab\"");
    SHOWS(array_of(c, 6), "ab\0cd", "\"ab\\000cd\"");
    const char *s = "gr\xc3\xbc\xc3\x9f\t\xff\x01 9";
    SHOWS(text, s, "\"gr\xc3\xbc\xc3\x9f\\t\\377\\001 9\"");
    s = NULL;
    SHOWS(text, s, "NULL");
    s = (char *)0x1234;
    SHOWS(text, s, "(char *) 0x1234 (unreadable)");
    char long_text[3000];
    memset(long_text, 'x', sizeof(long_text));
    long_text[2999] = 0;
    s = long_text;
    CLEANUP(buffer_clear) struct buffer out = {0};
    CHECK_INT(display_value(&world, &types, text, &s, NULL, &out), 0);
    CHECK_INT(out.size, 1000 + 2 + 3);
    CHECK(strcmp(out.data + 1000, "x\"...") == 0);

    /* The last page before an unmapped one. */
    char *page =
        mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + 4096, 4096);
    memset(page + 4090, 'e', 6);
    s = page + 4090;
    SHOWS(text, s, "\"eeeeee\" (unreadable from here)");
    munmap(page, 4096);

    the_block = (struct value_block){.start = must_strndup("abcdef", 4), .size = 4};
    s = the_block.start;
    SHOWS(text, s, "\"abcd\" (no terminating NUL)");
    the_block.is_freed = true;
    CLEANUP(freep) char *freed = must_format("(char *) %p (freed)", the_block.start);
    SHOWS(text, s, freed);
    free(the_block.start);
    the_block = (struct value_block){0};
}

struct node {
    int value;
    struct node *next;
};

static uint32_t node_types(uint32_t *ret_pointer)
{
    uint32_t node = make(TYPE_STRUCT, "struct node", 0);
    uint32_t pointer = pointer_to(node, "struct node *");
    add_field(node, "value", int_type, offsetof(struct node, value), -1);
    add_field(node, "next", pointer, offsetof(struct node, next), -1);
    set_size(node, sizeof(struct node));
    *ret_pointer = pointer;
    return node;
}

static void test_pointers(void)
{
    uint32_t pointer, node = node_types(&pointer);
    struct node last = {2, NULL}, first = {1, &last}, *p = &last;
    CLEANUP(freep)
    char *one =
        must_format("(struct node *) %p -> {.value = 2, .next = NULL}", (void *)&last);
    SHOWS(pointer, p, one);
    p = &first;
    CLEANUP(freep)
    char *two = must_format("(struct node *) %p -> {\n    .value = 1,\n    .next = %p -> "
                            "{.value = 2, .next = NULL}\n}",
                            (void *)&first, (void *)&last);
    SHOWS(pointer, p, two);
    CLEANUP(freep)
    char *inside = must_format("{.value = 1, .next = %p -> {.value = 2, .next = NULL}}",
                               (void *)&last);
    SHOWS(node, first, inside);
    last.next = &first; /* a cycle ends where it began */
    CLEANUP(freep)
    char *cycle =
        must_format("(struct node *) %p -> {\n    .value = 1,\n    .next = %p -> "
                    "{.value = 2, .next = %p (shown above)}\n}",
                    (void *)&first, (void *)&last, (void *)&first);
    SHOWS(pointer, p, cycle);
    CLEANUP(buffer_clear) struct buffer out = {0};
    struct display_limits one_step = display_defaults;
    one_step.pointers = 1;
    CLEANUP(freep)
    char *near = must_format("{.value = 1, .next = %p -> {.value = 2, .next = %p}}",
                             (void *)&last, (void *)&first);
    CHECK_INT(display_value(&world, &types, node, &first, &one_step, &out), 0);
    CHECK_STRING(buffer_string(&out), near);

    int *wild = (int *)8;
    uint32_t int_pointer = pointer_to(int_type, "int *");
    SHOWS(int_pointer, wild, "(int *) 0x8 (unreadable)");
    wild = (int *)-1;
    SHOWS(int_pointer, wild, "(int *) 0xffffffffffffffff (unreadable)");
    wild = &counter;
    SHOWS(int_pointer, wild, "&counter -> 5");
    wild = &table[2];
    SHOWS(int_pointer, wild, "&table[2] -> 3");
    wild = &table[4];
    SHOWS(int_pointer, wild, "&table[4] (one past the end)");
    void *v = (void *)0x10;
    SHOWS(pointer_to(0, "void *"), v, "(void *) 0x10");
    uint32_t function = make(TYPE_FUNCTION, "int (int)", int_type);
    uint32_t function_pointer = pointer_to(function, "int (*)(int)");
    int (*f)(int) = square;
    SHOWS(function_pointer, f, "&square");
    f = (int (*)(int))0x30;
    SHOWS(function_pointer, f, "(int (*)(int)) 0x30");
    f = NULL;
    SHOWS(function_pointer, f, "NULL");
}

static void test_blocks(void)
{
    uint32_t int_pointer = pointer_to(int_type, "int *");
    int *numbers = must_alloc(20 * sizeof(int));
    for (int i = 0; i < 20; i++)
        numbers[i] = i;
    the_block = (struct value_block){.start = (char *)numbers, .size = 20 * sizeof(int)};
    CLEANUP(freep)
    char *all = must_format("(int *) %p -> {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... 10 more}",
                            (void *)numbers);
    SHOWS(int_pointer, numbers, all);
    int *p = numbers + 18;
    CLEANUP(freep) char *tail = must_format("(int *) %p -> {18, 19}", (void *)p);
    SHOWS(int_pointer, p, tail);
    p = numbers + 20;
    CLEANUP(freep) char *end = must_format("(int *) %p (one past the end)", (void *)p);
    SHOWS(int_pointer, p, end);
    p = (int *)((char *)numbers + 78);
    CLEANUP(freep) char *across = must_format("(int *) %p (unreadable)", (void *)p);
    SHOWS(int_pointer, p, across);
    void *untyped = numbers;
    CLEANUP(freep) char *size = must_format("(void *) %p (80 bytes)", untyped);
    SHOWS(pointer_to(0, "void *"), untyped, size);
    the_block.is_freed = true;
    CLEANUP(freep) char *freed = must_format("(int *) %p (freed)", (void *)numbers);
    SHOWS(int_pointer, numbers, freed);
    free(numbers);
    the_block = (struct value_block){0};
}

static int64_t get_bits(const void *object, unsigned field)
{
    uint32_t word;
    memcpy(&word, object, sizeof(word));
    return field == 0 ? (int64_t)(word & 7) : (int64_t)(word >> 3 & 1);
}

static void test_aggregates(void)
{
    uint32_t d = make(TYPE_DOUBLE, "double", 0);
    struct pair {
        int x;
        double y;
    } pairs[2] = {{1, 2}, {3, 4.5}};
    uint32_t pair = make(TYPE_STRUCT, "struct pair", 0);
    SHOWS(pair, pairs[0], "{}");
    add_field(pair, "x", int_type, 0, -1);
    add_field(pair, "y", d, offsetof(struct pair, y), -1);
    set_size(pair, sizeof(struct pair));
    SHOWS(pair, pairs[0], "{.x = 1, .y = 2.0}");
    SHOWS(array_of(pair, 2), pairs, "{{.x = 1, .y = 2.0}, {.x = 3, .y = 4.5}}");

    uint32_t choice = make(TYPE_UNION, "union choice", 0);
    add_field(choice, "i", int_type, 0, -1);
    add_field(choice, "f", make(TYPE_FLOAT, "float", 0), 0, -1);
    set_size(choice, 4);
    SHOWS(choice, (float){1}, "{.i = 1065353216, .f = 1.0}");

    uint32_t bits = make(TYPE_STRUCT, "struct bits", 0);
    add_field(bits, "low", int_type, 0, 3);
    add_field(bits, "is_on", make(TYPE_BOOL, "_Bool", 0), 0, 1);
    add_field(bits, "", int_type, 0, 4);
    set_size(bits, 4);
    types_edit(&types, bits)->layout.get_bits = get_bits;
    SHOWS(bits, (uint32_t){13}, "{.low = 5, .is_on = true}");

    int many[100];
    for (int i = 0; i < 100; i++)
        many[i] = i + 1;
    SHOWS(array_of(int_type, 3), many, "{1, 2, 3}");
    CLEANUP(buffer_clear) struct buffer out = {0};
    struct display_limits three = display_defaults;
    three.elements = 3;
    CHECK_INT(display_value(NULL, &types, array_of(int_type, 100), many, &three, &out),
              0);
    CHECK_STRING(buffer_string(&out), "{1, 2, 3, ... 97 more}");
}

static void test_lines(void)
{
    int many[40];
    for (int i = 0; i < 40; i++)
        many[i] = 1000 + i;
    SHOWS(array_of(int_type, 40), many,
          "{\n"
          "    1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, "
          "1012, 1013,\n"
          "    1014, 1015, 1016, 1017, 1018, 1019, 1020, 1021, 1022, 1023, 1024, 1025, "
          "1026, 1027,\n"
          "    1028, 1029, 1030, 1031, 1032, 1033, 1034, 1035, 1036, 1037, 1038, 1039\n"
          "}");
    struct wide {
        char name[30];
        int numbers[3];
        char more[40];
    } wide = {"a name of some length", {1, 2, 3}, "and a text that makes the line long"};
    uint32_t c = make(TYPE_CHAR, "char", 0), record = make(TYPE_STRUCT, "struct wide", 0);
    add_field(record, "name", array_of(c, 30), offsetof(struct wide, name), -1);
    add_field(record, "numbers", array_of(int_type, 3), offsetof(struct wide, numbers),
              -1);
    add_field(record, "more", array_of(c, 40), offsetof(struct wide, more), -1);
    set_size(record, sizeof(wide));
    SHOWS(record, wide,
          "{\n"
          "    .name = \"a name of some length\",\n"
          "    .numbers = {1, 2, 3},\n"
          "    .more = \"and a text that makes the line long\"\n"
          "}");

    CLEANUP(buffer_clear) struct buffer out = {0};
    struct display_limits small = display_defaults;
    small.bytes = 50;
    CHECK_INT(display_value(NULL, &types, array_of(int_type, 40), many, &small, &out), 0);
    CHECK_INT(out.size, 53);
    CHECK(strcmp(out.data + 50, "...") == 0);
}

static void test_unreadable(void)
{
    CLEANUP(buffer_clear) struct buffer out = {0};
    CHECK_INT(display_value(&world, &types, int_type, (void *)16, NULL, &out), -EFAULT);
    CHECK_STRING(buffer_string(&out), "(unreadable)");
    buffer_clear(&out);
    CHECK_INT(display_value(&world, &types, 0, NULL, NULL, &out), 0);
    CHECK_INT(out.size, 0);
}

int main(void)
{
    types_init(&types);
    int_type = make(TYPE_INT, "int", 0);
    table_type = array_of(int_type, 4);
    test_numbers();
    test_floats();
    test_enums();
    test_strings();
    test_pointers();
    test_blocks();
    test_aggregates();
    test_lines();
    test_unreadable();
    types_clear(&types);
    return check_status();
}
