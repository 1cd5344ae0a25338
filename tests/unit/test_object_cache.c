/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/object_cache.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pickler/code/cc.h"
#include "tests/unit/check.h"

static char root[] = "/tmp/achar-cache-XXXXXX";
static const char *const flags[] = {"-O2", "-g"};

static char *path_of(const char *name)
{
    return must_format("%s/achar/objects/%s", root, name);
}

static char *key_of(const char *text)
{
    return object_cache_key(text, "/bin/sh", flags, 2);
}

static bool has(const char *key, const char *contents)
{
    CLEANUP(buffer_clear) struct buffer object = {0};
    return object_cache_get(key, &object) && object.size == strlen(contents) &&
           !memcmp(object.data, contents, object.size);
}

static void put(const char *key, const char *rule, const char *contents)
{
    struct buffer object = {.data = (char *)contents, .size = strlen(contents)};
    object_cache_put(key, rule, &object);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!CHECK(file != NULL))
        return;
    fputs(text, file);
    fclose(file);
}

static void test_keys(void)
{
    CLEANUP(freep)
    char *a = key_of("int x;"),
         *b = key_of("int x;"), *c = key_of("int y;");
    CLEANUP(freep) char *d = object_cache_key("int x;", "/bin/sh", flags, 1);
    CLEANUP(freep) char *e = object_cache_key("int x;", "/bin/ls", flags, 2);
    CHECK_STRING(a, b);
    CHECK(strcmp(a, c) != 0 && strcmp(a, d) != 0 && strcmp(a, e) != 0);
}

static void test_put_and_get(void)
{
    CLEANUP(freep) char *key = key_of("one"), *other = key_of("two");
    uint64_t size;
    size_t n;
    CHECK(!has(key, "object"));
    put(key, "u.o: /proc/1/fd/5\n", "object");
    CHECK(has(key, "object"));
    CHECK(!has(other, "object"));
    put(key, "u.o: /proc/1/fd/5\n", "newer");
    CHECK(has(key, "newer"));
    CLEANUP(freep) char *folder = object_cache_describe(&size, &n);
    CHECK(folder && strstr(folder, root) == folder);
    CHECK_INT(n, 1);
    CHECK(size > 5);
}

static void test_headers(void)
{
    CLEANUP(freep) char *key = key_of("headers");
    CLEANUP(freep) char *header = must_format("%s/a header.h", root);
    CLEANUP(freep)
    char *rule = must_format(
        "u.o: /proc/7/fd/5 \\\n /usr/include/stdio.h %s/a\\ header.h\n", root);
    write_text(header, "int a;\n");
    put(key, rule, "object");
    CHECK(has(key, "object"));
    write_text(header, "int a, b;\n");
    CHECK(!has(key, "object"));
    put(key, rule, "object 2");
    CHECK(has(key, "object 2"));
    remove(header);
    CHECK(!has(key, "object 2"));
}

static void test_damage(void)
{
    CLEANUP(freep) char *key = key_of("damaged"), *path = path_of(key);
    struct stat info;
    put(key, "u.o: x\n", "object of some length");
    CHECK(stat(path, &info) == 0);
    for (off_t cut = 0; cut < info.st_size; cut += 7) {
        put(key, "u.o: /proc/x\n", "object of some length");
        CHECK(truncate(path, cut) == 0);
        CHECK(!has(key, "object of some length"));
    }
    put(key, "u.o: /proc/x\n", "object of some length");
    CHECK(has(key, "object of some length"));
    FILE *file = fopen(path, "r+");
    if (CHECK(file != NULL)) {
        fseek(file, 20, SEEK_SET);
        fputc('#', file);
        fclose(file);
    }
    CHECK(!has(key, "object of some length"));
    CHECK(stat(path, &info) < 0); /* it is gone */
}

static void test_permissions(void)
{
    CLEANUP(freep) char *key = key_of("shared"), *path = path_of(key);
    CLEANUP(freep) char *folder = path_of("");
    uint64_t size;
    size_t n;
    put(key, "u.o: /proc/x\n", "object");
    CHECK(has(key, "object"));
    CHECK(chmod(path, 0622) == 0);
    CHECK(!has(key, "object"));
    CHECK(chmod(path, 0600) == 0);
    CHECK(has(key, "object"));
    folder[strlen(folder) - 1] = '\0';
    CHECK(chmod(folder, 0777) == 0);
    CHECK(!has(key, "object"));
    CHECK(object_cache_describe(&size, &n) == NULL);
    CHECK(chmod(folder, 0700) == 0);
    CHECK(has(key, "object"));
    if (geteuid() == 0 && CHECK(chown(path, 12345, 12345) == 0))
        CHECK(!has(key, "object"));
}

static size_t count_runs(const char *log)
{
    struct stat info;
    return stat(log, &info) == 0 ? (size_t)info.st_size : 0;
}

/* A compiler that writes a byte each time it runs. */
static void test_compile(void)
{
    struct cc_options options = {.wake_fd = -1, .is_cached = true};
    CLEANUP(buffer_clear) struct buffer first = {0}, second = {0};
    CLEANUP(freep) char *messages = NULL, *real = cc_find_named("gcc");
    CLEANUP(freep) char *script = must_format("%s/cc", root);
    CLEANUP(freep) char *log = must_format("%s/log", root);
    const char *text = "#include <stddef.h>\nsize_t f(void) { return sizeof(size_t); }\n";
    struct error err = {0};
    if (!real)
        return;
    CLEANUP(freep)
    char *body =
        must_format("#!/bin/sh\nprintf x >> '%s'\nexec '%s' \"$@\"\n", log, real);
    write_text(script, body);
    CHECK(chmod(script, 0700) == 0);
    setenv("ACHAR_CC", script, 1);
    CHECK_INT(cc_compile(text, &options, &first, &messages, &err), 0);
    CHECK_INT(count_runs(log), 1);
    CHECK_INT(cc_compile(text, &options, &second, &messages, &err), 0);
    CHECK_INT(count_runs(log), 1);
    CHECK(first.size == second.size && !memcmp(first.data, second.data, first.size));
    CHECK_INT(cc_compile("int f(", &options, &second, &messages, &err), 1);
    free(TAKE(messages));
    CHECK_INT(cc_compile("int f(", &options, &second, &messages, &err), 1);
    CHECK_INT(count_runs(log), 3); /* what was refused is not kept */
}

int main(void)
{
    if (!mkdtemp(root))
        return 1;
    setenv("XDG_CACHE_HOME", root, 1);
    test_keys();
    test_put_and_get();
    test_headers();
    test_damage();
    test_permissions();
    test_compile();
    CLEANUP(freep) char *command = must_format("rm -rf '%s'", root);
    if (system(command) != 0)
        return 1;
    return check_status();
}
