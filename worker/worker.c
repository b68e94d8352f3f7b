/* The worker as a whole: its parts, its heartbeat, its end. orders.c has what the master says. */
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/auto.h"
#include "common/channel.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "worker/body_work.h"
#include "worker/composer.h"
#include "worker/delivery.h"
#include "worker/directory.h"
#include "worker/discard.h"
#include "worker/health_probe.h"
#include "worker/http.h"
#include "worker/ingress/ingress.h"
#include "worker/probe.h"
#include "worker/query.h"
#include "worker/resolver.h"
#include "worker/segment_cache.h"
#include "worker/smtp/pool.h"
#include "worker/spooler.h"
#include "worker/tls.h"
#include "worker/tls_keeper.h"
#include "worker/tokens.h"
#include "worker/worker_private.h"

enum { EXIT_MASTER_GONE = 0, EXIT_TROUBLE = 1 };

void worker_give_up(struct worker *worker, const char *what, const char *reason)
{
    log_error("worker", what, LOG_STR("reason", reason));
    worker->status = EXIT_TROUBLE;
    loop_stop(worker->loop);
}

/* ---- CONFIGURE: the parts are made, in the order in which they need each other ---- */

static int read_conf(int fd, struct conf **ret_conf, struct reason *why)
{
    AUTO(free) char *text = NULL;
    size_t bytes;
    int err = memfd_read(fd, &text, &bytes);

    close(fd);
    if (err < 0)
        return reason_set(why, err, "configuration: %s", strerror(-err));
    return conf_parse(text, "(from the master)", ret_conf, why);
}

static void open_log(const struct worker *worker, const struct conf *conf)
{
    enum log_level level = LOG_LEVEL_INFO;
    char tag[24];
    int fd = STDERR_FILENO;

    (void)snprintf(tag, sizeof(tag), "worker[%u]", worker->slot);
    if (strcmp(conf->log_target, "stderr") != 0) {
        int file = open(conf->log_target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

        fd = file >= 0 ? file : fd;
    }
    log_open(tag, fd);
    (void)log_level_parse(conf->log_level, &level);
    log_set_level(level);
    log_set_format(strcmp(conf->log_format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT);
}

static void on_profile_retired(struct worker_profile *profile, void *arg)
{
    struct worker *worker = arg;

    smtp_pool_retire(worker->pool, profile);
    tokens_forget(worker->tokens, profile->profile->id);
}

static int set_http_id(struct worker *worker, const struct conf *conf)
{
    const struct tls_identity identity = { conf->tls_certificate, conf->tls_key };

    return http_set_id(worker->http, &identity);
}

static int make_parts(struct worker *worker, struct reason *why)
{
    char spool_dir[4096];
    int err;

    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", worker->conf->top_state_dir);
    worker->directory = directory_new();
    worker->cache = segment_cache_new(spool_dir, worker->channel);
    if (worker->directory == NULL || worker->cache == NULL)
        return reason_set(why, -ENOMEM, "out of memory");
    err = spooler_new(worker->loop, worker->channel, worker->conf, worker->slot, &worker->spooler,
                      why);
    if (err < 0)
        return err;
    err = resolver_new(worker->loop, worker->conf, &worker->resolver, why);
    if (err < 0)
        return err;
    worker->keeper = tls_keeper_new(worker->conf);
    worker->pool = smtp_pool_new(worker->loop, worker->channel, worker->keeper);
    if (worker->keeper == NULL || worker->pool == NULL)
        return reason_set(why, -ENOMEM, "out of memory");
    err = http_new(worker->loop, worker->resolver, worker->conf->tls_ca_file, &worker->http, why);
    if (err < 0)
        return err;
    if (set_http_id(worker, worker->conf) < 0)
        return reason_set(why, -ENOMEM, "out of memory");
    worker->tokens = tokens_new(worker->loop, worker->channel, worker->directory, worker->http);
    if (worker->tokens == NULL)
        return reason_set(why, -ENOMEM, "out of memory");
    smtp_pool_set_tokens(worker->pool, worker->tokens);
    directory_watch(worker->directory, on_profile_retired, worker);
    worker->body_work = body_work_new(worker->loop);
    worker->delivery = delivery_new(&(struct delivery_parts){ .loop = worker->loop,
                                                              .channel = worker->channel,
                                                              .conf = worker->conf,
                                                              .directory = worker->directory,
                                                              .cache = worker->cache,
                                                              .spooler = worker->spooler,
                                                              .resolver = worker->resolver,
                                                              .pool = worker->pool,
                                                              .http = worker->http,
                                                              .body_work = worker->body_work });
    worker->discards = discards_new(worker->directory, worker->cache, worker->http);
    worker->prober = prober_new(worker->loop, worker->channel, worker->conf, worker->resolver,
                                worker->pool, worker->keeper, worker->http);
    worker->health =
        health_prober_new(worker->loop, worker->channel, worker->conf, worker->directory,
                          worker->resolver, worker->pool, worker->keeper, worker->http);
    worker->query = query_new(worker->channel, worker->cache);
    worker->composer = composer_new(worker->channel, worker->conf, worker->cache, worker->spooler);
    worker->ingress = ingress_new(worker->loop, worker->conf, worker->directory, worker->spooler);
    if (worker->body_work == NULL || worker->delivery == NULL || worker->discards == NULL ||
        worker->prober == NULL || worker->health == NULL || worker->query == NULL ||
        worker->composer == NULL || worker->ingress == NULL)
        return reason_set(why, -ENOMEM, "out of memory");
    return 0;
}

static uint64_t ms_of(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_usec / 1000;
}

static void send_heartbeat(struct worker *worker)
{
    struct ipc_heartbeat beat = { 0 };
    struct spooler_figures spooled;
    struct ingress_figures in;
    struct delivery_figures out;
    struct rusage usage;

    spooler_figures(worker->spooler, &spooled);
    ingress_figures(worker->ingress, &in);
    delivery_figures(worker->delivery, &out);
    (void)getrusage(RUSAGE_SELF, &usage);
    beat.accepted = spooled.messages;
    beat.taken = in.messages;
    beat.refused = in.refused;
    beat.put_off = in.put_off;
    beat.bytes_in = spooled.bytes;
    beat.syncs = spooled.syncs;
    beat.disk_hangs = spooled.disk_hangs;
    beat.sessions = in.sessions;
    beat.connections_in = in.connections;
    beat.listeners_left = in.listeners_left;
    beat.delivered = out.delivered;
    beat.jobs = out.jobs;
    beat.connections_out = out.connections;
    beat.longest_turn_us = (uint32_t)loop_take_longest_turn_us(worker->loop);
    beat.cpu_ms = ms_of(usage.ru_utime) + ms_of(usage.ru_stime);
    beat.rss_kib = (uint32_t)usage.ru_maxrss;
    channel_send(worker->channel, IPC_HEARTBEAT, &beat);
}

static void on_heartbeat(void *arg)
{
    struct worker *worker = arg;

    send_heartbeat(worker);
    loop_timer_set_ms(worker->heartbeat, WORKER_HEARTBEAT_MS);
}

/* What was counted since the last heartbeat is told before the end. */
static void on_drained_part(struct worker *worker)
{
    static const struct ipc_empty nothing;

    if (!worker->is_draining || !worker->is_ingress_empty || !worker->is_delivery_empty)
        return;
    send_heartbeat(worker);
    channel_send(worker->channel, IPC_DRAINED, &nothing);
}

/* A reload: what the doors and the log go by changes at once; the rest was made for good. */
static void reconfigure(struct worker *worker, struct conf *conf)
{
    if (ingress_configure(worker->ingress, conf) < 0) {
        log_error("worker", "cannot take the new configuration",
                  LOG_STR("reason", "out of memory"));
        conf_free(&conf);
        return;
    }
    tls_keeper_configure(worker->keeper, conf);
    if (http_configure(worker->http, conf->tls_ca_file) < 0 || set_http_id(worker, conf) < 0)
        log_error("worker", "requests go on with the old configuration's CAs or digital ID",
                  LOG_STR("reason", "out of memory"));
    conf_free(&worker->reloaded);
    worker->reloaded = conf;
    open_log(worker, conf);
}

void worker_configure(struct worker *worker, const struct ipc_configure *order, int fd)
{
    struct reason why = { "" };
    struct conf *conf = NULL;

    if (read_conf(fd, &conf, &why) < 0) {
        worker_give_up(worker, "cannot read the configuration", why.text);
        return;
    }
    if (worker->conf != NULL) {
        reconfigure(worker, conf);
        return;
    }
    worker->conf = conf;
    worker->slot = order->slot;
    open_log(worker, conf);
    if (make_parts(worker, &why) < 0) {
        worker_give_up(worker, "cannot start", why.text);
        return;
    }
    if (order->first != 0)
        spooler_rescan(worker->spooler, worker->slot);
    on_heartbeat(worker);
}

/* ---- the end ---- */

static void on_ingress_empty(void *arg)
{
    struct worker *worker = arg;

    worker->is_ingress_empty = true;
    on_drained_part(worker);
}

static void on_delivery_empty(void *arg)
{
    struct worker *worker = arg;

    worker->is_delivery_empty = true;
    on_drained_part(worker);
    if (worker->channel == NULL)
        loop_stop(worker->loop);
}

void worker_drain(struct worker *worker)
{
    if (worker->is_draining)
        return;
    worker->is_draining = true;
    ingress_drain(worker->ingress, on_ingress_empty, worker);
    delivery_drain(worker->delivery, on_delivery_empty, worker);
}

static void on_last_wait(void *arg)
{
    struct worker *worker = arg;

    loop_stop(worker->loop);
}

/* The master is gone, or sent nonsense: either way this worker's orders are at an end. */
static void on_channel_end(void *owner, int err)
{
    struct worker *worker = owner;

    if (err < 0)
        log_error("worker", "the channel to the master broke", LOG_INT("err", err));
    if (worker->ingress == NULL) {
        loop_stop(worker->loop);
        return;
    }
    ingress_master_gone(worker->ingress);
    loop_timer_set_ms(worker->last_wait, WORKER_LAST_WAIT_MS);
    if (worker->is_delivery_empty)
        loop_stop(worker->loop);
    else
        delivery_drain(worker->delivery, on_last_wait, worker);
}

/* The log has it; the master shows it to whoever asks for its status (OP08). */
static void on_alert(const char *module, const char *text, void *arg)
{
    struct worker *worker = arg;
    struct ipc_alert alert = { .module = "" };

    (void)snprintf(alert.module, sizeof(alert.module), "%s", module);
    (void)snprintf(alert.text, sizeof(alert.text), "%s", text);
    channel_send(worker->channel, IPC_ALERT, &alert);
}

static void on_turn_end_log(void *arg)
{
    (void)arg;
    log_flush();
}

static void free_parts(struct worker *worker)
{
    ingress_free(&worker->ingress);
    delivery_free(&worker->delivery);
    discards_free(&worker->discards);
    body_work_free(&worker->body_work); /* lets go of the messages in it */
    prober_free(&worker->prober);
    health_prober_free(&worker->health);
    query_free(&worker->query);
    composer_free(&worker->composer);
    directory_free(&worker->directory); /* retires its versions, of which the pool hears */
    smtp_pool_free(&worker->pool);
    tokens_free(&worker->tokens);
    http_free(&worker->http);
    tls_keeper_free(&worker->keeper);
    resolver_free(&worker->resolver);
    spooler_free(&worker->spooler);
    segment_cache_free(&worker->cache);
    log_on_alert(NULL, NULL);
    channel_free(&worker->channel);
    loop_timer_free(&worker->heartbeat);
    loop_timer_free(&worker->last_wait);
    conf_free(&worker->conf);
    conf_free(&worker->reloaded);
}

int worker_run(struct loop *loop, int channel_fd)
{
    static struct worker worker; /* one per process */
    const struct ipc_worker_ready ready = { .version = IPC_VERSION, .pid = getpid() };

    worker.loop = loop;
    worker.heartbeat = loop_timer_new(loop, on_heartbeat, &worker);
    worker.last_wait = loop_timer_new(loop, on_last_wait, &worker);
    worker.channel =
        channel_new(loop, channel_fd, IPC_WORKER, worker_orders, on_channel_end, &worker);
    if (worker.heartbeat == NULL || worker.last_wait == NULL || worker.channel == NULL) {
        log_error("worker", "out of memory", LOG_INT("pid", getpid()));
        return EXIT_TROUBLE;
    }
    log_on_alert(on_alert, &worker);
    loop_at_turn_end(loop, on_turn_end_log, NULL);
    channel_send(worker.channel, IPC_WORKER_READY, &ready);
    loop_run(loop);
    free_parts(&worker);
    return worker.status;
}
