/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/cc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "pickler/base/file.h"
#include "pickler/base/start.h"
#include "pickler/code/object_cache.h"

#define RULE_MAX ((size_t)1 << 20) /* bytes of the list of headers */

const char *const cc_candidates[] = {"clang-19", "clang-18", "clang-17", "clang",
                                     "gcc",      "cc",       NULL};
static const char *const common_flags[] = {"-x",
                                           "c",
                                           "-std=gnu17",
                                           "-c",
                                           "-iquote",
                                           ".",
                                           "-w",
                                           "-O2",
                                           "-fPIC",
                                           "-g1",
                                           "-gdwarf-4",
                                           "-fno-omit-frame-pointer",
                                           "-fno-diagnostics-color",
                                           NULL};

static char *find_in_path(const char *name)
{
    const char *path = getenv("PATH");
    if (!path || !*path)
        path = "/usr/local/bin:/usr/bin:/bin";
    while (*path) {
        size_t size = strcspn(path, ":");
        CLEANUP(freep) char *file = must_format("%.*s/%s", (int)size, path, name);
        if (size && access(file, X_OK) == 0)
            return TAKE(file);
        path += size + (path[size] == ':');
    }
    return NULL;
}

char *cc_find(void)
{
    const char *chosen = getenv("ACHAR_CC");
    if (chosen && *chosen)
        return strchr(chosen, '/') ? must_strdup(chosen) : find_in_path(chosen);
    for (size_t i = 0; cc_candidates[i]; i++) {
        char *path = find_in_path(cc_candidates[i]);
        if (path)
            return path;
    }
    return NULL;
}

/* gcc 12 accepts these by itself. */
static const char *const clang_flags[] = {
    "-Wno-error=int-conversion", "-Wno-error=incompatible-function-pointer-types", NULL};
#define N_CLANG_FLAGS (sizeof(clang_flags) / sizeof(*clang_flags))

char *cc_find_named(const char *name)
{
    static const char *const clangs[] = {"clang-19", "clang-18", "clang-17", "clang"};
    if (strchr(name, '/'))
        return access(name, X_OK) == 0 ? must_strdup(name) : NULL;
    char *path = find_in_path(name);
    for (size_t i = 0; !path && !strcmp(name, "clang") && i < 4; i++)
        path = find_in_path(clangs[i]);
    return path;
}

/* The three files of a run, all in memory; the child reaches them through /proc. */
struct files {
    int in, out, messages, rule;
};

static void files_clear(struct files *files)
{
    closep(&files->in);
    closep(&files->out);
    closep(&files->messages);
    closep(&files->rule);
}

static int files_init(struct files *files, const char *text)
{
    files->in = memfd_create("achar-unit", MFD_CLOEXEC);
    files->out = memfd_create("achar-object", MFD_CLOEXEC);
    files->messages = memfd_create("achar-messages", MFD_CLOEXEC);
    files->rule = memfd_create("achar-headers", MFD_CLOEXEC);
    if (files->in < 0 || files->out < 0 || files->messages < 0 || files->rule < 0)
        return -errno;
    return write_all(files->in, text, strlen(text));
}

/* What was chosen, cut into words, and what the text itself asks for. */
struct choice {
    char *text;         /* of the words, with NULs between them */
    const char **words; /* flags */
    size_t n_words;
    const char *name; /* of the compiler; NULL: any */
    bool is_openmp;
};

static void choice_clear(struct choice *choice)
{
    free(choice->text);
    free(choice->words);
}

static bool mentions_openmp(const char *text)
{
    if (strstr(text, "_OPENMP"))
        return true;
    while ((text = strstr(text, "pragma"))) {
        text += strlen("pragma");
        if (!strncmp(text + strspn(text, " \t"), "omp", 3))
            return true;
    }
    return false;
}

static struct choice choose(const char *text, const char *chosen)
{
    struct choice choice = {.text = must_strdup(chosen ? chosen : "")};
    size_t size = strlen(choice.text);
    choice.words = must_alloc((size / 2 + 1) * sizeof(*choice.words));
    for (char *at = choice.text; *at;) {
        at += strspn(at, " \t\n");
        size_t n = strcspn(at, " \t\n");
        char *next = at + n + (at[n] != '\0');
        at[n] = '\0';
        if (n && *at == '-')
            choice.words[choice.n_words++] = at;
        else if (n)
            choice.name = at;
        at = next;
    }
    choice.is_openmp = mentions_openmp(text);
    return choice;
}

static char *find_chosen(const struct choice *choice)
{
    if (choice->name)
        return cc_find_named(choice->name);
    char *path = choice->is_openmp ? find_in_path("gcc") : NULL;
    return path ? path : cc_find();
}

struct command {
    const char **argv; /* with room for what names the files */
    size_t n;
};

static void command_clear(struct command *command)
{
    free(command->argv);
}

/* All that the object depends on, but for the text. */
static struct command make_command(const char *compiler, const struct cc_options *options,
                                   const struct choice *choice)
{
    size_t n = 0, capacity = sizeof(common_flags) / sizeof(*common_flags) + 16;
    capacity += N_CLANG_FLAGS + options->n_flags + choice->n_words;
    const char **argv = must_alloc(capacity * sizeof(*argv));
    argv[n++] = compiler;
    for (size_t i = 0; common_flags[i]; i++)
        argv[n++] = common_flags[i];
    for (size_t i = 0; cc_machine_flags[i]; i++)
        argv[n++] = cc_machine_flags[i];
    bool is_clang = strstr(compiler, "clang") != NULL;
    for (size_t i = 0; is_clang && clang_flags[i]; i++)
        argv[n++] = clang_flags[i];
    if (is_clang && !options->is_whole) /* gcc does so by itself with -fPIC */
        argv[n++] = "-fsemantic-interposition";
    if (!is_clang && options->is_whole) /* clang then takes addresses directly, too */
        argv[n++] = "-fno-semantic-interposition";
    if (choice->is_openmp)
        argv[n++] = "-fopenmp";
    for (size_t i = 0; i < options->n_flags; i++)
        argv[n++] = options->flags[i];
    for (size_t i = 0; i < choice->n_words; i++)
        argv[n++] = choice->words[i];
    return (struct command){argv, n};
}

static int start(struct command *command, const struct files *files, pid_t *ret)
{
    CLEANUP(freep) char *in = must_format("/proc/%d/fd/%d", getpid(), files->in);
    CLEANUP(freep) char *out = must_format("/proc/%d/fd/%d", getpid(), files->out);
    CLEANUP(freep) char *rule = must_format("/proc/%d/fd/%d", getpid(), files->rule);
    const char *const last[] = {"-MD", "-MF", rule, in, "-o", out, NULL};
    const char **argv = command->argv;
    memcpy(argv + command->n, last, sizeof(last));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, files->messages, 1);
    posix_spawn_file_actions_adddup2(&actions, files->messages, 2);
    return start_program(argv[0], argv, NULL, &actions, START_GROUP, ret);
}

/* Why the wait ended early, or NULL with the wait status. */
static const char *wait_for(pid_t pid, int wake_fd, int *ret_status)
{
    const char *why = NULL;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd fds[2] = {{.fd = pidfd, .events = POLLIN},
                            {.fd = wake_fd, .events = POLLIN}};
    int ready;
    do
        ready = poll(fds, 2, CC_TIMEOUT_MS);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        why = "the compiler took too long and was stopped";
    else if (!fds[0].revents && fds[1].revents)
        why = "the compiler was stopped";
    if (why)
        kill(-pid, SIGKILL);
    closep(&pidfd);
    while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
        ;
    return why;
}

static void read_all(int fd, size_t max, struct buffer *out)
{
    struct stat info;
    size_t size = fstat(fd, &info) == 0 ? (size_t)info.st_size : 0;
    if (size > max)
        size = max;
    buffer_reserve(out, size);
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, out->data + done, size - done, (off_t)done);
        if (n <= 0)
            break;
        done += (size_t)n;
        out->size = done;
    }
    out->data[out->size] = '\0';
}

/* clang says so when it cannot unlink the memory file that holds a refused object. */
static bool is_about_files(const char *line, size_t size)
{
    return memmem(line, size, "unable to remove file", 21) != NULL;
}

/* The path of the memory file means nothing to a person. */
static void add_line(struct buffer *out, const char *line, size_t size)
{
    for (const char *at = line; at < line + size;) {
        size_t n = strncmp(at, "/proc/", 6) ? 0 : strspn(at, "/procfd0123456789");
        if (n > 6 && at[n] == ':') {
            buffer_add_string(out, "unit");
            at += n;
        } else {
            buffer_add_char(out, *at++);
        }
    }
}

static char *clean_messages(struct buffer *messages)
{
    struct buffer clean = {0};
    for (const char *at = buffer_string(messages); *at;) {
        size_t size = strcspn(at, "\n");
        size += at[size] == '\n';
        if (!is_about_files(at, size))
            add_line(&clean, at, size);
        at += size;
    }
    return buffer_take(&clean);
}

static void keep(const char *key, const struct files *files, const struct buffer *object)
{
    CLEANUP(buffer_clear) struct buffer rule = {0};
    read_all(files->rule, RULE_MAX, &rule);
    if (rule.size && rule.size < RULE_MAX)
        object_cache_put(key, buffer_string(&rule), object);
}

int cc_compile(const char *text, const struct cc_options *options,
               struct buffer *ret_object, char **ret_messages, struct error *err)
{
    CLEANUP(choice_clear) struct choice choice = choose(text, options->chosen);
    CLEANUP(freep) char *compiler = find_chosen(&choice);
    if (!compiler && choice.name)
        return error_set(err, -ENOENT, "there is no compiler '%s'", choice.name);
    if (!compiler)
        return error_set(
            err, -ENOENT,
            "no C compiler was found: install clang-19 or gcc, or name one in "
            "$ACHAR_CC");
    CLEANUP(command_clear)
    struct command command = make_command(compiler, options, &choice);
    CLEANUP(freep)
    char *key = options->is_cached
                    ? object_cache_key(text, compiler, command.argv, command.n)
                    : NULL;
    if (key && object_cache_get(key, ret_object))
        return 0;
    if (options->is_only_kept) {
        *ret_messages = must_strdup("it has not been compiled before");
        return 1;
    }
    CLEANUP(files_clear) struct files files = {-1, -1, -1, -1};
    pid_t pid;
    int status = 0, r = files_init(&files, text);
    if (r == 0)
        r = start(&command, &files, &pid);
    if (r < 0)
        return error_errno(err, r, "cannot run '%s'", compiler);
    const char *why = wait_for(pid, options->wake_fd, &status);
    if (!why && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        read_all(files.out, SIZE_MAX, ret_object);
        if (key)
            keep(key, &files, ret_object);
        return 0;
    }
    CLEANUP(buffer_clear) struct buffer messages = {0};
    read_all(files.messages, CC_MESSAGES_MAX, &messages);
    *ret_messages = why ? must_strdup(why) : clean_messages(&messages);
    return 1;
}

int cc_macros(const char *chosen, int wake_fd, char **ret, struct error *err)
{
    /* The person's flags come last, so that they win. */
    CLEANUP(freep) char *words = must_format("-O0 -fPIE %s -E -dM", chosen);
    CLEANUP(freep) char *messages = NULL;
    CLEANUP(buffer_clear) struct buffer text = {0};
    struct cc_options options = {.chosen = words, .wake_fd = wake_fd};
    int r = cc_compile("", &options, &text, &messages, err);
    if (r == 0) {
        buffer_add_char(&text, '\n');
        *ret = buffer_take(&text);
    }
    return r;
}
