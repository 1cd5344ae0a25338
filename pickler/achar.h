/* SPDX-License-Identifier: BSD-3-Clause
 *
 * <achar.h>: what a cell can ask of its kernel. It is found without any -I.
 *
 *     display_html("<b>bold</b>");                   also _markdown, _latex, _svg, ...
 *     display_png(data, size);
 *     display(expression);                           any value, as that of a last line
 *
 *     achar_display *bar = display_html("0 %");
 *     update_display(bar, display_html("50 %"));
 *     clear_output(true);
 *
 * And how values of a type of yours look: a function whose name is mime_ and the type's
 * (of a tag, without the word struct; or of a typedef) is called with every value of that
 * type that a cell ends with or displays.
 *
 *     void mime_vector(const struct vector *v, achar_bundle *out)
 *     {
 *         achar_bundle_format(out, "text/html", "<i>%g</i>, <i>%g</i>", v->x, v->y);
 *     }
 *
 * Everything is shown in the order in which it was printed and displayed. A function that
 * cannot show what it was given says why on stderr and returns NULL. */
#ifndef ACHAR_H
#define ACHAR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What was shown, for update_display(). It is never freed. */
typedef struct achar_display achar_display;

achar_display *display_text(const char *text);
achar_display *display_html(const char *html);
achar_display *display_markdown(const char *markdown);
achar_display *display_latex(const char *latex); /* "$x^2$", "$$...$$" */
achar_display *display_svg(const char *svg);
achar_display *display_json(const char *json);
achar_display *display_vegalite(const char *json); /* a Vega-Lite 5 specification */
achar_display *display_png(const void *data, size_t size); /* of a file's bytes */
achar_display *display_jpeg(const void *data, size_t size);
/* Rows of pixels from the top, as a PNG: 1 byte a pixel is grey, 2 grey and alpha, 3 red,
 * green and blue, 4 these and alpha. */
achar_display *display_pixels(const void *pixels, int width, int height, int bytes);
/* A picture or text by the ending of its name: png, jpg, gif, webp, svg, html, md, json,
 * vl.json, tex, pdf; anything else is shown as plain text. */
achar_display *display_file(const char *path);
/* Any MIME type. Text and JSON are given as UTF-8, all else as the bytes of a file. */
achar_display *display_data(const char *mime, const void *data, size_t size);

/* One thing in several representations, of which a front end picks the best it knows. */
typedef struct achar_bundle achar_bundle;

achar_bundle *achar_bundle_new(void);
void achar_bundle_free(achar_bundle *bundle);
/* Each adds to what the bundle has of this type, and returns 0, or -1 when it cannot. */
int achar_bundle_add(achar_bundle *bundle, const char *mime, const void *data,
                     size_t size);
int achar_bundle_text(achar_bundle *bundle, const char *mime, const char *text);
int achar_bundle_format(achar_bundle *bundle, const char *mime, const char *format, ...);
int achar_bundle_pixels(achar_bundle *bundle, const void *pixels, int width, int height,
                        int bytes);
/* A JSON object for what the bundle has of this type: {"width": 200, "height": 100}. */
int achar_bundle_metadata(achar_bundle *bundle, const char *mime, const char *json);
achar_display *display_bundle(const achar_bundle *bundle);

/* Takes the cell's output so far away: at once, or (`waits`) when the next comes, so that
 * nothing flickers. */
void clear_output(int waits);

/* Whatever `call` displays takes the place of what `shown` is, in whatever cell that is.
 */
#define update_display(shown, call) (achar_update_next(shown), (call))
void achar_update_next(achar_display *shown);

/* Any value, by its type, which must have a name outside of functions. (An array whose
 * length is known at run time only is shown as a pointer to its first element.) */
#define display(...)                                                                     \
    achar_show((__typeof__(1 ? (__VA_ARGS__) : (__VA_ARGS__))[1]){(__VA_ARGS__)},        \
               __LINE__, #__VA_ARGS__)
achar_display *achar_show(const void *value, unsigned line, const char *text);

#ifdef ACHAR_PROGRAM
/* A program of its own (%export, %%asan) has no notebook: it prints what is text, and
 * says what is not. */
#include <stdarg.h>
#include <stdio.h>

#define ACHAR_STAND_IN static __attribute__((unused))

ACHAR_STAND_IN achar_display *achar_print(const char *mime, const char *text)
{
    (void)mime;
    puts(text);
    return NULL;
}

ACHAR_STAND_IN achar_display *achar_say(const char *what, size_t size)
{
    printf("[%s, %lu bytes]\n", what, (unsigned long)size);
    return NULL;
}

ACHAR_STAND_IN int achar_put(const achar_bundle *bundle, const char *mime,
                             const char *text, size_t size)
{
    if (bundle && text)
        achar_print(mime, text);
    else if (bundle)
        achar_say(mime, size);
    return bundle ? 0 : -1;
}

#define display_text(text) achar_print("text/plain", text)
#define display_html(html) achar_print("text/html", html)
#define display_markdown(markdown) achar_print("text/markdown", markdown)
#define display_latex(latex) achar_print("text/latex", latex)
#define display_svg(svg) achar_print("image/svg+xml", svg)
#define display_json(json) achar_print("application/json", json)
#define display_vegalite(json) achar_print("application/json", json)
#define display_png(data, size) achar_say("image/png", (data) ? (size) : 0)
#define display_jpeg(data, size) achar_say("image/jpeg", (data) ? (size) : 0)
#define display_data(mime, data, size) achar_say(mime, (data) ? (size) : 0)
#define display_pixels(pixels, width, height, bytes)                                     \
    achar_say("pixels", (pixels) ? (size_t)(width) * (height) * (bytes) : 0)
#define display_file(path) achar_print("text/plain", path)
#define display_bundle(bundle) achar_say("bundle", (bundle) ? 1 : 0)
#define clear_output(waits) ((void)(waits))
#define achar_update_next(shown) ((void)(shown))
#define achar_show(value, line, text) achar_print((value) ? "" : "", text)
#define achar_bundle_new() ((achar_bundle *)"")
#define achar_bundle_free(bundle) ((void)(bundle))
#define achar_bundle_add(bundle, mime, data, size)                                       \
    achar_put(bundle, mime, NULL, (data) ? (size) : 0)
#define achar_bundle_text(bundle, mime, text) achar_put(bundle, mime, text, 0)
#define achar_bundle_format(bundle, mime, ...)                                           \
    (printf(__VA_ARGS__), achar_put(bundle, mime, "", 0))
#define achar_bundle_pixels(bundle, pixels, width, height, bytes)                        \
    achar_put(bundle, "pixels", NULL, (pixels) ? (size_t)(width) * (height) * (bytes) : 0)
#define achar_bundle_metadata(bundle, mime, json) ((bundle) && (mime) && (json) ? 0 : -1)
#endif

#ifdef __cplusplus
}
#endif

#endif
