/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/handlers/output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/handlers/handler.h"
#include "kernel/handlers/mime.h"

static void __attribute__((format(printf, 2, 3))) say(struct output *output,
                                                      const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    CLEANUP(freep) char *text = must_vformat(format, arguments);
    va_end(arguments);
    server_stream(output->kernel->server, output->request, true, text, strlen(text));
}

struct output *output_new(struct kernel *kernel, const struct request *request,
                          uint32_t cell)
{
    struct output *output = must_alloc(sizeof(*output));
    *output = (struct output){.n_refs = 1,
                              .kernel = kernel,
                              .request = request_ref(request),
                              .cell = cell,
                              .spill = {.fd = -1}};
    return output;
}

void output_unref(struct output *output)
{
    if (!output || --output->n_refs)
        return;
    spill_end(&output->spill, &output->kernel->spills, output->is_cut);
    free(output->tails[0].bytes);
    free(output->tails[1].bytes);
    request_free(output->request);
    free(output);
}

static void send(struct output *output, bool is_stderr, const char *text, size_t size)
{
    CLEANUP(buffer_clear) struct buffer valid = {0};
    text_cleaner_add(&output->cleaners[is_stderr], text, size, &valid);
    server_stream(output->kernel->server, output->request, is_stderr, valid.data,
                  valid.size);
}

static void flush_cleaners(struct output *output)
{
    for (int i = 0; i < 2; i++) {
        CLEANUP(buffer_clear) struct buffer rest = {0};
        text_cleaner_end(&output->cleaners[i], &rest);
        server_stream(output->kernel->server, output->request, i, rest.data, rest.size);
    }
}

static void cut(struct output *output)
{
    flush_cleaners(output);
    output->is_cut = true;
    spill_open(&output->spill, &output->kernel->spills, output->cell);
    CLEANUP(freep) char *place = spill_place(&output->spill);
    say(output,
        "\n[the output of this cell is cut here, after %" PRIu64
        " bytes; it goes on in %s, and its end is shown when the cell ends]\n",
        output->sent, place);
}

/* How much is still shown at once: where that is not all, it ends with a line. */
static size_t head_size(const struct output *output, const char *text, size_t size)
{
    size_t room = OUTPUT_MAX - output->sent;
    if (size <= room)
        return size;
    const char *end = memrchr(text, '\n', room);
    return end ? (size_t)(end - text) + 1 : 0;
}

static void add_stream(void *context, bool is_stderr, const char *text, size_t size)
{
    struct output *output = context;
    if (output->is_silent)
        return;
    spill_add(&output->spill, &output->kernel->spills, output->cell, text, size);
    size_t head = output->is_cut ? 0 : head_size(output, text, size);
    output->sent += head;
    send(output, is_stderr, text, head);
    if (head == size)
        return;
    if (!output->is_cut)
        cut(output);
    spill_tail_add(&output->tails[is_stderr], text + head, size - head);
}

static bool admit_display(struct output *output, size_t size)
{
    if (output->is_silent || output->displayed > OUTPUT_DISPLAYS_MAX)
        return false;
    output->displayed += size;
    if (output->displayed > OUTPUT_DISPLAYS_MAX)
        say(output, "[what this cell displays is cut here, after %" PRIu64 " bytes]\n",
            output->displayed);
    return output->displayed <= OUTPUT_DISPLAYS_MAX;
}

static void clear_output(struct output *output, bool waits)
{
    struct server *server = output->kernel->server;
    server_post_paced(server, message_new(server_sender(server), output->request,
                                          WIRE_IOPUB, "clear_output", NULL,
                                          json_pack("{s:b}", "wait", waits)));
}

static json_t *display_content(const struct bundle *bundle, struct error *problem)
{
    json_t *transient = json_object();
    if (bundle->id)
        json_object_set_new(transient, "display_id", message_text(bundle->id));
    return json_pack("{s:o, s:o, s:o}", "data", mime_data(bundle, problem), "metadata",
                     mime_metadata(bundle, problem), "transient", transient);
}

static void add_display(void *context, const struct bundle *bundle)
{
    struct output *output = context;
    struct server *server = output->kernel->server;
    struct error problem = {0};
    if (!admit_display(output, bundle_size(bundle)))
        return;
    if (bundle->action == BUNDLE_CLEAR || bundle->action == BUNDLE_CLEAR_LATER) {
        clear_output(output, bundle->action == BUNDLE_CLEAR_LATER);
        return;
    }
    json_t *content = display_content(bundle, &problem);
    if (problem.code && !json_object_size(json_object_get(content, "data"))) {
        json_decref(content);
        say(output, "%s\n", problem.text);
        return;
    }
    server_post_paced(server,
                      message_new(server_sender(server), output->request, WIRE_IOPUB,
                                  bundle->action == BUNDLE_UPDATE ? "update_display_data"
                                                                  : "display_data",
                                  NULL, content));
    if (problem.code)
        say(output, "%s\n", problem.text);
}

static bool ask(void *context, const char *prompt, bool is_secret)
{
    struct output *output = context;
    struct kernel *kernel = output->kernel;
    if (!output->allows_input)
        return false;
    struct message *message = message_new(
        server_sender(kernel->server), output->request, WIRE_STDIN, "input_request", NULL,
        json_pack("{s:o, s:b}", "prompt", message_text(prompt), "password", is_secret));
    input_expect(kernel->input, output->request, message->id);
    server_post(kernel->server, message);
    return true;
}

static bool take_answer(void *context, struct buffer *ret)
{
    struct output *output = context;
    return input_take(output->kernel->input, ret);
}

static void withdraw(void *context)
{
    struct output *output = context;
    input_forget(output->kernel->input);
}

static void keep(void *context)
{
    struct output *output = context;
    output->n_refs++;
}

static void drop(void *context)
{
    output_unref(context);
}

struct session_events output_events(struct output *output)
{
    return (struct session_events){.stream = add_stream,
                                   .display = add_display,
                                   .ask = ask,
                                   .take_answer = take_answer,
                                   .withdraw = withdraw,
                                   .answer_fd = input_fd(output->kernel->input),
                                   .context = output,
                                   .keep = keep,
                                   .drop = drop};
}

static void show_tails(struct output *output)
{
    struct buffer ends[2] = {{0}};
    uint64_t left_out = 0;
    for (int i = 0; i < 2; i++)
        left_out += spill_tail_read(&output->tails[i], &ends[i]);
    CLEANUP(freep) char *place = spill_place(&output->spill);
    if (left_out)
        say(output,
            "[%" PRIu64 " bytes of output are left out here; the whole is in %s]\n",
            left_out, place);
    for (int i = 0; i < 2; i++) {
        send(output, i, ends[i].data, ends[i].size);
        buffer_clear(&ends[i]);
    }
}

void output_end(struct output *output)
{
    uint64_t skipped = server_take_skipped(output->kernel->server);
    spill_flush(&output->spill);
    if (output->is_silent)
        return;
    if (output->is_cut)
        show_tails(output);
    flush_cleaners(output);
    if (!skipped)
        return;
    spill_open(&output->spill, &output->kernel->spills, output->cell);
    output->is_cut = true;
    CLEANUP(freep) char *place = spill_place(&output->spill);
    say(output,
        "\n[the interrupt skipped %" PRIu64 " bytes of output; the whole is in %s]\n",
        skipped, place);
}
