/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When a cell gives a type another layout, a variable another type or a function another
 * signature, what was compiled against the old one is compiled again from its source, in
 * the same unit, behind the piece that makes the change. What no longer compiles is
 * marked and cannot be used by new code. Variables are declared again with the new type,
 * and the worker carries their values over.
 */
#include <string.h>

#include "kernel/unit/draft.h"

/* ---- what the cell changes
 * ---------------------------------------------------------------- */

static const struct change *find_change(const struct draft *draft, uint32_t id)
{
    for (size_t i = 0; i < draft->n_changes; i++)
        if (draft->changes[i].id == id)
            return &draft->changes[i];
    return NULL;
}

static bool add_change(struct draft *draft, uint32_t id, size_t piece)
{
    if (find_change(draft, id))
        return false;
    GROW(draft->changes, draft->n_changes, draft->changes_capacity);
    draft->changes[draft->n_changes++] = (struct change){id, piece};
    return true;
}

static bool piece_defines_type(const struct piece *piece)
{
    const struct declaration *declaration = &piece->declaration;
    return piece->kind == ITEM_DECLARATION && !piece->origin &&
           (declaration->record.size || declaration->is_typedef);
}

/* Macros and types that the old text was read with still mean the same. */
static bool refs_are_current(const struct draft *draft, const struct definition *old)
{
    const struct graph *graph = draft->analysis->graph;
    for (size_t i = 0; i < old->n_refs; i++) {
        const struct definition *to = graph_get(graph, old->refs[i]);
        if (!to || (to->kind != DEFINITION_TYPE && to->kind != DEFINITION_MACRO))
            continue;
        bool is_macro_of_cell = false;
        for (size_t k = 0; k < draft->n_pieces; k++) {
            struct span name = piece_macro_name(&draft->pieces[k]);
            is_macro_of_cell |=
                draft->pieces[k].kind == ITEM_DIRECTIVE && name.size &&
                strlen(to->name) == name.size &&
                !memcmp(draft->pieces[k].text + name.start, to->name, name.size);
        }
        if (!graph_is_current(graph, to) || find_change(draft, to->id) ||
            is_macro_of_cell)
            return false;
    }
    return true;
}

static bool is_forward_only(const struct definition *definition)
{
    return definition->source && !strchr(definition->source, '{') &&
           !tokens_mention(definition->source, strlen(definition->source), "typedef");
}

/* Also those that the new version no longer has would bring the old one back. */
static void hide_names(struct draft *draft, const struct definition *old)
{
    draft_hide(draft, old->name);
    for (size_t i = 0; i < old->n_names; i++)
        draft_hide(draft, old->names[i]);
}

static void compare_name(struct draft *draft, size_t index, const char *name,
                         const char *source)
{
    struct piece *piece = &draft->pieces[index];
    const struct definition *old = graph_current(draft->analysis->graph, name);
    if (!old || old->kind != DEFINITION_TYPE || !old->source || is_forward_only(old))
        return;
    if (!old->is_stale && refs_are_current(draft, old) &&
        tokens_equal(source, strlen(source), old->source, strlen(old->source)))
        piece->same_as = old->id;
    else if (add_change(draft, old->id, index))
        hide_names(draft, old);
}

static void compare_type(struct draft *draft, size_t index)
{
    struct piece *piece = &draft->pieces[index];
    CLEANUP(freep) char *source = type_source(piece);
    for (size_t i = 0; i < piece->declaration.n_names; i++) {
        const char *name = piece->declaration.names[i];
        compare_name(draft, index, name, source);
        for (unsigned kind = 0; kind < TAG_KINDS; kind++) {
            CLEANUP(freep) char *twin = tag_of_kind(name, kind);
            if (twin && strcmp(twin, name) != 0)
                compare_name(draft, index, twin, source);
        }
    }
}

/* ---- what depends on it
 * ------------------------------------------------------------------- */

struct reach {
    const struct draft *draft;
    bool *seen;
    size_t piece; /* the last one among what was reached; SIZE_MAX: nothing was */
};

static void reach_change(struct reach *reach, uint32_t definition)
{
    const struct change *change = find_change(reach->draft, definition);
    if (change && (reach->piece == SIZE_MAX || change->piece > reach->piece))
        reach->piece = change->piece;
}

static void reach_type(struct reach *reach, uint32_t id)
{
    const struct types *types = &reach->draft->analysis->types;
    if (id == 0 || id >= types->n || reach->seen[id])
        return;
    reach->seen[id] = true;
    const struct type *type = types_get(types, id);
    reach_change(reach, type->definition);
    reach_type(reach, type->target);
    for (size_t i = 0; i < type->n_fields; i++)
        reach_type(reach, type->fields[i].type);
}

/* The piece behind which the type is the new one; SIZE_MAX when it does not change. */
static size_t type_depends(const struct draft *draft, uint32_t type)
{
    struct reach reach = {.draft = draft, .piece = SIZE_MAX};
    CLEANUP(freep) bool *seen = must_alloc(draft->analysis->types.n + 1);
    reach.seen = seen;
    reach_type(&reach, type);
    return reach.piece;
}

static size_t refs_depend(const struct draft *draft, const struct definition *definition)
{
    struct reach reach = {.draft = draft, .piece = SIZE_MAX};
    for (size_t i = 0; i < definition->n_refs; i++) {
        const struct graph *graph = draft->analysis->graph;
        const struct definition *to = graph_get(graph, definition->refs[i]);
        reach_change(&reach, definition->refs[i]);
        bool is_late_bound =
            to && (to->kind == DEFINITION_FUNCTION || to->kind == DEFINITION_VARIABLE ||
                   definition->is_stale);
        if (!is_late_bound)
            continue;
        const struct definition *now = graph_current(graph, to->name);
        if (now)
            reach_change(&reach, now->id);
    }
    return reach.piece;
}

static bool is_defined_by_cell(const struct draft *draft,
                               const struct definition *definition)
{
    for (size_t i = 0; i < draft->n_pieces; i++) {
        const struct piece *piece = &draft->pieces[i];
        for (size_t k = 0; !piece->origin && k < piece->declaration.n_names; k++) {
            const char *name = piece->declaration.names[k];
            if (strcmp(name, definition->name) == 0)
                return true;
            for (size_t j = 0;
                 definition->kind == DEFINITION_TYPE && j < definition->n_names; j++)
                if (strcmp(name, definition->names[j]) == 0)
                    return true;
        }
    }
    return false;
}

static bool is_stale_now(const struct draft *draft, uint32_t id)
{
    for (size_t i = 0; i < draft->n_stale; i++)
        if (draft->stale[i] == id)
            return true;
    return false;
}

static void add_stale(struct draft *draft, uint32_t id)
{
    if (is_stale_now(draft, id))
        return;
    GROW(draft->stale, draft->n_stale, draft->stale_capacity);
    draft->stale[draft->n_stale++] = id;
}

static bool has_piece(const struct draft *draft, uint32_t id)
{
    for (size_t i = 0; i < draft->n_pieces; i++)
        if (draft->pieces[i].origin == id)
            return true;
    return false;
}

/* ---- pieces of earlier cells
 * ---------------------------------------------------------------- */

static void set_place(struct piece *piece, const struct definition *origin)
{
    uint32_t line, indent;
    definition_start(origin, piece->text, piece->size, &line, &indent);
    piece->cell = origin->cell;
    piece->line = line ? line : 1;
    piece->column = indent + 1;
}

/* Macros that have changed since: back to the old version round the text. */
static void set_macros(struct draft *draft, struct piece *piece,
                       const struct definition *origin)
{
    const struct graph *graph = draft->analysis->graph;
    struct buffer before = {0}, after = {0};
    for (size_t i = 0; i < origin->n_refs; i++) {
        const struct definition *macro = graph_get(graph, origin->refs[i]);
        if (!macro || macro->kind != DEFINITION_MACRO || !macro->source)
            continue;
        const struct definition *now = graph_current(graph, macro->name);
        if (now == macro)
            continue;
        buffer_format(&before, "#undef %s\n%s\n", macro->name, macro->source);
        buffer_format(&after, "#undef %s\n", macro->name);
        if (now && now->kind == DEFINITION_MACRO && now->source)
            buffer_format(&after, "%s\n", now->source);
    }
    if (before.size) {
        piece->before = buffer_take(&before);
        piece->after = buffer_take(&after);
    }
    buffer_clear(&before);
    buffer_clear(&after);
}

static enum item_kind piece_kind(const struct definition *definition)
{
    return definition->kind == DEFINITION_FUNCTION && definition->source
               ? ITEM_FUNCTION
               : ITEM_DECLARATION;
}

/* Inserts the definition behind the piece `behind` and behind what else was inserted
 * there. */
static void insert_piece(struct draft *draft, const struct definition *origin,
                         size_t behind)
{
    const char *text = origin->source ? origin->source : origin->declaration;
    piece_add(draft, piece_kind(origin), text, strlen(text));
    struct piece piece = draft->pieces[draft->n_pieces - 1];
    piece.origin = origin->id;
    set_place(&piece, origin);
    set_macros(draft, &piece, origin);
    struct cell_names names = draft_names(draft->analysis);
    declaration_parse(piece.text, piece.size, &names, &piece.declaration);
    for (size_t i = 0; i < piece.declaration.n_names; i++)
        draft_hide(draft, piece.declaration.names[i]);
    size_t at = behind + 1;
    while (at + 1 < draft->n_pieces && draft->pieces[at].origin &&
           draft->pieces[at].origin < origin->id)
        at++;
    memmove(draft->pieces + at + 1, draft->pieces + at,
            (draft->n_pieces - 1 - at) * sizeof(*draft->pieces));
    draft->pieces[at] = piece;
    for (size_t i = 0; i < draft->n_changes; i++)
        if (draft->changes[i].piece >= at)
            draft->changes[i].piece++;
    for (size_t i = 0; i < draft->n_pieces; i++)
        for (size_t k = 0; k < draft->pieces[i].n_forward; k++)
            if (draft->pieces[i].forward[k] >= at)
                draft->pieces[i].forward[k]++;
}

/* A typedef of a number leaves no trace in the type. */
static bool is_declared_with_change(const struct draft *draft,
                                    const struct definition *variable)
{
    const char *text = variable->declaration;
    for (size_t i = 0; text && i < draft->n_changes; i++) {
        const struct definition *old =
            graph_get(draft->analysis->graph, draft->changes[i].id);
        if (old->kind != DEFINITION_TYPE)
            continue;
        bool is_there = tokens_mention(text, strlen(text), old->name);
        for (size_t k = 0; !is_there && k < old->n_names; k++)
            is_there = tokens_mention(text, strlen(text), old->names[k]);
        if (is_there)
            return true;
    }
    return false;
}

/* True when it makes others obsolete in turn. */
static bool follow(struct draft *draft, const struct definition *definition)
{
    size_t by_refs = refs_depend(draft, definition);
    size_t by_type = type_depends(draft, definition->type);
    size_t behind = by_refs;
    if (by_type != SIZE_MAX && (behind == SIZE_MAX || by_type > behind))
        behind = by_type;
    if (behind == SIZE_MAX || has_piece(draft, definition->id) ||
        is_stale_now(draft, definition->id))
        return false;
    if (definition->kind == DEFINITION_VARIABLE && !definition->is_local_static) {
        if (by_type == SIZE_MAX && !is_declared_with_change(draft, definition))
            return false; /* only its initialiser, which has run */
        by_type = behind;
    } else if (definition->kind == DEFINITION_VARIABLE) {
        return add_change(draft, definition->id,
                          behind); /* its function hoists it again */
    }
    insert_piece(draft, definition, behind);
    bool is_type_new = definition->kind == DEFINITION_TYPE || by_type != SIZE_MAX;
    size_t own = behind;
    for (size_t i = 0; i < draft->n_pieces; i++)
        if (draft->pieces[i].origin == definition->id)
            own = i;
    return is_type_new && add_change(draft, definition->id, own);
}

static void follow_all(struct draft *draft)
{
    const struct graph *graph = draft->analysis->graph;
    bool is_more = draft->n_changes > 0;
    while (is_more) {
        is_more = false;
        for (size_t i = 0; i < graph_count(graph); i++) {
            const struct definition *at = graph_at(graph, i);
            if (at->kind != DEFINITION_TYPE && at->kind != DEFINITION_VARIABLE &&
                at->kind != DEFINITION_FUNCTION)
                continue;
            bool may_follow = !at->is_stale || at->kind != DEFINITION_VARIABLE;
            if (may_follow && graph_is_current(graph, at) &&
                !is_defined_by_cell(draft, at) && (at->source || at->declaration))
                is_more |= follow(draft, at);
        }
    }
}

/* All tags share one space of names. */
static bool is_same_name(const char *a, const char *b)
{
    const char *a_tag = strchr(a, ' '), *b_tag = strchr(b, ' ');
    return a_tag && b_tag ? strcmp(a_tag, b_tag) == 0 : strcmp(a, b) == 0;
}

static bool is_name_of_cell(const struct draft *draft, const char *name)
{
    for (size_t i = 0; i < draft->n_pieces; i++) {
        const struct declaration *declaration = &draft->pieces[i].declaration;
        for (size_t k = 0; !draft->pieces[i].origin && k < declaration->n_names; k++)
            if (is_same_name(declaration->names[k], name))
                return true;
    }
    return false;
}

/* A type that defines what the cell defines, too, such as a record inside it, cannot
 * stand beside the cell's. */
static void set_aside(struct draft *draft)
{
    for (size_t i = 0; i < draft->n_changes; i++) {
        const struct definition *old =
            graph_get(draft->analysis->graph, draft->changes[i].id);
        if (old->is_stale || is_name_of_cell(draft, old->name))
            continue;
        add_stale(draft, old->id);
        draft_hide(draft, old->name);
    }
}

void dependents_add(struct draft *draft)
{
    for (size_t i = 0; i < draft->n_pieces; i++)
        if (piece_defines_type(&draft->pieces[i]))
            compare_type(draft, i);
    set_aside(draft);
    follow_all(draft);
}

/* ---- after a parse
 * ---------------------------------------------------------------------------- */

/* Code that refers to the one can do so to the other. */
static bool is_compatible(const struct definition *old, const struct definition *now)
{
    return old->kind == now->kind && old->type == now->type &&
           definition_is_thread_local(old) == definition_is_thread_local(now);
}

bool dependents_grow(struct draft *draft)
{
    const struct graph *graph = draft->analysis->graph;
    size_t before = draft->n_pieces + draft->n_stale;
    bool is_changed = false;
    for (size_t i = 0; i < draft->n_entities; i++) {
        const struct entity *entity = draft->entities[i];
        const struct definition *now = entity->definition;
        const struct definition *old = graph_current(graph, now->name);
        if (entity->role < ENTITY_PROTOTYPE || entity->role == ENTITY_STALE || !old ||
            old->is_stale || is_compatible(old, now))
            continue;
        if (old->kind == DEFINITION_FUNCTION || old->kind == DEFINITION_VARIABLE)
            is_changed |= add_change(draft, old->id, entity->piece);
    }
    if (!is_changed)
        return false;
    entities_clear(draft); /* they know pieces by number */
    follow_all(draft);
    if (draft->n_pieces + draft->n_stale > before)
        return true;
    entities_from_directives(draft);
    entities_from_tree(draft);
    return false;
}

/* A variable whose initialiser no longer fits goes on without it; its value is carried
 * anyway. */
static bool drop_initialiser(struct draft *draft, struct piece *piece)
{
    const struct definition *origin = graph_get(draft->analysis->graph, piece->origin);
    const char *text = origin->declaration, *word = "extern ";
    if (origin->kind != DEFINITION_VARIABLE || !text || strncmp(text, word, 7) != 0 ||
        strcmp(piece->text, text + 7) == 0)
        return false;
    free(piece->text);
    free(piece->why_broken);
    piece->text = must_strdup(text + 7);
    piece->size = strlen(piece->text);
    piece->why_broken = NULL;
    declaration_clear(&piece->declaration);
    struct cell_names names = draft_names(draft->analysis);
    declaration_parse(piece->text, piece->size, &names, &piece->declaration);
    return true;
}

bool dependents_drop_broken(struct draft *draft)
{
    bool is_any = false;
    for (size_t i = 0; i < draft->n_pieces; i++) {
        struct piece *piece = &draft->pieces[i];
        if (!piece->origin || !piece->why_broken || piece->is_broken)
            continue;
        is_any = true;
        if (drop_initialiser(draft, piece))
            continue;
        piece->is_broken = true;
        add_stale(draft, piece->origin);
    }
    return is_any;
}

/* ---- what could not follow
 * ---------------------------------------------------------------------- */

static const char *why_stale(const struct draft *draft, uint32_t id)
{
    for (size_t i = 0; i < draft->n_pieces; i++)
        if (draft->pieces[i].origin == id && draft->pieces[i].why_broken)
            return draft->pieces[i].why_broken;
    return NULL;
}

/* The changed definition that it refers to, or that its type is made of. */
static const char *culprit(const struct draft *draft, const struct definition *stale,
                           int depth)
{
    const struct graph *graph = draft->analysis->graph;
    const struct definition *other = NULL;
    for (size_t i = 0; i < stale->n_refs; i++) {
        const struct definition *to =
            find_change(draft, stale->refs[i]) ? graph_get(graph, stale->refs[i]) : NULL;
        if (to && to->kind == DEFINITION_TYPE)
            return to->name;
        if (to && !other)
            other = to;
    }
    if (other && other->kind == DEFINITION_VARIABLE && depth < 2)
        return culprit(draft, other, depth + 1);
    if (other)
        return other->name;
    const struct definition *first =
        draft->n_changes ? graph_get(graph, draft->changes[0].id) : NULL;
    return first ? first->name : "something";
}

static struct definition *copy(const struct definition *from)
{
    CLEANUP(buffer_clear) struct buffer bytes = {0};
    definition_pack(from, &bytes);
    struct unpack in = unpack_init(bytes.data, bytes.size);
    struct definition *ret = NULL;
    if (definition_unpack(&in, &ret, NULL) < 0)
        abort(); /* it was packed just now */
    return ret;
}

/* Takes the names that the cell defines away; the first one, owned. */
static char *take_names(const struct draft *draft, struct definition *stale)
{
    char *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < stale->n_names; i++) {
        if (!is_name_of_cell(draft, stale->names[i]))
            stale->names[n++] = stale->names[i];
        else if (first)
            free(stale->names[i]);
        else
            first = stale->names[i];
    }
    stale->n_names = n;
    return first;
}

void dependents_report(struct draft *draft)
{
    for (size_t i = 0; i < draft->n_stale; i++) {
        const struct definition *old = graph_get(draft->analysis->graph, draft->stale[i]);
        if (old->is_stale)
            continue; /* it was said when it became so */
        struct entity *entity = entity_add(draft, ENTITY_STALE, old->kind, 0, old->name);
        uint32_t id = entity->definition->id;
        definition_free(entity->definition);
        entity->definition = copy(old);
        entity->definition->id = id;
        entity->definition->is_stale = true;
        const char *why = why_stale(draft, old->id);
        CLEANUP(freep) char *taken = take_names(draft, entity->definition);
        if (taken)
            diagnostic_add(draft, SEVERITY_WARNING, old->cell, old->line, old->column,
                           "'%s' (In[%u]) holds an earlier '%s'; define it again",
                           old->name, old->cell, taken);
        else if (why)
            diagnostic_add(
                draft, SEVERITY_WARNING, old->cell, old->line, old->column,
                "'%s' (In[%u]) cannot follow the new '%s': %s; define it again",
                old->name, old->cell, culprit(draft, old, 0), why);
        else
            diagnostic_add(
                draft, SEVERITY_WARNING, old->cell, old->line, old->column,
                "'%s' (In[%u]) keeps its value and the old '%s'; define it again "
                "to use it with the new one",
                old->name, old->cell, culprit(draft, old, 0));
        if (why && old->kind == DEFINITION_FUNCTION && old->source)
            entity->symbol =
                must_format("'%s' (In[%u]) could not follow the new '%s': %s; define it "
                            "again",
                            old->name, old->cell, culprit(draft, old, 0), why);
    }
}

void dependents_hide_stale(struct draft *draft)
{
    const struct graph *graph = draft->analysis->graph;
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *at = graph_at(graph, i);
        if (at->is_stale && graph_is_current(graph, at))
            draft_hide(draft, at->name);
    }
}
