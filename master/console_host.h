/* master/console_host.h: the console's process: started, watched, replaced (OP04).
 *
 *   DOWN --> STARTING (its settings and its socket are on the way) --> RUNNING (READY came)
 *    ^  back-off: at once, then after 2 s, doubling to 60 s, until one has lived for 60 s
 *    +----- it ended, or gave no sign of life for 60 s and was killed
 *
 * Mail does not depend on it: what is wrong with the console is a line of the log, an alert, and an
 * entry of `status`, and is tried again. It gets one connection to console.sock for each WANT. */
#ifndef MASTER_CONSOLE_HOST_H
#define MASTER_CONSOLE_HOST_H

#include <jansson.h>

#include "common/conf.h"

struct console_host;
struct loop;

/* Where the console's requests go at the moment; NULL: nowhere. */
typedef const char *console_host_path_cb(void *arg);

/* NULL: memory is short. `conf` is borrowed until the next configuration. */
struct console_host *console_host_new(struct loop *loop, const struct conf *conf, int log_fd,
                                      console_host_path_cb *path, void *arg);
void console_host_start(struct console_host *host);
/* SIGHUP: another process with what the configuration and the files say now. */
void console_host_reload(struct console_host *host, const struct conf *conf, int log_fd);
/* SIGTERM: it ends, and no other comes. */
void console_host_stop(struct console_host *host);
void console_host_free(struct console_host **host); /* NULL inside is allowed */

/* {"state", "pid", "address", "tls", "fingerprint", "since", "restarts", "longest_turn_us", "why"};
 * null: there is to be none. */
json_t *console_host_shown(const struct console_host *host);

#endif
