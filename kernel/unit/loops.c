/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Statements and functions that are worth the time that cc takes to compile them: a loop
 * in a loop, unless literal bounds say that it is soon over, or one whose bound is huge.
 */
#include "kernel/unit/draft.h"
#include "pickler/base/lex.h"

#define SHORT_ROUNDS 1000000 /* libtcc's code does so many while cc compiles */
#define LONG_ROUNDS                                                                      \
    100000000 /* of a single loop: cc's code saves more than that time                   \
               */

struct nest {
    double rounds; /* of the loops around */
    unsigned depth;
    bool is_heavy;
};

static bool is_comparison(CXCursor cursor)
{
    switch (clang_getCursorBinaryOperatorKind(cursor)) {
    case CXBinaryOperator_LT:
    case CXBinaryOperator_LE:
    case CXBinaryOperator_GT:
    case CXBinaryOperator_GE:
    case CXBinaryOperator_NE:
        return true;
    default:
        return false;
    }
}

static enum CXChildVisitResult find_bound(CXCursor cursor, CXCursor parent,
                                          CXClientData data)
{
    CXEvalResult value = clang_Cursor_Evaluate(cursor);
    if (value && clang_EvalResult_getKind(value) == CXEval_Int)
        *(double *)data = (double)clang_EvalResult_getAsLongLong(value);
    if (value)
        clang_EvalResult_dispose(value);
    return CXChildVisit_Continue; /* the last operand is what counts */
}

static enum CXChildVisitResult find_condition(CXCursor cursor, CXCursor parent,
                                              CXClientData data)
{
    if (clang_getCursorKind(cursor) != CXCursor_BinaryOperator || !is_comparison(cursor))
        return CXChildVisit_Continue;
    clang_visitChildren(cursor, find_bound, data);
    return CXChildVisit_Break;
}

/* How often a loop may go round, as far as its text shows. */
static double rounds_of(CXCursor loop)
{
    double bound = 0;
    if (clang_getCursorKind(loop) == CXCursor_ForStmt)
        clang_visitChildren(loop, find_condition, &bound);
    return bound >= 1 ? bound : SHORT_ROUNDS;
}

static enum CXChildVisitResult find_loops(CXCursor cursor, CXCursor parent,
                                          CXClientData data)
{
    struct nest *nest = data;
    enum CXCursorKind kind = clang_getCursorKind(cursor);
    if (kind != CXCursor_ForStmt && kind != CXCursor_WhileStmt && kind != CXCursor_DoStmt)
        return CXChildVisit_Recurse;
    struct nest inner = {nest->rounds * rounds_of(cursor), nest->depth + 1, false};
    inner.is_heavy =
        (inner.depth > 1 && inner.rounds > SHORT_ROUNDS) || inner.rounds >= LONG_ROUNDS;
    if (!inner.is_heavy)
        clang_visitChildren(cursor, find_loops, &inner);
    nest->is_heavy |= inner.is_heavy;
    return nest->is_heavy ? CXChildVisit_Break : CXChildVisit_Continue;
}

static bool is_heavy(CXCursor cursor)
{
    struct nest nest = {.rounds = 1};
    if (!clang_Cursor_isNull(cursor))
        clang_visitChildren(cursor, find_loops, &nest);
    return nest.is_heavy;
}

/* What is cheap to see first: libclang's way through a tree is long. */
static bool is_loop(const struct token *token)
{
    return token_is(token, "for") || token_is(token, "while");
}

static void find_heavy_functions(struct draft *draft)
{
    for (size_t i = 0; i < draft->n_entities; i++) {
        const struct entity *entity = draft->entities[i];
        const struct piece *piece = &draft->pieces[entity->piece];
        if (entity->role == ENTITY_FUNCTION && entity->definition->source &&
            tokens_have(piece->text, piece->size, is_loop))
            entity->definition->is_heavy = is_heavy(entity->cursor);
    }
}

void find_heavy(struct draft *draft)
{
    find_heavy_functions(draft);
    for (size_t i = 0; i < draft->n_wrappers; i++)
        draft->plan->is_heavy |= is_heavy(draft->runs[i]);
    if (draft->has_value)
        draft->plan->is_heavy |= is_heavy(draft->value);
    const struct entity *main = entity_find(draft, "main");
    if (main && main->role == ENTITY_FUNCTION)
        draft->plan->is_heavy |= is_heavy(main->cursor);
}
