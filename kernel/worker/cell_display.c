/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a cell hands over is copied by asking the kernel, so that a bad pointer is a
 * message and not a fault inside of us. */
#include "kernel/worker/cell_display.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "kernel/display/probe.h"
#include "kernel/worker/png.h"
#include "kernel/worker/reading.h"
#include "kernel/worker/represent.h"
#include "kernel/worker/show.h"

#define TEXT_STEP ((size_t)4096)

/* There is no such object: its address is the number of what was shown. */
struct achar_display;
typedef struct achar_display *handle;

/* Global, as what cells call has no context. */
static const struct engine *shown_engine;

static __thread const void *live_stack; /* of the functions below a call of ours */
static __thread handle next_update;     /* what update_display() has named */

__attribute__((format(printf, 2, 3))) static void *fail(const char *who,
                                                        const char *format, ...)
{
    va_list arguments;
    fflush(stdout);
    fprintf(stderr, "%s: ", who);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    next_update = NULL;
    return NULL;
}

static void *fail_too_large(const char *who)
{
    return fail(who, "more than %u bytes cannot be displayed", BUNDLE_SIZE_MAX);
}

/* ---- what cells hand over
 * --------------------------------------------------------------- */

static bool copy_data(const char *who, const void *data, size_t size, struct buffer *ret)
{
    if (size > BUNDLE_SIZE_MAX)
        return fail_too_large(who);
    buffer_reserve(ret, size);
    if (probe_copy(data, ret->data, size) < size)
        return fail(who, "%zu bytes at address %p cannot be read", size, data);
    ret->size = size;
    ret->data[size] = '\0';
    return true;
}

/* Up to the NUL. */
static bool copy_text(const char *who, const char *text, struct buffer *ret)
{
    if (!text)
        return fail(who, "the text is NULL");
    while (ret->size <= BUNDLE_SIZE_MAX) {
        const char *from = text + ret->size;
        size_t step = TEXT_STEP - (uintptr_t)from % TEXT_STEP;
        buffer_reserve(ret, step);
        char *to = ret->data + ret->size;
        size_t got = probe_copy(from, to, step);
        const char *end = memchr(to, '\0', got);
        ret->size += end ? (size_t)(end - to) : got;
        ret->data[ret->size] = '\0';
        if (end)
            return true;
        if (got < step)
            return fail(who, "the text at address %p cannot be read to its end", text);
    }
    return fail_too_large(who);
}

static bool add(const char *who, struct bundle *bundle, const char *mime,
                const struct buffer *data)
{
    CLEANUP(buffer_clear) struct buffer name = {0};
    if (!mime || !copy_text(who, mime, &name))
        return mime ? false : fail(who, "the MIME type is NULL");
    if (bundle_add(bundle, buffer_string(&name), data->data, data->size))
        return true;
    if (data->size + bundle_size(bundle) > BUNDLE_SIZE_MAX)
        return fail_too_large(who);
    if (bundle->n_parts == BUNDLE_PARTS_MAX)
        return fail(who, "a bundle has at most %d MIME types", BUNDLE_PARTS_MAX);
    return fail(who, "'%.100s' is not a MIME type", buffer_string(&name));
}

static bool add_pixels(const char *who, struct bundle *bundle, const void *pixels,
                       int width, int height, int bytes)
{
    CLEANUP(buffer_clear) struct buffer png = {0};
    struct error err = {0};
    uint32_t w = width < 0 ? 0 : (uint32_t)width, h = height < 0 ? 0 : (uint32_t)height;
    unsigned n = bytes < 0 ? 0 : (unsigned)bytes;
    if (png_check(w, h, n, &err) < 0)
        return fail(who, "%s", err.text);
    size_t size = (size_t)w * h * n;
    if (!probe_is_readable(pixels, size))
        return fail(who, "the %zu bytes of pixels at address %p cannot be read", size,
                    pixels);
    if (png_add(&png, pixels, w, h, n, &err) < 0)
        return fail(who, "%s", err.text);
    return add(who, bundle, "image/png", &png);
}

/* ---- sending
 * ---------------------------------------------------------------------------- */

/* Unique in time, also when a process is set back or replaced. */
static handle new_handle(void)
{
    static uint64_t last;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t clock = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    uint64_t before = __atomic_load_n(&last, __ATOMIC_RELAXED), number;
    do
        number = clock > before ? clock : before + 1;
    while (!__atomic_compare_exchange_n(&last, &before, number, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED));
    return (handle)(uintptr_t)number;
}

/* Gives the bundle its action and id. */
static handle show(const char *who, struct bundle *bundle)
{
    handle shown = next_update ? next_update : new_handle();
    bundle->action = next_update ? BUNDLE_UPDATE : BUNDLE_SHOW;
    free(bundle->id);
    bundle->id = must_format("achar-%llx", (unsigned long long)(uintptr_t)shown);
    next_update = NULL;
    int r = show_send(bundle);
    if (r == -ECHILD)
        return fail(who, "a child process cannot display");
    if (r < 0)
        return fail(who, "cannot display: %s", strerror(-r));
    return shown;
}

static handle show_one(const char *who, const char *mime, const struct buffer *data)
{
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    return add(who, &bundle, mime, data) ? show(who, &bundle) : NULL;
}

static handle show_text(const char *who, const char *mime, const char *text)
{
    CLEANUP(buffer_clear) struct buffer data = {0};
    return copy_text(who, text, &data) ? show_one(who, mime, &data) : NULL;
}

static handle show_data(const char *who, const char *mime, const void *bytes, size_t size)
{
    CLEANUP(buffer_clear) struct buffer data = {0};
    return copy_data(who, bytes, size, &data) ? show_one(who, mime, &data) : NULL;
}

/* ---- the functions of cells
 * ------------------------------------------------------------- */

static handle cell_text(const char *text)
{
    return show_text("display_text", "text/plain", text);
}

static handle cell_html(const char *html)
{
    return show_text("display_html", "text/html", html);
}

static handle cell_markdown(const char *markdown)
{
    return show_text("display_markdown", "text/markdown", markdown);
}

static handle cell_latex(const char *latex)
{
    return show_text("display_latex", "text/latex", latex);
}

static handle cell_svg(const char *svg)
{
    return show_text("display_svg", "image/svg+xml", svg);
}

static handle cell_json(const char *json)
{
    return show_text("display_json", "application/json", json);
}

static handle cell_vegalite(const char *json)
{
    return show_text("display_vegalite", "application/vnd.vegalite.v5+json", json);
}

static handle cell_png(const void *data, size_t size)
{
    return show_data("display_png", "image/png", data, size);
}

static handle cell_jpeg(const void *data, size_t size)
{
    return show_data("display_jpeg", "image/jpeg", data, size);
}

static handle cell_data(const char *mime, const void *data, size_t size)
{
    return show_data("display_data", mime, data, size);
}

static handle cell_pixels(const void *pixels, int width, int height, int bytes)
{
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    return add_pixels("display_pixels", &bundle, pixels, width, height, bytes)
               ? show("display_pixels", &bundle)
               : NULL;
}

static const char *mime_of(const char *path)
{
    static const struct {
        const char *ending, *mime;
    } list[] = {
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},
        {".gif", "image/gif"},
        {".webp", "image/webp"},
        {".svg", "image/svg+xml"},
        {".html", "text/html"},
        {".htm", "text/html"},
        {".md", "text/markdown"},
        {".tex", "text/latex"},
        {".vl.json", "application/vnd.vegalite.v5+json"},
        {".json", "application/json"},
        {".pdf", "application/pdf"},
    };
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
        size_t n = strlen(list[i].ending);
        if (size > n && !strcasecmp(path + size - n, list[i].ending))
            return list[i].mime;
    }
    return "text/plain";
}

static bool read_file(const char *who, const char *path, struct buffer *ret)
{
    struct stat status;
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) < 0)
        return fail(who, "cannot read '%s': %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return fail(who, "cannot read '%s': it is not a file", path);
    if (status.st_size > BUNDLE_SIZE_MAX)
        return fail_too_large(who);
    buffer_reserve(ret, (size_t)status.st_size);
    while (ret->size < (size_t)status.st_size) {
        ssize_t n = read(fd, ret->data + ret->size, (size_t)status.st_size - ret->size);
        if (n < 0 && errno != EINTR)
            return fail(who, "cannot read '%s': %s", path, strerror(errno));
        if (n == 0)
            break;
        ret->size += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static handle cell_file(const char *path)
{
    static const char who[] = "display_file";
    CLEANUP(buffer_clear) struct buffer name = {0};
    CLEANUP(buffer_clear) struct buffer data = {0};
    if (!copy_text(who, path, &name) || !read_file(who, buffer_string(&name), &data))
        return NULL;
    return show_one(who, mime_of(buffer_string(&name)), &data);
}

static void clear_output(int waits)
{
    struct bundle bundle = {.action = waits ? BUNDLE_CLEAR_LATER : BUNDLE_CLEAR};
    int r = show_send(&bundle);
    if (r < 0)
        fail("clear_output", "%s", strerror(-r));
}

static void update_next(handle shown)
{
    next_update = shown;
}

/* An array came as a pointer to its first element. */
static const void *object_of(const struct types *types, uint32_t type, const void *value)
{
    const void *object = value;
    if (types_get(types, type)->kind == TYPE_ARRAY)
        memcpy(&object, value, sizeof(object));
    return object;
}

/* What the functions that have called us keep on the stack is there to be shown. */
static bool is_dead_stack(void *context, const void *address)
{
    return (uintptr_t)address < (uintptr_t)live_stack &&
           shown_engine->world.is_stack(context, address);
}

/* Adds what the value's function says; false: it has none. The function is the session's,
 * and may display something itself. */
static bool show_own(uint32_t type, const void *object, struct bundle *bundle)
{
    void *taken;
    reading_begin();
    represent_function function = represent_find(shown_engine, type, object, &taken);
    reading_end();
    if (function)
        function(taken, bundle);
    return function != NULL;
}

static handle cell_show(const void *value, unsigned line, const char *text)
{
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    const struct engine *engine = shown_engine;
    reading_begin();
    uint32_t type = names_marked_type(&engine->names, __builtin_return_address(0),
                                      display_site(line, text));
    const void *object = type ? object_of(&engine->types, type, value) : NULL;
    reading_end();
    if (!type)
        return fail("display",
                    "the type of '%.100s' is not known here: it is declared "
                    "inside a function, or the line displays it twice",
                    text);
    bool is_own = show_own(type, object, &bundle);
    live_stack = __builtin_frame_address(0);
    struct value_world world = engine->world;
    world.is_stack = is_dead_stack;
    reading_begin();
    represent_rest(&world, type, object, !is_own, &bundle);
    reading_end();
    return show("display", &bundle);
}

/* ---- bundles
 * ---------------------------------------------------------------------------- */

static struct bundle *bundle_new(void)
{
    return must_alloc(sizeof(struct bundle));
}

static void bundle_free(struct bundle *bundle)
{
    if (bundle)
        bundle_clear(bundle);
    free(bundle);
}

static int add_data(struct bundle *bundle, const char *mime, const void *bytes,
                    size_t size)
{
    static const char who[] = "achar_bundle_add";
    CLEANUP(buffer_clear) struct buffer data = {0};
    return copy_data(who, bytes, size, &data) && add(who, bundle, mime, &data) ? 0 : -1;
}

static int add_text(struct bundle *bundle, const char *mime, const char *text)
{
    static const char who[] = "achar_bundle_text";
    CLEANUP(buffer_clear) struct buffer data = {0};
    return copy_text(who, text, &data) && add(who, bundle, mime, &data) ? 0 : -1;
}

__attribute__((format(printf, 3, 4))) static int
add_format(struct bundle *bundle, const char *mime, const char *format, ...)
{
    static const char who[] = "achar_bundle_format";
    CLEANUP(freep) char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (size < 0) {
        text = NULL;
        fail(who, "the text cannot be formatted");
        return -1;
    }
    struct buffer data = {.data = text, .size = (size_t)size};
    return add(who, bundle, mime, &data) ? 0 : -1;
}

static int add_picture(struct bundle *bundle, const void *pixels, int width, int height,
                       int bytes)
{
    return add_pixels("achar_bundle_pixels", bundle, pixels, width, height, bytes) ? 0
                                                                                   : -1;
}

static int set_metadata(struct bundle *bundle, const char *mime, const char *json)
{
    static const char who[] = "achar_bundle_metadata";
    CLEANUP(buffer_clear) struct buffer name = {0};
    CLEANUP(buffer_clear) struct buffer text = {0};
    if (!copy_text(who, mime, &name) || !copy_text(who, json, &text))
        return -1;
    if (bundle_set_metadata(bundle, buffer_string(&name), buffer_string(&text)))
        return 0;
    fail(who, "the bundle has nothing of the type '%.100s' yet", buffer_string(&name));
    return -1;
}

static handle cell_bundle(const struct bundle *bundle)
{
    struct bundle sent = *bundle;
    sent.id = NULL;
    handle shown = show("display_bundle", &sent);
    free(sent.id);
    return shown;
}

void cell_display_init(const struct engine *engine)
{
    shown_engine = engine;
}

void *cell_display_find(const char *name)
{
    static const struct {
        const char *name;
        void *address;
    } list[] = {
        {"display_text", cell_text},
        {"display_html", cell_html},
        {"display_markdown", cell_markdown},
        {"display_latex", cell_latex},
        {"display_svg", cell_svg},
        {"display_json", cell_json},
        {"display_vegalite", cell_vegalite},
        {"display_png", cell_png},
        {"display_jpeg", cell_jpeg},
        {"display_pixels", cell_pixels},
        {"display_file", cell_file},
        {"display_data", cell_data},
        {"display_bundle", cell_bundle},
        {"achar_show", cell_show},
        {"clear_output", clear_output},
        {"achar_update_next", update_next},
        {"achar_bundle_new", bundle_new},
        {"achar_bundle_free", bundle_free},
        {"achar_bundle_add", add_data},
        {"achar_bundle_text", add_text},
        {"achar_bundle_format", add_format},
        {"achar_bundle_pixels", add_picture},
        {"achar_bundle_metadata", set_metadata},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
        if (!strcmp(list[i].name, name))
            return list[i].address;
    return NULL;
}
