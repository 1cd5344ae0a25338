/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/pool/world.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "kernel/peer/process.h"
#include "kernel/pool/pool.h"

#define START_TEXT_MAX 3000 /* of one message */

static void make_token(char token[RANKS_TOKEN_SIZE + 1])
{
    unsigned char bytes[RANKS_TOKEN_SIZE / 2];
    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        abort(); /* 16 bytes are always there */
    for (size_t i = 0; i < sizeof(bytes); i++) {
        token[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        token[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    token[RANKS_TOKEN_SIZE] = '\0';
}

void world_init(struct world *world, size_t n, uint32_t generation, unsigned lease_ms)
{
    *world = (struct world){
        .state = WORLD_STARTING, .generation = generation, .n = n, .lease_ms = lease_ms};
    world->launcher = (struct launcher){.fds = {-1, -1}};
    make_token(world->token);
    world->ranks = must_alloc(n * sizeof(*world->ranks));
    for (size_t i = 0; i < n; i++)
        world->ranks[i].output[0].fd = world->ranks[i].output[1].fd = -1;
}

void rank_forget_request(struct rank *rank)
{
    outcome_clear(&rank->where);
    rank->where = (struct outcome){0};
    free(TAKE(rank->left));
    rank->n_still = 0;
    rank->is_heard = rank->has_finalized = false;
}

static void clear_rank(struct rank *rank)
{
    line_free(rank->parent);
    channel_free(rank->worker);
    output_clear(&rank->output[0]);
    output_clear(&rank->output[1]);
    rank_forget_request(rank);
    outcome_clear(&rank->dying);
    outcome_clear(&rank->end);
    free(rank->host);
}

void world_clear(struct world *world)
{
    for (size_t i = 0; i < world->n; i++)
        clear_rank(&world->ranks[i]);
    free(world->ranks);
    *world =
        (struct world){.generation = world->generation, .launcher = {.fds = {-1, -1}}};
}

void rank_set_pipes(struct rank *rank, const int fds[2])
{
    for (int i = 0; i < 2; i++) {
        closep(&rank->output[i].fd);
        rank->output[i].fd = fds[i];
        process_set_pipe(fds[i]);
    }
}

static bool is_token(const struct world *world, const char *token)
{
    unsigned char differs = 0;
    if (!token || strlen(token) != RANKS_TOKEN_SIZE)
        return false;
    for (size_t i = 0; i < RANKS_TOKEN_SIZE; i++)
        differs |= (unsigned char)(token[i] ^ world->token[i]);
    return !differs;
}

int world_take_rank(struct world *world, const struct frame *hello,
                    struct channel *parent, bool is_far, struct error *err)
{
    struct unpack in = unpack_init(hello->data, hello->size);
    uint64_t version = unpack_u64(&in);
    CLEANUP(freep) char *token = unpack_string(&in);
    uint64_t number = unpack_u64(&in), n = unpack_u64(&in);
    CLEANUP(freep) char *host = unpack_string(&in);
    pid_t pid = (pid_t)unpack_max(&in, INT32_MAX);
    if (hello->kind != RANK_HELLO || hello->n_fds != (is_far ? 0 : 3) ||
        !unpack_done(&in) || version != PROTOCOL_VERSION || !is_token(world, token))
        return error_set(err, -EBADMSG, "no rank of this kernel's");
    if (n != world->n || number >= n || world->ranks[number].parent)
        return error_set(err, -EPROTO,
                         "the launcher started rank %llu of %llu, where rank 0 to %zu of "
                         "%zu were asked for",
                         (unsigned long long)number, (unsigned long long)n, world->n - 1,
                         world->n);
    struct rank *rank = &world->ranks[number];
    rank->parent = line_new(parent);
    rank->is_far = is_far;
    struct line_terms terms = rank_terms(world->lease_ms, is_far);
    line_agree(rank->parent, &terms);
    if (!is_far) {
        rank->worker = channel_new(hello->fds[0], hello->fds[0]);
        rank_set_pipes(rank, hello->fds + 1);
    }
    rank->host = TAKE(host);
    rank->pid = pid;
    return 0;
}

void rank_note_closed(struct rank *rank)
{
    if (!rank->closed_at)
        rank->closed_at = pool_now();
}

void rank_tell(struct rank *rank, uint16_t kind, uint32_t generation, uint32_t id,
               const void *data, size_t size)
{
    int r = 0;
    if (rank->is_far && rank->parent) {
        CLEANUP(buffer_clear) struct buffer body = {0};
        buffer_reserve(&body, size + 32);
        pack_u64(&body, kind);
        pack_u64(&body, generation);
        pack_u64(&body, id);
        pack_bytes(&body, data, size);
        r = line_send(rank->parent, RANK_TELL, id, body.data, body.size, NULL);
    } else if (rank->worker) {
        r = channel_post(rank->worker, kind, generation, id, data, size, NULL);
    }
    if (r < 0)
        rank_note_closed(rank);
}

static void describe_status(int status, struct outcome *ret)
{
    if (status >= 0 && WIFSIGNALED(status)) {
        int number = WTERMSIG(status);
        const char *name = sigabbrev_np(number);
        ret->status = number;
        ret->name = must_format("SIG%s", name ? name : "?");
        ret->message = number == SIGKILL
                           ? must_strdup("its process was killed: by kill -9, or by the "
                                         "system when memory ran out")
                           : must_strdup(strsignal(number));
    } else if (status >= 0) {
        ret->status = WEXITSTATUS(status);
        ret->name = must_strdup("ExitStatus");
        ret->message =
            must_format("its process ended with exit status %d", WEXITSTATUS(status));
    } else {
        ret->name = must_strdup("RankLost");
        ret->message = must_strdup("its process, or its host, is gone");
    }
}

void rank_lose(struct rank *rank, int status)
{
    if (rank->is_lost)
        return;
    rank->is_lost = true;
    if (rank->dying.kind == OUTCOME_OK) {
        describe_status(status, &rank->end);
    } else {
        rank->end = rank->dying;
        rank->dying = (struct outcome){0};
    }
    rank->end.kind = OUTCOME_DIED;
    rank->end.is_state_kept = false;
}

void rank_lose_silent(struct rank *rank, unsigned lease_ms)
{
    bool is_lost = rank->is_lost;
    rank_lose(rank, -1);
    if (is_lost)
        return;
    free(rank->end.message);
    rank->end.message =
        must_format("nothing was heard from host '%s' for %g s: the host, the network to "
                    "it or the rank's parent process hangs (--lease=SECONDS allows more)",
                    rank->host, lease_ms / 1e3);
}

void rank_lose_waiting(struct rank *rank, const char *name, const char *message)
{
    if (rank->is_lost)
        return;
    rank->is_lost = true;
    rank->end = rank->where; /* with its frames */
    rank->where = (struct outcome){0};
    rank->end.kind = OUTCOME_DIED;
    rank->end.is_state_kept = false;
    free(rank->end.name);
    free(rank->end.message);
    rank->end.name = must_strdup(name);
    rank->end.message = must_strdup(message);
}

static void add_text(struct buffer *out, const char *title, const struct buffer *text)
{
    size_t size = text->size;
    const char *at = text->data;
    if (size > START_TEXT_MAX) {
        at += size - START_TEXT_MAX;
        size = START_TEXT_MAX;
    }
    while (size && strchr(" \n", at[size - 1]))
        size--;
    if (size)
        buffer_format(out, "\n%s: %.*s", title, (int)size, at);
}

char *world_describe_start(struct world *world)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    buffer_format(&text, "%zu of %zu ranks came up", world->n_up, world->n);
    for (size_t i = 0; i < world->n; i++) {
        struct rank *rank = &world->ranks[i];
        if (!rank->is_lost || text.size > START_TEXT_MAX)
            continue;
        buffer_format(&text, "\nrank %zu: %s", i, rank->end.message);
        output_read_rest(&rank->output[1]);
        add_text(&text, "its errors", &rank->output[1].unsent);
    }
    add_text(&text, "the launcher says", &world->launcher.text);
    return buffer_take(&text);
}
