/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/mpi_headers.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "magics/libraries.h"

static const char *find_library(const struct session *session)
{
    size_t n;
    const char *const *libraries = session_libraries(session, &n);
    for (size_t i = 0; i < n; i++) {
        const char *slash = strrchr(libraries[i], '/');
        if (!strncmp(slash ? slash + 1 : libraries[i], "libmpi", 6))
            return libraries[i];
    }
    return NULL;
}

/* "#include <mpi.h>" or "mpi.h" somewhere. */
static bool is_included(const char *source)
{
    for (const char *at = source; (at = strstr(at, "mpi.h")); at++) {
        if (at == source || (at[-1] != '<' && at[-1] != '"'))
            continue;
        const char *line = at;
        while (line > source && line[-1] != '\n')
            line--;
        line += strspn(line, " \t");
        if (*line == '#' && strstr(line, "include") && strstr(line, "include") < at)
            return true;
    }
    return false;
}

/* What the first of the programs that knows MPI says; owned, NULL: none does. */
static int ask(struct magic_context *context, char **ret, struct error *err)
{
    static const char *const questions[][5] = {
        {"pkg-config", "--cflags", "--libs", "ompi-c", NULL},
        {"mpicc", "--showme", NULL},
        {"mpicc", "-show", NULL},
        {"pkg-config", "--cflags", "--libs", "mpich", NULL}};
    for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++) {
        CLEANUP(buffer_clear) struct buffer output = {0};
        int status = 0;
        int r = magic_process(context, questions[i], &output, &status, NULL);
        if (r > 0)
            return error_set(err, -EINTR, "interrupted");
        if (r == 0 && WIFEXITED(status) && !WEXITSTATUS(status)) {
            *ret = buffer_take(&output);
            break;
        }
    }
    return 0;
}

static int use(struct magic_context *context, struct result *result, struct error *err)
{
    CLEANUP(freep) char *flags = NULL;
    int r = ask(context, &flags, err);
    if (r == 0 && flags)
        r = library_use(context, flags, result, err);
    return r;
}

int mpi_headers_use(struct magic_context *context, const char *source,
                    struct result *result, struct error *err)
{
    if (find_library(context->session) || !is_included(source))
        return 0;
    return use(context, result, err);
}

int mpi_headers_library(struct magic_context *context, const char **ret,
                        struct result *result, struct error *err)
{
    *ret = find_library(context->session);
    int r = *ret ? 0 : use(context, result, err);
    if (r < 0 || result->kind != RESULT_OK || *ret)
        return r;
    *ret = find_library(context->session);
    if (!*ret)
        result_error(result, "PackageError",
                     "MPI is not installed here: neither pkg-config nor mpicc knows it; "
                     "install libopenmpi-dev, or name it with %%pkg or %%link");
    return 0;
}
