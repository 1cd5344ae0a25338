/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %asm: the machine code of a function as it runs now, or as a compiler would make it at
 * another level, between the source lines. objdump disassembles. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "magics/context.h"
#include "pickler/base/file.h"
#include "pickler/code/cc.h"
#include "pickler/payload/payload.h"

#define TARGET_FLAGS "-b", "binary", "-m", "i386:x86-64", "-D"

enum { OPTION_LEVEL };

struct listing {
    struct magic_context *context;
    const struct session_code *code; /* NULL: of an object file */
    struct buffer out;
    uint32_t cell, line; /* of the source line shown last */
    uint64_t start;      /* of the function in its section, once it is known */
    bool has_start;
};

/* ---- what objdump writes ---- */

static void add_source(struct listing *listing, uint32_t cell, uint32_t line)
{
    if (!cell || (cell == listing->cell && line == listing->line))
        return;
    listing->cell = cell;
    listing->line = line;
    CLEANUP(freep)
    char *text = session_source_line(listing->context->session, cell, line);
    buffer_format(&listing->out, "In[%u]:%u | %s\n", cell, line, text ? text : "");
}

/* The source line of an offset: that of the last entry at or before it. */
static void add_source_at(struct listing *listing, uint64_t offset)
{
    const struct session_code *code = listing->code;
    const struct session_code_line *found = NULL;
    for (size_t i = 0; i < code->n_lines && code->lines[i].offset <= offset; i++)
        found = &code->lines[i];
    if (found)
        add_source(listing, found->cell, found->line);
}

/* "f+0x12" or a name of the session or a library; owned; NULL: neither. */
static char *name_of(const struct listing *listing, uint64_t address)
{
    const struct session_code *code = listing->code;
    for (size_t i = 0; i < code->n_names; i++)
        if (code->names[i].address == address)
            return must_strdup(code->names[i].name);
    if (address - code->address < code->bytes.size)
        return must_format("+0x%llx", (unsigned long long)(address - code->address));
    return NULL;
}

/* Addresses become names where they are known. */
static void add_instruction(struct listing *listing, uint64_t offset, const char *text)
{
    buffer_format(&listing->out, "%6llx:  ", (unsigned long long)offset);
    while (*text) {
        char *end = (char *)text;
        uint64_t address = strncmp(text, "0x", 2) ? 0 : strtoull(text, &end, 16);
        CLEANUP(freep) char *name = address ? name_of(listing, address) : NULL;
        if (name)
            buffer_format(&listing->out, "%s", name);
        else if (end != text)
            buffer_add(&listing->out, text, (size_t)(end - text));
        else
            buffer_add_char(&listing->out, *text == '\t' ? ' ' : *text);
        text = end != text ? end : text + 1;
    }
    buffer_add_char(&listing->out, '\n');
}

/* "    7f0012:\tpush   %rbp" */
static void read_loaded(struct listing *listing, const char *line)
{
    char *end;
    uint64_t address = strtoull(line, &end, 16);
    const char *text = end != line && *end == ':' ? end + 1 : NULL;
    uint64_t offset = address - listing->code->address;
    if (!text || offset >= listing->code->bytes.size)
        return;
    add_source_at(listing, offset);
    add_instruction(listing, offset, text + strspn(text, " \t"));
}

/* "total" of "12: R_X86_64_PC32\ttotal-0x4", which stands behind the instruction; owned;
 * NULL: there is none. What is behind it is cut off. */
static char *cut_relocation(char *line)
{
    char *relocation = strstr(line, ": R_X86_64_");
    if (!relocation)
        return NULL;
    const char *name = relocation + strcspn(relocation, "\t");
    name += *name == '\t';
    char *symbol = must_strndup(name, strcspn(name, "\t"));
    size_t size = strlen(symbol);
    if (size > 4 && !strcmp(symbol + size - 4, "-0x4"))
        symbol[size - 4] = '\0';
    while (relocation > line && *relocation != '\t')
        relocation--;
    *relocation = '\0';
    char *comment = strstr(line, " # ");
    if (comment)
        *comment = '\0';
    if (strtoull(relocation + 1, NULL, 16) < strtoull(line, NULL, 16)) {
        free(symbol); /* of what stands before the function */
        return NULL;
    }
    return symbol;
}

/* The same with places, "In[2]:3", between the lines. */
static void read_object(struct listing *listing, char *line)
{
    const char *place = strstr(line, "In[");
    char *end;
    if (place && !strchr(line, '\t')) {
        unsigned long cell = strtoul(place + 3, &end, 10);
        if (!strncmp(end, "]:", 2))
            add_source(listing, (uint32_t)cell, (uint32_t)strtoul(end + 2, NULL, 10));
        return;
    }
    CLEANUP(freep) char *symbol = cut_relocation(line);
    uint64_t offset = strtoull(line, &end, 16);
    if (end == line || *end != ':')
        return;
    if (!listing->has_start)
        listing->start = offset;
    listing->has_start = true;
    end += 1 + strspn(end + 1, " \t");
    char *target = symbol ? strstr(end, " <") : NULL; /* "call 3d <f+0x2d>" */
    while (target && target > end && target[-1] != ' ')
        target--;
    size_t size = target ? (size_t)(target - end) : strlen(end);
    while (size && end[size - 1] == ' ')
        size--;
    buffer_format(&listing->out, "%6llx:  %.*s%s%s\n",
                  (unsigned long long)(offset - listing->start), (int)size, end,
                  symbol ? (target ? "  " : "  # ") : "", symbol ? symbol : "");
}

/* ---- running it ---- */

static int disassemble(struct listing *listing, const void *data, size_t size,
                       const char *const *arguments, struct result *result,
                       struct error *err)
{
    char path[] = "/tmp/achar-XXXXXX";
    CLEANUP(closep) int fd = mkostemp(path, O_CLOEXEC);
    CLEANUP(buffer_clear) struct buffer text = {0};
    const char *argv[16] = {"objdump", "--no-show-raw-insn", "-w"};
    size_t n = 3;
    int status = 0;
    if (fd < 0)
        return error_errno(err, -errno, "cannot make a temporary file");
    for (; *arguments && n < 14; arguments++)
        argv[n++] = *arguments;
    argv[n] = path;
    int r = write_all(fd, data, size);
    if (r == 0)
        r = magic_process(listing->context, argv, &text, &status, err);
    unlink(path);
    if (r < 0)
        return r;
    if (r > 0 || status) {
        result_error(result, r > 0 ? "Interrupted" : "AsmError", "%s",
                     r > 0 ? "the program was interrupted" : buffer_string(&text));
        return 0;
    }
    for (const char *at = buffer_string(&text); *at;) {
        size_t length = strcspn(at, "\n");
        CLEANUP(freep) char *line = must_strndup(at, length);
        if (listing->code)
            read_loaded(listing, line);
        else
            read_object(listing, line);
        at += length + (at[length] == '\n');
    }
    return 0;
}

static int show_loaded(struct listing *listing, const char *name, struct result *result,
                       struct error *err)
{
    CLEANUP(session_code_clear) struct session_code code = {0};
    int r = session_code(listing->context->session, name, &code, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    CLEANUP(freep)
    char *base = must_format("--adjust-vma=0x%llx", (unsigned long long)code.address);
    const char *const arguments[] = {TARGET_FLAGS, base, NULL};
    listing->code = &code;
    r = disassemble(listing, code.bytes.data, code.bytes.size, arguments, result, err);
    listing->code = NULL;
    return r;
}

static int show_compiled(struct listing *listing, const struct definition *function,
                         const char *level, struct result *result, struct error *err)
{
    CLEANUP(payload_freep) struct payload *payload = NULL;
    CLEANUP(buffer_clear) struct buffer text = {0}, object = {0};
    CLEANUP(freep) char *messages = NULL;
    CLEANUP(freep)
    char *chosen = must_format("%s%s-O%s", function->options ? function->options : "",
                               function->options ? " " : "", level);
    struct session *session = listing->context->session;
    struct error why = {0};
    struct cc_options options = {.chosen = chosen,
                                 .wake_fd = session_interrupt_fd(session)};
    options.flags = session_flags(session, &options.n_flags);
    if (payload_new_program(session_graph(session), session_types(session), &function->id,
                            1, &payload, &why) < 0) {
        result_error(result, "AsmError", "%s", why.text);
        return 0;
    }
    payload_program(payload, true, "", &text);
    int r = cc_compile(buffer_string(&text), &options, &object, &messages, err);
    if (r != 0) {
        if (r > 0)
            result_error(result, "CompileError", "%s", messages);
        return r < 0 ? r : 0;
    }
    CLEANUP(freep) char *symbol = must_format("--disassemble=%s", function->name);
    const char *const arguments[] = {"-l", "-r", symbol, NULL};
    return disassemble(listing, object.data, object.size, arguments, result, err);
}

static const struct definition *find_function(struct magic_context *context,
                                              const char *name, struct result *result)
{
    const struct graph *graph = session_graph(context->session);
    const struct definition *definition = graph_current(graph, name);
    CLEANUP(freep)
    const char **names = must_alloc((graph_count(graph) + 1) * sizeof(*names));
    size_t n = 0;
    if (definition && definition->kind == DEFINITION_FUNCTION && definition->source)
        return definition;
    for (size_t i = 0; i < graph_count(graph); i++)
        if (graph_at(graph, i)->kind == DEFINITION_FUNCTION)
            names[n++] = graph_at(graph, i)->name;
    const char *near = definition ? NULL : nearest_name(name, names, n);
    result_error(result, "NameError", "'%s' is %s%s%s%s", name,
                 definition ? "no function with a body" : "no function of this session",
                 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return NULL;
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    struct listing listing = {.context = context};
    const char *name = arguments->words[0], *level = arguments->options[OPTION_LEVEL];
    const struct definition *function = find_function(context, name, result);
    if (!function)
        return 0;
    CLEANUP(freep) char *tool = cc_find_named("objdump");
    if (!tool) {
        result_error(result, "ToolMissing",
                     "'objdump' is not installed: install it (Debian: binutils)");
        return 0;
    }
    int r = level ? show_compiled(&listing, function, level, result, err)
                  : show_loaded(&listing, name, result, err);
    if (r == 0 && result->kind == RESULT_OK)
        magic_print(context, "%s", buffer_string(&listing.out));
    buffer_clear(&listing.out);
    return r;
}

const struct magic magic_asm = {
    .name = "asm",
    .is_line = true,
    .usage = "[-O LEVEL] FUNCTION",
    .summary = "show a function's machine code between its source lines",
    .options =
        (const struct magic_option[]){
            [OPTION_LEVEL] = {"O", "LEVEL",
                              "as a compiler makes it at -O0 ... -O3; else "
                              "what runs now"},
            {0}},
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
