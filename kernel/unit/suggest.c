/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/unit/suggest.h"

#include <string.h>

#define NAME_MAX_SIZE 64 /* longer names get no suggestion */

static const struct {
    const char *header, *names; /* names between blanks */
} library[] = {
    {"stdio.h",
     " printf fprintf sprintf snprintf vprintf vfprintf vsnprintf scanf fscanf "
     "sscanf puts fputs fputc putchar putc getchar getc fgetc fgets fopen fclose "
     "fread fwrite fflush fseek ftell rewind perror remove rename getline popen "
     "pclose fdopen fileno asprintf dprintf ungetc feof ferror setvbuf tmpfile "
     "FILE stdin stdout stderr EOF BUFSIZ SEEK_SET SEEK_CUR SEEK_END "},
    {"stdlib.h",
     " malloc calloc realloc free exit abort atexit atoi atol atof strtol strtoul "
     "strtod strtoll strtoull rand srand qsort bsearch abs labs llabs getenv "
     "setenv system EXIT_SUCCESS EXIT_FAILURE RAND_MAX aligned_alloc random "
     "srandom drand48 mkstemp realpath "},
    {"string.h",
     " strlen strcpy strncpy strcat strncat strcmp strncmp strchr strrchr strstr "
     "strtok strtok_r strdup strndup memcpy memmove memset memcmp memchr strerror "
     "strspn strcspn strpbrk strcoll stpcpy memmem "},
    {"math.h",
     " sin cos tan asin acos atan atan2 sinh cosh tanh exp exp2 log log2 log10 log1p "
     "expm1 pow sqrt cbrt hypot fabs floor ceil round lround trunc fmod fmin fmax "
     "erf lgamma tgamma isnan isinf isfinite NAN INFINITY HUGE_VAL M_PI M_E sqrtf "
     "sinf cosf powf fabsf floorf ceilf ldexp frexp modf copysign nearbyint rint "},
    {"ctype.h",
     " isalpha isdigit isalnum isspace isupper islower ispunct isprint isxdigit "
     "toupper tolower iscntrl isgraph "},
    {"stdint.h",
     " int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t intptr_t "
     "uintptr_t intmax_t uintmax_t INT32_MAX INT64_MAX UINT32_MAX UINT64_MAX "
     "INT32_MIN INT64_MIN SIZE_MAX UINT32_C UINT64_C INT64_C UINT8_MAX UINT16_MAX "
     "INT16_MAX INT8_MAX "},
    {"stddef.h", " size_t ptrdiff_t NULL offsetof wchar_t "},
    {"stdbool.h", " bool true false "},
    {"assert.h", " assert static_assert "},
    {"errno.h", " errno ENOENT EINVAL ENOMEM EAGAIN EINTR EEXIST "},
    {"limits.h",
     " INT_MAX INT_MIN UINT_MAX LONG_MAX LONG_MIN ULONG_MAX CHAR_BIT CHAR_MAX "
     "SHRT_MAX LLONG_MAX PATH_MAX "},
    {"float.h", " DBL_MAX DBL_MIN DBL_EPSILON FLT_MAX FLT_MIN FLT_EPSILON "},
    {"time.h", " time clock difftime mktime strftime localtime gmtime time_t struct_tm "
               "clock_gettime nanosleep CLOCKS_PER_SEC CLOCK_MONOTONIC "},
    {"unistd.h",
     " read write close sleep usleep fork getpid getcwd access unlink isatty pipe "
     "dup dup2 execvp ssize_t lseek "},
    {"inttypes.h", " PRId64 PRIu64 PRId32 PRIu32 PRIx64 "},
    {"pthread.h", " pthread_create pthread_join pthread_mutex_lock pthread_mutex_unlock "
                  "pthread_t pthread_mutex_t "},
    {"stdarg.h", " va_list va_start va_arg va_end va_copy "},
    {"complex.h", " creal cimag cabs csqrt cexp "},
    {"signal.h", " signal raise sigaction SIGINT SIGTERM SIGSEGV "},
    {"setjmp.h", " setjmp longjmp jmp_buf "},
};

static const char *header_of(const char *name)
{
    CLEANUP(freep) char *word = must_format(" %s ", name);
    for (size_t i = 0; i < sizeof(library) / sizeof(*library); i++)
        if (strstr(library[i].names, word))
            return library[i].header;
    return NULL;
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Insertions, deletions, replacements and swaps of neighbours. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][NAME_MAX_SIZE + 1];
    size_t n = strlen(b);
    for (size_t j = 0; j <= n; j++)
        rows[0][j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t cost = a[i - 1] != b[j - 1];
            now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
    }
    return rows[strlen(a) % 3][n];
}

struct nearest {
    const char *name;
    char best[NAME_MAX_SIZE + 1];
    size_t distance;
};

static void consider(void *context, const char *name, bool is_macro)
{
    struct nearest *nearest = context;
    size_t size = strlen(name), wanted = strlen(nearest->name);
    if (size > NAME_MAX_SIZE || size + 2 < wanted || size > wanted + 2 || *name == '_')
        return;
    size_t d = distance(nearest->name, name);
    if (d == 0 || d >= nearest->distance)
        return;
    nearest->distance = d;
    memcpy(nearest->best, name, size + 1);
}

static void consider_library(struct nearest *nearest)
{
    for (size_t i = 0; i < sizeof(library) / sizeof(*library); i++) {
        const char *at = library[i].names + 1;
        while (*at) {
            size_t n = strcspn(at, " ");
            CLEANUP(freep) char *name = must_strndup(at, n);
            consider(nearest, name, false);
            at += n + (at[n] == ' ');
        }
    }
}

static const char *const keywords[] = {
    "int",     "char",     "float",    "double",   "return", "struct",
    "typedef", "unsigned", "signed",   "static",   "const",  "sizeof",
    "switch",  "while",    "continue", "break",    "union",  "extern",
    "default", "void",     "short",    "volatile", "inline", "register"};

static void find_nearest(struct draft *draft, struct nearest *nearest)
{
    const struct graph *graph = draft->analysis->graph;
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *definition = graph_at(graph, i);
        if (!graph_is_current(graph, definition) || definition->is_stale)
            continue;
        consider(nearest, definition->name, false);
        for (size_t k = 0; k < definition->n_names; k++)
            consider(nearest, definition->names[k], false);
    }
    for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++)
        consider(nearest, keywords[i], false);
    headers_each(draft->analysis->headers, "", consider, nearest);
    consider_library(nearest);
}

static const char *const unknown_names[] = {
    "use of undeclared identifier '", "call to undeclared function '",
    "call to undeclared library function '", "unknown type name '"};

char *unknown_name(const char *message)
{
    for (size_t i = 0; i < sizeof(unknown_names) / sizeof(*unknown_names); i++) {
        size_t n = strlen(unknown_names[i]);
        if (strncmp(message, unknown_names[i], n) == 0)
            return must_strndup(message + n, strcspn(message + n, "'"));
    }
    return NULL;
}

static void say(struct diagnostic *diagnostic, const char *format, const char *what)
{
    char *tail = must_format(format, what);
    char *message = must_format("%s; %s", diagnostic->message, tail);
    free(tail);
    free(diagnostic->message);
    diagnostic->message = message;
}

void suggest(struct draft *draft, struct diagnostic *diagnostic)
{
    CLEANUP(freep) char *name = unknown_name(diagnostic->message);
    if (!name || strstr(diagnostic->message, "did you mean"))
        return;
    const struct definition *stale = graph_current(draft->analysis->graph, name);
    if (stale && stale->is_stale) {
        free(diagnostic->message);
        diagnostic->message = must_format(
            "'%s' (In[%u]) depends on an earlier version of something that was "
            "redefined; define it again",
            name, stale->cell);
        return;
    }
    const char *header = header_of(name);
    if (header) {
        char *type = strstr(diagnostic->message, " with type ");
        if (type)
            *type = '\0';
        say(diagnostic, "add #include <%s>", header);
        return;
    }
    if (strlen(name) < 3 || strlen(name) > NAME_MAX_SIZE)
        return;
    struct nearest nearest = {.name = name, .distance = strlen(name) < 5 ? 2 : 3};
    find_nearest(draft, &nearest);
    if (!*nearest.best)
        return;
    say(diagnostic, "did you mean '%s'?", nearest.best);
    free(diagnostic->fixit);
    diagnostic->fixit = must_strdup(nearest.best);
    if (!diagnostic->end_column && diagnostic->column)
        diagnostic->end_column = diagnostic->column + (uint32_t)strlen(name);
}
