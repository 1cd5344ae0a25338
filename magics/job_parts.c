/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What jobs keep for later, in memory up to a limit and then in a file without a name,
 * which is gone with this process whatever becomes of it. */
#include "magics/job.h"

#include <string.h>

#include "pickler/base/file.h"

bool job_bytes_keep(struct jobs *jobs, const void *data, size_t size,
                    struct job_bytes *ret)
{
    *ret = (struct job_bytes){.size = size};
    if (jobs_have_memory(jobs, size)) {
        ret->data = must_realloc(NULL, size + 1, 1);
        if (size)
            memcpy(ret->data, data, size);
        jobs_count_bytes(jobs, (int64_t)size, 0);
        return true;
    }
    int fd = jobs_file(jobs);
    ret->offset = jobs_file_end(jobs, size);
    if (fd < 0)
        return false;
    bool is_kept = write_all_at(fd, data, size, (uint64_t)ret->offset) == 0;
    jobs_count_bytes(jobs, 0, is_kept ? (int64_t)size : 0); /* half of it fills no disk */
    return is_kept;
}

const char *job_bytes_read(const struct jobs *jobs, const struct job_bytes *bytes,
                           char **ret_owned)
{
    if (bytes->data)
        return bytes->data;
    CLEANUP(freep) char *data = must_realloc(NULL, bytes->size + 1, 1);
    int fd = jobs_file((struct jobs *)jobs);
    if (read_all_at(fd, data, bytes->size, (uint64_t)bytes->offset) < 0)
        return NULL;
    *ret_owned = TAKE(data);
    return *ret_owned;
}

void job_bytes_clear(struct job_bytes *bytes, struct jobs *jobs)
{
    bool is_in_memory = bytes->data != NULL;
    jobs_count_bytes(jobs, is_in_memory ? -(int64_t)bytes->size : 0,
                     is_in_memory ? 0 : -(int64_t)bytes->size);
    free(bytes->data);
    *bytes = (struct job_bytes){0};
}

static void drop(struct jobs *jobs, struct job_part **parts, size_t *n, size_t *capacity)
{
    for (size_t i = 0; i < *n; i++)
        job_bytes_clear(&(*parts)[i].bytes, jobs);
    free(TAKE(*parts));
    *n = *capacity = 0;
}

void job_drop_parts(struct job *job)
{
    drop(job->jobs, &job->parts, &job->n_parts, &job->parts_capacity);
}

void job_drop_inputs(struct job *job)
{
    drop(job->jobs, &job->inputs, &job->n_inputs, &job->inputs_capacity);
}
