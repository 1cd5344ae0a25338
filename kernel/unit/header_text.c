/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/unit/header_text.h"

#include <errno.h>
#include <fcntl.h>
#include <libtcc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/unit/early_compile.h"
#include "pickler/base/folder.h"
#include "pickler/graph/own_header.h"

/* glibc's sys/cdefs.h defines __attribute__ away for compilers it does not know, and with
 * it packed and aligned of everything behind it. */
static const char cdefs_wrapper[] = "#include_next <sys/cdefs.h>\n#undef __attribute__\n";

static bool write_file(const char *path, const char *text)
{
    CLEANUP(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool wrapper_write(const struct folder *wrapper)
{
    CLEANUP(freep) char *sys = must_format("%s/sys", wrapper->path);
    CLEANUP(freep) char *file = must_format("%s/cdefs.h", sys);
    CLEANUP(freep) char *own = must_format("%s/" OWN_HEADER_NAME, wrapper->path);
    return mkdir(sys, 0700) == 0 && write_file(file, cdefs_wrapper) &&
           write_file(own, own_header_text);
}

/* A private folder with the wrapper and <achar.h>. */
static bool wrapper_make(struct folder *wrapper)
{
    const char *places[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp",
                            "/dev/shm"};
    struct error ignored;
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        if (!places[i] || folder_make(wrapper, places[i], "headers", &ignored) < 0)
            continue;
        if (wrapper_write(wrapper))
            return true;
        folder_remove(wrapper);
    }
    return false;
}

static void keep_first_error(void *context, const char *message)
{
    char **first = context;
    if (!*first && strstr(message, "error:"))
        *first = must_strdup(message);
}

/* "In file included from a.h:1:\nb.h:2: error: text" -> file, line, text. */
static int report(const char *message, struct error *err)
{
    if (!message)
        return error_set(err, -EINVAL, "the headers cannot be preprocessed");
    const char *last = strrchr(message, '\n');
    last = last ? last + 1 : message;
    const char *text = strstr(last, "error: ");
    text = text ? text + strlen("error: ") : last;
    const char *end = strchr(last, ':');
    int size = end ? (int)(end - last) : 0;
    bool is_own = size == 0 || *last == '<';
    char name[256];
    if (sscanf(text, "include file '%255[^']' not found", name) == 1) {
        if (is_own)
            return error_set(err, -ENOENT, "header '%s' was not found", name);
        return error_set(err, -ENOENT, "header '%s', included by '%.*s', was not found",
                         name, size, last);
    }
    if (is_own)
        return error_set(err, -EINVAL, "the includes cannot be preprocessed: %s", text);
    long line = strtol(end + 1, NULL, 10);
    if (strncmp(last, "In[", 3) == 0)
        return error_set(err, -EINVAL, "%.*s:%ld: %s", size, last, line, text);
    return error_set(err, -EINVAL, "header '%.*s' cannot be preprocessed, line %ld: %s",
                     size, last, line, text);
}

static void set_flag(TCCState *state, const char *flag, const char *next)
{
    const char *value = flag[0] && flag[1] && flag[2] ? flag + 2 : next;
    if (!value || !*value)
        return;
    if (strncmp(flag, "-I", 2) == 0) {
        tcc_add_include_path(state, value);
    } else if (strcmp(flag, "-isystem") == 0 && next) {
        tcc_add_sysinclude_path(state, next);
    } else if (strncmp(flag, "-U", 2) == 0) {
        tcc_undefine_symbol(state, value);
    } else if (strncmp(flag, "-D", 2) == 0) {
        CLEANUP(freep) char *name = must_strdup(value);
        char *equals = strchr(name, '=');
        if (equals)
            *equals = '\0';
        tcc_define_symbol(state, name, equals ? equals + 1 : "1");
    }
}

struct preprocessing {
    const char *text, *options;
    const char *wrapper;     /* include path put first, or "" */
    const char *last_folder; /* include path put last, or NULL */
    const char *const *flags;
    size_t n_flags;
};

static int preprocess(const struct preprocessing *what, struct buffer *ret,
                      struct error *err)
{
    CLEANUP(freep) char *output = NULL;
    CLEANUP(freep) char *message = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&output, &size), *saved = stdout;
    if (!stream)
        return error_errno(err, -errno, "cannot preprocess headers");
    early_compile_drop();
    stdout = stream;
    TCCState *state = tcc_new();
    stdout = saved;
    tcc_set_error_func(state, &message, keep_first_error);
    tcc_set_options(state, what->options);
    if (*what->wrapper)
        tcc_add_include_path(state, what->wrapper);
    /* regexec()'s array parameter of a size that libtcc cannot read */
    tcc_define_symbol(state, "_REGEX_NELTS(n)", "");
    /* as libtcc's own __REDIRECT_NTH */
    tcc_define_symbol(state, "__REDIRECT_NTHNL(name,proto,alias)",
                      "name proto __asm__ (#alias)");
    for (size_t i = 0; i < what->n_flags; i++)
        set_flag(state, what->flags[i],
                 i + 1 < what->n_flags ? what->flags[i + 1] : NULL);
    tcc_set_output_type(state, TCC_OUTPUT_PREPROCESS); /* adds the default paths */
    if (what->last_folder)
        tcc_add_sysinclude_path(state, what->last_folder);
    int result = tcc_compile_string(state, what->text);
    tcc_delete(state);
    fclose(stream);
    if (result < 0)
        return report(message, err);
    if (size > HEADER_TEXT_MAX)
        return error_set(err, -E2BIG, "the headers are larger than %u bytes",
                         HEADER_TEXT_MAX);
    buffer_add(ret, output, size);
    return 0;
}

int header_text(const char *text, const char *const *flags, size_t n_flags,
                const char *last_folder, struct buffer *ret, struct error *err)
{
    CLEANUP(folder_remove) struct folder wrapper = {0};
    if (!wrapper_make(&wrapper))
        return error_set(err, -EACCES,
                         "no temporary folder can be made in "
                         "$XDG_RUNTIME_DIR, $TMPDIR, '/tmp' or '/dev/shm'");
    struct preprocessing what = {.text = text,
                                 .options = "-std=c11 -E -dD",
                                 .wrapper = wrapper.path,
                                 .last_folder = last_folder,
                                 .flags = flags,
                                 .n_flags = n_flags};
    return preprocess(&what, ret, err);
}

int header_expand(const char *text, const char *const *flags, size_t n_flags,
                  struct buffer *ret, struct error *err)
{
    struct preprocessing what = {.text = text,
                                 .options = "-std=c11 -E -P",
                                 .wrapper = "",
                                 .flags = flags,
                                 .n_flags = n_flags};
    return preprocess(&what, ret, err);
}
