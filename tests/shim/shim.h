/* tests/shim/shim.h: makes system calls and allocations of a program fail, for tests.
 *
 * A library for LD_PRELOAD. Two variables say what it does, and do nothing without it:
 *
 *   POSTERN_FAULT      rules, separated by blanks
 *   POSTERN_FAULT_LOG  a file that gets a line for every call that a rule acted on
 *
 *   rule   = CALL ":" WHICH ":" WHAT { ":" OPTION }
 *   CALL   = a name of SHIM_CALLS
 *   WHICH  = "always" | N | N "-" M | N "-" | "%" N (every N-th); counted from 1 in each process,
 *            over the calls that the options let through
 *   WHAT   = an errno's name: the call fails with it
 *          | "short": half of the bytes are written
 *          | N "ms": the call takes so long
 *          | "hang": the call waits until the rule's `when` file is gone
 *          | "log": the call is only written down
 *   OPTION = "path=" TEXT: the file's path contains TEXT
 *          | "when=" FILE: only while FILE is there; its going starts the count anew
 *          | "in=" PROGRAM: only in that program, "posternd" or "postern-worker"
 *          | "once=" FILE: FILE is made when it happens; where it is already, nothing happens
 *
 * "fdatasync:5:EIO pwritev:10-20:ENOSPC:path=/spool/ malloc:%1000:ENOMEM:in=postern-worker". A rule
 * that is not understood ends the program at its start, so that no test passes for want of a fault.
 *
 * A line of the log: begin= and end= (a number drawn before and after the call, in order over all
 * threads of the process), pid=, program=, call=, nth=, did= (the rule's WHAT), result= (bytes, or
 * a negative errno), offset=, bytes=, path=, text= (of what is sent: its first line), from= (of an
 * allocation: who asked, as FILE+OFFSET, the innermost first; for addr2line). */
#ifndef TESTS_SHIM_H
#define TESTS_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SHIM_CALLS(X)                               \
    X(WRITE, "write")                               \
    X(WRITEV, "writev")                             \
    X(PWRITE, "pwrite")                             \
    X(PWRITEV, "pwritev")                           \
    X(FDATASYNC, "fdatasync")                       \
    X(FSYNC, "fsync")                               \
    X(FALLOCATE, "fallocate")                       \
    X(OPEN, "open")     /* open, openat */          \
    X(UNLINK, "unlink") /* unlink, unlinkat */      \
    X(RENAME, "rename") /* rename, renameat */      \
    X(SOCKET, "socket")                             \
    X(ACCEPT, "accept") /* accept, accept4 */       \
    X(SEND, "send")     /* send, sendto, sendmsg */ \
    X(MALLOC, "malloc") /* malloc, calloc, realloc, aligned ones, and who uses them */

enum shim_kind {
#define X(kind, name) SHIM_##kind,
    SHIM_CALLS(X)
#undef X
        SHIM_KINDS
};

struct shim_rule;

/* One call on its way through. */
struct shim_call {
    enum shim_kind kind;
    int fd;           /* AT_FDCWD, -1: `path` says it all, or there is no file */
    const char *path; /* of calls that name a file */
    int64_t offset;
    size_t bytes;     /* made smaller by "short" */
    const void *text; /* of `bytes`; NULL: of no interest */

    /* Of shim_begin() and shim_end() only: */
    const struct shim_rule *rule;
    uint64_t begin, nth;
};

/* Does what the rules say before the call: false, with errno set, if it is to fail. */
bool shim_begin(struct shim_call *call);
/* Writes it down if it is of interest. Returns `result` and leaves errno alone. */
ssize_t shim_end(struct shim_call *call, ssize_t result);

/* tests/shim/shim_log.c */
uint64_t shim_draw(void); /* the next number of the order */
void shim_log(const struct shim_call *call, const char *did, ssize_t result);
/* The path of call->fd or call->path, "" for none. */
void shim_path(const struct shim_call *call, char *out, size_t size);
const char *shim_name(enum shim_kind kind);

#endif
