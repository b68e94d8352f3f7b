/* What the master orders: each handler takes one order off the channel and hands it to the part
 * that carries it out. The table at the end is all of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memfd.h"
#include "worker/composer.h"
#include "worker/delivery.h"
#include "worker/directory.h"
#include "worker/discard.h"
#include "worker/health_probe.h"
#include "worker/ingress/ingress.h"
#include "worker/probe.h"
#include "worker/query.h"
#include "worker/segment_cache.h"
#include "worker/smtp/pool.h"
#include "worker/spooler.h"
#include "worker/tokens.h"
#include "worker/worker_private.h"

static void on_configure(void *owner, const void *payload, int fd)
{
    worker_configure(owner, payload, fd);
}

/* Everything but CONFIGURE needs the parts: a master that sends it earlier is not ours. */
static bool is_ready(struct worker *worker, int fd)
{
    if (worker->ingress != NULL)
        return true;
    if (fd >= 0)
        close(fd);
    if (worker->status == 0)
        worker_give_up(worker, "order before CONFIGURE", NULL);
    return false;
}

/* ---- configuration that changes ---- */

/* Reads a memfd and closes it; NULL ends the worker: without its orders it would do wrong. */
static char *take_text(struct worker *worker, int fd, size_t *ret_bytes)
{
    char *text = NULL;
    int err = memfd_read(fd, &text, ret_bytes);

    close(fd);
    if (err < 0)
        worker_give_up(worker, "cannot read what the master sent", strerror(-err));
    return text;
}

static void tell_running(struct worker *worker, uint32_t profile, uint64_t version)
{
    const struct ipc_running running = { .profile = profile, .version = version };

    channel_send(worker->channel, IPC_RUNNING, &running);
}

static void on_profile(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_profile *order = payload;
    struct reason why = { "" };
    size_t bytes;
    char *text;

    if (!is_ready(worker, fd) || (text = take_text(worker, fd, &bytes)) == NULL)
        return;
    if (directory_put_profile(worker->directory, text, bytes, &why) == 0)
        tell_running(worker, order->id, order->version);
    else
        log_alert("worker", "profile cannot be used: its mail is deferred",
                  LOG_INT("profile", order->id), LOG_STR("reason", why.text));
    explicit_bzero(text, bytes); /* it holds secrets */
    free(text);
}

static void on_profile_gone(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_profile *order = payload;

    if (!is_ready(worker, fd))
        return;
    directory_drop_profile(worker->directory, order->id);
    smtp_pool_forget_profile(worker->pool, order->id);
}

static void on_rules(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_rules *order = payload;
    struct reason why = { "" };
    size_t bytes;
    char *text;

    if (!is_ready(worker, fd) || (text = take_text(worker, fd, &bytes)) == NULL)
        return;
    if (directory_put_rules(worker->directory, text, bytes, &why) == 0)
        tell_running(worker, 0, order->version);
    else
        log_alert("worker", "rules cannot be used: the last ones stay in force",
                  LOG_STR("reason", why.text));
    free(text);
}

/* ---- doors ---- */

static void on_listener(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_listener *order = payload;

    if (is_ready(worker, fd) && ingress_add_listener(worker->ingress, order->index, fd) < 0) {
        close(fd);
        worker_give_up(worker, "cannot take a listener", "out of memory");
    }
}

static void on_listener_close(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_listener *order = payload;

    if (is_ready(worker, fd))
        ingress_close_listener(worker->ingress, order->index);
}

/* ---- mail ---- */

static void on_credit(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_credit *credit = payload;

    if (is_ready(worker, fd))
        spooler_credit(worker->spooler, credit->queued);
}

static void on_deliver(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_ready(worker, fd))
        delivery_start(worker->delivery, payload);
}

static void on_cancel(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_mail_cancel *order = payload;

    if (is_ready(worker, fd))
        delivery_cancel(worker->delivery, order->job);
}

static void on_upload_discard(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_ready(worker, fd))
        discards_begin(worker->discards, payload);
}

static void on_lease(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_ready(worker, fd))
        smtp_pool_lease(worker->pool, payload);
}

static void on_unwanted(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_ready(worker, fd))
        smtp_pool_unwanted(worker->pool, payload);
}

static void on_reclaim(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_ready(worker, fd))
        smtp_pool_reclaim(worker->pool, payload);
}

static void on_server_bears(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_ready(worker, fd))
        smtp_pool_bears(worker->pool, payload);
}

static void on_slots(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_ready(worker, fd))
        smtp_pool_slots(worker->pool, payload);
}

static void on_slot_take(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_ready(worker, fd))
        smtp_pool_slot_take(worker->pool, payload);
}

static void on_token(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (!is_ready(worker, fd))
        return;
    tokens_take(worker->tokens, payload, fd);
    close(fd);
}

static void on_token_fetch(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_ready(worker, fd))
        tokens_fetch(worker->tokens, payload);
}

static void on_probe(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_probe *order = payload;

    if (is_ready(worker, fd))
        prober_start(worker->prober, order->token, fd);
}

static void on_health_probe(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_ready(worker, fd))
        health_prober_ask(worker->health, payload);
}

static void on_query(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_ready(worker, fd))
        query_answer(worker->query, payload, fd);
}

static void on_compose(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_ready(worker, fd))
        composer_order(worker->composer, payload, fd);
}

/* ---- spool ---- */

static void on_rescan(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_rescan *order = payload;

    if (is_ready(worker, fd))
        spooler_rescan(worker->spooler, order->slot);
}

static void on_segment_gone(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_segment *order = payload;

    if (is_ready(worker, fd))
        segment_cache_gone(worker->cache, order->slot, order->segment);
}

static void on_segment_reuse(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_segment *order = payload;

    if (is_ready(worker, fd))
        spooler_segment_reuse(worker->spooler, order->slot, order->segment);
}

static void on_segment_retire(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_segment *order = payload;

    if (is_ready(worker, fd))
        spooler_segment_retire(worker->spooler, order->segment);
}

static void on_segment_compact(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_ready(worker, fd))
        spooler_compact(worker->spooler, payload, fd);
}

/* ---- the end ---- */

static void on_drain(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)payload;
    if (is_ready(worker, fd))
        worker_drain(worker);
}

channel_handler *const worker_orders[IPC_KIND_COUNT] = {
    [IPC_CONFIGURE] = on_configure,
    [IPC_LISTENER] = on_listener,
    [IPC_LISTENER_CLOSE] = on_listener_close,
    [IPC_PROFILE] = on_profile,
    [IPC_PROFILE_GONE] = on_profile_gone,
    [IPC_RULES] = on_rules,
    [IPC_CREDIT] = on_credit,
    [IPC_MAIL_DELIVER] = on_deliver,
    [IPC_MAIL_CANCEL] = on_cancel,
    [IPC_UPLOAD_DISCARD] = on_upload_discard,
    [IPC_LEASE] = on_lease,
    [IPC_LEASE_UNWANTED] = on_unwanted,
    [IPC_RECLAIM] = on_reclaim,
    [IPC_SERVER_BEARS] = on_server_bears,
    [IPC_SLOTS] = on_slots,
    [IPC_SLOT_TAKE] = on_slot_take,
    [IPC_TOKEN] = on_token,
    [IPC_TOKEN_FETCH] = on_token_fetch,
    [IPC_PROBE] = on_probe,
    [IPC_HEALTH_PROBE] = on_health_probe,
    [IPC_QUERY] = on_query,
    [IPC_COMPOSE] = on_compose,
    [IPC_RESCAN] = on_rescan,
    [IPC_SEGMENT_GONE] = on_segment_gone,
    [IPC_SEGMENT_REUSE] = on_segment_reuse,
    [IPC_SEGMENT_COMPACT] = on_segment_compact,
    [IPC_SEGMENT_RETIRE] = on_segment_retire,
    [IPC_DRAIN] = on_drain,
};
