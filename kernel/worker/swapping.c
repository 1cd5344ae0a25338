/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/swapping.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kernel/peer/protocol.h"
#include "kernel/worker/reading.h"
#include "kernel/worker/show.h"
#include "pickler/code/swap.h"

/* Global: a signal handler uses it. */
static struct {
    struct engine *engine;
    struct channel **channel;
} swapping;

struct request {
    uint32_t serial;
    struct swap_member *members; /* with owned names */
    size_t n;
    struct unit_site *sites;
    size_t n_sites, sites_capacity;
};

static void member_clear(struct swap_member *member)
{
    free((char *)member->name);
    free((uint32_t *)member->needs);
}

static void request_clear(struct request *request)
{
    for (size_t i = 0; i < request->n; i++)
        member_clear(&request->members[i]);
    free(request->members);
    free(request->sites);
}

static void read_needs(struct unpack *in, struct swap_member *member)
{
    size_t n = (size_t)unpack_max(in, SWAP_MEMBERS_MAX);
    uint32_t *needs = must_alloc((n + 1) * sizeof(*needs));
    for (size_t i = 0; i < n && !in->failed; i++)
        needs[i] = (uint32_t)unpack_max(in, SWAP_MEMBERS_MAX);
    member->needs = needs;
    member->n_needs = n;
}

static void read_sites(struct unpack *in, struct request *request)
{
    uint32_t cell = (uint32_t)unpack_max(in, UINT32_MAX);
    size_t n = unpack_count(in);
    for (size_t i = 0; i < n && !in->failed; i++) {
        uint32_t line = (uint32_t)unpack_max(in, UINT32_MAX);
        uint32_t type = (uint32_t)unpack_max(in, TYPES_MAX);
        GROW(request->sites, request->n_sites, request->sites_capacity);
        request->sites[request->n_sites++] = (struct unit_site){cell, line, type};
    }
}

static bool read_request(const void *data, size_t size, struct request *ret)
{
    struct unpack in = unpack_init(data, size);
    ret->serial = (uint32_t)unpack_max(&in, UINT32_MAX);
    size_t n = (size_t)unpack_max(&in, SWAP_MEMBERS_MAX);
    if (in.failed)
        return false;
    ret->members = must_alloc((n + 1) * sizeof(*ret->members));
    for (; ret->n < n && !in.failed; ret->n++) {
        struct swap_member *member = &ret->members[ret->n];
        member->name = unpack_string(&in);
        member->version = (uint32_t)unpack_max(&in, UINT32_MAX);
        member->is_root = unpack_max(&in, 1) != 0;
        in.failed |= !member->name;
        read_needs(&in, member);
        read_sites(&in, ret);
    }
    return unpack_done(&in);
}

static int load(const struct request *request, const void *object, size_t size,
                struct error *err)
{
    struct unit *unit = NULL;
    int r = swap_in(&swapping.engine->names, request->serial, object, size,
                    request->members, request->n, &unit, err);
    for (size_t i = 0; r == 0 && i < request->n_sites; i++)
        unit_add_site(unit, request->sites[i].cell, request->sites[i].line,
                      request->sites[i].type);
    return r;
}

static int load_file(const struct request *request, int fd, struct error *err)
{
    struct stat info;
    if (fstat(fd, &info) < 0 || info.st_size <= 0)
        return error_set(err, -EBADMSG, "the object cannot be read");
    void *object = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (object == MAP_FAILED)
        return error_errno(err, -errno, "the object cannot be mapped");
    int r = load(request, object, (size_t)info.st_size, err);
    munmap(object, (size_t)info.st_size);
    return r;
}

int swapping_load(const void *data, size_t size, const void *object, size_t object_size,
                  struct error *err)
{
    CLEANUP(request_clear) struct request request = {0};
    if (!read_request(data, size, &request))
        return error_set(err, -EBADMSG, "the request cannot be read");
    return load(&request, object, object_size, err);
}

int swapping_take(const struct frame *frame, struct error *err)
{
    CLEANUP(request_clear) struct request request = {0};
    CLEANUP(buffer_clear) struct buffer answer = {0};
    struct error why = {0};
    uint32_t generation = frame->generation;
    int r = -EBADMSG;
    if (!read_request(frame->data, frame->size, &request) || frame->n_fds != 1)
        error_set(&why, r, "the request cannot be read");
    else
        r = load_file(&request, frame->fds[0], &why);
    for (size_t i = 0; i < frame->n_fds; i++)
        close(frame->fds[i]);
    pack_u64(&answer, request.serial);
    pack_u64(&answer, r == 0 ? SWAP_DONE : r == -ESTALE ? SWAP_STALE : SWAP_REFUSED);
    pack_string(&answer, r == 0 ? NULL : why.text);
    show_lock();
    r = channel_send(*swapping.channel, WORKER_SWAPPED, generation, 0, answer.data,
                     answer.size, err);
    show_unlock();
    return r;
}

/* Asked by the front to look while a cell runs. In code of cells there may be allocated;
 * anywhere else nothing is done, and the front asks again. Other requests are left for
 * when the cell has ended. */
static void on_urgent(int signal_number, siginfo_t *info, void *context)
{
    struct frame frame;
    uint16_t kind;
    int saved_errno = errno;
    (void)signal_number;
    (void)info;
    bool may_change = guard_is_in_cell(context) && changing_try();
    while (may_change && channel_peek(*swapping.channel, &kind) > 0 &&
           kind == WORKER_SWAP)
        if (channel_receive(*swapping.channel, 0, &frame, NULL) <= 0 ||
            swapping_take(&frame, NULL) < 0)
            break;
    if (may_change)
        changing_end();
    errno = saved_errno;
}

void swapping_init(struct engine *engine, struct channel **channel)
{
    swapping.engine = engine;
    swapping.channel = channel;
    struct sigaction on = {.sa_sigaction = on_urgent,
                           .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigaddset(&on.sa_mask, SIGINT);
    sigaction(SIGURG, &on, NULL);
}
