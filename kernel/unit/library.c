/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/unit/library.h"

#include <string.h>

#include "kernel/unit/headers.h"

static const struct {
    const char *header, *names; /* names between blanks */
} common[] = {
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
    {"time.h", " time clock difftime mktime strftime localtime gmtime time_t  "
               "clock_gettime nanosleep CLOCKS_PER_SEC CLOCK_MONOTONIC "},
    {"unistd.h",
     " read write close sleep usleep fork getpid getcwd access unlink isatty pipe "
     "dup dup2 execvp ssize_t lseek "},
    {"inttypes.h", " PRId64 PRIu64 PRId32 PRIu32 PRIx64 "},
    {"pthread.h", " pthread_create pthread_join pthread_mutex_lock pthread_mutex_unlock "
                  "pthread_t pthread_mutex_t pthread_cond_t pthread_attr_t pthread_key_t "
                  "pthread_once_t pthread_rwlock_t pthread_barrier_t "},
    {"sys/types.h", " pid_t uid_t gid_t off_t mode_t dev_t ino_t "},
    {"stdarg.h", " va_list va_start va_arg va_end va_copy "},
    {"complex.h", " creal cimag cabs csqrt cexp "},
    {"signal.h", " signal raise sigaction SIGINT SIGTERM SIGSEGV "},
    {"setjmp.h", " setjmp longjmp jmp_buf "},
};

/* Of several that declare a name the first is named, so those that others include come
 * before them. */
static const char *const all[] = {
    "stddef.h",       "stdint.h",      "stdbool.h",    "limits.h",       "float.h",
    "stdio.h",        "string.h",      "strings.h",    "ctype.h",        "math.h",
    "errno.h",        "assert.h",      "time.h",       "inttypes.h",     "stdarg.h",
    "setjmp.h",       "locale.h",      "wchar.h",      "wctype.h",       "uchar.h",
    "complex.h",      "fenv.h",        "iso646.h",     "sys/select.h",   "sys/time.h",
    "sys/types.h",    "signal.h",      "sys/wait.h",   "stdlib.h",       "sched.h",
    "pthread.h",      "threads.h",     "unistd.h",     "sys/stat.h",     "fcntl.h",
    "sys/mman.h",     "sys/uio.h",     "sys/socket.h", "netinet/in.h",   "arpa/inet.h",
    "netdb.h",        "sys/un.h",      "poll.h",       "sys/resource.h", "sys/ioctl.h",
    "termios.h",      "dirent.h",      "dlfcn.h",      "semaphore.h",    "regex.h",
    "fnmatch.h",      "glob.h",        "libgen.h",     "getopt.h",       "pwd.h",
    "grp.h",          "sys/utsname.h", "syslog.h",     "iconv.h",        "langinfo.h",
    "search.h",       "ftw.h",         "spawn.h",      "mqueue.h",       "aio.h",
    "ucontext.h",     "sys/random.h",  "sys/epoll.h",  "sys/eventfd.h",  "sys/timerfd.h",
    "sys/signalfd.h", "sys/inotify.h", "sys/prctl.h",  "sys/syscall.h",  "endian.h",
    "byteswap.h",     "execinfo.h",    "malloc.h",     "alloca.h",       "err.h",
    "sysexits.h",     "error.h",       "argp.h",       "utime.h",        "wordexp.h"};

#define N_ALL (sizeof(all) / sizeof(*all))

struct library {
    struct headers *headers;  /* of all that are there; NULL: not asked yet */
    const char *lines[N_ALL]; /* the names, by the number of the #include line less one */
    size_t n;
};

struct library *library_new(void)
{
    return must_alloc(sizeof(struct library));
}

void library_free(struct library *library)
{
    if (library)
        headers_free(library->headers);
    free(library);
}

const char *library_common_header(const char *name)
{
    CLEANUP(freep) char *word = must_format(" %s ", name);
    for (size_t i = 0; i < sizeof(common) / sizeof(*common); i++)
        if (strstr(common[i].names, word))
            return common[i].header;
    return NULL;
}

void library_each_common(void (*each)(void *context, const char *name, bool is_macro),
                         void *context)
{
    for (size_t i = 0; i < sizeof(common) / sizeof(*common); i++) {
        const char *at = common[i].names + 1;
        while (*at) {
            size_t n = strcspn(at, " ");
            CLEANUP(freep) char *name = must_strndup(at, n);
            each(context, name, false);
            at += n + (at[n] == ' ');
        }
    }
}

/* Without the header that the message names; false: it names none. */
static bool drop_header(struct library *library, const char *message)
{
    for (size_t i = 0; i < library->n; i++) {
        CLEANUP(freep) char *quoted = must_format("'%s'", library->lines[i]);
        if (!strstr(message, quoted) && !strstr(message, library->lines[i]))
            continue;
        memmove(&library->lines[i], &library->lines[i + 1],
                (--library->n - i) * sizeof(*library->lines));
        return true;
    }
    return false;
}

static int update(struct library *library, struct error *err)
{
    struct include_line includes[N_ALL] = {0};
    for (size_t i = 0; i < library->n; i++)
        includes[i] = (struct include_line){
            .definition = (uint32_t)i + 1,
            .text = must_format("#include <%s>", library->lines[i])};
    int r = headers_update(library->headers, includes, library->n, err);
    for (size_t i = 0; i < library->n; i++)
        free((char *)includes[i].text);
    return r;
}

static const struct headers *index_of(struct library *library)
{
    if (library->headers)
        return library->headers;
    library->headers = headers_new();
    memcpy(library->lines, all, sizeof(all));
    library->n = N_ALL;
    for (;;) {
        struct error err = {0};
        if (update(library, &err) == 0 || !drop_header(library, err.text))
            return library->headers;
    }
}

const char *library_header(struct library *library, const char *name)
{
    const char *header = library_common_header(name);
    uint32_t line = header ? 0 : headers_include_of(index_of(library), name);
    return line ? library->lines[line - 1] : header;
}

const char *library_text(const struct headers *headers, const char *name,
                         bool *ret_is_macro)
{
    const char *macro = headers_macro(headers, name, strlen(name));
    const char *text = headers_declaration(headers, name);
    size_t size = strlen(name); /* "stdin stdin" says nothing */
    if (macro && text && macro[size] == ' ' && !strcmp(macro + size + 1, name))
        macro = NULL;
    *ret_is_macro = macro != NULL;
    return macro ? macro : text;
}

const char *library_declaration(struct library *library, const char *name,
                                bool *ret_is_macro)
{
    return library_text(index_of(library), name, ret_is_macro);
}

void library_each(struct library *library, const char *prefix,
                  void (*each)(void *context, const char *name, bool is_macro),
                  void *context)
{
    headers_each(index_of(library), prefix, each, context);
}
