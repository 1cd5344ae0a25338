/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames: identities, "<IDS|MSG>", signature, header, parent header, metadata, content,
 * buffers (which we ignore). */
#include "kernel/wire/message.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "kernel/wire/text.h"
#include "pickler/base/clock.h"

#define DELIMITER "<IDS|MSG>"

static bool is_delimiter(struct span frame)
{
    return frame.size == strlen(DELIMITER) &&
           memcmp(frame.data, DELIMITER, frame.size) == 0;
}

/* The nesting of brackets outside strings, checked before a parser recurses into them. */
static bool is_too_deep(struct span text)
{
    const char *at = text.data;
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        if (in_string) {
            if (at[i] == '\\')
                i++;
            else if (at[i] == '"')
                in_string = false;
        } else if (at[i] == '"') {
            in_string = true;
        } else if (at[i] == '{' || at[i] == '[') {
            if (++depth > MESSAGE_DEPTH_MAX)
                return true;
        } else if ((at[i] == '}' || at[i] == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

static json_t *parse_object(struct span text, const char *what, char **ret_problem)
{
    if (is_too_deep(text)) {
        *ret_problem =
            must_format("%s is nested deeper than %d", what, MESSAGE_DEPTH_MAX);
        return NULL;
    }
    json_error_t where;
    json_t *json = json_loadb(text.data, text.size, JSON_ALLOW_NUL, &where);
    if (!json) {
        CLEANUP(freep) char *why = text_valid(where.text);
        *ret_problem = must_format("%s is not JSON: %s", what, why);
        return NULL;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        *ret_problem = must_format("%s is not a JSON object", what);
        return NULL;
    }
    return json;
}

static int parse_header(struct request *request, struct span text, struct error *err)
{
    CLEANUP(freep) char *problem = NULL;
    if (text.size > MESSAGE_HEADER_MAX)
        return error_set(err, -EBADMSG, "the header is larger than %u bytes",
                         MESSAGE_HEADER_MAX);
    request->header = parse_object(text, "the header", &problem);
    if (!request->header)
        return error_set(err, -EBADMSG, "%s", problem);
    if (!json_string_value(json_object_get(request->header, "msg_id")))
        return error_set(err, -EBADMSG, "the header has no 'msg_id'");
    request->type = json_string_value(json_object_get(request->header, "msg_type"));
    if (!request->type || !*request->type)
        return error_set(err, -EBADMSG, "the header has no 'msg_type'");
    request->header_text = must_strndup(text.data, text.size);
    return 0;
}

static void parse_rest(struct request *request, const struct span *parts)
{
    static const char *const names[] = {"the parent header", "the metadata",
                                        "the content"};
    json_t *parsed[3] = {NULL};
    for (int i = 0; i < 3; i++)
        if (!request->problem)
            parsed[i] = parse_object(parts[i], names[i], &request->problem);
    const char *id = json_string_value(json_object_get(parsed[0], "msg_id"));
    request->parent_id = id ? must_strdup(id) : NULL;
    json_decref(parsed[0]);
    request->metadata = parsed[1] ? parsed[1] : json_object();
    request->content = parsed[2] ? parsed[2] : json_object();
}

int request_parse(enum wire_channel channel, const struct span *frames, size_t n,
                  struct signer *signer, struct request **ret, struct error *err)
{
    size_t at = 0;
    while (at < n && !is_delimiter(frames[at]))
        at++;
    if (at == n)
        return error_set(err, -EBADMSG, "it has no '%s' frame", DELIMITER);
    if (at > MESSAGE_IDENTITIES_MAX)
        return error_set(err, -EBADMSG, "it has more than %d identities",
                         MESSAGE_IDENTITIES_MAX);
    const struct span *parts = frames + at + 2;
    if (n - at < 2 + MESSAGE_PARTS)
        return error_set(err, -EBADMSG, "it has %zu frames behind '%s', needed are %d",
                         n - at - 1, DELIMITER, 1 + MESSAGE_PARTS);
    switch (signer_check(signer, parts, MESSAGE_PARTS, frames[at + 1])) {
    case SIGNATURE_GOOD:
        break;
    case SIGNATURE_WRONG:
        return error_set(err, -EBADMSG, "its signature is wrong");
    case SIGNATURE_REPLAYED:
        return error_set(err, -EBADMSG, "its signature was used before");
    }
    CLEANUP(request_freep) struct request *request = must_alloc(sizeof(*request));
    request->n_refs = 1;
    request->channel = channel;
    request->came = clock_ms();
    for (size_t i = 0; i < at; i++)
        buffer_add(&request->identities[i], frames[i].data, frames[i].size);
    request->n_identities = at;
    for (size_t i = 0; i < n; i++)
        request->size += frames[i].size;
    int r = parse_header(request, parts[0], err);
    if (r < 0)
        return r;
    parse_rest(request, parts + 1);
    *ret = TAKE(request);
    return 0;
}

struct request *request_ref(const struct request *request)
{
    struct request *counted = (struct request *)request; /* the count is no part of it */
    counted->n_refs++;
    return counted;
}

void request_free(struct request *request)
{
    if (!request || --request->n_refs)
        return;
    for (size_t i = 0; i < request->n_identities; i++)
        buffer_clear(&request->identities[i]);
    json_decref(request->header);
    json_decref(request->metadata);
    json_decref(request->content);
    free(request->header_text);
    free(request->parent_id);
    free(request->problem);
    free(request);
}

void sender_init(struct sender *sender)
{
    unsigned char random[16] = {0};
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        abort();
    random[6] = (random[6] & 0x0F) | 0x40; /* RFC 9562, version 4 */
    random[8] = (random[8] & 0x3F) | 0x80;
    char *at = sender->session;
    for (size_t i = 0; i < sizeof(random); i++) {
        static const char digits[] = "0123456789abcdef";
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[random[i] >> 4];
        *at++ = digits[random[i] & 15];
    }
    *at = 0;
    sender->n_sent = 0;
}

char *message_date(void)
{
    struct timespec now;
    struct tm calendar;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &calendar);
    char seconds[32];
    strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &calendar);
    return must_format("%s.%06ldZ", seconds, now.tv_nsec / 1000);
}

json_t *message_text(const char *text)
{
    CLEANUP(freep) char *valid = text_valid(text);
    return json_string_nocheck(valid);
}

static char *make_header(struct sender *sender, const char *type, char **ret_id)
{
    unsigned long long number = __atomic_add_fetch(&sender->n_sent, 1, __ATOMIC_RELAXED);
    char *id = must_format("%s_%llu", sender->session, number);
    CLEANUP(freep) char *date = message_date();
    json_auto_t *header = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s}", "msg_id", id, "session", sender->session,
        "username", "kernel", "date", date, "msg_type", type, "version", WIRE_PROTOCOL);
    *ret_id = id;
    return json_dumps(header, JSON_COMPACT);
}

/* JSON text of a value that is taken; "{}" for NULL. */
static char *dump(json_t *json)
{
    if (!json)
        return must_strdup("{}");
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (!text) /* only for want of memory: what we build is valid */
        abort();
    return text;
}

static struct message *assemble(struct sender *sender, enum wire_channel channel,
                                const char *type, const char *parent_text,
                                json_t *metadata, json_t *content)
{
    struct message *message = must_alloc(sizeof(*message));
    message->channel = channel;
    message->parts[0] = make_header(sender, type, &message->id);
    message->parts[1] = must_strdup(parent_text ? parent_text : "{}");
    message->parts[2] = dump(metadata);
    message->parts[3] = dump(content);
    for (int i = 0; i < MESSAGE_PARTS; i++)
        message->size += strlen(message->parts[i]);
    if (channel == WIRE_IOPUB) {
        buffer_add_string(&message->identities[0], type);
        message->n_identities = 1;
    }
    return message;
}

struct message *message_new(struct sender *sender, const struct request *request,
                            enum wire_channel channel, const char *type, json_t *metadata,
                            json_t *content)
{
    struct message *message = assemble(
        sender, channel, type, request ? request->header_text : NULL, metadata, content);
    if (channel == WIRE_IOPUB || !request)
        return message;
    for (size_t i = 0; i < request->n_identities; i++)
        buffer_add(&message->identities[i], request->identities[i].data,
                   request->identities[i].size);
    message->n_identities = request->n_identities;
    return message;
}

struct message *message_new_stream(struct sender *sender, const char *parent_text,
                                   bool is_stderr, const char *text, size_t size)
{
    json_t *content = json_object();
    json_object_set_new(content, "name", json_string(is_stderr ? "stderr" : "stdout"));
    json_object_set_new(content, "text", json_stringn_nocheck(text, size));
    return assemble(sender, WIRE_IOPUB, "stream", parent_text, NULL, content);
}

void message_free(struct message *message)
{
    if (!message)
        return;
    for (size_t i = 0; i < message->n_identities; i++)
        buffer_clear(&message->identities[i]);
    for (int i = 0; i < MESSAGE_PARTS; i++)
        free(message->parts[i]);
    free(message->id);
    free(message);
}
