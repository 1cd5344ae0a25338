/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/executors/kit.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <zlib.h>

#include "kernel/peer/process.h"
#include "magics/executors/launch.h"
#include "magics/executors/tar.h"
#include "pickler/payload/payload.h"

#define LIST_MS 10000 /* for the dynamic linker, to list what an executable needs */
#define LIST_MAX (64u << 10)
#define FILE_MAX (1u << 20) /* a larger header is none of the C library's */

/* Folders of /usr/include (and its folder for this machine) that the C library's headers
 * are in; an empty name: the files beside them. */
static const char *const header_folders[] = {
    "",    "arpa",    "asm",       "asm-generic", "bits", "bits/types", "gnu", "linux",
    "net", "netinet", "netpacket", "protocols",   "rpc",  "sys",        NULL};

static const char *const tcc_folders[] = {"/usr/lib/%s/tcc/include",
                                          "/usr/local/lib/tcc/include",
                                          "/usr/lib/tcc/include", NULL};

static void to_text(const uint8_t hash[32], char ret[65])
{
    for (int i = 0; i < 32; i++)
        snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}

static bool is_header(const char *name)
{
    size_t size = strlen(name);
    return size > 2 && strcmp(name + size - 2, ".h") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* The headers in one folder, not below; a folder that is not there has none. */
static int add_headers(struct buffer *tar, const char *to, const char *folder,
                       struct error *err)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, by_name), r = 0;
    for (int i = 0; i < n; i++) {
        struct stat about;
        CLEANUP(freep) char *path = must_format("%s/%s", folder, entries[i]->d_name);
        CLEANUP(freep) char *name = must_format("%s/%s", to, entries[i]->d_name);
        if (r == 0 && is_header(path) && stat(path, &about) == 0 &&
            S_ISREG(about.st_mode) && about.st_size <= FILE_MAX &&
            strlen(name) <= TAR_NAME_MAX)
            r = tar_add_file(tar, name, path, false, KIT_SIZE_MAX, err);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return r;
}

static int add_all_headers(struct buffer *tar, const struct kit_source *source,
                           struct error *err)
{
    const char *root = source->root;
    CLEANUP(freep) char *triplet = must_format("%s-linux-gnu", source->machine);
    int r = 0;
    for (size_t i = 0; r == 0 && header_folders[i]; i++) {
        const char *folder = header_folders[i], *slash = *folder ? "/" : "";
        CLEANUP(freep)
        char *from = must_format("%s/usr/include%s%s", root, slash, folder);
        CLEANUP(freep) char *to = must_format("include%s%s", slash, folder);
        r = add_headers(tar, to, from, err);
        CLEANUP(freep)
        char *own = must_format("%s/usr/include/%s%s%s", root, triplet, slash, folder);
        /* Those of the machine are put among the others: names do not meet. */
        if (r == 0)
            r = add_headers(tar, to, own, err);
    }
    for (size_t i = 0; r == 0 && tcc_folders[i]; i++) {
        CLEANUP(freep)
        char *folder = i ? must_format("%s%s", root, tcc_folders[i])
                         : must_format("%s/usr/lib/%s/tcc/include", root, triplet);
        if (access(folder, R_OK) < 0)
            continue;
        r = add_headers(tar, "tcc", folder, err);
        break;
    }
    return r;
}

/* PT_INTERP of an executable, owned; NULL when it has none. */
static char *read_linker(const char *path)
{
    char bytes[4096];
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : pread(fd, bytes, sizeof(bytes), 0);
    if (n < (ssize_t)sizeof(Elf64_Ehdr) || memcmp(bytes, ELFMAG, SELFMAG) != 0 ||
        bytes[EI_CLASS] != ELFCLASS64)
        return NULL;
    Elf64_Ehdr header;
    memcpy(&header, bytes, sizeof(header));
    for (size_t i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        size_t at = header.e_phoff + i * sizeof(segment);
        if (at + sizeof(segment) > (size_t)n)
            return NULL;
        memcpy(&segment, bytes + at, sizeof(segment));
        if (segment.p_type == PT_INTERP && segment.p_offset < (size_t)n &&
            segment.p_filesz < (size_t)n - segment.p_offset)
            return must_strndup(bytes + segment.p_offset, segment.p_filesz);
    }
    return NULL;
}

/* That of another machine runs in an emulator. */
static int run_linker(const struct kit_source *source, const char *linker,
                      const char *path, struct buffer *out, struct error *err)
{
    CLEANUP(freep) char *emulator = must_format("qemu-%s", source->machine);
    const char *const emulated[] = {emulator, "-L", source->root, linker,
                                    "--list", path, NULL};
    const char *const argv_here[] = {linker, "--list", path, NULL};
    const char *const *argv = *source->root ? emulated : argv_here;
    struct launch launch = LAUNCH_NONE;
    int r = launch_start(argv, &launch, err);
    if (r < 0)
        return r;
    while (launch_read(&launch, out, LIST_MAX)) {
        struct pollfd fd = {.fd = launch.fd, .events = POLLIN};
        if (poll(&fd, 1, LIST_MS) == 0)
            break;
    }
    launch_end(&launch, 1000);
    return 0;
}

static bool has_file(const struct buffer *names, const char *name)
{
    CLEANUP(freep) char *line = must_format("\n%s\n", name);
    return strstr(buffer_string(names), line) != NULL;
}

/* "	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f...)" */
static int add_library(struct buffer *tar, const char *root, char *line,
                       struct buffer *names, struct error *err)
{
    char *arrow = strstr(line, " => ");
    char *end = arrow ? strstr(arrow + 4, " (") : NULL;
    if (!end)
        return 0; /* the vdso, or the linker itself */
    *arrow = *end = '\0';
    while (*line == '\t' || *line == ' ')
        line++;
    if (has_file(names, line) || strchr(line, '/'))
        return 0;
    buffer_format(names, "%s\n", line);
    CLEANUP(freep) char *name = must_format("lib/%s", line);
    CLEANUP(freep) char *path = must_format("%s%s", root, arrow + 4);
    return tar_add_file(tar, name, path, false, KIT_SIZE_MAX, err);
}

static int add_libraries(struct buffer *tar, const struct kit_source *source,
                         const char *program, struct buffer *names, struct error *err)
{
    CLEANUP(freep) char *interpreter = read_linker(program);
    CLEANUP(buffer_clear) struct buffer list = {0};
    if (!interpreter)
        return error_set(err, -ENOEXEC, "'%s' is no dynamically linked executable",
                         program);
    CLEANUP(freep) char *linker = must_format("%s%s", source->root, interpreter);
    int r = run_linker(source, linker, program, &list, err);
    if (r == 0 && !has_file(names, "ld.so")) {
        buffer_add_string(names, "ld.so\n");
        r = tar_add_file(tar, "lib/ld.so", linker, true, KIT_SIZE_MAX, err);
    }
    char *rest = list.size ? list.data : NULL;
    for (char *line; r == 0 && (line = strsep(&rest, "\n"));)
        r = add_library(tar, source->root, line, names, err);
    return r;
}

/* "achar-pool" of a build folder is in kernel/pool. */
static char *program_path(const struct kit_source *source, const char *name)
{
    return source->folder ? must_format("%s/kernel/%s/%s", source->folder,
                                        name + strlen("achar-"), name)
                          : process_helper_path(name);
}

static int add_program(struct buffer *tar, const struct kit_source *source,
                       const char *name, struct buffer *names, struct error *err)
{
    CLEANUP(freep) char *path = program_path(source, name);
    CLEANUP(freep) char *bin = must_format("bin/%s", name);
    CLEANUP(freep) char *run = must_format("run/%s", name);
    CLEANUP(freep)
    char *script = must_format("#!/bin/sh\nexec \"$ACHAR_KIT/lib/ld.so\" --library-path "
                               "\"$ACHAR_KIT/lib\" \"$ACHAR_KIT/bin/%s\" \"$@\"\n",
                               name);
    int r = tar_add_file(tar, bin, path, true, KIT_SIZE_MAX, err);
    if (r == 0)
        r = tar_add(tar, run, script, strlen(script), true, err);
    return r == 0 ? add_libraries(tar, source, path, names, err) : r;
}

int kit_make_of(const struct kit_source *source, struct kit *ret, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer names = {0};
    struct kit kit = {0};
    uint8_t hash[PAYLOAD_HASH_SIZE];
    buffer_add_char(&names, '\n');
    int r = add_program(&kit.plain, source, "achar-pool", &names, err);
    if (r == 0)
        r = add_program(&kit.plain, source, "achar-worker", &names, err);
    if (r == 0)
        r = add_all_headers(&kit.plain, source, err);
    if (r < 0) {
        kit_free(&kit);
        return r;
    }
    tar_end(&kit.plain);
    payload_hash(kit.plain.data, kit.plain.size, hash);
    to_text(hash, kit.name);
    *ret = kit;
    return 0;
}

/* Beside our executables, for other machines. */
static char *installed_path(const char *machine)
{
    CLEANUP(freep) char *pool = process_helper_path("achar-pool");
    char *slash = strrchr(pool, '/');
    return must_format("%.*s/remote/%s.tar.gz", (int)(slash ? slash - pool : 1),
                       slash ? pool : ".", machine);
}

static int read_installed(const char *path, struct kit *ret, struct error *err)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    uint8_t hash[PAYLOAD_HASH_SIZE];
    if (fd < 0 || fstat(fd, &about) < 0 || about.st_size > KIT_SIZE_MAX)
        return error_errno(err, fd < 0 ? -errno : -EFBIG, "cannot read '%s'", path);
    struct kit kit = {0};
    buffer_reserve(&kit.packed, (size_t)about.st_size + 1);
    for (ssize_t n; (n = read(fd, kit.packed.data + kit.packed.size,
                              (size_t)about.st_size - kit.packed.size)) > 0;)
        kit.packed.size += (size_t)n;
    payload_hash(kit.packed.data, kit.packed.size, hash);
    to_text(hash, kit.name);
    to_text(hash, kit.sum);
    *ret = kit;
    return 0;
}

int kit_make(const char *machine, struct kit *ret, struct error *err)
{
    struct utsname ours;
    CLEANUP(freep) char *path = installed_path(machine);
    if (access(path, R_OK) == 0)
        return read_installed(path, ret, err);
    if (uname(&ours) == 0 && strcmp(ours.machine, machine) == 0)
        return kit_make_of(&(struct kit_source){machine, NULL, ""}, ret, err);
    return error_set(err, -ENOENT,
                     "it is a machine of kind '%s' and this one is '%s': run 'achar kit "
                     "FILE' on an achar built for '%s', and put the file here as '%s'",
                     machine, ours.machine, machine, path);
}

int kit_pack(struct kit *kit, struct error *err)
{
    uint8_t hash[PAYLOAD_HASH_SIZE];
    z_stream stream = {0};
    if (kit->packed.size)
        return 0;
    if (deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return error_set(err, -ENOMEM, "cannot compress what the host needs");
    size_t bound = deflateBound(&stream, kit->plain.size);
    buffer_reserve(&kit->packed, bound + 1);
    stream.next_in = (Bytef *)kit->plain.data;
    stream.avail_in = (uInt)kit->plain.size;
    stream.next_out = (Bytef *)kit->packed.data;
    stream.avail_out = (uInt)bound;
    int r = deflate(&stream, Z_FINISH);
    kit->packed.size = stream.total_out;
    deflateEnd(&stream);
    if (r != Z_STREAM_END)
        return error_set(err, -EIO, "cannot compress what the host needs");
    payload_hash(kit->packed.data, kit->packed.size, hash);
    to_text(hash, kit->sum);
    return 0;
}

void kit_free(struct kit *kit)
{
    buffer_clear(&kit->plain);
    buffer_clear(&kit->packed);
    *kit = (struct kit){0};
}
