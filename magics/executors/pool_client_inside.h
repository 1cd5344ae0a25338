/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What pool_client.c (one link's protocol, which never waits), pool_client_send.c (what
 * goes over it) and pool_client_wait.c (for who has one link and waits for it) know of
 * each other. */
#ifndef ACHAR_EXECUTORS_POOL_CLIENT_INSIDE_H
#define ACHAR_EXECUTORS_POOL_CLIENT_INSIDE_H

#include "kernel/peer/line.h"
#include "kernel/peer/patience.h"
#include "magics/executors/pool_client.h"

#define HASH_SIZE 32

/* Ids are handed out in order: what is open is a window over them. */
struct open_task {
    bool is_open;
    bool has_file; /* its argument went in one */
    void *tag;
};

struct open_tasks {
    uint32_t first; /* id of all[start] */
    struct open_task *all;
    size_t start, n, capacity; /* [start, n) is in use */
};

struct kept_event {
    struct kept_event *next;
    struct pool_event event; /* data points to `data` */
    char *data;
};

struct request { /* a payload that was sent and not answered */
    uint32_t id;
    uint8_t hash[HASH_SIZE];
};

struct pool_client {
    const struct executor_type *type;
    void *executor;
    bool owns_executor;
    struct executor_link link; /* its channel is the line's */
    struct line *line;
    unsigned lease_ms;
    unsigned n_prestart; /* 0: not said */
    unsigned n_workers;  /* 0: no hello yet */
    char *machine;    /* of the pool ("aarch64"), where it is not of our kind; or NULL */
    bool is_dead;     /* nothing more will come */
    bool is_broken;   /* nothing more can be sent; results may still come */
    struct error why; /* of its end */
    struct patience patience; /* of pool_client_wait() */
    uint32_t last_id;
    struct open_tasks open;
    uint8_t (*known)[HASH_SIZE]; /* payloads that the pool has */
    size_t n_known, known_capacity;
    struct request *requests;
    size_t n_requests, requests_capacity;
    struct kept_event *kept, **kept_end;
    size_t kept_output; /* bytes that were kept since the last time there were none */
    size_t n_files;     /* arguments that may not be with their job workers yet */
    void *mapped;       /* the file that the last event's data are in ... */
    size_t mapped_size; /* ... so many bytes */
    char *lent;         /* data of the event handed out last */
    struct buffer head; /* of the frame that is being sent */
};

/* The new task's. */
struct open_task *open_tasks_add(struct open_tasks *open, uint32_t id);
/* 1: an event; 0: no frame is here; negative: the pool is gone. */
int pool_client_look(struct pool_client *client, struct pool_event *ret);
/* The pool has died, or must be treated so. The first reason stays. */
void pool_client_lose(struct pool_client *client, const struct error *why);
int pool_client_lost(const struct pool_client *client, struct error *err); /* -EPIPE */
/* What carries the channel has ended; what it left is still to be read. */
bool pool_client_has_ended(const struct pool_client *client);
bool pool_client_knows(const struct pool_client *client, const uint8_t *hash,
                       size_t *ret);

#endif
