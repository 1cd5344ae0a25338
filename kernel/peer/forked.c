/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A page that is empty in children (madvise(2), MADV_WIPEONFORK). */
#include "kernel/peer/forked.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096

/* Global: the answer is the process's. */
static volatile char *mark; /* NULL: there is no such page */
static pid_t adopted;

void forked_adopt(void)
{
    if (!mark) {
        void *page =
            mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page != MAP_FAILED && madvise(page, PAGE, MADV_WIPEONFORK) == 0)
            mark = page;
    }
    if (mark)
        *mark = 1;
    adopted = getpid();
}

bool forked_is_child(void)
{
    return mark ? !*mark : getpid() != adopted;
}
