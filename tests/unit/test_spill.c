/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Output that is kept in files: the end of it, the file, the hole in it, its removal. */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/handlers/spill.h"

static void check_tail(const struct spill_tail *tail, const char *text, uint64_t left_out)
{
    CLEANUP(buffer_clear) struct buffer out = {0};
    CHECK_INT(spill_tail_read(tail, &out), left_out);
    CHECK_INT(out.size, strlen(text));
    CHECK(!strcmp(buffer_string(&out), text));
}

static void test_tail(void)
{
    struct spill_tail tail = {0};
    CLEANUP(freep) char *line = must_alloc(SPILL_TAIL_MAX + 2);
    check_tail(&tail, "", 0);
    spill_tail_add(&tail, "one\ntwo", 7);
    check_tail(&tail, "one\ntwo", 0);
    memset(line, 'x', SPILL_TAIL_MAX - 9);
    spill_tail_add(&tail, line, SPILL_TAIL_MAX - 9);
    spill_tail_add(&tail, "\nlast", 5); /* "one" is behind the edge now, "two" is not */
    CLEANUP(freep)
    char *expected = must_format("two%.*s\nlast", SPILL_TAIL_MAX - 9, line);
    check_tail(&tail, expected, 4);
    memset(line, 'y', SPILL_TAIL_MAX + 1);
    spill_tail_add(&tail, line, SPILL_TAIL_MAX + 1); /* no line begins in it */
    line[SPILL_TAIL_MAX] = '\0';
    check_tail(&tail, line, SPILL_TAIL_MAX + 4);
    free(tail.bytes);
}

static size_t file_size(const char *path)
{
    struct stat stat_;
    return stat(path, &stat_) < 0 ? 0 : (size_t)stat_.st_size;
}

static void test_file(const char *folder)
{
    struct spills spills = {0};
    CLEANUP(freep) char *text = must_alloc(SPILL_START_MAX);
    memset(text, 'z', SPILL_START_MAX);
    for (uint32_t cell = 1; cell <= SPILL_FILES_MAX + 2; cell++) {
        struct spill spill = {.fd = -1};
        spill_add(&spill, &spills, cell, text, SPILL_START_MAX);
        CHECK(!spill.path);
        spill_add(&spill, &spills, cell, "end", 3);
        CHECK(spill.path && !strncmp(spill.path, folder, strlen(folder)));
        spill_flush(&spill);
        CHECK_INT(file_size(spill.path), SPILL_START_MAX + 3);
        spill_end(&spill, &spills, cell != 1);
    }
    CHECK_INT(spills.n, SPILL_FILES_MAX);
    CHECK(strstr(spills.files[0], "/cell-3.txt") != NULL);
    CLEANUP(freep) char *last = must_strdup(spills.files[SPILL_FILES_MAX - 1]);
    CLEANUP(freep) char *made = must_strdup(spills.folder.path);
    CHECK_INT(access(last, R_OK), 0);
    spills_clear(&spills);
    CHECK(access(last, F_OK) < 0 && access(made, F_OK) < 0);
}

/* The beginning and the end of a file that is too large stay as they were. */
static void test_hole(void)
{
    struct spills spills = {0};
    struct spill spill = {.fd = -1};
    size_t step = 1 << 20, n = SPILL_FILE_MAX / step + 64;
    CLEANUP(freep) char *text = must_alloc(step);
    for (size_t i = 0; i < n; i++) {
        memset(text, (int)(i % 251 + 1), step);
        spill_add(&spill, &spills, 1, text, step);
    }
    struct stat stat_ = {0};
    CHECK(stat(spill.path, &stat_) == 0);
    CHECK_INT(stat_.st_size, n * step);
    CLEANUP(freep) char *place = spill_place(&spill);
    if (spill.problem) /* this file system cannot */
        fprintf(stderr, "  not tested: %s\n", place);
    else
        CHECK((uint64_t)stat_.st_blocks * 512 <= SPILL_FILE_MAX + ((uint64_t)20 << 20));
    int fd = open(spill.path, O_RDONLY | O_CLOEXEC);
    unsigned char first = 0, last = 0;
    CHECK(pread(fd, &first, 1, SPILL_FILE_MAX / 2 - 1) == 1);
    CHECK(pread(fd, &last, 1, (off_t)(n * step - SPILL_FILE_MAX / 2 + step)) == 1);
    CHECK_INT(first, (SPILL_FILE_MAX / 2 / step - 1) % 251 + 1);
    CHECK_INT(last, (n - SPILL_FILE_MAX / 2 / step + 1) % 251 + 1);
    CHECK(strstr(place, "without bytes 268435456 to ") || spill.problem);
    close(fd);
    spill_end(&spill, &spills, true);
    spills_clear(&spills);
}

static void test_no_folder(void)
{
    struct spills spills = {0};
    struct spill spill = {.fd = -1};
    setenv("TMPDIR", "/nowhere", 1);
    spill_open(&spill, &spills, 1);
    CLEANUP(freep) char *place = spill_place(&spill);
    CHECK_STRING(place, "no file: No such file or directory");
    spill_add(&spill, &spills, 1, "text", 4);
    CHECK_INT(spill.waiting.size, 0);
    spill_end(&spill, &spills, false);
    spills_clear(&spills);
}

int main(void)
{
    char folder[] = "/tmp/achar-test-spill-XXXXXX";
    if (!mkdtemp(folder))
        return 1;
    setenv("TMPDIR", folder, 1);
    test_tail();
    test_file(folder);
    test_hole();
    CHECK_INT(rmdir(folder), 0);
    test_no_folder();
    return check_status();
}
