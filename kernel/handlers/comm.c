/* SPDX-License-Identifier: BSD-3-Clause
 *
 * There are no comm targets: a comm that a front end opens is closed again. */
#include "kernel/handlers/handler.h"

static void run_comm_info(struct kernel *kernel, const struct request *request)
{
    reply(kernel, request, json_pack("{s:s, s:{}}", "status", "ok", "comms"));
}

const struct handler handle_comm_info = {
    .type = "comm_info_request",
    .channels = ON_SHELL,
    .run = run_comm_info,
};

static void run_comm_open(struct kernel *kernel, const struct request *request)
{
    const char *id;
    if (get_text(kernel, request, "comm_id", NULL, &id))
        publish(kernel, request, "comm_close",
                json_pack("{s:s, s:{}}", "comm_id", id, "data"));
}

const struct handler handle_comm_open = {
    .type = "comm_open",
    .channels = ON_SHELL,
    .run = run_comm_open,
};

/* What was on its way when its comm was closed. */
static void run_nothing(struct kernel *kernel, const struct request *request)
{
}

const struct handler handle_comm_msg = {
    .type = "comm_msg",
    .channels = ON_SHELL,
    .run = run_nothing,
};

const struct handler handle_comm_close = {
    .type = "comm_close",
    .channels = ON_SHELL,
    .run = run_nothing,
};
