/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bundles: parts by type, their limits, packing, and their form on Jupyter's wire. */
#include "kernel/peer/bundle.h"

#include "kernel/handlers/mime.h"
#include "tests/unit/check.h"

static void check_json(json_t *value, const char *expected)
{
    CLEANUP(freep) char *text = json_dumps(value, JSON_SORT_KEYS | JSON_COMPACT);
    CHECK_STRING(text, expected);
    json_decref(value);
}

static void parts_grow_by_type(void)
{
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    CHECK(bundle_add_text(&bundle, "text/html", "<b>"));
    CHECK(bundle_add_text(&bundle, "text/plain", "bold"));
    CHECK(bundle_add_text(&bundle, "text/html", "x</b>"));
    CHECK_INT(bundle.n_parts, 2);
    CHECK_STRING(buffer_string(&bundle_find(&bundle, "text/html")->data), "<b>x</b>");
    CHECK(!bundle_find(&bundle, "image/png"));
    CHECK_INT(bundle_size(&bundle), 12);
}

static void bad_types_and_too_much_are_refused(void)
{
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    static const char *const bad[] = {"", "html", "/x", "text/", "a/<b>", NULL};
    for (size_t i = 0; bad[i]; i++)
        CHECK(!bundle_add_text(&bundle, bad[i], "x"));
    CHECK(!bundle_add(&bundle, NULL, "x", 1));
    CHECK(!bundle_add(&bundle, "text/plain", "", BUNDLE_SIZE_MAX + 1u));
    for (int i = 0; i < BUNDLE_PARTS_MAX; i++) {
        CLEANUP(freep) char *mime = must_format("text/x%d", i);
        CHECK(bundle_add_text(&bundle, mime, ""));
    }
    CHECK(!bundle_add_text(&bundle, "text/one-more", ""));
    CHECK(bundle_add_text(&bundle, "text/x0", "there is room in what is there"));
}

static void bundles_travel(void)
{
    CLEANUP(bundle_clear)
    struct bundle bundle = {.action = BUNDLE_UPDATE, .id = must_strdup("seven")};
    CLEANUP(bundle_clear) struct bundle back = {0};
    CLEANUP(buffer_clear) struct buffer packed = {0};
    struct error err = {0};
    CHECK(bundle_add(&bundle, "image/png", "\x89P\0G", 4));
    CHECK(bundle_set_metadata(&bundle, "image/png", "{\"width\": 3}"));
    CHECK(!bundle_set_metadata(&bundle, "image/jpeg", "{}"));
    bundle_pack(&bundle, &packed);
    struct unpack in = unpack_init(packed.data, packed.size);
    CHECK_OK(bundle_unpack(&in, &back, &err), err);
    CHECK(unpack_done(&in));
    CHECK_INT(back.action, BUNDLE_UPDATE);
    CHECK_STRING(back.id, "seven");
    const struct bundle_part *part = bundle_find(&back, "image/png");
    CHECK(part && part->data.size == 4 && !memcmp(part->data.data, "\x89P\0G", 4));
    CHECK_STRING(part->metadata, "{\"width\": 3}");
    for (size_t size = 0; size < packed.size; size++) {
        struct bundle none = {0};
        in = unpack_init(packed.data, size);
        CHECK(bundle_unpack(&in, &none, NULL) < 0);
        CHECK(!none.parts && !none.id);
    }
}

static void each_type_has_its_form_in_json(void)
{
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    struct error err = {0};
    CHECK(bundle_add(&bundle, "image/png", "\x89PNG\r", 5));
    CHECK(bundle_add(&bundle, "image/gif", "ab", 2));
    CHECK(bundle_add(&bundle, "image/bmp", "abc", 3));
    CHECK(bundle_add_text(&bundle, "image/svg+xml", "<svg/>"));
    CHECK(bundle_add(&bundle, "text/plain", "a\xff", 2));
    CHECK(bundle_add_text(&bundle, "application/vnd.vegalite.v5+json", "{\"a\": [1]}"));
    CHECK(bundle_set_metadata(&bundle, "image/png", "{\"width\": 3}"));
    check_json(mime_data(&bundle, &err),
               "{\"application/vnd.vegalite.v5+json\":{\"a\":[1]},\"image/bmp\":\"YWJj\","
               "\"image/gif\":\"YWI=\",\"image/png\":\"iVBORw0=\",\"image/svg+xml\":"
               "\"<svg/>\",\"text/plain\":\"a\xef\xbf\xbd\"}");
    check_json(mime_metadata(&bundle, &err), "{\"image/png\":{\"width\":3}}");
    CHECK_INT(err.code, 0);
}

static void what_is_not_json_is_said(void)
{
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    struct error err = {0};
    CHECK(bundle_add_text(&bundle, "application/json", "{\"a\": }"));
    CHECK(bundle_add_text(&bundle, "text/plain", "a"));
    check_json(mime_data(&bundle, &err), "{\"text/plain\":\"a\"}");
    CHECK(strstr(err.text, "'application/json' is not JSON: line 1, column 7"));
    check_json(mime_data(&bundle, NULL), "{\"text/plain\":\"a\"}");
}

int main(void)
{
    parts_grow_by_type();
    bad_types_and_too_much_are_refused();
    bundles_travel();
    each_type_has_its_form_in_json();
    what_is_not_json_is_said();
    return check_status();
}
