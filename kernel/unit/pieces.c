/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The cell cut into pieces, each with its declaration read by tokens, so that the names
 * the cell defines are known before anything is parsed. */
#include <stdio.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "kernel/unit/draft.h"

#define ANONYMOUS_TAG "achar_anonymous_"
#define PACK_DEPTH_MAX 32 /* #pragma pack(push) within each other */

static bool name_is_type(void *context, const char *name, size_t size)
{
    struct analysis *analysis = context;
    CLEANUP(freep) char *copy = must_strndup(name, size);
    const struct definition *definition = graph_current(analysis->graph, copy);
    if (!definition)
        return headers_is_type(analysis->headers, name, size);
    if (definition->kind != DEFINITION_TYPE || !definition->source)
        return false;
    /* Enumerators are names of a type's definition, too. */
    struct declaration declaration;
    declaration_parse(definition->source, strlen(definition->source), NULL, &declaration);
    bool is_type = false;
    for (size_t i = 0; declaration.is_typedef && i < declaration.n_declarators; i++) {
        const struct span *at = &declaration.declarators[i].name;
        is_type |=
            at->size == size && !memcmp(definition->source + at->start, name, size);
    }
    declaration_clear(&declaration);
    return is_type;
}

static const char *name_macro(void *context, const char *name, size_t size)
{
    struct analysis *analysis = context;
    CLEANUP(freep) char *copy = must_strndup(name, size);
    const struct definition *definition = graph_current(analysis->graph, copy);
    if (!definition)
        return headers_macro(analysis->headers, name, size);
    return definition_macro_text(definition);
}

static bool name_is_visible(void *context, const char *name, size_t size)
{
    struct analysis *analysis = context;
    CLEANUP(freep) char *copy = must_strndup(name, size);
    return graph_current(analysis->graph, copy) ||
           headers_is_visible(analysis->headers, name, size);
}

struct cell_names draft_names(struct analysis *analysis)
{
    return (struct cell_names){.is_type = name_is_type,
                               .macro = name_macro,
                               .is_visible = name_is_visible,
                               .context = analysis};
}

void draft_hide(struct draft *draft, const char *name)
{
    if (draft_hides(draft, name))
        return;
    GROW(draft->hidden, draft->n_hidden, draft->hidden_capacity);
    draft->hidden[draft->n_hidden++] = must_strdup(name);
    name_ids_set(&draft->is_hidden, name, 1);
}

bool draft_hides(const struct draft *draft, const char *name)
{
    return name_ids_get(&draft->is_hidden, name, strlen(name));
}

bool draft_use_macros(struct draft *draft)
{
    size_t n = 0;
    if (draft->has_tried_uses)
        return false;
    draft->uses = must_alloc((draft->n_hidden + 1) * sizeof(*draft->uses));
    for (size_t i = 0; i < draft->n_hidden; i++) {
        char *name = draft->hidden[i];
        if (name_macro(draft->analysis, name, strlen(name)))
            name_ids_set(&draft->is_hidden, draft->uses[draft->n_uses++] = name, 0);
        else
            draft->hidden[n++] = name;
    }
    draft->n_hidden = n;
    draft->has_tried_uses = true;
    return draft->n_uses;
}

void draft_drop_uses(struct draft *draft)
{
    for (size_t i = 0; i < draft->n_uses; i++) {
        draft_hide(draft, draft->uses[i]);
        free(draft->uses[i]);
    }
    free(draft->uses);
    draft->uses = NULL;
    draft->n_uses = 0;
}

struct piece *piece_add(struct draft *draft, enum item_kind kind, const char *text,
                        size_t size)
{
    GROW(draft->pieces, draft->n_pieces, draft->pieces_capacity);
    struct piece *piece = &draft->pieces[draft->n_pieces++];
    *piece = (struct piece){.kind = kind,
                            .text = must_strndup(text, size),
                            .size = size,
                            .cell = draft->cell,
                            .line = 1,
                            .column = 1,
                            .run = SIZE_MAX};
    piece->size = strlen(piece->text);
    /* a backslash at the end would continue a directive on the line that follows */
    while (kind == ITEM_DIRECTIVE && piece->size &&
           strchr(" \t\r\n\\", piece->text[piece->size - 1]))
        piece->text[--piece->size] = '\0';
    return piece;
}

/* The word behind # of a directive: "define". */
static bool directive_word(const struct piece *piece, struct span *ret_word)
{
    size_t at = strspn(piece->text, "# \t");
    size_t n = 0;
    while (piece->text[at + n] >= 'a' && piece->text[at + n] <= 'z')
        n++;
    *ret_word = (struct span){at, n};
    return n > 0;
}

bool piece_is_directive(const struct piece *piece, const char *word)
{
    struct span span;
    return piece->kind == ITEM_DIRECTIVE && directive_word(piece, &span) &&
           span.size == strlen(word) &&
           !memcmp(piece->text + span.start, word, span.size);
}

struct span piece_macro_name(const struct piece *piece)
{
    struct span word = {0};
    directive_word(piece, &word);
    struct lexer lexer = lexer_init(piece->text + word.start + word.size,
                                    piece->size - word.start - word.size);
    struct token token = lexer_next(&lexer);
    if (token.kind != TOKEN_IDENTIFIER)
        return (struct span){0};
    return (struct span){(size_t)(token.text - piece->text), token.size};
}

/* The number in the tag that an equal record of the variable's last version was given;
 * 0: there is none. */
static uint32_t earlier_number(const struct draft *draft, const struct piece *piece)
{
    const struct declaration *declaration = &piece->declaration;
    const struct declarator *first = &declaration->declarators[0];
    CLEANUP(freep)
    char *variable = must_strndup(piece->text + first->name.start, first->name.size);
    const struct definition *old = graph_current(draft->analysis->graph, variable);
    unsigned number = 0;
    const char *at = old && old->source ? strstr(old->source, ANONYMOUS_TAG) : NULL;
    if (!at || sscanf(at, ANONYMOUS_TAG "%u", &number) != 1)
        return 0;
    const char *keyword = piece->text + declaration->keyword.start;
    int size = (int)declaration->keyword.size;
    CLEANUP(freep)
    char *name = must_format("%.*s " ANONYMOUS_TAG "%u", size, keyword, number);
    const struct definition *record = graph_current(draft->analysis->graph, name);
    CLEANUP(freep)
    char *now = must_format("%s %.*s;", name, (int)declaration->record.size - size,
                            keyword + size);
    bool is_equal =
        record && record->source &&
        tokens_equal(record->source, strlen(record->source), now, strlen(now));
    return is_equal ? number : 0;
}

/* `struct { int x; } origin;`: the struct gets a tag, on a line of its own so that places
 * behind it stay as they are. */
static void name_record(struct draft *draft, struct piece *piece, uint32_t number)
{
    const struct declaration *declaration = &piece->declaration;
    size_t at = declaration->keyword.start + declaration->keyword.size;
    uint32_t line = piece->line, column = piece->column;
    for (size_t i = 0; i < at; i++) {
        column = piece->text[i] == '\n' ? 1 : column + 1;
        line += piece->text[i] == '\n';
    }
    struct buffer text = {0};
    buffer_add(&text, piece->text, at);
    buffer_format(&text, " " ANONYMOUS_TAG "%u\n", number);
    piece_line(&text, piece, line);
    buffer_format(&text, "%*s", (int)(column - 1), "");
    buffer_add_string(&text, piece->text + at);
    free(piece->text);
    piece->size = text.size;
    piece->text = buffer_take(&text);
    declaration_clear(&piece->declaration);
    struct cell_names names = draft_names(draft->analysis);
    declaration_parse(piece->text, piece->size, &names, &piece->declaration);
}

static bool needs_tag(const struct declaration *declaration)
{
    return declaration->record.size && !declaration->tag.size &&
           !declaration->is_typedef && declaration->n_declarators;
}

/* A prototype of what is defined already must agree with it, so that one stays visible.
 */
static bool must_agree(const struct draft *draft, const struct piece *piece,
                       const char *name)
{
    const struct definition *old = graph_current(draft->analysis->graph, name);
    if (!old || piece->kind != ITEM_DECLARATION)
        return false;
    const struct declaration *declaration = &piece->declaration;
    for (size_t i = 0; i < declaration->n_declarators; i++) {
        const struct declarator *at = &declaration->declarators[i];
        if (strlen(name) != at->name.size ||
            memcmp(piece->text + at->name.start, name, at->name.size) != 0)
            continue;
        bool is_declared = declaration->is_extern && !at->initialiser.size;
        if (old->kind == DEFINITION_FUNCTION && old->source && !declaration->is_typedef)
            return at->is_function || is_declared;
        return old->kind == DEFINITION_VARIABLE && is_declared;
    }
    return false;
}

/* What a cell declares outlives it, and stands in memory: `register` and `auto` become
 * blanks. */
static void drop_automatic(const struct analysis *analysis, struct piece *piece)
{
    bool is_inferred = options_are_c23(analysis->options); /* what `auto` means then */
    const struct span *specifiers = &piece->declaration.specifiers;
    struct lexer lexer = lexer_init(piece->text + specifiers->start, specifiers->size);
    bool is_machine_register = tokens_mention(piece->text, piece->size, "asm") ||
                               tokens_mention(piece->text, piece->size, "__asm__");
    if (piece->kind != ITEM_DECLARATION || is_machine_register)
        return;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return;
        if (token_is(&token, "{")) /* members have no storage of their own */
            return;
        if (token_is(&token, "register") || (token_is(&token, "auto") && !is_inferred))
            memset(piece->text + (token.text - piece->text), ' ', token.size);
    }
}

/* `int CAT(x, 1) = 5;`: what seems to be declared is a macro with arguments. */
static bool is_macro_use(struct draft *draft, const struct piece *piece, const char *name)
{
    const struct declaration *declaration = &piece->declaration;
    const char *macro = name_macro(draft->analysis, name, strlen(name));
    if (piece->kind != ITEM_DECLARATION || !macro || macro[strlen(name)] != '(')
        return false;
    for (size_t i = 0; i < declaration->n_declarators; i++) {
        const struct declarator *at = &declaration->declarators[i];
        if (at->is_function && at->initialiser.size && at->name.size == strlen(name) &&
            !memcmp(piece->text + at->name.start, name, at->name.size))
            return true;
    }
    return false;
}

static void read_declaration(struct draft *draft, struct piece *piece,
                             uint32_t *n_anonymous)
{
    struct cell_names names = draft_names(draft->analysis);
    declaration_parse(piece->text, piece->size, &names, &piece->declaration);
    drop_automatic(draft->analysis, piece);
    if (needs_tag(&piece->declaration)) {
        uint32_t number = earlier_number(draft, piece);
        name_record(draft, piece, number ? number : draft->first_id + (*n_anonymous)++);
    }
    for (size_t i = 0; i < piece->declaration.n_names; i++) {
        const char *name = piece->declaration.names[i];
        if (is_macro_use(draft, piece, name))
            continue;
        if (!must_agree(draft, piece, name))
            draft_hide(draft, name);
        for (unsigned kind = 0; kind < TAG_KINDS; kind++) {
            CLEANUP(freep) char *twin = tag_of_kind(name, kind);
            if (twin)
                draft_hide(draft, twin);
        }
    }
}

static void set_place(struct draft *draft, struct piece *piece, const struct item *item)
{
    const struct region *region = region_at(draft, item->start);
    size_t start = region->start;
    uint32_t line = region->line;
    if (draft->counted_to > start && draft->counted_to <= item->start) {
        start = draft->counted_to;
        line = draft->counted_line;
    }
    for (size_t at = start; at < item->start; at++)
        line += draft->text.data[at] == '\n';
    draft->counted_to = item->start;
    draft->counted_line = line;
    piece->line = line;
    piece->column = item->column;
    piece->file = must_strdup(region->file);
    piece->include_line = region->include_line;
}

/* A cell's own includes must be known before it is cut: they declare types. */
void pieces_find_directives(struct draft *draft)
{
    struct cell_names names = draft_names(draft->analysis);
    struct cell cell = {0};
    cell_split(buffer_string(&draft->text), draft->text.size, &names, &cell);
    for (size_t i = 0; i < cell.n_items; i++) {
        const struct item *item = &cell.items[i];
        if (item->kind != ITEM_DIRECTIVE)
            continue;
        struct piece *piece =
            piece_add(draft, item->kind, draft->text.data + item->start, item->size);
        set_place(draft, piece, item);
        piece->is_include = piece_is_directive(piece, "include");
    }
    cell_clear(&cell);
}

/* Gives pieces the packing that the pragmas before them ask for. */
static void track_packing(struct draft *draft)
{
    unsigned stack[PACK_DEPTH_MAX], n = 0, now = 0;
    bool is_ms_struct = false;
    for (size_t i = 0; i < draft->n_pieces; i++) {
        struct piece *piece = &draft->pieces[i];
        piece->is_ms_struct = is_ms_struct;
        if (piece_is_directive(piece, "pragma") && strstr(piece->text, "ms_struct"))
            is_ms_struct = strstr(piece->text, " on") != NULL;
        const char *at =
            piece_is_directive(piece, "pragma") ? strstr(piece->text, "pack") : NULL;
        piece->pack = now;
        if (!at)
            continue;
        const char *number = strpbrk(at, "0123456789)");
        if (strstr(at, "pop")) {
            now = n ? stack[--n] : 0;
            continue;
        }
        if (strstr(at, "push") && n < PACK_DEPTH_MAX)
            stack[n++] = now;
        if (number && *number != ')')
            now = (unsigned)strtoul(number, NULL, 10);
        else if (!strstr(at, "push"))
            now = 0;
    }
}

/* The number behind #line, or the one that a macro stands for; 0: there is none. */
static uint32_t line_number(struct draft *draft, struct lexer *lexer)
{
    struct token token = lexer_next(lexer);
    const char *text = token.text;
    if (token.kind == TOKEN_IDENTIFIER) {
        const char *macro = name_macro(draft->analysis, token.text, token.size);
        for (size_t i = 0; !macro && i < draft->n_pieces; i++) {
            const struct piece *piece = &draft->pieces[i];
            struct span name = piece_macro_name(piece);
            if (piece_is_directive(piece, "define") && name.size == token.size &&
                !memcmp(piece->text + name.start, token.text, token.size))
                macro = piece->text + name.start;
        }
        text = macro ? macro + token.size : "";
    }
    unsigned long number = strtoul(text, NULL, 10);
    return number <= INT32_MAX ? (uint32_t)number : 0;
}

/* `#line 100 "x.c"` is about all that follows it; every piece stands behind a #line of
 * its own. */
static void track_lines(struct draft *draft)
{
    CLEANUP(freep) char *file = NULL;
    uint32_t number = 0, start = 0;
    for (size_t i = 0; i < draft->n_pieces; i++) {
        struct piece *piece = &draft->pieces[i];
        if (number && !piece->file) {
            piece->include_line = piece->line;
            piece->line = number + (piece->line - start);
            piece->file = must_strdup(file);
        }
        if (!piece_is_directive(piece, "line") || (piece->file && !number))
            continue;
        struct span word;
        directive_word(piece, &word);
        size_t at = word.start + word.size;
        struct lexer lexer = lexer_init(piece->text + at, piece->size - at);
        uint32_t next = line_number(draft, &lexer);
        struct token name = lexer_next(&lexer);
        if (!next)
            continue; /* clang says what is wrong with it */
        start = (number ? piece->include_line : piece->line) + 1;
        number = next;
        if (name.kind == TOKEN_STRING) {
            free(file);
            file = must_strndup(name.text + 1, name.size - 2);
        }
        memset(piece->text, ' ', piece->size);
        *piece->text = '#';
    }
}

void diagnostic_in_text(struct draft *draft, enum severity severity, size_t offset,
                        const char *message)
{
    const char *text = buffer_string(&draft->text);
    size_t start = offset;
    while (start && text[start - 1] != '\n')
        start--;
    struct piece place = {0};
    struct item item = {.start = start, .column = (uint32_t)(offset - start) + 1};
    set_place(draft, &place, &item);
    struct diagnostic *diagnostic =
        diagnostic_add(draft, severity, place.file ? 0 : draft->cell, place.line,
                       place.column, "%s", message);
    diagnostic->file = place.file;
}

static void report_problem(struct draft *draft, const struct cell *cell)
{
    const char *at = buffer_string(&draft->text);
    for (uint32_t line = 1; line < cell->problem_line && strchr(at, '\n'); line++)
        at = strchr(at, '\n') + 1;
    diagnostic_in_text(draft, SEVERITY_ERROR,
                       (size_t)(at - buffer_string(&draft->text)) + cell->problem_column -
                           1,
                       cell->problem ? cell->problem : "incomplete");
}

/* Pragmas that are about the statement behind them. */
static bool is_statement_pragma(const char *text, size_t size)
{
    static const char *const of_omp[] = {"threadprivate", "declare", "requires",
                                         "begin",         "end",     NULL};
    struct lexer lexer = lexer_init(text, size);
    struct token token = lexer_next(&lexer);
    if (token.kind != TOKEN_DIRECTIVE)
        return false;
    token = lexer_next(&lexer);
    if (!token_is(&token, "pragma"))
        return false;
    struct token owner = lexer_next(&lexer), what = lexer_next(&lexer);
    for (size_t i = 0; of_omp[i]; i++)
        if (token_is(&what, of_omp[i]))
            return false;
    return token_is(&owner, "omp") || token_is(&owner, "unroll") ||
           (token_is(&owner, "GCC") &&
            (token_is(&what, "unroll") || token_is(&what, "ivdep"))) ||
           (token_is(&owner, "clang") && token_is(&what, "loop"));
}

/* The last of the pragmas from `i` on and the statement that they are about; `i` itself
 * when there is none. */
static size_t end_of_pragmas(const struct draft *draft, const struct cell *cell, size_t i)
{
    const char *text = buffer_string(&draft->text);
    size_t at = i;
    while (at < cell->n_items && cell->items[at].kind == ITEM_DIRECTIVE &&
           is_statement_pragma(text + cell->items[at].start, cell->items[at].size))
        at++;
    return at > i && at < cell->n_items && cell->items[at].kind == ITEM_STATEMENT ? at
                                                                                  : i;
}

/* Where longjmp() leads back into a cell's statements, these must still be running. */
static bool mentions_setjmp(const struct draft *draft)
{
    static const char *const names[] = {"setjmp", "_setjmp", "sigsetjmp",
                                        "__builtin_setjmp", NULL};
    for (size_t i = 0; i < draft->n_pieces; i++)
        for (size_t k = 0; draft->pieces[i].kind != ITEM_FUNCTION && names[k]; k++)
            if (strstr(draft->pieces[i].text, names[k]) &&
                tokens_mention(draft->pieces[i].text, draft->pieces[i].size, names[k]))
                return true;
    return false;
}

bool pieces_cut(struct draft *draft)
{
    struct cell_names names = draft_names(draft->analysis);
    struct cell cell = {0};
    cell_split(buffer_string(&draft->text), draft->text.size, &names, &cell);
    bool is_whole = cell.status == CELL_COMPLETE;
    if (!is_whole)
        report_problem(draft, &cell);
    uint32_t n_anonymous = 0;
    for (size_t i = 0; is_whole && i < cell.n_items; i++) {
        const struct item *item = &cell.items[i];
        i = end_of_pragmas(draft, &cell, i);
        const struct item *last = &cell.items[i];
        struct piece *piece = piece_add(draft, last->kind, draft->text.data + item->start,
                                        last->start + last->size - item->start);
        set_place(draft, piece, item);
        piece->text_start = item->start;
        piece->text_size = last->start + last->size - item->start;
        storage_spell_out(draft, piece);
        if (piece->kind == ITEM_DECLARATION || piece->kind == ITEM_FUNCTION)
            read_declaration(draft, piece, &n_anonymous);
        piece->is_include = piece_is_directive(piece, "include");
    }
    pieces_pop_macros(draft);
    track_packing(draft);
    track_lines(draft);
    cell_clear(&cell);
    draft->joins_runs |= mentions_setjmp(draft);
    return is_whole;
}

void pieces_clear(struct draft *draft)
{
    for (size_t i = 0; i < draft->n_pieces; i++) {
        declaration_clear(&draft->pieces[i].declaration);
        free(draft->pieces[i].text);
        free(draft->pieces[i].file);
        free(draft->pieces[i].forward);
        free(draft->pieces[i].before);
        free(draft->pieces[i].after);
        free(draft->pieces[i].why_broken);
        free(draft->pieces[i].prototypes);
    }
    free(draft->pieces);
    draft_drop_uses(draft);
    for (size_t i = 0; i < draft->n_hidden; i++)
        free(draft->hidden[i]);
    free(draft->hidden);
    name_ids_clear(&draft->is_hidden);
    storage_clear(draft);
    draft->pieces = NULL;
    draft->hidden = NULL;
    draft->n_pieces = draft->pieces_capacity = 0;
    draft->n_hidden = draft->hidden_capacity = 0;
}
