/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/handlers/output.h"

#include <inttypes.h>
#include <string.h>

#include "kernel/handlers/handler.h"

/* True when there is room for so much more; else it is counted, and the first time said.
 */
static bool admit(struct output *output, size_t size)
{
    if (output->is_silent)
        return false;
    if (!output->dropped && output->sent + size <= OUTPUT_MAX) {
        output->sent += size;
        return true;
    }
    if (!output->dropped) {
        CLEANUP(freep)
        char *text = must_format("\n[the output of this cell is cut here, after %" PRIu64
                                 " bytes]\n",
                                 output->sent);
        server_stream(output->kernel->server, output->request, true, text, strlen(text));
    }
    output->dropped += size;
    return false;
}

static void add_stream(void *context, bool is_stderr, const char *text, size_t size)
{
    struct output *output = context;
    CLEANUP(buffer_clear) struct buffer valid = {0};
    if (!admit(output, size))
        return;
    text_cleaner_add(&output->cleaners[is_stderr], text, size, &valid);
    server_stream(output->kernel->server, output->request, is_stderr, valid.data,
                  valid.size);
}

static json_t *display_content(const char *plain, const char *html,
                               const char *display_id)
{
    json_t *data = json_object(), *transient = json_object();
    json_object_set_new(data, "text/plain", message_text(plain));
    if (html)
        json_object_set_new(data, "text/html", message_text(html));
    if (display_id)
        json_object_set_new(transient, "display_id", message_text(display_id));
    return json_pack("{s:o, s:{}, s:o}", "data", data, "metadata", "transient",
                     transient);
}

static void add_display(void *context, const char *plain, const char *html,
                        const char *display_id, bool is_update)
{
    struct output *output = context;
    struct server *server = output->kernel->server;
    if (!admit(output, (plain ? strlen(plain) : 0) + (html ? strlen(html) : 0)))
        return;
    server_post_paced(server,
                      message_new(server_sender(server), output->request, WIRE_IOPUB,
                                  is_update ? "update_display_data" : "display_data",
                                  NULL, display_content(plain, html, display_id)));
}

struct session_events output_events(struct output *output)
{
    return (struct session_events){
        .stream = add_stream, .display = add_display, .context = output};
}

void output_end(struct output *output)
{
    if (output->is_silent)
        return;
    for (int i = 0; i < 2; i++) {
        CLEANUP(buffer_clear) struct buffer rest = {0};
        text_cleaner_end(&output->cleaners[i], &rest);
        server_stream(output->kernel->server, output->request, i, rest.data, rest.size);
    }
    if (!output->dropped)
        return;
    CLEANUP(freep)
    char *text =
        must_format("[%" PRIu64 " more bytes of output were dropped]\n", output->dropped);
    server_stream(output->kernel->server, output->request, true, text, strlen(text));
}
