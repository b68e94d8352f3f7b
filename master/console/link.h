/* master/console/link.h: the console's end of its link with the master (common/console.h).
 *
 * What breaks the rules there, or the end of it, ends this process: without its master the console
 * has nothing to show. */
#ifndef MASTER_CONSOLE_LINK_H
#define MASTER_CONSOLE_LINK_H

struct link;
struct loop;

/* The settings (JSON, the callee frees; it held a key: wipe it) and the listening socket came. */
typedef void link_started_cb(char *settings, int listen_fd, void *arg);
/* The master is gone, or talks nonsense. */
typedef void link_ended_cb(void *arg);
/* `fd` is the callee's, or a negative errno. */
typedef void link_connection_cb(int fd, void *arg);

struct link_hooks {
    link_started_cb *on_started;
    link_ended_cb *on_ended;
    void *arg;
};

/* `fd` is taken over. NULL: memory is short. */
struct link *link_new(struct loop *loop, int fd, const struct link_hooks *hooks);
void link_free(struct link **link); /* what was asked for is not answered any more */

/* The settings are in force. */
void link_ready(struct link *link);

/* Asks for a connection to console.sock. `cb` runs once, later, unless it is forgotten first.
 * Returns a number for link_forget(). 0: CONSOLE_MAX_REQUESTS wait already; `cb` will not run. */
unsigned link_connect(struct link *link, link_connection_cb *cb, void *arg);
void link_forget(struct link *link, unsigned number);

#endif
