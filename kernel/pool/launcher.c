/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/pool/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pickler/base/start.h"

/* OpenMPI leaves its session's folder behind when it is killed: in ours. */
static void make_folder(struct folder *ret)
{
    if (folder_make(ret, NULL, "ranks", NULL) < 0)
        return;
    setenv("OMPI_MCA_orte_tmpdir_base", ret->path, 1);
    setenv("PRTE_MCA_prte_tmpdir_base", ret->path, 1);
}

static int spawn(char *const *argv, const int writers[LAUNCHER_FDS], pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, writers[0], 1);
    posix_spawn_file_actions_adddup2(&actions, writers[1], 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    return start_program(argv[0], (const char *const *)argv, NULL, &actions,
                         START_SESSION, ret);
}

int launcher_start(char *const *words, size_t n_words, const char *const *last, size_t n,
                   const char *mark, struct launcher *ret, struct error *err)
{
    CLEANUP(freep) char **argv = must_alloc((n_words + n + 1) * sizeof(*argv));
    for (size_t i = 0; i < n_words; i++)
        argv[i] = words[i];
    for (size_t i = 0; i < n; i++)
        argv[n_words + i] = (char *)last[i];
    *ret = (struct launcher){.fds = {-1, -1}, .mark = must_strdup(mark)};
    make_folder(&ret->folder);
    int writers[LAUNCHER_FDS] = {-1, -1}, r = 0;
    for (int i = 0; i < LAUNCHER_FDS && r == 0; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0) {
            r = -errno;
            break;
        }
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        ret->fds[i] = ends[0];
        writers[i] = ends[1];
    }
    if (r == 0)
        r = spawn(argv, writers, &ret->pid);
    closep(&writers[0]);
    closep(&writers[1]);
    if (r == 0)
        return 0;
    launcher_kill(ret);
    return error_errno(err, r, "cannot run '%s'", argv[0]);
}

void launcher_watch(const struct launcher *launcher, struct pollfd *fds)
{
    for (int i = 0; i < LAUNCHER_FDS; i++)
        fds[i] = (struct pollfd){.fd = launcher->fds[i], .events = POLLIN};
}

static void keep_text(struct launcher *launcher, const char *text, size_t size)
{
    struct buffer *kept = &launcher->text;
    buffer_add(kept, text, size);
    if (kept->size <= LAUNCHER_TEXT_MAX)
        return;
    size_t extra = kept->size - LAUNCHER_TEXT_MAX;
    memmove(kept->data, kept->data + extra, LAUNCHER_TEXT_MAX);
    kept->size = LAUNCHER_TEXT_MAX;
}

/* One line of its stdout, or the beginning of an endless one. */
static void take_line(struct launcher *launcher, const char *text, size_t size)
{
    size_t n_mark = strlen(launcher->mark);
    const char *found = memmem(text, size, launcher->mark, n_mark);
    if (!found) {
        keep_text(launcher, text, size);
        return;
    }
    size_t n = (size_t)(text + size - found) - n_mark;
    if (launcher->marked.size + n <= LAUNCHER_MARKED_MAX)
        buffer_add(&launcher->marked, found + n_mark, n);
}

static void take_output(struct launcher *launcher, const char *text, size_t size)
{
    struct buffer *line = &launcher->line;
    buffer_add(line, text, size);
    size_t done = 0;
    for (const char *end; (end = memchr(line->data + done, '\n', line->size - done));) {
        size_t next = (size_t)(end - line->data) + 1;
        take_line(launcher, line->data + done, next - done);
        done = next;
    }
    if (line->size - done > LAUNCHER_TEXT_MAX) {
        take_line(launcher, line->data + done, line->size - done);
        done = line->size;
    }
    memmove(line->data, line->data + done, line->size - done);
    line->size -= done;
}

char *launcher_next_marked(struct launcher *launcher)
{
    struct buffer *marked = &launcher->marked;
    const char *end = marked->size ? memchr(marked->data, '\n', marked->size) : NULL;
    if (!end)
        return NULL;
    size_t size = (size_t)(end - marked->data) + 1;
    char *text = must_strndup(marked->data, size - 1);
    memmove(marked->data, marked->data + size, marked->size - size);
    marked->size -= size;
    return text;
}

void launcher_read(struct launcher *launcher, const struct pollfd *fds)
{
    for (int i = 0; i < LAUNCHER_FDS; i++) {
        char text[4096];
        if (!fds[i].revents || launcher->fds[i] < 0)
            continue;
        ssize_t n = read(launcher->fds[i], text, sizeof(text));
        if (n > 0) {
            (i == 0 ? take_output : keep_text)(launcher, text, (size_t)n);
        } else if (n == 0 || errno != EAGAIN) {
            close(launcher->fds[i]);
            launcher->fds[i] = -1;
            if (i == 0) {
                keep_text(launcher, launcher->line.data, launcher->line.size);
                launcher->line.size = 0;
            }
        }
    }
}

bool launcher_has_ended(struct launcher *launcher)
{
    siginfo_t info = {0};
    struct pollfd fds[LAUNCHER_FDS];
    if (launcher->pid <= 0 ||
        waitid(P_PID, (id_t)launcher->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
        !info.si_pid)
        return false;
    for (launcher_watch(launcher, fds); poll(fds, LAUNCHER_FDS, 0) > 0;
         launcher_watch(launcher, fds))
        launcher_read(launcher, fds);
    return true;
}

void launcher_end(struct launcher *launcher, uint64_t now)
{
    if (launcher->pid <= 0 || launcher->kill_at)
        return;
    launcher->kill_at = now + LAUNCHER_END_US;
    kill(launcher->pid, SIGTERM);
}

static void release(struct launcher *launcher)
{
    for (int i = 0; i < LAUNCHER_FDS; i++)
        closep(&launcher->fds[i]);
    buffer_clear(&launcher->text);
    buffer_clear(&launcher->line);
    buffer_clear(&launcher->marked);
    free(launcher->mark);
    folder_remove(&launcher->folder);
    *launcher = (struct launcher){.fds = {-1, -1}};
}

bool launcher_is_over(struct launcher *launcher, uint64_t now)
{
    if (launcher->pid > 0 && waitpid(launcher->pid, NULL, WNOHANG) == 0) {
        if (!launcher->kill_at || now < launcher->kill_at)
            return false;
        launcher_kill(launcher);
        return true;
    }
    release(launcher);
    return true;
}

void launcher_kill(struct launcher *launcher)
{
    if (launcher->pid > 0) {
        kill(-launcher->pid, SIGKILL);
        while (waitpid(launcher->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    release(launcher);
}
