/* What workers say. Each handler checks what the channel cannot (numbers, places, who may say it)
 * and hands the fact to the part that decides. The master never dies of what a worker sends: what
 * no sane worker says gets that worker killed and replaced. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "master/alerts.h"
#include "master/budget.h"
#include "master/compactor.h"
#include "master/composer.h"
#include "master/dispatch.h"
#include "master/prober.h"
#include "master/querier.h"
#include "master/scans.h"
#include "master/segments.h"
#include "master/slots.h"
#include "master/stats.h"
#include "master/supervisor_parts.h"
#include "master/tokens.h"
#include "master/worker.h"

/* A worker that was found faulty may have more waiting in its channel: nothing of it counts. One
 * that died by itself is read to the end. */
static bool is_believed(const struct worker *worker)
{
    return worker->state == WORKER_RUNNING || worker->state == WORKER_DRAINING;
}

static void judge(struct worker *worker, int err, const char *what)
{
    if (err != 0)
        supervisor_fault(worker, what);
}

static void on_ready(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_worker_ready *ready = payload;

    (void)fd;
    if (worker->state != WORKER_STARTING)
        supervisor_fault(worker, "READY twice");
    else if (ready->version != IPC_VERSION)
        supervisor_fault(worker, "its program is of another version than the master's");
    else
        supervisor_ready(worker);
}

static void on_running(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_running *running = payload;

    (void)fd;
    if (!is_believed(worker))
        return;
    if (running->profile == 0)
        worker->rules_version = running->version;
    else
        worker_set_running(worker, running->profile, running->version);
}

static void on_queued(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_mail_queued *queued = payload;
    struct supervisor *s = worker->supervisor;
    int err;

    (void)fd;
    if (!is_believed(worker))
        return;
    if (!scans_may_report(s->scans, worker, queued->place.slot)) {
        supervisor_fault(worker, "MAIL_QUEUED of a slot that is not its own");
        return;
    }
    err = dispatch_queued(s->parts.dispatch, worker, queued);
    if (err == -ENOMEM)
        scans_want_again(s->scans, queued->place.slot);
    else
        judge(worker, err, "MAIL_QUEUED");
}

static void on_outcome(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        judge(worker, dispatch_outcome(worker->supervisor->parts.dispatch, worker, payload),
              "MAIL_OUTCOME");
}

static void on_noted(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        judge(worker, dispatch_noted(worker->supervisor->parts.dispatch, worker, payload),
              "MAIL_NOTED that makes no sense");
}

static void on_server_failed(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        judge(worker, dispatch_server_failed(worker->supervisor->parts.dispatch, worker, payload),
              "SERVER_FAILED");
}

static void on_probed(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        judge(worker, dispatch_probed(worker->supervisor->parts.dispatch, worker, payload),
              "HEALTH_PROBED");
}

static void on_connections(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_connections *said = payload;
    struct dispatch *dispatch = worker->supervisor->parts.dispatch;
    int change;

    (void)fd;
    if (!is_believed(worker))
        return;
    change = budget_connections(dispatch_budget(dispatch), worker, said);
    slots_idle_changed(dispatch_slots(dispatch), worker, said->profile, change);
}

static void on_lease_want(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        judge(worker,
              budget_want(dispatch_budget(worker->supervisor->parts.dispatch), worker, payload),
              "LEASE_WANT");
}

static void on_lease_unwant(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        judge(worker,
              budget_unwant(dispatch_budget(worker->supervisor->parts.dispatch), worker, payload),
              "LEASE_UNWANT");
}

static void on_lease_back(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        judge(worker,
              budget_back(dispatch_budget(worker->supervisor->parts.dispatch), worker, payload),
              "LEASE_BACK");
}

static void on_server_ended(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        budget_ended(dispatch_budget(worker->supervisor->parts.dispatch), payload);
}

static void on_slot_want(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        judge(worker,
              slots_want(dispatch_slots(worker->supervisor->parts.dispatch), worker, payload),
              "SLOT_WANT");
}

static void on_slot_given(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        judge(worker,
              slots_given(dispatch_slots(worker->supervisor->parts.dispatch), worker, payload),
              "SLOT_GIVEN");
}

static void on_token_want(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        judge(worker, tokens_want(worker->supervisor->parts.tokens, worker, payload), "TOKEN_WANT");
}

static void on_token_fetched(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_believed(worker))
        judge(worker, tokens_fetched(worker->supervisor->parts.tokens, worker, payload, fd),
              "TOKEN_FETCHED");
    close(fd);
}

static void on_probe_step(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        judge(worker, prober_step(worker->supervisor->parts.prober, worker, payload), "PROBE_STEP");
}

static void on_probe_done(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        prober_done(worker->supervisor->parts.prober, worker, payload);
}

static void on_query_rows(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    if (is_believed(worker))
        querier_rows(worker->supervisor->parts.querier, worker, payload, fd);
    close(fd);
}

static void on_composed(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        composer_composed(worker->supervisor->parts.composer, worker, payload);
}

static void on_rescanned(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        judge(worker, scans_rescanned(worker->supervisor->scans, worker, payload), "RESCANNED");
}

static void on_sealed(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_segment_sealed *sealed = payload;
    struct supervisor *s = worker->supervisor;

    (void)fd;
    if (!is_believed(worker))
        return;
    if (!scans_may_report(s->scans, worker, sealed->slot) || sealed->segment == 0) {
        supervisor_fault(worker, "SEGMENT_SEALED");
        return;
    }
    segments_sealed(s->parts.segments, sealed);
    compactor_sealed(s->parts.compactor);
}

static void on_failed(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_segment *segment = payload;

    (void)fd;
    if (!is_believed(worker))
        return;
    if (segment->slot >= ID_SLOTS || segment->segment == 0)
        supervisor_fault(worker, "SEGMENT_FAILED");
    else
        segments_retire(worker->supervisor->parts.segments, segment->slot, segment->segment);
}

static void on_moved(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        judge(worker, compactor_moved(worker->supervisor->parts.compactor, worker, payload),
              "MAIL_MOVED");
}

static void on_compacted(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)fd;
    if (is_believed(worker))
        judge(worker, compactor_ended(worker->supervisor->parts.compactor, worker, payload),
              "SEGMENT_COMPACTED");
}

static void on_released(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    const struct ipc_segment *segment = payload;

    (void)fd;
    if (is_believed(worker))
        judge(worker,
              segments_released(worker->supervisor->parts.segments, worker, segment->slot,
                                segment->segment),
              "SEGMENT_RELEASED");
}

static void on_drained(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;

    (void)payload;
    (void)fd;
    if (worker->state == WORKER_DRAINING)
        supervisor_drained(worker);
    else
        supervisor_fault(worker, "DRAINED without DRAIN");
}

static void on_heartbeat(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    struct supervisor *s = worker->supervisor;

    (void)fd;
    if (!is_believed(worker))
        return;
    if (s->parts.stats != NULL)
        stats_beat(s->parts.stats, &worker->figures, payload, clock_wall_ms());
    worker_take_figures(worker, payload, loop_now_ms(s->loop));
    supervisor_heard(worker);
}

static void on_alert(void *owner, const void *payload, int fd)
{
    struct worker *worker = owner;
    struct ipc_alert alert = *(const struct ipc_alert *)payload;
    char process[16];

    (void)fd;
    if (!is_believed(worker))
        return;
    alert.module[sizeof(alert.module) - 1] = alert.text[sizeof(alert.text) - 1] = '\0';
    (void)snprintf(process, sizeof(process), "worker[%u]", worker->slot);
    alerts_take(worker->supervisor->parts.alerts, process, alert.module, alert.text);
}

channel_handler *const inbox_handlers[IPC_KIND_COUNT] = {
    [IPC_WORKER_READY] = on_ready,
    [IPC_RUNNING] = on_running,
    [IPC_MAIL_QUEUED] = on_queued,
    [IPC_MAIL_OUTCOME] = on_outcome,
    [IPC_MAIL_NOTED] = on_noted,
    [IPC_SERVER_FAILED] = on_server_failed,
    [IPC_HEALTH_PROBED] = on_probed,
    [IPC_CONNECTIONS] = on_connections,
    [IPC_LEASE_WANT] = on_lease_want,
    [IPC_LEASE_UNWANT] = on_lease_unwant,
    [IPC_LEASE_BACK] = on_lease_back,
    [IPC_SERVER_ENDED] = on_server_ended,
    [IPC_SLOT_WANT] = on_slot_want,
    [IPC_SLOT_GIVEN] = on_slot_given,
    [IPC_TOKEN_WANT] = on_token_want,
    [IPC_TOKEN_FETCHED] = on_token_fetched,
    [IPC_PROBE_STEP] = on_probe_step,
    [IPC_PROBE_DONE] = on_probe_done,
    [IPC_QUERY_ROWS] = on_query_rows,
    [IPC_RESCANNED] = on_rescanned,
    [IPC_COMPOSED] = on_composed,
    [IPC_SEGMENT_SEALED] = on_sealed,
    [IPC_SEGMENT_RELEASED] = on_released,
    [IPC_DRAINED] = on_drained,
    [IPC_SEGMENT_FAILED] = on_failed,
    [IPC_MAIL_MOVED] = on_moved,
    [IPC_SEGMENT_COMPACTED] = on_compacted,
    [IPC_HEARTBEAT] = on_heartbeat,
    [IPC_ALERT] = on_alert,
};
