/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The executor `ssh`: a pool on each host, behind the standard input and output of one
 * ssh. Nothing needs to be installed there: one line of shell asks for what is missing,
 * unpacks it in a folder of the user that has the hash of its content for a name, and
 * starts the pool. What it says begins with the place's mark:
 *
 *     MARK kind x86_64       -> HASH of the content
 *     MARK prologue          -> SIZE and so many bytes of shell, if there is --prologue
 *     MARK need              -> SIZE SUM and so many bytes of tar.gz
 *     MARK error TEXT        it has given up
 *     MARK start             the pool's own mark follows */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "magics/executors/kit.h"
#include "magics/executors/places.h"

#define KINDS_MAX 8          /* of machines */
#define NOISE_MAX (1u << 20) /* of a login shell, before it starts our line */
#define LINE_MAX 4096

/* No single quote, newline, backslash or exclamation mark: it is quoted for any login
 * shell. %s: the mark, the folder, what asks for a prologue, and arguments of the pool.
 */
static const char boot_text[] =
    "M=%s;B=%s;[ -n \"$B\" ]||B=${XDG_CACHE_HOME:-$HOME/.cache}/achar;echo;"
    "echo $M kind `uname -m`;read H||exit 1;D=$B/$H;T=$D.$M;umask 077;%s"
    "if [ -f \"$D/done\" ];then :;else "
    "mkdir -p \"$T\"||{ echo $M error cannot make a folder in \"$B\";exit 1;};"
    "echo $M need;read N S||exit 1;"
    "head -c $N >\"$T/tgz\"||{ rm -rf \"$T\";echo $M error no space in \"$B\";exit 1;};"
    "if command -v sha256sum >/dev/null;then set -- `sha256sum <\"$T/tgz\"`;"
    "[ \"$1\" = $S ]||{ rm -rf \"$T\";echo $M error what was copied to \"$B\" is "
    "incomplete;exit 1;};fi;"
    "gzip -dc <\"$T/tgz\" >\"$T/tar\" && tar xf \"$T/tar\" -C \"$T\"||{ rm -rf "
    "\"$T\";echo $M error no space in \"$B\", or no tar and gzip;exit 1;};"
    "rm -f \"$T/tgz\" \"$T/tar\";"
    "\"$T/lib/ld.so\" --version >/dev/null||{ rm -rf \"$T\";echo $M error files in "
    "\"$B\" cannot be executed, is it mounted noexec?;exit 1;};"
    ": >\"$T/done\";mv -T \"$T\" \"$D\" 2>/dev/null||[ -f \"$D/done\" ]||mv \"$T\" "
    "\"$D\";"
    "rm -rf \"$T\";fi;"
    "eval \"$P\" </dev/null;"
    "echo $M start;export ACHAR_KIT=\"$D\" ACHAR_LIBEXEC=\"$D/run\" "
    "ACHAR_INCLUDE=\"$D/tcc:$D/include\";"
    "exec \"$D/lib/ld.so\" --library-path \"$D/lib\" \"$D/bin/achar-pool\" %s";

static const char ask_prologue[] = "echo $M prologue;read N||exit 1;P=`head -c $N`;";

struct kind {
    char *machine;
    struct kit kit;
};

struct ssh {
    struct places places; /* first: places.h */
    const struct executor_option *options;
    size_t n_options;
    struct kind kinds[KINDS_MAX];
    size_t n_kinds;
};

struct boot {
    struct buffer line; /* what has come and is no whole line yet */
    size_t n_noise;
    struct kit *kit;      /* the executor's */
    struct buffer answer; /* to be sent, then the kit when it `is_copying` */
    size_t sent;
    bool is_copying;
};

static bool is_good_host(const char *name, size_t size)
{
    if (!size || size > 255 || *name == '-')
        return false;
    for (size_t i = 0; i < size; i++)
        if (strchr(" \t\n'\"\\$`;&|<>", name[i]))
            return false;
    return true;
}

static int check(const struct executor_option *options, size_t n_options,
                 struct error *err)
{
    const char *hosts = executor_option(options, n_options, "hosts");
    const char *folder = executor_option(options, n_options, "folder");
    int r = places_check_workers(options, n_options, err);
    if (r < 0)
        return r;
    if (!hosts || !*hosts)
        return error_set(err, -EINVAL, "which hosts? such as --hosts a,b or user@c");
    if (folder && (strpbrk(folder, "'\"\\`!\n") || !*folder))
        return error_set(err, -EINVAL, "'--folder=%s' is not the name of a folder",
                         folder);
    size_t n_hosts = 0;
    for (const char *at = hosts; *at; n_hosts++) {
        size_t size = strcspn(at, ",");
        if (!is_good_host(at, size))
            return error_set(err, -EINVAL, "'%.*s' is not the name of a host", (int)size,
                             at);
        at += size + (at[size] == ',');
    }
    return n_hosts <= PLACES_MAX
               ? 0
               : error_set(err, -EINVAL, "more than %d hosts", PLACES_MAX);
}

static char *boot_line(const struct ssh *ssh, const struct place *place)
{
    const char *folder = executor_option(ssh->options, ssh->n_options, "folder");
    bool is_home = folder && strncmp(folder, "~/", 2) == 0;
    CLEANUP(freep)
    char *base = must_format("\"%s%s\"", is_home ? "$HOME/" : "",
                             folder ? folder + (is_home ? 2 : 0) : "");
    CLEANUP(freep)
    char *arguments = places_arguments(place, ssh->options, ssh->n_options);
    bool has_prologue = executor_option(ssh->options, ssh->n_options, "prologue");
    CLEANUP(freep)
    char *text = must_format(boot_text, place->mark, base,
                             has_prologue ? ask_prologue : "P=;", arguments);
    return must_format("exec /bin/sh -c '%s'", text);
}

static char **words(void *context, const struct place *place)
{
    static const char *const fixed[] = {"ssh",
                                        "-T",
                                        "-oBatchMode=yes", /* asks nobody for anything */
                                        "-oConnectTimeout=15",
                                        "-oServerAliveInterval=5",
                                        "-oServerAliveCountMax=3",
                                        "-oControlMaster=no",
                                        "-oControlPath=none",
                                        "-oClearAllForwardings=yes",
                                        "-oForwardAgent=no",
                                        "-oForwardX11=no",
                                        "-oPermitLocalCommand=no",
                                        "-oRemoteCommand=none",
                                        "-oEscapeChar=none"};
    const struct ssh *ssh = context;
    const char *config = executor_option(ssh->options, ssh->n_options, "config");
    size_t n = sizeof(fixed) / sizeof(*fixed);
    char **ret = must_alloc((n + 6) * sizeof(*ret));
    for (size_t i = 0; i < n; i++)
        ret[i] = must_strdup(fixed[i]);
    if (config && *config) {
        bool is_home = strncmp(config, "~/", 2) == 0 && getenv("HOME");
        ret[n++] = must_strdup("-F");
        ret[n++] = must_format("%s%s", is_home ? getenv("HOME") : "",
                               config + (is_home ? 1 : 0));
    }
    ret[n++] = must_strdup("--");
    ret[n++] = must_strdup(place->name);
    ret[n++] = boot_line(ssh, place);
    return ret;
}

/* ---- getting a pool to run there ---- */

static int find_kit(struct ssh *ssh, const char *machine, struct kit **ret,
                    struct error *err)
{
    for (size_t i = 0; i < ssh->n_kinds; i++)
        if (strcmp(ssh->kinds[i].machine, machine) == 0) {
            *ret = &ssh->kinds[i].kit;
            return 0;
        }
    if (ssh->n_kinds == KINDS_MAX)
        return error_set(err, -E2BIG, "more than %d kinds of machines", KINDS_MAX);
    struct kind *kind = &ssh->kinds[ssh->n_kinds];
    int r = kit_make(machine, &kind->kit, err);
    if (r < 0)
        return r;
    kind->machine = must_strdup(machine);
    ssh->n_kinds++;
    *ret = &kind->kit;
    return 0;
}

static bool is_machine(const char *name)
{
    size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return size && size < 32 && !name[size];
}

/* A line behind the mark. 1: the pool starts; 0: more is to come. */
static int take_line(struct ssh *ssh, struct place *place, const char *line,
                     struct error *err)
{
    struct boot *boot = place->boot;
    if (strcmp(line, "start") == 0)
        return 1;
    if (strncmp(line, "error ", 6) == 0)
        return error_set(err, -EPROTO, "%s (another place: --folder)", line + 6);
    if (strncmp(line, "kind ", 5) == 0 && is_machine(line + 5) && !boot->kit) {
        int r = find_kit(ssh, line + 5, &boot->kit, err);
        if (r == 0)
            buffer_format(&boot->answer, "%s\n", boot->kit->name);
        return r;
    }
    const char *prologue = executor_option(ssh->options, ssh->n_options, "prologue");
    if (strcmp(line, "prologue") == 0 && prologue && boot->kit && !boot->is_copying) {
        buffer_format(&boot->answer, "%zu\n%s", strlen(prologue), prologue);
        return 0;
    }
    if (strcmp(line, "need") == 0 && boot->kit && !boot->is_copying) {
        int r = kit_pack(boot->kit, err);
        if (r == 0)
            buffer_format(&boot->answer, "%zu %s\n", boot->kit->packed.size,
                          boot->kit->sum);
        boot->is_copying = r == 0;
        return r;
    }
    return error_set(err, -EPROTO, "it says '%.100s'", line);
}

/* Takes what is there up to the end of a line. 1: a line is whole; 0: not yet. */
static int read_line(struct place *place, struct error *err)
{
    char bytes[LINE_MAX];
    struct boot *boot = place->boot;
    ssize_t n = recv(place->launch.fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    if (n <= 0)
        return error_set(err, -EPIPE, "ssh has ended");
    const char *end = memchr(bytes, '\n', (size_t)n);
    size_t take = end ? (size_t)(end - bytes) + 1 : (size_t)n;
    if (recv(place->launch.fd, bytes, take, MSG_DONTWAIT) != (ssize_t)take)
        return error_set(err, -EPIPE, "ssh has ended");
    boot->n_noise += take;
    if (boot->n_noise > NOISE_MAX)
        return error_set(err, -EPROTO, "its login shell prints without end");
    buffer_add(&boot->line, bytes, take);
    return end != NULL;
}

static int write_more(struct ssh *ssh, struct place *place)
{
    struct boot *boot = place->boot;
    for (;;) {
        size_t size = boot->answer.size;
        size_t more = boot->is_copying ? boot->kit->packed.size : 0;
        if (boot->sent == size + more)
            break;
        bool is_head = boot->sent < size;
        const char *at = is_head ? boot->answer.data + boot->sent
                                 : boot->kit->packed.data + (boot->sent - size);
        size_t left = is_head ? size - boot->sent : size + more - boot->sent;
        ssize_t n = send(place->launch.fd, at, left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            places_want_write(&ssh->places, place, true);
            return 0;
        }
        if (n < 0) /* what it said last is still to be read */
            return 0;
        boot->sent += (size_t)n;
    }
    places_want_write(&ssh->places, place, false);
    return 0;
}

/* What a person can do about it. */
static int explain(struct place *place, struct error *err)
{
    launch_listen(&place->launch);
    const char *text = buffer_string(&place->launch.words);
    if (strstr(text, "Host key verification failed"))
        return error_set(err, -EACCES, "its key is not known here; log in once by hand");
    if (strstr(text, "Permission denied"))
        return error_set(err, -EACCES,
                         "no key of yours is accepted; name one in your ssh "
                         "configuration, or add it to your agent");
    return error_set(err, -EPIPE, "ssh has ended");
}

static int boot(void *context, struct place *place, struct error *err)
{
    struct ssh *ssh = context;
    if (!place->boot)
        place->boot = must_alloc(sizeof(struct boot));
    struct boot *boot = place->boot;
    int r;
    while ((r = read_line(place, err)) == 1) {
        CLEANUP(freep) char *line = buffer_take(&boot->line);
        char *at = strstr(line, place->mark);
        if (!at)
            continue;
        at += strlen(place->mark);
        at += strspn(at, " ");
        at[strcspn(at, "\r\n")] = '\0';
        r = take_line(ssh, place, at, err);
        if (r != 0)
            return r;
    }
    if (r == -EPIPE) {
        *err = (struct error){0};
        return explain(place, err);
    }
    return r < 0 ? r : write_more(ssh, place);
}

static void end_boot(void *context, struct place *place)
{
    (void)context;
    struct boot *boot = TAKE(place->boot);
    buffer_clear(&boot->line);
    buffer_clear(&boot->answer);
    free(boot);
}

/* ---- as an executor ---- */

static int open_ssh(const struct executor_option *options, size_t n_options, void **ret,
                    struct error *err)
{
    (void)err;
    struct ssh *ssh = must_alloc(sizeof(*ssh));
    *ssh = (struct ssh){.options = options, .n_options = n_options};
    ssh->places = (struct places){
        .context = ssh, .words = words, .boot = boot, .end_boot = end_boot};
    places_init(&ssh->places);
    for (const char *at = executor_option(options, n_options, "hosts"); *at;) {
        size_t size = strcspn(at, ",");
        places_add(&ssh->places, at, size);
        at += size + (at[size] == ',');
    }
    *ret = ssh;
    return 0;
}

static void close_ssh(void *executor)
{
    struct ssh *ssh = executor;
    places_clear(&ssh->places);
    for (size_t i = 0; i < ssh->n_kinds; i++) {
        free(ssh->kinds[i].machine);
        kit_free(&ssh->kinds[i].kit);
    }
    free(ssh);
}

static const char *const options[] = {"hosts",  "config",   "workers",
                                      "folder", "prologue", NULL};

const struct executor_type executor_ssh = {
    .name = "ssh",
    .summary = "a pool on each of --hosts, over ssh; nothing is installed there",
    .options = options,
    .lease_ms = 3000,
    .check = check,
    .open = open_ssh,
    .next = places_next,
    .fd = places_fd,
    .status = places_status,
    .why = places_why,
    .end = places_end,
    .close = close_ssh,
};
