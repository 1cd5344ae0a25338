/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/checked.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "magics/closure.h"
#include "pickler/base/file.h"
#include "pickler/code/cc.h"

#define WORDS_MAX 2000 /* of a command line */

/* Output comes line by line, as in a cell, though a pipe is behind it. */
static const char start_text[] = "#include <stdio.h>\n"
                                 "__attribute__((constructor)) static void start(void)\n"
                                 "{ setvbuf(stdout, NULL, _IOLBF, 1 << 16); }\n";

struct run {
    struct magic_context *context;
    const struct checker *checker;
    struct folder folder; /* temporary */
    char *unit, *start, *program, *report;
};

static void run_clear(struct run *run)
{
    folder_remove(&run->folder);
    free(run->unit);
    free(run->start);
    free(run->program);
    free(run->report);
}

static int write_text(const char *path, const char *text, size_t size)
{
    CLEANUP(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : write_all(fd, text, size);
}

static int run_init(struct run *run, const struct closure *closure, struct error *err)
{
    int r = folder_make(&run->folder, NULL, "check", err);
    if (r < 0)
        return r;
    run->unit = must_format("%s/unit.c", run->folder.path);
    run->start = must_format("%s/start.c", run->folder.path);
    run->program = must_format("%s/cell", run->folder.path);
    run->report = must_format("%s/report", run->folder.path);
    r = write_text(run->unit, closure->text.data, closure->text.size);
    if (r == 0)
        r = write_text(run->start, start_text, sizeof(start_text) - 1);
    return r < 0 ? error_errno(err, r, "cannot write into '%s'", run->folder.path) : 0;
}

/* ---- compiling ---- */

struct words {
    const char **at;
    char **owned; /* those of them that are */
    size_t n, n_owned;
};

static void words_clear(struct words *words)
{
    for (size_t i = 0; i < words->n_owned; i++)
        free(words->owned[i]);
    free(words->owned);
    free(words->at);
}

static void words_init(struct words *words)
{
    words->at = must_alloc((WORDS_MAX + 1) * sizeof(*words->at));
    words->owned = must_alloc((WORDS_MAX + 1) * sizeof(*words->owned));
}

static void word_add(struct words *words, const char *word)
{
    if (words->n < WORDS_MAX)
        words->at[words->n++] = word;
}

static void word_take(struct words *words, char *word)
{
    if (words->n == WORDS_MAX) {
        free(word);
        return;
    }
    words->owned[words->n_owned++] = word;
    word_add(words, word);
}

/* The flags among the options that a person chose; a compiler is the first word. */
static void add_options(struct words *words, const char *options)
{
    while (options && *options) {
        options += strspn(options, " \t");
        size_t size = strcspn(options, " \t");
        if (size && *options == '-')
            word_take(words, must_strndup(options, size));
        options += size;
    }
}

static void add_compilation(struct words *words, const struct run *run,
                            const char *compiler, const char *options)
{
    static const char *const common[] = {"-std=gnu17",
                                         "-g",
                                         "-O0",
                                         "-w",
                                         "-fno-omit-frame-pointer",
                                         "-fno-optimize-sibling-calls",
                                         "-fdiagnostics-color=never",
                                         NULL};
    struct session *session = run->context->session;
    size_t n;
    word_add(words, compiler);
    for (size_t i = 0; common[i]; i++)
        word_add(words, common[i]);
    for (size_t i = 0; run->checker->flags[i]; i++)
        word_add(words, run->checker->flags[i]);
    const char *const *flags = session_flags(session, &n);
    for (size_t i = 0; i < n; i++)
        word_add(words, flags[i]);
    add_options(words, options);
    word_add(words, run->unit);
    word_add(words, run->start);
    word_add(words, "-o");
    word_add(words, run->program);
    const char *const *libraries = session_libraries(session, &n);
    for (size_t i = 0; i < n; i++)
        word_take(words, must_format("%s%s", strchr(libraries[i], '/') ? "" : "-l:",
                                     libraries[i]));
    word_add(words, "-lm");
    word_add(words, "-lpthread");
}

/* The sanitizer's library is a package of its own. */
static bool lacks_runtime(const char *messages)
{
    return strstr(messages, "cannot find") || strstr(messages, "libclang_rt") ||
           strstr(messages, "unrecognized argument to '-fsanitize") ||
           strstr(messages, "unsupported option '-fsanitize");
}

/* 1: the compiler lacks the checker. */
static int compile_with(struct run *run, const char *compiler, const char *options,
                        struct result *result, struct error *err)
{
    CLEANUP(words_clear) struct words words = {0};
    CLEANUP(buffer_clear) struct buffer messages = {0};
    int status = 0;
    words_init(&words);
    add_compilation(&words, run, compiler, options);
    word_add(&words, NULL);
    int r = magic_process(run->context, words.at, &messages, &status, err);
    if (r < 0)
        return r;
    if (r > 0)
        result_error(result, "Interrupted", "interrupted while the program was compiled");
    else if (status && lacks_runtime(buffer_string(&messages)))
        return 1;
    else if (status)
        result_error(result, "CompileError", "%s", buffer_string(&messages));
    return 0;
}

/* gcc names the places in reports by itself. */
static int compile(struct run *run, const char *options, struct result *result,
                   struct error *err)
{
    static const char *const more[] = {"gcc", "cc", NULL};
    const char *const *lists[] = {more, cc_candidates};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; lists[k][i]; i++) {
            CLEANUP(freep) char *compiler = cc_find_named(lists[k][i]);
            if (!compiler)
                continue;
            int r = compile_with(run, compiler, options, result, err);
            if (r <= 0)
                return r;
        }
    result_error(result, "ToolMissing", "no compiler here has %s: %s", run->checker->name,
                 run->checker->install);
    return 0;
}

/* ---- running ---- */

static int start_program(struct run *run, int *ret_status, struct result *result,
                         struct error *err)
{
    CLEANUP(words_clear) struct words words = {0};
    const struct checker *checker = run->checker;
    size_t n;
    words_init(&words);
    if (checker->environment) {
        word_add(&words, "env");
        word_take(&words, must_format("%s=log_path=%s:color=never:print_stacktrace=1:"
                                      "detect_stack_use_after_return=1:"
                                      "strip_path_prefix=/",
                                      checker->environment, run->report));
    }
    for (size_t i = 0; checker->command && checker->command[i]; i++)
        word_take(&words,
                  strstr(checker->command[i], "%s")
                      ? must_format("%.*s%s", (int)(strlen(checker->command[i]) - 2),
                                    checker->command[i], run->report)
                      : must_strdup(checker->command[i]));
    word_add(&words, run->program);
    const char *const *arguments = session_arguments(run->context->session, &n);
    for (size_t i = 0; i < n; i++)
        word_add(&words, arguments[i]);
    word_add(&words, NULL);
    int r = magic_process(run->context, words.at, NULL, ret_status, err);
    if (r > 0)
        result_error(result, "Interrupted", "the program was interrupted");
    return r < 0 ? r : 0;
}

static void read_report(int folder, const char *name, struct buffer *out)
{
    CLEANUP(closep) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;
    while (fd >= 0 && n > 0 && out->size < CHECKED_REPORT_MAX) {
        buffer_reserve(out, 65536);
        n = read(fd, out->data + out->size, 65536);
        out->size += n > 0 ? (size_t)n : 0;
        out->data[out->size] = '\0';
    }
}

/* Every process of the program has written its own: report.PID. */
static void collect(struct run *run, struct findings *ret)
{
    DIR *folder = opendir(run->folder.path);
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        CLEANUP(buffer_clear) struct buffer text = {0};
        if (strncmp(entry->d_name, "report", 6) != 0)
            continue;
        read_report(dirfd(folder), entry->d_name, &text);
        run->checker->read(buffer_string(&text), ret);
    }
    if (folder)
        closedir(folder);
}

static void tell(struct run *run, int status, struct result *result)
{
    CLEANUP(findings_clear) struct findings findings = {0};
    collect(run, &findings);
    session_report_findings(run->context->session, run->checker->name, &findings, result);
    if (result->kind != RESULT_OK)
        return;
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        CLEANUP(freep) char *signal = must_format("SIG%s", name ? name : "?");
        result_error(result, signal, "the program was ended by it, and %s found nothing",
                     run->checker->name);
    } else if (WEXITSTATUS(status)) {
        result_error(result, "ExitStatus", "the program ended with exit status %d",
                     WEXITSTATUS(status));
    } else {
        magic_print(run->context, "%s: nothing found\n", run->checker->name);
    }
}

static bool has_command(const struct checker *checker, struct result *result)
{
    CLEANUP(freep)
    char *path = checker->command ? cc_find_named(*checker->command) : NULL;
    if (!checker->command || path)
        return true;
    result_error(result, "ToolMissing", "'%s' is not installed: %s", *checker->command,
                 checker->install);
    return false;
}

int checked_run(struct magic_context *context, const struct checker *checker,
                const struct magic_arguments *arguments, struct result *result,
                struct error *err)
{
    CLEANUP(closure_clear) struct closure closure = {0};
    CLEANUP(run_clear) struct run run = {.context = context, .checker = checker};
    int status = 0;
    if (!has_command(checker, result))
        return 0;
    int r = closure_make(context, arguments->body_line, arguments->body, &closure, result,
                         err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    r = run_init(&run, &closure, err);
    if (r == 0)
        r = compile(&run, closure.options, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    r = start_program(&run, &status, result, err);
    if (r == 0 && result->kind == RESULT_OK)
        tell(&run, status, result);
    return r;
}
