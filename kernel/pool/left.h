/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What remains to be done when a pool's front is gone for good. A front that has only
 * lost the connection ends its pool's launcher, and us with it; one that is dead does
 * not, and then nobody else gives back what the engine has given. */
#ifndef ACHAR_POOL_LEFT_H
#define ACHAR_POOL_LEFT_H

/* Waits until `fd` (what the launcher's standard input has become) has ended, though no
 * longer than `patience_ms`, gives the launcher some more time to end us, and becomes a
 * shell that runs the command. Returns when it cannot. */
void left_run(const char *command, int fd, unsigned patience_ms);

#endif
