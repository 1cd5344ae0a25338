/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/mpi.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "kernel/worker/dying.h"
#include "kernel/worker/guard.h"
#include "kernel/worker/mpi_calls.h"
#include "kernel/worker/signals.h"

#define MPI_OK 0             /* MPI_SUCCESS, in every implementation */
#define MPI_OTHER_ERROR 16   /* MPI_ERR_OTHER of OpenMPI and MPICH is near enough */
#define OPENMPI_FUNNELED 1   /* the thread that starts MPI is the one that calls it */
#define ERROR_TEXT_SIZE 4096 /* above MPI_MAX_ERROR_STRING */

/* The library's own, which its MPI_ names lead to where nobody stands in between. */
static void *find(const char *name)
{
    return dlsym(RTLD_DEFAULT, name);
}

static bool ask(const char *name)
{
    int (*question)(int *) = (int (*)(int *))find(name);
    int flag = 0;
    return question && question(&flag) == MPI_OK && flag;
}

bool mpi_is_started(void)
{
    return ask("PMPI_Initialized");
}

/* An error of MPI's in a cell ends the cell where it is, with the library's text; by
 * itself the library would end all ranks, without a place. */
static void on_error(void *communicator, int *code, ...)
{
    int (*describe)(int, char *, int *) =
        (int (*)(int, char *, int *))find("PMPI_Error_string");
    char text[ERROR_TEXT_SIZE] = "unknown error";
    int size = 0;
    (void)communicator;
    if (describe)
        describe(*code, text, &size);
    guard_fault(SIGABRT, "MPIError", "%s", text);
}

/* Of OpenMPI, whose handles are addresses of objects with names. */
static void watch_errors(void)
{
    void *world = find("ompi_mpi_comm_world"), *self = find("ompi_mpi_comm_self");
    int (*make)(void (*)(void *, int *, ...), void **) = (int (*)(
        void (*)(void *, int *, ...), void **))find("PMPI_Comm_create_errhandler");
    int (*set)(void *, void *) =
        (int (*)(void *, void *))find("PMPI_Comm_set_errhandler");
    void *handler;
    if (!world || !self || !make || !set || make(on_error, &handler) != MPI_OK)
        return;
    set(world, handler);
    set(self, handler);
}

/* The handlers that are there stay: the library and those below it set some of theirs. */
struct handlers {
    struct sigaction at[_NSIG];
};

static void save_handlers(struct handlers *ret)
{
    for (int i = 1; i < _NSIG; i++)
        sigaction(i, NULL, &ret->at[i]);
}

static void restore_handlers(const struct handlers *handlers)
{
    for (int i = 1; i < _NSIG; i++)
        if (signals_is_ours(&handlers->at[i]))
            sigaction(i, &handlers->at[i], NULL);
}

static bool is_rank; /* of a world of ours; set once */

static void on_where(int number, siginfo_t *info, void *context)
{
    static struct guard_report report; /* large, and there is one handler at a time */
    int saved_errno = errno;
    (void)info;
    report.status = (int32_t)(mpi_calls_count() & INT32_MAX);
    if (guard_where(number, context, &report))
        dying_tell(WORKER_WHERE, &report);
    errno = saved_errno;
}

/* Who asks has seen that no system call waits, which this would end. */
static void answer_where(void)
{
    struct sigaction action = {.sa_sigaction = on_where,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, WORKER_INTERRUPT_SIGNAL);
    sigaddset(&action.sa_mask, WORKER_LIMIT_SIGNAL);
    sigaction(WORKER_WHERE_SIGNAL, &action, NULL);
}

/* `wanted` 0: no threads. */
static int start(int *argc, char ***argv, int wanted, int *ret_provided)
{
    int (*init)(int *, char ***) = (int (*)(int *, char ***))find("PMPI_Init");
    int (*init_thread)(int *, char ***, int, int *) =
        (int (*)(int *, char ***, int, int *))find("PMPI_Init_thread");
    struct handlers handlers;
    if (!init || !init_thread)
        return MPI_OTHER_ERROR;
    /* Warnings of the transports below, which ordinary programs print as well. */
    setenv("UCX_LOG_LEVEL", "error", 0);
    setenv("UCX_HANDLE_ERRORS", "none", 0);
    save_handlers(&handlers);
    int r = wanted ? init_thread(argc, argv, wanted, ret_provided) : init(argc, argv);
    restore_handlers(&handlers);
    if (r == MPI_OK)
        watch_errors();
    return r;
}

int mpi_start(const char *library, struct error *err)
{
    if (!dlopen(library, RTLD_NOW | RTLD_GLOBAL))
        return error_set(err, -ENOENT, "%s", dlerror());
    int r = start(NULL, NULL, 0, NULL);
    is_rank = true;
    answer_where();
    return r == MPI_OK
               ? 0
               : error_set(err, -EIO, "MPI_Init() of '%s' failed: %d", library, r);
}

/* ---- what cells call ---- */

/* Ranks start without threads, as programs do that call MPI_Init, since any other level
 * makes OpenMPI take locks: 50 ns a message. What MPI_THREAD_FUNNELED promises holds all
 * the same: threads that do not call MPI do not concern it. */
static int replace_query_thread(int *ret_provided)
{
    int (*query)(int *) = (int (*)(int *))find("PMPI_Query_thread");
    int r = query ? query(ret_provided) : MPI_OTHER_ERROR;
    if (r == MPI_OK && is_rank && *ret_provided < OPENMPI_FUNNELED)
        *ret_provided = OPENMPI_FUNNELED;
    return r;
}

static int replace_init_thread(int *argc, char ***argv, int wanted, int *ret_provided)
{
    return mpi_is_started() ? replace_query_thread(ret_provided)
                            : start(argc, argv, wanted, ret_provided);
}

static int replace_init(int *argc, char ***argv)
{
    return mpi_is_started() ? MPI_OK : start(argc, argv, 0, NULL);
}

static int replace_finalize(void)
{
    static const struct guard_report finalized = {.kind = OUTCOME_EXIT};
    if (is_rank)
        dying_tell(WORKER_WHERE, &finalized);
    return mpi_is_started() ? MPI_OK : MPI_OTHER_ERROR;
}

static int replace_abort(void *communicator, int code)
{
    (void)communicator;
    guard_give_up(); /* it ends every rank, this one as well */
    guard_fault(SIGABRT, "MPI_Abort", "MPI_Abort() was called with error code %d", code);
}

/* NULL: it is no function of the library's. */
static void *count_calls(const char *name)
{
    void *address = find(name);
    const ElfW(Sym) *symbol = NULL;
    Dl_info about;
    if (!address ||
        !dladdr1(address, &about, (void **)(uintptr_t)&symbol, RTLD_DL_SYMENT) ||
        !symbol || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC)
        return NULL;
    return mpi_calls_through(address);
}

void *mpi_find(const char *name)
{
    static const struct {
        const char *name;
        void *address;
    } list[] = {{"Init", replace_init},
                {"Init_thread", replace_init_thread},
                {"Query_thread", replace_query_thread},
                {"Finalize", replace_finalize},
                {"Abort", replace_abort}};
    if (!strncmp(name, "PMPI_", 5))
        name++;
    if (strncmp(name, "MPI_", 4) != 0 || !find("PMPI_Init"))
        return NULL;
    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
        if (!strcmp(list[i].name, name + 4))
            return list[i].address;
    return is_rank ? count_calls(name) : NULL;
}
