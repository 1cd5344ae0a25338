/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Headers of the user's own, #include "x.h", are put into the cell's text: what they
 * define becomes definitions of the session, defined once and sent by value. The include
 * guard (or one that is made up) remembers a hash of the text, so that a second include
 * does nothing until the file has changed. A file without a guard is put in again where
 * a cell includes it twice, and always when its name does not end in .h. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/unit/draft.h"

#define HEADER_SIZE_MAX (16u << 20)
#define HEADER_DEPTH_MAX 16 /* headers in headers */
#define HEADERS_MAX 200     /* of one cell */

/* What is being put in. */
struct source {
    const char *file;      /* NULL: the cell */
    uint32_t include_line; /* of the cell */
    unsigned depth;        /* of headers in headers */
    bool is_conditional;   /* it stands in an #if that is no guard */
};

static void add_region(struct draft *draft, const struct source *source, uint32_t line)
{
    GROW(draft->regions, draft->n_regions, draft->regions_capacity);
    draft->regions[draft->n_regions++] =
        (struct region){.start = draft->text.size,
                        .file = must_strdup(source->file),
                        .line = line,
                        .include_line = source->include_line,
                        .is_conditional = source->is_conditional};
}

const struct region *region_at(const struct draft *draft, size_t offset)
{
    const struct region *found = NULL;
    for (size_t i = 0; i < draft->n_regions && draft->regions[i].start <= offset; i++)
        found = &draft->regions[i];
    return found;
}

enum presence { PRESENCE_NONE, PRESENCE_CONDITIONAL, PRESENCE_CERTAIN };

/* Whether the file has been put in, and outside of every #if. */
static enum presence presence_of(const struct draft *draft, const char *path)
{
    enum presence ret = PRESENCE_NONE;
    for (size_t i = 0; i < draft->n_regions && ret != PRESENCE_CERTAIN; i++)
        if (draft->regions[i].file && strcmp(draft->regions[i].file, path) == 0)
            ret = draft->regions[i].is_conditional ? PRESENCE_CONDITIONAL
                                                   : PRESENCE_CERTAIN;
    return ret;
}

/* ---- the file
 * --------------------------------------------------------------------------- */

static char *read_file(const char *path)
{
    struct stat status;
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    char *text = NULL;
    if (fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_size <= HEADER_SIZE_MAX) {
        text = must_alloc((size_t)status.st_size + 1);
        size_t n = fread(text, 1, (size_t)status.st_size, file);
        text[n] = '\0';
    }
    fclose(file);
    return text;
}

static char *try_folder(const char *folder, size_t size, const char *name,
                        char **ret_path)
{
    char *path =
        size ? must_format("%.*s/%s", (int)size, folder, name) : must_strdup(name);
    char *text = read_file(path);
    if (text)
        *ret_path = path;
    else
        free(path);
    return text;
}

/* Beside the file that includes it, in the working folder, in the -I folders. */
static char *find_file(const struct draft *draft, const char *from, const char *name,
                       char **ret_path)
{
    const char *slash = from ? strrchr(from, '/') : NULL;
    char *text = NULL;
    if (*name == '/' || !slash)
        text = try_folder("", 0, name, ret_path);
    if (!text && slash)
        text = try_folder(from, (size_t)(slash - from), name, ret_path);
    for (size_t i = 0; !text && i < draft->analysis->n_flags; i++) {
        const char *flag = draft->analysis->flags[i];
        if (strncmp(flag, "-I", 2) == 0 && flag[2])
            text = try_folder(flag + 2, strlen(flag + 2), name, ret_path);
    }
    return text;
}

static uint64_t hash_text(const char *text)
{
    uint64_t hash = 14695981039346656037u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return hash;
}

/* ---- lines of directives
 * ------------------------------------------------------------------ */

static const char *next_line(const char *at)
{
    const char *end = strchr(at, '\n');
    return end ? end + 1 : at + strlen(at);
}

/* The word behind # at the start of a line, and what follows it. */
static bool directive(const char *line, char word[16], const char **ret_rest)
{
    line += strspn(line, " \t");
    if (*line != '#')
        return false;
    line++;
    line += strspn(line, " \t");
    size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz");
    if (n == 0 || n > 15)
        return false;
    memcpy(word, line, n);
    word[n] = '\0';
    *ret_rest = line + n + strspn(line + n, " \t");
    return true;
}

static void blank(char *line)
{
    for (; *line && *line != '\n'; line++)
        *line = ' ';
}

/* The #endif that belongs to the #if line `from`; NULL when an #else comes first. */
static char *matching_endif(char *from)
{
    unsigned depth = 0;
    for (char *line = from; *line; line = (char *)next_line(line)) {
        char word[16];
        const char *rest;
        if (!directive(line, word, &rest))
            continue;
        if (strncmp(word, "if", 2) == 0)
            depth++;
        else if (depth == 1 && strncmp(word, "el", 2) == 0)
            return NULL;
        else if (strcmp(word, "endif") == 0 && --depth == 0)
            return line;
    }
    return NULL;
}

/* Such a header is put in once. */
static bool drop_once(char *text)
{
    bool is_any = false;
    for (char *line = text; *line; line = (char *)next_line(line)) {
        char word[16];
        const char *rest;
        if (directive(line, word, &rest) && strcmp(word, "pragma") == 0 &&
            strncmp(rest, "once", 4) == 0) {
            blank(line);
            is_any = true;
        }
    }
    return is_any;
}

static bool is_blank_line(const char *line, bool *is_comment)
{
    line += strspn(line, " \t\r");
    if (*is_comment || strncmp(line, "/*", 2) == 0) {
        *is_comment = !memmem(line, strcspn(line, "\n"), "*/", 2);
        return true;
    }
    return *line == '\n' || !*line || strncmp(line, "//", 2) == 0;
}

/* Owned name of the guard, whose lines are blanked; NULL when there is none. */
static char *take_guard(char *text)
{
    char word[16], *line = text;
    const char *rest;
    bool is_comment = false;
    while (*line && is_blank_line(line, &is_comment))
        line = (char *)next_line(line);
    if (!directive(line, word, &rest) || strcmp(word, "ifndef") != 0)
        return NULL;
    char *name = must_strndup(rest, strcspn(rest, " \t\r\n/"));
    char *end = matching_endif(line), *define = (char *)next_line(line);
    bool is_guard = end && directive(define, word, &rest) &&
                    strcmp(word, "define") == 0 && strncmp(rest, name, strlen(name)) == 0;
    is_comment = false;
    for (const char *at = end ? next_line(end) : ""; is_guard && *at; at = next_line(at))
        is_guard = is_blank_line(at, &is_comment);
    if (!is_guard) {
        free(name);
        return NULL;
    }
    blank(line);
    blank(define);
    blank(end);
    return name;
}

static char *made_up_guard(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = must_format("INCLUDED_%s", slash ? slash + 1 : path);
    for (char *c = name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
              (*c >= '0' && *c <= '9')))
            *c = '_';
    return name;
}

/* ---- the text
 * ------------------------------------------------------------------------------- */

static void splice_text(struct draft *draft, const char *text,
                        const struct source *source);

static bool is_header(const char *path)
{
    size_t size = strlen(path);
    return size > 2 && strcmp(path + size - 2, ".h") == 0;
}

static void end_line(struct draft *draft)
{
    if (draft->text.size && draft->text.data[draft->text.size - 1] != '\n')
        buffer_add_char(&draft->text, '\n');
}

/* Without a guard, as lists are that a macro gives their meaning. */
static bool splice_again(struct draft *draft, const char *text,
                         const struct source *source)
{
    draft->n_headers++;
    add_region(draft, source, 1);
    splice_text(draft, text, source);
    end_line(draft);
    return true;
}

/* Where it was put in before, a condition may leave it out: then it is wanted here. */
static bool splice_guarded(struct draft *draft, const char *text, const char *guard,
                           const char *mark, const struct source *source)
{
    bool is_second = presence_of(draft, source->file) == PRESENCE_CONDITIONAL;
    draft->n_headers++;
    if (is_second)
        buffer_format(&draft->text, "#ifndef %s\n", guard);
    add_region(draft, source, 0); /* the guard's line is not the file's */
    buffer_format(&draft->text, "#define %s %s\n", guard, mark);
    splice_text(draft, text, source);
    end_line(draft);
    if (is_second)
        buffer_add_string(&draft->text, "#endif\n");
    return true;
}

/* True when the header's text, or nothing because it is known, stands for its line. */
static bool splice_header(struct draft *draft, const struct source *from,
                          const char *name, uint32_t line, bool is_conditional)
{
    CLEANUP(freep) char *path = NULL;
    CLEANUP(freep) char *text = find_file(draft, from->file, name, &path);
    if (!text || from->depth >= HEADER_DEPTH_MAX || draft->n_headers >= HEADERS_MAX)
        return false;
    if (from->file && !strcmp(from->file, path)) /* in a branch of #if that is left out */
        return false;
    struct source source = {.file = path,
                            .include_line = from->file ? from->include_line : line,
                            .depth = from->depth + 1,
                            .is_conditional = is_conditional};
    CLEANUP(freep)
    char *mark = must_format("/* %016llx */", (unsigned long long)hash_text(text));
    bool is_once = drop_once(text);
    CLEANUP(freep) char *guard = take_guard(text);
    is_once |= guard != NULL;
    enum presence presence = presence_of(draft, path);
    if (presence == PRESENCE_CERTAIN && is_once)
        return true;
    if (!is_once && (presence != PRESENCE_NONE || !is_header(path)))
        return splice_again(draft, text, &source);
    if (!guard)
        guard = made_up_guard(path);
    const struct definition *known = graph_current(draft->analysis->graph, guard);
    if (known && known->source && strstr(known->source, mark))
        return true;
    return splice_guarded(draft, text, guard, mark, &source);
}

/* Owned name between quotes of an #include "x.h" line; NULL. */
static char *quoted_name(const char *line)
{
    char word[16];
    const char *rest;
    if (!directive(line, word, &rest) || strcmp(word, "include") != 0 || *rest != '"')
        return NULL;
    size_t n = strcspn(rest + 1, "\"\n");
    return rest[1 + n] == '"' ? must_strndup(rest + 1, n) : NULL;
}

/* How deep a line in conditional directives is, from how deep the one before it was. */
static unsigned step(const char *line, unsigned depth)
{
    char word[16];
    const char *rest;
    if (!directive(line, word, &rest))
        return depth;
    if (strncmp(word, "if", 2) == 0)
        return depth + 1;
    return depth && strcmp(word, "endif") == 0 ? depth - 1 : depth;
}

static void splice_text(struct draft *draft, const char *text,
                        const struct source *source)
{
    uint32_t number = 1;
    unsigned depth = 0;
    for (const char *line = text; *line; line = next_line(line), number++) {
        CLEANUP(freep) char *name = quoted_name(line);
        depth = step(line, depth);
        if (name &&
            splice_header(draft, source, name, number, depth || source->is_conditional)) {
            add_region(draft, source, number);
            buffer_add_char(&draft->text, '\n');
        } else {
            buffer_add(&draft->text, line, (size_t)(next_line(line) - line));
        }
    }
}

void splice(struct draft *draft)
{
    const struct source cell = {0};
    add_region(draft, &cell, 1);
    if (draft->keeps_includes || !strstr(draft->source, "include"))
        buffer_add(&draft->text, draft->source, draft->size);
    else
        splice_text(draft, draft->source, &cell);
}

void splice_clear(struct draft *draft)
{
    for (size_t i = 0; i < draft->n_regions; i++)
        free(draft->regions[i].file);
    free(draft->regions);
    draft->regions = NULL;
    draft->n_regions = draft->regions_capacity = draft->n_headers = 0;
    buffer_clear(&draft->text);
}
