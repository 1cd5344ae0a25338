/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/handlers/input.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

struct input {
    pthread_mutex_t lock;
    int fd;
    char *id;               /* of the question, NULL: none is open */
    struct buffer identity; /* of who was asked */
    struct buffer answer;
    bool has_answer;
};

int input_new(struct input **ret, struct error *err)
{
    CLEANUP(input_freep) struct input *input = must_alloc(sizeof(*input));
    pthread_mutex_init(&input->lock, NULL);
    input->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (input->fd < 0)
        return error_errno(err, -errno, "cannot create an event descriptor");
    *ret = TAKE(input);
    return 0;
}

void input_free(struct input *input)
{
    if (!input)
        return;
    closep(&input->fd);
    free(input->id);
    buffer_clear(&input->identity);
    buffer_clear(&input->answer);
    pthread_mutex_destroy(&input->lock);
    free(input);
}

int input_fd(const struct input *input)
{
    return input->fd;
}

/* Under the lock. */
static void forget(struct input *input)
{
    eventfd_t count;
    (void)eventfd_read(input->fd, &count);
    free(input->id);
    input->id = NULL;
    input->answer.size = input->identity.size = 0;
    input->has_answer = false;
}

void input_expect(struct input *input, const struct request *request, const char *id)
{
    pthread_mutex_lock(&input->lock);
    forget(input);
    input->id = must_strdup(id);
    if (request->n_identities)
        buffer_add(&input->identity, request->identities[0].data,
                   request->identities[0].size);
    pthread_mutex_unlock(&input->lock);
}

bool input_take(struct input *input, struct buffer *ret)
{
    pthread_mutex_lock(&input->lock);
    bool has_answer = input->has_answer;
    if (has_answer) {
        buffer_add(ret, input->answer.data, input->answer.size);
        forget(input);
    }
    pthread_mutex_unlock(&input->lock);
    return has_answer;
}

void input_forget(struct input *input)
{
    pthread_mutex_lock(&input->lock);
    forget(input);
    pthread_mutex_unlock(&input->lock);
}

/* Under the lock. */
static bool is_expected(const struct input *input, const struct request *reply)
{
    const struct buffer *from = reply->n_identities ? &reply->identities[0] : NULL;
    if (!input->id || input->has_answer)
        return false;
    if (reply->parent_id && strcmp(reply->parent_id, input->id) != 0)
        return false;
    return from && from->size == input->identity.size &&
           memcmp(from->data, input->identity.data, from->size) == 0;
}

void input_receive(struct input *input, const struct request *reply)
{
    json_t *value = json_object_get(reply->content, "value");
    if (reply->problem || strcmp(reply->type, "input_reply") != 0 ||
        !json_is_string(value))
        return;
    pthread_mutex_lock(&input->lock);
    if (is_expected(input, reply)) {
        buffer_add(&input->answer, json_string_value(value), json_string_length(value));
        input->has_answer = true;
        (void)eventfd_write(input->fd, 1);
    }
    pthread_mutex_unlock(&input->lock);
}
