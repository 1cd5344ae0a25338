/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `achar install`: writes the kernelspec, so that Jupyter finds this very executable.
 * Every file is written beside its place and renamed into it, kernel.json last: another
 * process never sees half a kernelspec. */
#include "kernel/app/command.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernelspec/kernelspec.h"
#include "pickler/base/buffer.h"
#include "pickler/base/error.h"
#include "pickler/base/file.h"

#define PATH_SIZE_MAX 4096
#define KERNEL_JSON "kernel.json"

enum place { PLACE_USER, PLACE_SYS_PREFIX, PLACE_PREFIX };

struct options {
    enum place place;
    const char *prefix;
    int n_places; /* how many of the three were given */
};

static int parse(int argc, char **argv, struct options *ret)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--user") == 0) {
            ret->place = PLACE_USER;
        } else if (strcmp(argv[i], "--sys-prefix") == 0) {
            ret->place = PLACE_SYS_PREFIX;
        } else if (strncmp(argv[i], "--prefix=", 9) == 0 && argv[i][9]) {
            ret->place = PLACE_PREFIX;
            ret->prefix = argv[i] + 9;
        } else if (strcmp(argv[i], "--prefix") == 0 && i + 1 < argc && *argv[i + 1]) {
            ret->place = PLACE_PREFIX;
            ret->prefix = argv[++i];
        } else if (strncmp(argv[i], "--prefix", 8) == 0) {
            fprintf(stderr, "achar install: '--prefix' needs a folder\n");
            return COMMAND_USAGE;
        } else {
            fprintf(stderr, "achar install: unknown argument '%s'\n", argv[i]);
            return COMMAND_USAGE;
        }
        ret->n_places++;
    }
    if (ret->n_places > 1) {
        fprintf(stderr, "achar install: give one of --user, --sys-prefix and --prefix\n");
        return COMMAND_USAGE;
    }
    return 0;
}

/* ---- where ---- */

static int user_folder(char **ret, struct error *err)
{
    const char *folder = getenv("JUPYTER_DATA_DIR");
    if (folder && *folder) {
        *ret = must_strdup(folder);
        return 0;
    }
    folder = getenv("XDG_DATA_HOME");
    if (folder && *folder) {
        *ret = must_format("%s/jupyter", folder);
        return 0;
    }
    const char *home = getenv("HOME");
    const struct passwd *user = home && *home ? NULL : getpwuid(getuid());
    if (user)
        home = user->pw_dir;
    if (!home || !*home)
        return error_set(
            err, -ENOENT,
            "no home folder: set 'HOME' or 'JUPYTER_DATA_DIR', or use --prefix");
    *ret = must_format("%s/.local/share/jupyter", home);
    return 0;
}

static int python_prefix(char **ret, struct error *err)
{
    FILE *pipe = popen("python3 -c 'import sys; print(sys.prefix)' 2>/dev/null", "re");
    if (!pipe)
        return error_errno(err, -errno, "cannot run 'python3'");
    char line[PATH_SIZE_MAX];
    bool has_line = fgets(line, sizeof(line), pipe) != NULL;
    if (pclose(pipe) != 0 || !has_line)
        return error_set(err, -ENOENT,
                         "'python3' does not say where it is installed: use --prefix");
    line[strcspn(line, "\n")] = '\0';
    *ret = must_strdup(line);
    return 0;
}

static int sys_prefix(char **ret, struct error *err)
{
    static const char *const names[] = {"VIRTUAL_ENV", "CONDA_PREFIX"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);
        if (value && *value) {
            *ret = must_strdup(value);
            return 0;
        }
    }
    return python_prefix(ret, err);
}

/* The folder that holds "kernels/". */
static int jupyter_folder(const struct options *options, char **ret, struct error *err)
{
    CLEANUP(freep) char *prefix = NULL;
    if (options->place == PLACE_USER)
        return user_folder(ret, err);
    if (options->place == PLACE_PREFIX)
        prefix = must_strdup(options->prefix);
    int r = prefix ? 0 : sys_prefix(&prefix, err);
    if (r < 0)
        return r;
    *ret = must_format("%s/share/jupyter", prefix);
    return 0;
}

static int make_folders(const char *path, struct error *err)
{
    CLEANUP(freep) char *part = must_strdup(path);
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdir(part, 0777) < 0 && errno != EEXIST)
            return error_errno(err, -errno, "cannot make the folder '%s'", part);
        if (!slash)
            break;
        *slash = '/';
    }
    struct stat info;
    if (stat(path, &info) < 0 || !S_ISDIR(info.st_mode))
        return error_set(err, -ENOTDIR, "'%s' is not a folder", path);
    return 0;
}

/* ---- what ---- */

static int own_path(char **ret, struct error *err)
{
    char path[PATH_SIZE_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (size < 0)
        return error_errno(err, -errno, "cannot read '/proc/self/exe'");
    path[size] = '\0';
    *ret = must_strdup(path);
    return 0;
}

static void add_json_text(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buffer_add_char(out, '\\');
        if ((unsigned char)*text < 0x20)
            buffer_format(out, "\\u%04x", *text);
        else
            buffer_add_char(out, *text);
    }
}

/* The file's bytes with every @ACHAR@ replaced by `executable`, as JSON text. */
static void fill_in(const struct kernelspec_file *file, const char *executable,
                    struct buffer *out)
{
    static const char mark[] = "@ACHAR@";
    const size_t n_mark = sizeof(mark) - 1;
    const char *at = (const char *)file->data, *end = at + file->size;
    const char *next;
    while ((next = memmem(at, (size_t)(end - at), mark, n_mark))) {
        buffer_add(out, at, (size_t)(next - at));
        add_json_text(out, executable);
        at = next + n_mark;
    }
    buffer_add(out, at, (size_t)(end - at));
}

static int write_file(const char *folder, const char *name, const void *data, size_t size,
                      struct error *err)
{
    CLEANUP(freep) char *path = must_format("%s/%s", folder, name);
    CLEANUP(freep) char *draft = must_format("%s/.%s.XXXXXX", folder, name);
    CLEANUP(closep) int fd = mkostemp(draft, O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, -errno, "cannot write into '%s'", folder);
    int r = write_all(fd, data, size);
    if (r == 0 && (fchmod(fd, 0644) < 0 || rename(draft, path) < 0))
        r = -errno;
    if (r < 0) {
        unlink(draft);
        return error_errno(err, r, "cannot write '%s'", path);
    }
    return 0;
}

static int write_kernelspec(const char *folder, const char *executable, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer json = {0};
    for (const struct kernelspec_file *file = kernelspec_files; file->name; file++) {
        if (strcmp(file->name, KERNEL_JSON ".in") == 0) {
            fill_in(file, executable, &json);
            continue;
        }
        int r = write_file(folder, file->name, file->data, file->size, err);
        if (r < 0)
            return r;
    }
    return write_file(folder, KERNEL_JSON, json.data, json.size, err);
}

static int install(const struct options *options, struct error *err)
{
    CLEANUP(freep) char *base = NULL, *executable = NULL;
    int r = jupyter_folder(options, &base, err);
    if (r == 0)
        r = own_path(&executable, err);
    if (r < 0)
        return r;
    CLEANUP(freep) char *folder = must_format("%s/kernels/achar", base);
    r = make_folders(folder, err);
    if (r == 0)
        r = write_kernelspec(folder, executable, err);
    if (r < 0)
        return r;
    printf("installed the kernelspec 'achar' in %s\n"
           "it starts %s\n"
           "open it with `jupyter lab` (choose \"C (achar)\") or "
           "`jupyter console --kernel achar`\n",
           folder, executable);
    return 0;
}

static int run(int argc, char **argv)
{
    struct options options = {.place = PLACE_USER};
    struct error err = {0};
    int r = parse(argc, argv, &options);
    if (r != 0)
        return r;
    r = install(&options, &err);
    if (r < 0)
        fprintf(stderr, "achar install: %s\n", err.text);
    return r < 0 ? 1 : 0;
}

const struct command command_install = {
    .name = "install",
    .summary = "install the kernelspec, so that Jupyter finds this kernel",
    .usage = "[--user | --sys-prefix | --prefix DIR]\n"
             "\n"
             "  --user        for you: $JUPYTER_DATA_DIR, else ~/.local/share/jupyter "
             "(default)\n"
             "  --sys-prefix  into the active Python environment\n"
             "  --prefix DIR  into DIR/share/jupyter",
    .run = run,
};
