/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/worker_client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/peer/display.h"
#include "kernel/peer/protocol.h"
#include "pickler/base/clock.h"

#define OUTPUT_READ_SIZE (64u << 10)
#define LINGER_US 1500      /* for an answer, before going to sleep */
#define OUTPUT_GATHER_MS 10 /* into a request */
#define OUTPUT_GATHER_NS 300000

void worker_client_init(struct worker_client *client, struct interrupt *interrupt)
{
    *client = (struct worker_client){.process = {.pidfd = -1, .out = -1, .err = -1},
                                     .next_generation = 1,
                                     .next_id = 1,
                                     .answer_file = -1,
                                     .interrupt = interrupt};
    console_init(&client->console);
}

void worker_client_clear(struct worker_client *client)
{
    closep(&client->answer_file);
    if (client->process.pid > 0)
        kill(-client->process.pid, SIGKILL); /* what cells have forked, too */
    worker_client_stop(client);
    checkpoints_clear(&client->checkpoints);
    console_clear(&client->console);
    strays_clear(&client->strays);
    session_events_drop(&client->owner);
}

bool worker_client_is_alive(const struct worker_client *client)
{
    struct pollfd ended = {.fd = client->process.pidfd, .events = POLLIN};
    return client->process.pid > 0 && poll(&ended, 1, 0) == 0;
}

int worker_client_start(struct worker_client *client, struct error *err)
{
    static const char *const argv[] = {"achar-worker", NULL};
    client->is_greeted = false;
    return process_start(argv, true, console_input(&client->console),
                         client->next_generation++, &client->process, err);
}

/* How many bytes at the end of the text are the beginning of a UTF-8 character. */
static size_t unfinished(const char *text, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        unsigned char c = (unsigned char)text[size - back];
        if ((c & 0xc0) == 0x80)
            continue;
        size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        return length > back ? back : 0;
    }
    return 0;
}

static void emit(struct worker_client *client, int which, const char *text, size_t size,
                 const struct session_events *events)
{
    if (size && (!events || events->stream))
        console_output(&client->console, which, text, size, clock_ms(), events);
}

/* Output in small pieces: a moment for more of it, rather than a wake for each. */
static void gather(void)
{
    nanosleep(&(struct timespec){.tv_nsec = OUTPUT_GATHER_NS}, NULL);
}

/* Reads once; true when there may be more. */
static bool pump_once(struct worker_client *client, int which,
                      const struct session_events *events)
{
    int *fd = which ? &client->process.err : &client->process.out;
    struct worker_stream *stream = &client->streams[which];
    char text[OUTPUT_TAIL_MAX + OUTPUT_READ_SIZE];
    if (*fd < 0)
        return false;
    memcpy(text, stream->tail, stream->n_tail);
    ssize_t n = read(*fd, text + stream->n_tail, OUTPUT_READ_SIZE);
    if (n < 0)
        return errno == EINTR;
    if (n == 0) {
        emit(client, which, stream->tail, stream->n_tail, events);
        stream->n_tail = 0;
        closep(fd);
        *fd = -1;
        return false;
    }
    size_t size = stream->n_tail + (size_t)n;
    stream->n_tail = unfinished(text, size);
    size -= stream->n_tail;
    memcpy(stream->tail, text + size, stream->n_tail);
    emit(client, which, text, size, events);
    return true;
}

/* What is in the pipes. A child that goes on writing must not hold the cell: at most what
 * a pipe can hold is taken. */
static void pump(struct worker_client *client, const struct session_events *events)
{
    for (int which = 0; which < 2; which++)
        for (int i = 0; i < 32 && pump_once(client, which, events); i++)
            ;
}

/* Everything that was written before the answer is in the pipes by now. */
static void drain(struct worker_client *client, const struct session_events *events)
{
    pump(client, events);
    for (int which = 0; which < 2; which++) {
        struct worker_stream *stream = &client->streams[which];
        emit(client, which, stream->tail, stream->n_tail, events);
        stream->n_tail = 0;
    }
}

struct patience {
    int64_t started;
    int64_t deadline; /* of the next step towards the end; 0: nothing has to end */
    int64_t limit;    /* when the request is to end by itself; 0: any time */
    bool is_interrupted, is_insisting, is_over, is_late;
    bool is_data; /* no code of cells runs: it ends by itself, soon */
};

/* For poll(); `look` is when the console has something to do, -1: never. */
static int time_left(const struct patience *patience, int64_t now, int look)
{
    int64_t at = patience->deadline;
    if (!at || (patience->limit && patience->limit < at))
        at = patience->limit;
    int64_t left = at - now;
    int limit = !at ? -1 : left < 0 ? 0 : (int)(left < INT_MAX ? left : INT_MAX);
    return limit < 0 || (look >= 0 && look < limit) ? look : limit;
}

static void describe_end(const struct patience *patience, struct outcome *ret)
{
    ret->name = must_strdup(patience->is_late ? "TimeLimit" : "Interrupted");
    ret->message = must_strdup(patience->is_late
                                   ? "the cell ran longer than its time limit, and could "
                                     "not be stopped where it was"
                                   : "the code could not be stopped where it was");
}

/* Why a process that was killed is gone. */
static void describe_kill(int signal_number, struct outcome *ret)
{
    const char *name = sigabbrev_np(signal_number);
    *ret = (struct outcome){.kind = OUTCOME_DIED, .status = signal_number};
    ret->name = must_format("SIG%s", name ? name : "?");
    ret->message = signal_number == SIGKILL
                       ? must_strdup("the session's process was killed: by kill -9, or "
                                     "by the system when memory ran out")
                       : must_strdup(strsignal(signal_number));
}

static void describe_death(struct worker_client *client, const struct patience *patience,
                           struct outcome *ret)
{
    int status = 0;
    struct pollfd fd = {.fd = client->process.pidfd, .events = POLLIN};
    poll(&fd, 1, 1000);
    if (client->dying.kind != OUTCOME_OK) {
        *ret = client->dying;
        client->dying = (struct outcome){0};
        if (ret->kind == OUTCOME_EXIT) {
            free(ret->name);
            free(ret->message);
            ret->name = must_strdup("ExitStatus");
            ret->message = must_format("the program ended with exit status %d, where the "
                                       "cell could not be left",
                                       ret->status);
        }
        ret->kind = OUTCOME_DIED;
    } else if (patience->is_over) {
        *ret = (struct outcome){.kind = OUTCOME_DIED};
        describe_end(patience, ret);
    } else if (process_has_ended(&client->process, &status) && WIFSIGNALED(status)) {
        describe_kill(WTERMSIG(status), ret);
    } else {
        *ret = (struct outcome){.kind = OUTCOME_DIED,
                                .name = must_strdup("WorkerExit"),
                                .message = must_strdup("the session's process ended")};
    }
    ret->is_state_kept = false;
}

static void show(struct frame *frame, const struct session_events *events)
{
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    if (display_receive(frame, &bundle, NULL) == 0 && events)
        events->display(events->context, &bundle);
    display_done(frame);
}

static void close_from(const struct frame *frame, size_t first)
{
    for (size_t i = first; i < frame->n_fds; i++)
        close(frame->fds[i]);
}

/* The worker has new pipes: programs that it has started hold the old ones, which stay
 * those of the cell before. */
static void change_pipes(struct worker_client *client, const struct frame *frame)
{
    int *ends[2] = {&client->process.out, &client->process.err};
    if (frame->n_fds != 2)
        return close_from(frame, 0);
    drain(client, &client->owner);
    console_release(&client->console, &client->owner);
    for (int which = 0; which < 2; which++) {
        if (*ends[which] >= 0 && client->owner.stream)
            strays_add(&client->strays, *ends[which], which, &client->owner);
        else
            closep(ends[which]);
        *ends[which] = frame->fds[which];
        process_set_pipe(frame->fds[which]);
    }
}

/* What the worker says beside its answers. */
static void heed(struct worker_client *client, const struct session_events *events,
                 struct frame *frame)
{
    if (frame->kind == WORKER_DYING) {
        struct unpack in = unpack_init(frame->data, frame->size);
        outcome_clear(&client->dying);
        if (outcome_unpack(&in, &client->dying, NULL) < 0)
            client->dying = (struct outcome){0};
    } else if (frame->kind == WORKER_DISPLAY) {
        drain(client, events);
        console_release(&client->console, events);
        show(frame, events);
    } else if (frame->kind == WORKER_CHECKPOINT && client->checkpoints.asked_id &&
               frame->id == client->checkpoints.asked_id) {
        checkpoints_answer(&client->checkpoints, &client->process, frame);
    } else if (frame->kind == WORKER_SWAPPED && client->tier) {
        tier_swapped(client->tier, frame->data, frame->size);
    } else if (frame->kind == WORKER_PIPES) {
        change_pipes(client, frame);
    } else {
        close_from(frame, 0);
    }
}

/* Waits for the checkpoint that it was asked for. */
static void take_checkpoint(struct worker_client *client,
                            const struct session_events *events)
{
    struct frame frame;
    while (client->checkpoints.asked_id) {
        if (channel_receive(client->process.channel, CHECKPOINT_TIMEOUT_MS, &frame,
                            NULL) > 0)
            heed(client, events, &frame);
        else
            checkpoints_answer(&client->checkpoints, &client->process, NULL);
    }
}

void worker_client_stop(struct worker_client *client)
{
    if (client->process.pid > 0 && client->is_greeted)
        take_checkpoint(client, NULL);
    process_end(&client->process);
    client->checkpoints.asked_id = 0;
    client->checkpoints.group = 0;
    outcome_clear(&client->dying);
    client->streams[0].n_tail = client->streams[1].n_tail = 0;
}

static int greet(struct worker_client *client, struct error *err)
{
    struct frame hello;
    int r =
        channel_receive(client->process.channel, WORKER_START_TIMEOUT_MS, &hello, err);
    client->is_greeted = r > 0 && hello.kind == FRAME_HELLO;
    if (client->is_greeted)
        return 0;
    worker_client_stop(client);
    return r < 0 ? r : error_set(err, -EPROTO, "the session worker did not start");
}

/* Until it has said hello and answered what it was asked for at leisure. */
static int settle(struct worker_client *client, const struct session_events *events,
                  struct error *err)
{
    int r = client->is_greeted ? 0 : greet(client, err);
    if (r == 0)
        take_checkpoint(client, events);
    return r;
}

/* What the worker said: 1 an answer to `id`, 0 nothing yet, -EPIPE it is gone. */
static int look(struct worker_client *client, uint32_t id,
                const struct session_events *events, struct frame *ret)
{
    for (;;) {
        int r = channel_receive(client->process.channel, 0, ret, NULL);
        if (r <= 0)
            return r < 0 ? -EPIPE : 0;
        if (ret->id == id && ret->id && ret->kind != WORKER_DYING &&
            ret->kind != WORKER_DISPLAY && ret->kind != WORKER_PIPES)
            return 1;
        heed(client, events, ret);
    }
}

void worker_client_look(struct worker_client *client)
{
    struct frame frame;
    if (worker_client_is_alive(client) && client->is_greeted)
        (void)!look(client, 0, NULL, &frame);
}

/* How long to wait for what happens first; -1: for ever. */
static int shorter(int64_t left, int step)
{
    return left < 0 || (step >= 0 && step < left) ? step : (int)left;
}

/* The signal says which request it is for: it may come before the worker has read it. */
static void signal_worker(struct worker_client *client, int signal_number, uint32_t id)
{
    sigqueue(client->process.pid, signal_number, (union sigval){.sival_int = (int)id});
    kill(client->process.pid, SIGCONT); /* it may have stopped itself */
}

/* First what a terminal would send; a cell that handles or blocks it is made to end. */
static void pass_interrupt(struct worker_client *client, uint32_t id,
                           struct patience *patience)
{
    int64_t now = clock_ms();
    if (!patience->deadline) {
        signal_worker(client, SIGINT, id);
        patience->deadline = now + WORKER_HANDLER_MS;
        return;
    }
    signal_worker(client, WORKER_INTERRUPT_SIGNAL, id);
    patience->is_insisting = true;
    patience->deadline = now + WORKER_MERCY_MS;
}

/* Without a checkpoint its end costs the session's state. */
static int last_chance(const struct worker_client *client,
                       const struct patience *patience)
{
    return client->is_replaceable && !patience->is_data ? WORKER_MERCY_MS
                                                        : WORKER_INTERRUPT_MS;
}

static void end_in_time(struct worker_client *client, uint32_t id,
                        struct patience *patience)
{
    signal_worker(client, WORKER_LIMIT_SIGNAL, id);
    patience->limit = 0;
    patience->is_late = patience->is_insisting = true;
    patience->deadline = clock_ms() + last_chance(client, patience);
}

/* False when the worker has had all the time there is. */
static bool insist(struct worker_client *client, uint32_t id, struct patience *patience)
{
    if (patience->is_insisting)
        return false;
    signal_worker(client, WORKER_INTERRUPT_SIGNAL, id);
    patience->is_insisting = true;
    patience->deadline = clock_ms() + last_chance(client, patience);
    return true;
}

static bool is_data(uint16_t kind)
{
    return (kind >= WORKER_DUMP && kind <= WORKER_LOAD_AT) || kind == WORKER_TYPES ||
           kind == WORKER_DUMP_PIECES || kind == WORKER_BYTES;
}

/* Asks for input when somebody waits for it; true when nobody can be asked. */
static bool is_refused_input(struct worker_client *client, int64_t now,
                             const struct session_events *events)
{
    struct console *console = &client->console;
    if (console_timeout(console, now) ||
        !console_look(console, client->process.pid, now, events))
        return false;
    console_take_written(console, now, events);
    pump(client, events);
    return console_serve(console, now, events);
}

static int wait_answer(struct worker_client *client, uint32_t id,
                       const struct session_events *events, struct frame *ret,
                       struct patience *patience)
{
    channel_linger(client->process.channel, LINGER_US, 1);
    for (;;) {
        int r = look(client, id, events, ret);
        if (r != 0)
            return r;
        int64_t now = clock_ms();
        if (patience->limit && now >= patience->limit)
            end_in_time(client, id, patience);
        if (patience->deadline && now >= patience->deadline &&
            !insist(client, id, patience)) {
            patience->is_over = true;
            kill(client->process.pid, SIGKILL);
            return -EPIPE;
        }
        struct process *process = &client->process;
        struct console *console = &client->console;
        const struct session_aside *aside = &client->aside;
        struct pollfd fds[7 + STRAYS_MAX] = {
            {.fd = channel_fd(process->channel), .events = POLLIN},
            {.fd = client->interrupt->fd, .events = POLLIN},
            {.fd = process->out, .events = POLLIN},
            {.fd = process->err, .events = POLLIN},
            {.fd = console->terminal.master, .events = POLLIN},
            {.fd = console_answer_fd(console, events), .events = POLLIN},
            {.fd = aside->run ? aside->fd : -1, .events = POLLIN}};
        size_t n_strays = strays_watch(&client->strays, fds + 7);
        int step =
            client->tier ? tier_step_running(client->tier, client->tier_context) : -1;
        bool is_asked = console->is_asked;
        int64_t since = now;
        poll(fds, 7 + n_strays,
             shorter(time_left(patience, now, console_timeout(console, now)), step));
        now = clock_ms();
        if (is_asked && patience->limit) /* the time is the person's, not the cell's */
            patience->limit += now - since;
        if (fds[1].revents && interrupt_take(client->interrupt)) {
            patience->is_interrupted = true;
            pass_interrupt(client, id, patience);
        }
        if (!fds[0].revents && (fds[2].revents || fds[3].revents) &&
            now >= patience->started + OUTPUT_GATHER_MS)
            gather();
        for (int which = 0; which < 2; which++)
            if (fds[2 + which].revents)
                pump_once(client, which, events);
        strays_read(&client->strays, fds + 7);
        if (fds[6].revents)
            aside->run(aside->context);
        if (fds[4].revents)
            console_take_written(console, now, events);
        if (fds[5].revents)
            console_take_answer(console, process->pid, now, events);
        if (is_refused_input(client, now, events))
            pass_interrupt(client, id, patience);
    }
}

void worker_client_ask_checkpoint(struct worker_client *client, uint64_t moment,
                                  uint64_t budget)
{
    if (!client->checkpoints.asked_id && worker_client_is_alive(client))
        checkpoints_ask(&client->checkpoints, &client->process, client->next_id++, moment,
                        budget);
}

bool worker_client_has_checkpoint(struct worker_client *client, uint64_t moment,
                                  const struct session_events *events)
{
    struct error ignored;
    return client->process.pid > 0 && settle(client, events, &ignored) == 0 &&
           checkpoints_has(&client->checkpoints, moment);
}

int worker_client_take_over(struct worker_client *client, uint64_t moment,
                            char **ret_changed, struct error *err)
{
    struct checkpoints *checkpoints = &client->checkpoints;
    if (client->process.pid > 0 && settle(client, NULL, err) < 0)
        return -ESRCH;
    int r = checkpoints_take_over(checkpoints, &client->process, moment,
                                  client->next_generation, ret_changed, err);
    if (r == -ESRCH)
        return r;
    client->next_generation++;
    outcome_clear(&client->dying);
    return r;
}

/* A cell that was interrupted because it reads, where nobody can be asked, says so. */
static void end_console(struct worker_client *client, struct outcome *outcome,
                        const struct session_events *events)
{
    bool is_stopped = outcome->kind == OUTCOME_INTERRUPTED ||
                      (outcome->kind == OUTCOME_DIED && outcome->name &&
                       !strcmp(outcome->name, "Interrupted"));
    console_end(&client->console,
                is_stopped || outcome->kind == OUTCOME_FAULT ||
                    outcome->kind == OUTCOME_DIED,
                events);
    if (!client->console.is_refused || !is_stopped)
        return;
    free(outcome->name);
    free(outcome->message);
    outcome->name = must_strdup("StdinNotImplementedError");
    outcome->message =
        must_strdup("this front end does not allow input; it was asked for");
}

size_t worker_client_watch(const struct worker_client *client, struct pollfd *fds)
{
    const struct process *process = &client->process;
    fds[0] = (struct pollfd){.fd = process->out, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = process->err, .events = POLLIN};
    const struct session_aside *aside = &client->aside;
    fds[2] = (struct pollfd){.fd = aside->run ? aside->fd : -1, .events = POLLIN};
    return 3 + strays_watch(&client->strays, fds + 3);
}

void worker_client_listen(struct worker_client *client, const struct pollfd *fds)
{
    const struct session_events *owner = client->owner.stream ? &client->owner : NULL;
    for (int which = 0; which < 2; which++)
        if (fds[which].revents)
            pump_once(client, which, owner);
    console_release(&client->console, owner);
    strays_read(&client->strays, fds + 3);
    if (fds[2].revents)
        client->aside.run(client->aside.context);
}

/* From now on the pipes are those of this request. */
static void set_owner(struct worker_client *client, const struct session_events *events)
{
    if (!events || events->context == client->owner.context)
        return;
    session_events_drop(&client->owner);
    client->owner = session_events_keep(events);
}

int worker_client_ask(struct worker_client *client, uint16_t kind,
                      const struct buffer *question, const struct session_events *events,
                      struct outcome *ret, struct unpack *ret_rest, struct error *err)
{
    struct process *process = &client->process;
    if (!worker_client_is_alive(client))
        return error_set(err, -EPIPE, "the session's process has ended");
    uint32_t id = client->next_id++;
    struct frame answer;
    int64_t now = clock_ms(), limit = kind == WORKER_RUN || kind == WORKER_ADDRESS
                                          ? client->limits.time_ms
                                          : 0;
    struct patience patience = {
        .started = now, .limit = limit ? now + limit : 0, .is_data = is_data(kind)};
    int r = settle(client, events, err);
    if (r < 0)
        return r;
    r = channel_send(process->channel, kind, process->generation, id, question->data,
                     question->size, NULL);
    console_begin(&client->console, now);
    if (client->tier)
        tier_begin(client->tier);
    if (r == 0)
        r = wait_answer(client, id, events, &answer, &patience);
    if (client->tier)
        tier_end(client->tier);
    drain(client, events);
    if (r < 0) {
        describe_death(client, &patience, ret);
        end_console(client, ret, events);
        set_owner(client, events);
        *ret_rest = unpack_init("", 0);
        return 0;
    }
    *ret_rest = unpack_init(answer.data, answer.size);
    closep(&client->answer_file);
    client->answer_file = answer.n_fds ? answer.fds[0] : -1;
    close_from(&answer, 1);
    if (answer.kind == FRAME_BAD) {
        console_end(&client->console, false, events);
        CLEANUP(freep) char *text = unpack_string(ret_rest);
        return error_set(err, -EPROTO, "the worker refused a request: %s",
                         text ? text : "no reason given");
    }
    r = outcome_unpack(ret_rest, ret, err);
    /* It was served without, or had been by then: the interrupt is for what follows. */
    if (patience.is_interrupted && ret->kind != OUTCOME_INTERRUPTED)
        interrupt_raise(client->interrupt);
    end_console(client, ret, events);
    set_owner(client, events);
    return r;
}
