/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/job.h"

#include <errno.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "kernel/worker/heap.h"
#include "kernel/worker/renewal.h"
#include "kernel/worker/replace.h"
#include "kernel/worker/represent.h"
#include "pickler/payload/layouts.h"
#include "pickler/payload/recipe.h"

static void refuse_as(struct outcome *ret, const char *otherwise, const struct error *err)
{
    const char *name = err->code == -ENOMEM                           ? "OutOfMemory"
                       : err->code == -ENOSPC || err->code == -EDQUOT ? OUTCOME_NO_ROOM
                                                                      : otherwise;
    outcome_set(ret, OUTCOME_REFUSED, name, "%s", err->text);
}

static void refuse(struct outcome *ret, const struct error *err)
{
    refuse_as(ret, "BadPayload", err);
}

static bool is_defined(const struct definition *definition)
{
    return definition->source && !definition_is_constant(definition) &&
           (definition->kind == DEFINITION_VARIABLE ||
            definition->kind == DEFINITION_FUNCTION);
}

/* Every definition defines its own public symbol. */
static struct name_binding *make_bindings(const struct payload *payload, size_t *ret_n)
{
    struct name_binding *bindings =
        must_alloc((payload->n_definitions + 1) * sizeof(*bindings));
    *ret_n = 0;
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const struct definition *definition = payload->definitions[i];
        if (is_defined(definition))
            bindings[(*ret_n)++] = (struct name_binding){
                .kind = definition->kind == DEFINITION_FUNCTION ? NAME_FUNCTION
                                                                : NAME_VARIABLE,
                .name = definition->name,
                .symbol = definition->name,
                .type = definition->type,
            };
    }
    return bindings;
}

static int make_text(const struct job *job, struct buffer *ret, struct error *err)
{
    return payload_unit(job->payload, &job->engine->types, ret, err);
}

void job_add_sites(const struct job *job, struct unit *unit)
{
    for (size_t i = 0; i < job->payload->n_definitions; i++) {
        const struct definition *definition = job->payload->definitions[i];
        engine_add_sites(unit, definition->cell, definition->sites, definition->n_sites);
    }
    engine_add_sites(unit, job->payload->cell, job->payload->sites,
                     job->payload->n_sites);
}

/* Compiles and binds; false with the outcome in `ret`. */
static bool load_code(struct job *job, struct zygote_object object, struct outcome *ret)
{
    struct error err = {0};
    CLEANUP(buffer_clear) struct buffer text = {0};
    size_t n;
    if (!object.size && job->payload->needs_cc) {
        outcome_set(ret, OUTCOME_COMPILE, "CompileError",
                    "the payload has code that libtcc must not compile");
        return false;
    }
    if (!object.size && job->payload->is_heavy && !object.is_hopeless) {
        outcome_set(ret, OUTCOME_COMPILE, ZYGOTE_WISH, "cc would do better");
        return false;
    }
    if (!object.size && make_text(job, &text, &err) < 0) {
        refuse(ret, &err);
        return false;
    }
    CLEANUP(freep) struct name_binding *bindings = make_bindings(job->payload, &n);
    job->unit = engine_load(job->engine, buffer_string(&text),
                            (struct engine_object){object.data, object.size, false},
                            bindings, n, ret);
    if (!job->unit)
        return false;
    job->is_by_tcc = !object.size;
    job_add_sites(job, job->unit);
    return true;
}

static int read_layouts(struct job *job, struct error *err)
{
    int r = 0;
    const struct types *types = &job->engine->types;
    for (uint32_t id = 1; r == 0 && id < types->n; id++) {
        const struct type *type = types_get(types, id);
        if (type_is_record(type) && !type->is_incomplete)
            r = engine_read_layouts(job->engine, job->unit, &id, NULL, 1, err);
    }
    return r;
}

/* The value graph of one variable; nothing when it cannot travel. */
static void dump_one(const struct job *job, const struct value_root *root,
                     struct buffer *ret)
{
    struct value_dump dump = {0};
    if (value_dump(&job->engine->world, root, 1, &dump, NULL) == 0 && !dump.n_blockers) {
        *ret = dump.bytes;
        dump.bytes = (struct buffer){0};
    }
    value_dump_clear(&dump);
}

/* With names to bring home, only those matter; of a range, all others do as well. */
static bool is_wanted(const struct payload *payload, const char *name)
{
    bool is_wanted = !payload->n_outs || payload->entry == PAYLOAD_RANGE;
    for (size_t i = 0; !is_wanted && i < payload->n_outs; i++)
        is_wanted = !strcmp(payload->outs[i].name, name);
    return is_wanted;
}

static void remember_variables(struct job *job)
{
    const struct value_world *world = &job->engine->world;
    CLEANUP(freep) const char **names = NULL;
    size_t n;
    payload_variables(job->payload, &names, &n);
    job->variables = must_alloc((n + 1) * sizeof(*job->variables));
    for (size_t i = 0; i < n; i++) {
        struct value_variable place;
        if (!is_wanted(job->payload, names[i]) ||
            !world->variable(world->context, names[i], &place))
            continue;
        struct job_variable *variable = &job->variables[job->n_variables++];
        variable->name = names[i];
        variable->root = (struct value_root){
            .name = names[i], .address = place.start, .type = place.type, .count = 1};
        dump_one(job, &variable->root, &variable->before);
    }
}

static bool open_payload(struct job *job, const struct zygote_payload *from,
                         struct outcome *ret)
{
    struct error err = {0};
    CLEANUP(payload_freep) struct payload *payload = NULL;
    int r = recipe_open_any(from->data, from->size, from->places, from->n_places,
                            &payload, &err);
    if (r == 0) {
        types_clear(&job->engine->types);
        r = payload_layouts(payload, &job->engine->types, &err);
    }
    bool is_whole = r == 0;
    if (is_whole)
        r = surroundings_enter(&payload->surroundings, &err);
    if (payload) /* its files' contents are somebody else's */
        surroundings_clear(&payload->surroundings);
    if (r < 0) {
        refuse_as(ret, is_whole ? OUTCOME_NO_FOLDER : "BadPayload", &err);
        return false;
    }
    for (size_t i = 0; i < payload->n_libraries && ret->kind == OUTCOME_OK; i++)
        engine_open_library(job->engine, payload->libraries[i], ret);
    if (ret->kind != OUTCOME_OK)
        return false;
    job->payload = TAKE(payload);
    return true;
}

void job_load(void *context, const struct zygote_payload *payload,
              struct zygote_object object, struct outcome *ret)
{
    struct job *job = context;
    struct error err = {0};
    if (!job->payload && !open_payload(job, payload, ret))
        return;
    if (!load_code(job, object, ret))
        return;
    int r = read_layouts(job, &err);
    if (r == 0 && job->payload->values_size)
        r = value_load(&job->engine->world, job->payload->values,
                       job->payload->values_size, NULL, &err);
    payload_drop_values(job->payload);
    if (r < 0)
        refuse(ret, &err);
    else if (job->payload->returns_state ||
             (job->payload->entry == PAYLOAD_RANGE &&
              job->payload->values_size <= JOB_WATCHED_MAX))
        remember_variables(job);
}

/* Memory for `count` elements of a task, zero-filled. */
static void *allocate(const struct job *job, uint32_t type, uint64_t count,
                      struct outcome *ret)
{
    uint64_t size = types_size(&job->engine->types, type), total;
    void *memory = NULL;
    if (!size)
        outcome_set(ret, OUTCOME_REFUSED, "BadPayload",
                    "the size of type '%s' is not known",
                    types_get(&job->engine->types, type)->spelling);
    else if (count > JOB_ELEMENTS_MAX || __builtin_mul_overflow(size, count, &total) ||
             !(memory = heap_allocate(total ? total : 1, type)))
        outcome_set(ret, OUTCOME_REFUSED, "OutOfMemory",
                    "there is no memory for %llu elements of %llu bytes",
                    (unsigned long long)count, (unsigned long long)size);
    return memory;
}

bool job_set_object(const struct job *job, const char *symbol, const void *value,
                    size_t size, struct outcome *ret)
{
    char *address = image_address(job->unit->image, symbol);
    if (address)
        memcpy(address, value, size);
    else
        outcome_set(ret, OUTCOME_REFUSED, "BadPayload",
                    "the payload does not define '%s'", symbol);
    return address != NULL;
}

/* How many elements an argument has, and that it is one. Arrays of arrays are counted by
 * their innermost elements in the values. */
static bool count_elements(const struct types *types, uint32_t type, const void *argument,
                           size_t size, uint64_t *ret_count, struct outcome *ret)
{
    struct error err = {0};
    struct value_root_info *roots = NULL;
    size_t n = 0;
    if (value_roots(argument, size, &roots, &n, &err) == 0 && n != 1)
        error_set(&err, -EBADMSG, "the task's argument has %zu roots, not one", n);
    uint64_t inner = 1;
    for (const struct type *at = types_get(types, type); at->kind == TYPE_ARRAY;
         at = types_get(types, at->target))
        inner *= at->count ? at->count : 1;
    if (!err.code && roots[0].count % inner)
        error_set(&err, -EBADMSG, "the task's argument is no array of such elements");
    if (!err.code)
        *ret_count = roots[0].count / inner;
    else
        refuse(ret, &err);
    value_roots_free(roots, n);
    return !err.code;
}

/* Sets achar_in, achar_count and achar_out; *ret_out is the last one as a root. */
static bool prepare_map(const struct job *job, const void *task, size_t task_size,
                        struct value_root *ret_out, struct outcome *ret)
{
    struct error err = {0};
    struct unpack argument_in = unpack_init(task, task_size);
    uint64_t count = 0, skip = unpack_u64(&argument_in),
             wanted = unpack_u64(&argument_in);
    size_t size;
    const void *argument = unpack_bytes(&argument_in, &size);
    if (!count_elements(&job->engine->types, job->payload->in_type, argument, size,
                        &count, ret))
        return false;
    if (!unpack_done(&argument_in) || skip > count || wanted > count - skip) {
        error_set(&err, -EBADMSG, "the task's argument has not the elements it names");
        refuse(ret, &err);
        return false;
    }
    struct value_root in = {
        .name = "achar_in", .type = job->payload->in_type, .count = count};
    struct value_root out = {
        .name = "achar_out", .type = job->payload->value_type, .count = wanted};
    in.address = allocate(job, in.type, count, ret);
    out.address = in.address ? allocate(job, out.type, wanted, ret) : NULL;
    if (!out.address)
        return false;
    if (value_load(&job->engine->world, argument, size, &in, &err) < 0) {
        refuse(ret, &err);
        return false;
    }
    unsigned long n = (unsigned long)wanted;
    char *first = (char *)in.address + skip * types_size(&job->engine->types, in.type);
    *ret_out = out;
    return job_set_object(job, "achar_in", &first, sizeof(first), ret) &&
           job_set_object(job, "achar_out", &out.address, sizeof(out.address), ret) &&
           job_set_object(job, "achar_count", &n, sizeof(n), ret);
}

size_t job_find_changed(const struct job *job, struct value_root *roots)
{
    size_t n = 0;
    for (size_t i = 0; i < job->n_variables; i++) {
        const struct job_variable *variable = &job->variables[i];
        CLEANUP(buffer_clear) struct buffer now = {0};
        dump_one(job, &variable->root, &now);
        if (!now.size || now.size != variable->before.size ||
            memcmp(now.data, variable->before.data, now.size) != 0)
            roots[n++] = variable->root;
    }
    return n;
}

/* What a path through the roots of a result is for the user. */
static char *shown_path(const char *path)
{
    size_t value = strlen("achar_value"), out = strlen("achar_out");
    if (!strncmp(path, "achar_value", value))
        return must_format("the value%s", path + value);
    if (!strncmp(path, "achar_out", out))
        return must_format("the result%s", path + out);
    return must_strdup(path);
}

static void set_blockers(const struct value_dump *dump, struct outcome *ret)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    buffer_add_string(&text, "the result cannot travel:");
    for (size_t i = 0; i < dump->n_blockers; i++) {
        const struct value_blocker *blocker = &dump->blockers[i];
        CLEANUP(freep) char *path = shown_path(blocker->path);
        buffer_format(&text, "\n  %s %s", path, blocker->reason);
        if (blocker->hint)
            buffer_format(&text, "; %s", blocker->hint);
    }
    outcome_set(ret, OUTCOME_REFUSED, "PickleError", "%s", buffer_string(&text));
}

void job_dump_roots(const struct job *job, const struct value_root *roots, size_t n,
                    struct outcome *ret, struct buffer *result)
{
    struct error err = {0};
    struct value_dump dump = {0};
    if (value_dump(&job->engine->world, roots, n, &dump, &err) < 0) {
        outcome_set(ret, OUTCOME_REFUSED, "PickleError", "%s", err.text);
    } else if (dump.n_blockers) {
        set_blockers(&dump, ret);
    } else {
        *result = dump.bytes;
        dump.bytes = (struct buffer){0};
    }
    value_dump_clear(&dump);
}

/* Where the value of the expression is; NULL: it has none. */
static char *value_address(const struct job *job)
{
    return job->payload->entry == PAYLOAD_CALL && job->payload->value_type
               ? image_address(job->unit->image, "achar_value")
               : NULL;
}

/* As a function mime_TYPE says, if the payload has brought one. */
static bool show_value(const struct job *job, struct outcome *ret)
{
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    void *object, *address = value_address(job);
    represent_function function = NULL;
    if (address) {
        renewal_watch();
        function =
            represent_find(job->engine, job->payload->value_type, address, &object);
        renewal_unwatch();
    }
    if (function) {
        represent_run(function, object, &bundle, ret);
        bundle_move(&ret->value_more, &bundle);
    }
    return function != NULL;
}

/* What the expression was worth: as text, and as the result of a task that returns no
 * state. */
static bool find_value(const struct job *job, bool is_shown, struct value_root *ret_root,
                       struct outcome *ret)
{
    const struct payload *payload = job->payload;
    char *address = value_address(job);
    if (!address)
        return false;
    represent_rest(&job->engine->world, payload->value_type, address, !is_shown,
                   &ret->value_more);
    ret->value_text = bundle_take_text(&ret->value_more);
    *ret_root = (struct value_root){.name = "achar_value",
                                    .address = address,
                                    .type = payload->value_type,
                                    .count = 1};
    return true;
}

static void collect(const struct job *job, const struct value_root *out, bool is_shown,
                    struct outcome *ret, struct buffer *result)
{
    struct value_root value;
    bool has_value = find_value(job, is_shown, &value, ret);
    if (job->payload->returns_state) {
        CLEANUP(freep)
        struct value_root *roots = must_alloc((job->n_variables + 1) * sizeof(*roots));
        size_t n = job_find_changed(job, roots);
        if (n)
            job_dump_roots(job, roots, n, ret, result);
    } else if (out->address) {
        job_dump_roots(job, out, 1, ret, result);
    } else if (has_value) {
        job_dump_roots(job, &value, 1, ret, result);
    }
}

static void run_exit_handlers(struct outcome *ret)
{
    struct guard_call call = {.function = replace_run_exit_handlers};
    struct guard_report report;
    if (!replace_has_exit_handlers())
        return;
    guard_run(&call, &report);
    if (report.kind != OUTCOME_OK && ret->kind == OUTCOME_OK) {
        outcome_clear(ret);
        guard_outcome(&report, ret);
    }
}

void job_end(const struct job *job, struct ledger *ledger, struct outcome *ret,
             struct buffer *result)
{
    bool is_good = ret->kind == OUTCOME_OK;
    run_exit_handlers(ret);
    renewal_watch();
    if (is_good && ret->kind != OUTCOME_OK)
        job_make_partial(job, ledger, result);
    renewal_unwatch();
    ledger_end(ledger);
}

void job_call(const struct job *job, struct outcome *ret)
{
    errno = 0; /* as a program finds it */
    engine_call(job->engine, job->unit, "achar_entry", ret);
}

void job_run(void *context, const void *argument, size_t size, struct outcome *ret,
             struct buffer *result)
{
    const struct job *job = context;
    struct value_root out = {0};
    struct ledger_out kept;
    struct ledger ledger = {.outs = &kept, .n_outs = 1};
    struct error err = {0};
    if (job->payload->entry == PAYLOAD_NONE) {
        outcome_set(ret, OUTCOME_REFUSED, "BadPayload", "the payload has nothing to run");
        return;
    }
    if (job->payload->entry == PAYLOAD_RANGE) {
        job_run_range(job, argument, size, ret, result);
        return;
    }
    renewal_watch(); /* memory may be mapped */
    bool is_ready =
        job->payload->entry != PAYLOAD_MAP || prepare_map(job, argument, size, &out, ret);
    if (is_ready && job->payload->entry != PAYLOAD_MAP && size &&
        value_load(&job->engine->world, argument, size, NULL, &err) < 0) {
        refuse(ret, &err);
        is_ready = false;
    }
    if (is_ready && out.address) {
        kept = (struct ledger_out){.from = out.address,
                                   .size = types_size(&job->engine->types, out.type)};
        job_open_ledger(job, out.count, &ledger);
    }
    renewal_unwatch();
    if (!is_ready)
        return;
    job_call(job, ret);
    bool is_shown = ret->kind == OUTCOME_OK && show_value(job, ret);
    renewal_watch(); /* printf() may be told to call code of the task's */
    if (ret->kind == OUTCOME_OK)
        collect(job, &out, is_shown, ret, result);
    else
        job_pack_partial(job, &ledger, &out, 1, result);
    renewal_unwatch();
    job_end(job, &ledger, ret, result);
}
