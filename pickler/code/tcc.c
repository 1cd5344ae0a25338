/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/tcc.h"

#include <errno.h>
#include <libtcc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPTIONS "-g -std=c11 -Wimplicit-function-declaration"

static void keep_message(void *context, const char *message)
{
    struct compiled *compiled = context;
    if (compiled->messages.size > COMPILE_MESSAGES_MAX)
        return;
    buffer_add_string(&compiled->messages, message);
    buffer_add_char(&compiled->messages, '\n');
}

static void tcc_deletep(TCCState **state)
{
    if (*state)
        tcc_delete(*state);
}

static int read_object(int fd, struct buffer *out, struct error *err)
{
    struct stat about;
    if (fstat(fd, &about) < 0)
        return error_errno(err, -errno, "cannot read the object of libtcc");
    buffer_reserve(out, (size_t)about.st_size);
    while (out->size < (size_t)about.st_size) {
        ssize_t n = pread(fd, out->data + out->size, (size_t)about.st_size - out->size,
                          (off_t)out->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(err, n ? -errno : -EIO,
                               "cannot read the object of libtcc");
        out->size += (size_t)n;
    }
    return 0;
}

static int write_object(TCCState *state, struct compiled *compiled, struct error *err)
{
    CLEANUP(closep) int fd = memfd_create("unit", MFD_CLOEXEC);
    if (fd < 0)
        return error_errno(err, -errno, "cannot make a file in memory");
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (tcc_output_file(state, path) < 0)
        return 0; /* the messages say why */
    int r = read_object(fd, &compiled->object, err);
    compiled->is_ok = r == 0;
    return r;
}

/* Where there are no headers of a C library, or others than those that ours was built
 * with: "folder:folder", searched before those of the system. */
static void add_own_headers(TCCState *state)
{
    const char *folders = getenv("ACHAR_INCLUDE");
    if (folders && *folders)
        tcc_add_sysinclude_path(state, folders);
}

int tcc_compile(const char *text, const char *const *flags, size_t n_flags,
                struct compiled *ret, struct error *err)
{
    memset(ret, 0, sizeof(*ret));
    CLEANUP(tcc_deletep) TCCState *state = tcc_new();
    if (!state)
        return error_set(err, -ENOMEM, "cannot start libtcc");
    tcc_set_error_func(state, ret, keep_message);
    tcc_set_options(state, OPTIONS);
    for (size_t i = 0; i < n_flags; i++)
        tcc_set_options(state, flags[i]);
    add_own_headers(state);
    tcc_set_output_type(state, TCC_OUTPUT_OBJ);
    if (tcc_compile_string(state, text) < 0)
        return 0;
    if (ret->messages.size &&
        strstr(ret->messages.data, "implicit declaration of function"))
        return 0;
    int r = write_object(state, ret, err);
    if (r < 0)
        compiled_clear(ret);
    return r;
}
