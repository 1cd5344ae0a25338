/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/engine.h"

#include <dlfcn.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "kernel/worker/cell_display.h"
#include "kernel/worker/damage.h"
#include "kernel/worker/heap.h"
#include "kernel/worker/replace.h"
#include "kernel/worker/world.h"
#include "pickler/code/tcc.h"
#include "pickler/type/layout.h"

extern const char __executable_start[], etext[]; /* the linker's */

#define CELL_LABEL "(cell)"

void outcome_set(struct outcome *ret, enum outcome_kind kind, const char *name,
                 const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *message = must_vformat(format, arguments);
    va_end(arguments);
    outcome_clear(ret);
    *ret = (struct outcome){.kind = kind,
                            .name = must_strdup(name),
                            .message = message,
                            .is_state_kept = true};
}

static void *find_replacement(const char *name)
{
    void *found = replace_find(name);
    return found ? found : cell_display_find(name);
}

int engine_init(struct engine *engine, void (*dying)(const struct guard_report *report),
                struct error *err)
{
    static const struct names_hooks hooks = {find_replacement, replace_undefined};
    static char output[1 << 16];
    memset(engine, 0, sizeof(*engine));
    engine->answer_file = -1;
    heap_init(__executable_start, etext);
    setlocale(LC_CTYPE, "C.UTF-8");
    setvbuf(stdout, output, _IOLBF, sizeof(output));
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_GLOBAL); /* helpers that gcc and clang call */
    types_init(&engine->types);
    int r = arena_init(&engine->arena, ARENA_SIZE_MAX, err);
    if (r == 0)
        r = names_init(&engine->names, &engine->arena, &hooks, err);
    if (r < 0)
        return r;
    world_init(engine);
    guard_init(&engine->names, dying);
    cell_display_init(engine);
    damage_watch(&engine->names);
    return 0;
}

int engine_add_types(struct engine *engine, size_t from, const void *data, size_t size,
                     struct error *err)
{
    struct types *types = &engine->types;
    struct unpack in = unpack_init(data, size);
    if (!size || from == types->n)
        return size ? types_unpack(types, &in, err) : 0;
    if (unpack_u64(&in) != from || from > types->n)
        return error_set(err, -EBADMSG, "types from %zu on, but %zu are known", from,
                         types->n);
    size_t n = unpack_count(&in);
    if (in.failed || n > types->n - from)
        return error_set(err, -EBADMSG,
                         "some of the types from %zu on are known, some not", from);
    return 0;
}

void engine_open_library(struct engine *engine, const char *file, struct outcome *ret)
{
    const char *why = names_open_library(&engine->names, file);
    if (why)
        outcome_set(ret, OUTCOME_LINK, "LinkError", "%s", why);
}

/* What libtcc made and the loader cannot use, cc may make better. */
static void set_load_error(struct outcome *ret, bool is_tcc, const struct error *err)
{
    if (err->code == -ENOENT)
        outcome_set(ret, OUTCOME_LINK, "UndefinedSymbol", "%s", err->text);
    else
        outcome_set(ret, is_tcc && err->code != -ENOMEM ? OUTCOME_COMPILE : OUTCOME_LINK,
                    "LinkError", "%s", err->text);
}

/* As glibc does for a library that asks for it; the stacks of threads stay as they are.
 */
static void allow_stack_code(void)
{
    char here;
    uintptr_t page = (uintptr_t)&here & ~(uintptr_t)4095;
    mprotect((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN);
}

static struct unit *load(struct engine *engine, struct engine_object object,
                         const struct name_binding *bindings, size_t n,
                         struct outcome *ret)
{
    struct error err = {0};
    struct unit *unit = NULL;
    if (names_load(&engine->names, object.data, object.size, bindings, n, &unit, &err) ==
        0) {
        if (unit->image->needs_stack_code)
            allow_stack_code();
        return unit;
    }
    set_load_error(ret, object.is_tcc, &err);
    return NULL;
}

static struct unit *compile_and_load(struct engine *engine, const char *text,
                                     const struct name_binding *bindings, size_t n,
                                     struct outcome *ret)
{
    CLEANUP(compiled_clear) struct compiled compiled = {0};
    struct error err = {0};
    if (tcc_compile(text, NULL, 0, &compiled, &err) < 0)
        outcome_set(ret, OUTCOME_COMPILE, "CompileError", "%s", err.text);
    else if (!compiled.is_ok)
        outcome_set(ret, OUTCOME_COMPILE, "CompileError", "%s",
                    buffer_string(&compiled.messages));
    else
        return load(
            engine,
            (struct engine_object){compiled.object.data, compiled.object.size, true},
            bindings, n, ret);
    return NULL;
}

struct unit *engine_load(struct engine *engine, const char *text,
                         struct engine_object object, const struct name_binding *bindings,
                         size_t n, struct outcome *ret)
{
    struct unit *unit = object.size ? load(engine, object, bindings, n, ret)
                                    : compile_and_load(engine, text, bindings, n, ret);
    if (!unit)
        return NULL;
    for (size_t i = 0; i < unit->image->n_initialisers; i++) {
        struct guard_call call = {.function = unit->image->initialisers[i]};
        struct guard_report report;
        if (!call.function)
            continue;
        guard_run(&call, &report);
        if (report.kind == OUTCOME_OK)
            continue;
        guard_outcome(&report, ret);
        return NULL;
    }
    return unit;
}

static void *find_symbol(void *context, const char *name)
{
    const struct unit *unit = context;
    return image_address(unit->image, name);
}

int engine_read_layouts(struct engine *engine, const struct unit *unit,
                        const uint32_t *ids, const uint32_t *symbols, size_t n,
                        struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        int r = layout_read(&engine->types, ids[i], symbols ? symbols[i] : ids[i],
                            find_symbol, (void *)unit, err);
        if (r < 0)
            return r;
    }
    return 0;
}

void engine_add_sites(struct unit *unit, uint32_t cell,
                      const struct allocation_site *sites, size_t n)
{
    for (size_t i = 0; i < n; i++)
        unit_add_site(unit, cell, sites[i].line, sites[i].type);
}

static void call(const struct unit *unit, const char *symbol, struct guard_call *how,
                 struct outcome *ret)
{
    struct guard_report report;
    outcome_clear(ret);
    if (!how->function && !how->main) {
        outcome_set(ret, OUTCOME_LINK, "UndefinedSymbol", "the unit does not define '%s'",
                    symbol);
        return;
    }
    guard_run(how, &report);
    guard_outcome(&report, ret);
}

void engine_call(struct engine *engine, const struct unit *unit, const char *symbol,
                 struct outcome *ret)
{
    struct guard_call how = {.function = engine_name_run(unit, symbol)};
    call(unit, symbol, &how, ret);
}

void (*engine_name_run(const struct unit *unit, const char *symbol))(void)
{
    void (*function)(void) = (void (*)(void))(void *)image_address(unit->image, symbol);
    image_rename(unit->image, symbol, CELL_LABEL);
    return function;
}

void engine_call_again(void (*run)(void), struct outcome *ret)
{
    struct guard_call how = {.function = run};
    call(NULL, CELL_LABEL, &how, ret);
}

void engine_call_main(struct engine *engine, const struct unit *unit, const char *symbol,
                      int argc, char **argv, struct outcome *ret)
{
    struct guard_call how = {
        .main =
            (int (*)(int, char **, char **))(void *)image_address(unit->image, symbol),
        .argc = argc,
        .argv = argv,
    };
    call(unit, symbol, &how, ret);
}

void engine_flush(void)
{
    fflush(stdout);
    fflush(stderr);
    clearerr(stdout);
}
