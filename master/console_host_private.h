/* master/console_host_private.h: what console_host.c (the process) and console_talk.c (what is said
 * over its link) share. */
#ifndef MASTER_CONSOLE_HOST_PRIVATE_H
#define MASTER_CONSOLE_HOST_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/address.h"
#include "common/reason.h"
#include "master/console_host.h"
#include "master/console_identity.h"

struct loop_timer;
struct loop_watch;

enum host_state { HOST_OFF, HOST_DOWN, HOST_STARTING, HOST_RUNNING, HOST_STATE_COUNT };

struct console_host {
    struct loop *loop;
    const struct conf *conf;
    console_host_path_cb *path;
    void *arg;
    int log_fd;
    enum host_state state;
    pid_t pid;
    int listen_fd, link_fd; /* -1: none */
    char listening[ADDRESS_TEXT_SIZE];
    struct loop_watch *watch;
    struct loop_timer *tick, *retry;
    struct console_identity identity;
    int64_t started_ms, heard_ms, backoff_ms, since_wall_ms;
    unsigned restarts; /* that nobody asked for */
    int64_t longest_turn_us;
    struct reason why;             /* it is not running */
    bool is_stopping, is_replaced; /* its end is no news */
};

/* The one setter of its state. */
void console_host_set_state(struct console_host *host, enum host_state state);
/* SIGCHLD does the rest. `why` NULL: it is no news. */
void console_host_kill(struct console_host *host, const char *why);

/* ---- console_talk.c ---- */

/* Hands a new process its settings and its socket, and listens to it. 0, or a negative errno with
 * the reason in host->why. */
int console_talk_begin(struct console_host *host);
void console_talk_end(struct console_host *host);

#endif
