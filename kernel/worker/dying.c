/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/dying.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define HEADER_SIZE 16 /* kernel/peer/channel.h */
#define BODY_SIZE (32u << 10)

/* Global: a signal handler uses it. */
static struct {
    int fd;
    uint16_t kind;
    uint32_t generation, id;
    const char *tail;
    size_t tail_size;
    char frame[HEADER_SIZE + BODY_SIZE];
} dying;

void dying_set(int fd, uint16_t kind, uint32_t generation, uint32_t id, const char *tail,
               size_t tail_size)
{
    dying.fd = fd;
    dying.kind = kind;
    dying.generation = generation;
    dying.id = id;
    dying.tail = tail;
    dying.tail_size = tail_size;
}

void dying_set_id(uint32_t id)
{
    dying.id = id;
}

static void put32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(value >> (8 * i));
}

static void write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 1000);
        else if (n < 0 && errno != EINTR)
            return;
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
}

/* The outcome is packed into memory set aside: the buffer never grows, nothing is
 * allocated. */
static void send_report(uint16_t kind, const struct guard_report *report,
                        const char *tail, size_t tail_size)
{
    static struct outcome_frame frames[TRACE_FRAMES_MAX];
    struct outcome outcome = {.kind = report->kind,
                              .name = (char *)report->name,
                              .message = (char *)report->message,
                              .status = report->status,
                              .frames = frames,
                              .n_frames = report->trace.n};
    for (size_t i = 0; i < report->trace.n; i++)
        frames[i] = (struct outcome_frame){
            (char *)report->trace.frames[i].function, report->trace.frames[i].cell,
            report->trace.frames[i].line, (char *)report->trace.frames[i].file};
    struct buffer body = {.data = dying.frame + HEADER_SIZE, .capacity = BODY_SIZE};
    outcome_pack(&outcome, &body);
    buffer_add(&body, tail, tail_size);
    put32(dying.frame, (uint32_t)body.size + HEADER_SIZE - 4);
    put32(dying.frame + 4, kind);
    put32(dying.frame + 8, dying.generation);
    put32(dying.frame + 12, dying.id);
    write_all(dying.fd, dying.frame, body.size + HEADER_SIZE);
}

void dying_report(const struct guard_report *report)
{
    send_report(dying.kind, report, dying.tail, dying.tail_size);
}

void dying_tell(uint16_t kind, const struct guard_report *report)
{
    send_report(kind, report, "", 0);
}
