/* common/hook.h: places where a test can stop, kill or abort a process.
 *
 * Only in builds with CMake's POSTERN_HOOKS (presets debug and asan); in any other nothing of this
 * is left in the program. The environment's POSTERN_HOOK says what happens where, several settings
 * separated by blanks:
 *
 *   setting = NAME ":" N ":" ACTION { ":" OPTION }    at the N-th time that this process comes
 * there ACTION  = "stop" (SIGSTOP to itself) | "kill" (SIGKILL) | "abort" (SIGABRT) OPTION  =
 * "once=" FILE: FILE is made when it happens; where it is already, nothing happens | "when=" FILE:
 * only while FILE is there; other times do not count | "mark=" TEXT: only messages with TEXT in
 * them count
 *
 * "after_sync:3:kill:once=/tmp/fired". One that is not understood ends the process. */
#ifndef COMMON_HOOK_H
#define COMMON_HOOK_H

#include <stddef.h>

#define HOOKS(X)                                                                              \
    X(after_sync, "worker: a batch is synced, neither master nor client know of it yet")      \
    X(after_reply, "worker: a server has taken a message, its cell does not say so yet")      \
    X(after_cell, "worker: the cell says that a message was taken, the master does not know") \
    X(recycle_header, "worker: the header of a segment's new life is written, not synced")    \
    X(recycle_unlink, "worker: a segment's .seg is removed, its .state is not yet")           \
    X(compaction, "worker: in the midst of a compaction")                                     \
    X(receive, "worker: a message was received, nothing of it is stored (a message's)")       \
    X(deliver, "worker: a message was opened for its delivery (a message's)")

#if POSTERN_HOOKS
/* `name` is one of the table. */
void hook_stop(const char *name);
void hook_message(const char *name, const void *data, size_t bytes);
#else
#define hook_stop(name)                 ((void)0)
#define hook_message(name, data, bytes) ((void)0)
#endif

#endif
