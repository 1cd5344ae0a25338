/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Interrupt and shutdown. */
#include "kernel/handlers/handler.h"

static void run_interrupt(struct kernel *kernel, const struct request *request)
{
    interrupts_take(&kernel->interrupts, kernel->server, request);
    reply(kernel, request, json_object());
}

const struct handler handle_interrupt = {
    .type = "interrupt_request",
    .channels = ON_CONTROL,
    .run = run_interrupt,
};

static void run_shutdown(struct kernel *kernel, const struct request *request)
{
    bool is_restart;
    if (!get_bool(kernel, request, "restart", false, &is_restart))
        return;
    json_t *content = json_pack("{s:s, s:b}", "status", "ok", "restart", is_restart);
    /* On iopub too: other clients learn of it there. */
    publish(kernel, request, "shutdown_reply", json_copy(content));
    reply(kernel, request, content);
    __atomic_store_n(&kernel->is_ending, true, __ATOMIC_RELEASE);
}

const struct handler handle_shutdown = {
    .type = "shutdown_request",
    .channels = ON_SHELL | ON_CONTROL,
    .run = run_shutdown,
};
