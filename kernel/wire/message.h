/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Messages of the Jupyter protocol as values: a request taken apart, an answer put
 * together. https://jupyter-client.readthedocs.io/en/stable/messaging.html */
#ifndef ACHAR_WIRE_MESSAGE_H
#define ACHAR_WIRE_MESSAGE_H

#include <jansson.h>
#include <stdint.h>

#include "kernel/wire/connection.h"
#include "kernel/wire/signer.h"
#include "pickler/base/buffer.h"

#define WIRE_PROTOCOL "5.5"
#define MESSAGE_FRAMES_MAX 64          /* of one message, identities and buffers too */
#define MESSAGE_SIZE_MAX (32u << 20)   /* bytes of all its frames */
#define MESSAGE_HEADER_MAX (64u << 10) /* bytes of a header, which answers repeat */
#define MESSAGE_IDENTITIES_MAX 8
#define MESSAGE_DEPTH_MAX 256 /* nesting of JSON */

struct request {
    unsigned n_refs;
    enum wire_channel channel;
    struct buffer identities[MESSAGE_IDENTITIES_MAX];
    size_t n_identities;
    json_t *header, *metadata, *content; /* objects */
    const char *type;                    /* header.msg_type, borrowed from header */
    char *parent_id;                     /* msg_id of what it answers, or NULL */
    char *header_text;                   /* as it came: the answers' parent_header */
    char *problem;                       /* why it is malformed, or NULL */
    size_t size;                         /* bytes it came in */
    uint64_t number; /* of shell requests: how many had come with it */
    int64_t came;    /* ms, of the monotonic clock */
};

/* Takes a message apart, after its signature was found good. A negative return: nobody
 * can be answered. Otherwise `problem` says what is wrong with a request that can be
 * refused. */
int request_parse(enum wire_channel channel, const struct span *frames, size_t n,
                  struct signer *signer, struct request **ret,
                  struct error *err) MUST_USE;
/* One more owner, on the same thread as the first; each frees it. */
struct request *request_ref(const struct request *request) MUST_USE;
void request_free(struct request *request);
DEFINE_FREEP(struct request, request_free)

/* Header, parent header, metadata and content as JSON text. */
#define MESSAGE_PARTS 4

struct message {
    enum wire_channel channel;
    struct buffer identities[MESSAGE_IDENTITIES_MAX]; /* on iopub: its topic */
    size_t n_identities;
    char *id;                   /* in its header */
    char *parts[MESSAGE_PARTS]; /* owned text */
    size_t size;                /* bytes of all parts */
};

/* Whose message it is: of one run of the kernel. */
struct sender {
    char session[37];          /* a random UUID */
    unsigned long long n_sent; /* counted atomically */
};

void sender_init(struct sender *sender);

/* An answer to `request` (on iopub: caused by it; NULL: by none). Takes `metadata` (NULL:
 * empty) and `content`. Any thread. */
struct message *message_new(struct sender *sender, const struct request *request,
                            enum wire_channel channel, const char *type, json_t *metadata,
                            json_t *content) MUST_USE;
/* The same for a piece of a stream, whose text is valid UTF-8. */
struct message *message_new_stream(struct sender *sender, const char *parent_text,
                                   bool is_stderr, const char *text,
                                   size_t size) MUST_USE;
void message_free(struct message *message);
DEFINE_FREEP(struct message, message_free)

/* A JSON string of any bytes (made valid UTF-8); NULL gives "". */
json_t *message_text(const char *text) MUST_USE;
/* ISO 8601 in UTC with microseconds, of now. */
char *message_date(void) MUST_USE;

#endif
