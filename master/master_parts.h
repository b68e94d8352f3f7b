/* master/master_parts.h: what master.c, master_signals.c and backend.c share. */
#ifndef MASTER_MASTER_PARTS_H
#define MASTER_MASTER_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "master/control/control.h"
#include "master/master.h"
#include "master/worker.h"

struct master {
    struct loop *loop;
    struct conf *conf;       /* in force */
    struct conf *first_conf; /* the one the parts were made with */
    const char *conf_path;
    int report_fd, log_fd, lock_fd;
    int64_t started_wall_ms;
    bool is_stopping;
    int64_t stopping_ms;

    struct workers workers;
    struct alerts *alerts;
    struct stats *stats;
    struct alert_file *alert_file;
    struct alert_files *alert_files;
    struct alert_post *alert_post;
    struct alert_watch *alert_watch;
    struct io_thread *io;
    struct registry *registry;
    struct segments *segments;
    struct queue *queue;
    struct cells *cells;
    struct compactor *compactor;
    struct dispatch *dispatch;
    struct cursor_file *cursors;
    struct queue_orders *orders;
    struct retention *retention;
    struct prober *prober;
    struct querier *querier;
    struct composer *composer;
    struct pusher *pusher;
    struct tokens *tokens;
    struct listeners *listeners;
    struct supervisor *supervisor;
    struct control *control;
    struct console_host *console;
};

/* SIGTERM, SIGINT: drain, then end. SIGHUP: reload. 0 or a negative errno. */
int master_watch_signals(struct master *master);

/* From the configuration: when a server is down, and when it is tried again (SP23). */
void master_set_health(struct master *master, const struct conf *conf);

/* What the control API sees of the master. */
struct control_backend master_backend(struct master *master);

#endif
