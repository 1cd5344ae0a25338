/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Signatures of messages, and messages taken apart and put together. */
#include "tests/unit/check.h"

#include "kernel/wire/message.h"

static struct span span(const char *text)
{
    return (struct span){text, strlen(text)};
}

static struct signer *new_signer(const char *key)
{
    struct signer *signer = NULL;
    struct error err = {0};
    CHECK_OK(signer_new(key, &signer, &err), err);
    return signer;
}

/* RFC 4231, test case 2, its data in two parts. */
static void test_known_answer(void)
{
    CLEANUP(signer_freep) struct signer *signer = new_signer("Jefe");
    struct span parts[] = {span("what do ya want "), span("for nothing?")};
    char signature[SIGNATURE_SIZE + 1];
    for (int i = 0; i < 2; i++) {
        signer_sign(signer, parts, 2, signature);
        CHECK_STRING(signature,
                     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}

static enum signature_check check_number(struct signer *signer, int number)
{
    CLEANUP(freep) char *text = must_format("%d", number);
    struct span part = span(text);
    char signature[SIGNATURE_SIZE + 1];
    signer_sign(signer, &part, 1, signature);
    return signer_check(signer, &part, 1, span(signature));
}

static void test_replay(void)
{
    CLEANUP(signer_freep) struct signer *signer = new_signer("key");
    CHECK_INT(check_number(signer, 0), SIGNATURE_GOOD);
    CHECK_INT(check_number(signer, 0), SIGNATURE_REPLAYED);
    for (int i = 1; i < SIGNATURE_MEMORY; i++)
        if (!CHECK_INT(check_number(signer, i), SIGNATURE_GOOD))
            return;
    CHECK_INT(check_number(signer, 0), SIGNATURE_REPLAYED);
    CHECK_INT(check_number(signer, SIGNATURE_MEMORY), SIGNATURE_GOOD);
    CHECK_INT(check_number(signer, 1), SIGNATURE_REPLAYED);
    CHECK_INT(check_number(signer, 0), SIGNATURE_GOOD); /* forgotten by now */
}

static void test_wrong(void)
{
    CLEANUP(signer_freep) struct signer *signer = new_signer("key");
    CLEANUP(signer_freep) struct signer *other = new_signer("yek");
    struct span part = span("text");
    char signature[SIGNATURE_SIZE + 1];
    signer_sign(other, &part, 1, signature);
    CHECK_INT(signer_check(signer, &part, 1, span(signature)), SIGNATURE_WRONG);
    signer_sign(signer, &part, 1, signature);
    CHECK_INT(signer_check(signer, &part, 1, (struct span){signature, 63}),
              SIGNATURE_WRONG);
    CHECK_INT(signer_check(signer, &part, 1, span("")), SIGNATURE_WRONG);
    signature[63] ^= 1;
    CHECK_INT(signer_check(signer, &part, 1, span(signature)), SIGNATURE_WRONG);
    signature[63] ^= 1;
    CHECK_INT(signer_check(signer, &part, 1, span(signature)), SIGNATURE_GOOD);
}

static void test_no_key(void)
{
    CLEANUP(signer_freep) struct signer *signer = new_signer("");
    struct span part = span("text");
    char signature[SIGNATURE_SIZE + 1] = "x";
    signer_sign(signer, &part, 1, signature);
    CHECK_STRING(signature, "");
    CHECK_INT(signer_check(signer, &part, 1, span("")), SIGNATURE_GOOD);
    CHECK_INT(signer_check(signer, &part, 1, span("")), SIGNATURE_GOOD);
}

#define GOOD_HEADER "{\"msg_id\": \"m\", \"msg_type\": \"x_request\"}"

/* Parses unsigned frames; *ret_why is owned. */
static struct request *parse(const char *header, const char *content, char **ret_why)
{
    CLEANUP(signer_freep) struct signer *signer = new_signer("");
    struct span frames[] = {span("who"),   span("<IDS|MSG>"), span(""),
                            span(header),  span("{}"),        span("{}"),
                            span(content), span("a buffer")};
    struct request *request = NULL;
    struct error err = {0};
    if (request_parse(WIRE_SHELL, frames, 8, signer, &request, &err) < 0)
        *ret_why = must_strdup(err.text);
    else
        *ret_why = must_strdup(request->problem);
    return request;
}

static void test_parse(void)
{
    CLEANUP(freep) char *why = NULL;
    CLEANUP(request_freep)
    struct request *request = parse(GOOD_HEADER, "{\"code\": \"\\\\[[[\\\"{\"}", &why);
    CHECK_STRING(why, NULL);
    CHECK(request);
    if (!request)
        return;
    CHECK_STRING(request->type, "x_request");
    CHECK_STRING(request->header_text, GOOD_HEADER);
    CHECK_INT(request->n_identities, 1);
    CHECK_STRING(json_string_value(json_object_get(request->content, "code")),
                 "\\[[[\"{");
}

static void test_refused(void)
{
    static const char *const headers[] = {"", "{", "[]", "{}", "{\"msg_id\": \"m\"}"};
    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
        CLEANUP(freep) char *why = NULL;
        CLEANUP(request_freep) struct request *request = parse(headers[i], "{}", &why);
        CHECK(!request && why && strstr(why, "the header"));
    }
    char deep[2 * MESSAGE_DEPTH_MAX + 8] = "{\"a\":";
    memset(deep + 5, '[', MESSAGE_DEPTH_MAX);
    memset(deep + 5 + MESSAGE_DEPTH_MAX, ']', MESSAGE_DEPTH_MAX);
    strcat(deep, "}");
    CLEANUP(freep) char *why = NULL;
    CLEANUP(request_freep) struct request *request = parse(GOOD_HEADER, deep, &why);
    CHECK(request && why);
    CHECK_STRING(why, "the content is nested deeper than 256");
}

static void test_answer(void)
{
    CLEANUP(freep) char *why = NULL;
    CLEANUP(request_freep) struct request *request = parse(GOOD_HEADER, "{}", &why);
    struct sender sender;
    sender_init(&sender);
    CLEANUP(message_freep)
    struct message *answer =
        message_new(&sender, request, WIRE_SHELL, "x_reply", NULL,
                    json_pack("{s:o}", "text", message_text("a\xFF")));
    CHECK_STRING(answer->parts[1], GOOD_HEADER);
    CHECK_STRING(answer->parts[2], "{}");
    CHECK_STRING(answer->parts[3], "{\"text\":\"a\xEF\xBF\xBD\"}");
    CHECK_STRING(buffer_string(&answer->identities[0]), "who");
    CLEANUP(message_freep)
    struct message *other = message_new(&sender, NULL, WIRE_IOPUB, "status", NULL, NULL);
    CHECK(strcmp(answer->parts[0], other->parts[0]) != 0);
    CHECK_STRING(other->parts[1], "{}");
    CHECK_STRING(buffer_string(&other->identities[0]), "status");
}

int main(void)
{
    test_known_answer();
    test_replay();
    test_wrong();
    test_no_key();
    test_parse();
    test_refused();
    test_answer();
    return check_status();
}
