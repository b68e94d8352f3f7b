#include "master/scans.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/channel.h"
#include "common/id.h"
#include "common/log.h"
#include "common/loop.h"
#include "master/group.h"
#include "master/segments.h"
#include "master/worker.h"

#define AGAIN_FIRST_MS 2000 /* after a scan that failed; then twice as long, and so on */
#define AGAIN_MAX_MS   60000

struct slot_scan {
    bool is_wanted;
    bool is_expected;      /* its own worker will scan it when it starts */
    bool is_failed;        /* tried in vain: the others do not wait for it */
    int64_t again_ms;      /* how long was waited after that */
    bool is_own;           /* its own worker scans it */
    struct worker *worker; /* another one that scans it, NULL: none */
    int64_t not_before_ms;
};

struct scans {
    struct loop *loop;
    struct workers *workers;
    struct queue *queue;
    struct segments *segments;
    struct loop_timer *again;
    scans_done_cb *done;
    void *arg;
    bool is_holding; /* segments: not all mail is known */
    struct slot_scan slots[ID_SLOTS];
};

static void on_again(void *arg)
{
    scans_worker_ready(arg);
}

struct scans *scans_new(struct loop *loop, struct workers *workers, struct queue *queue,
                        struct segments *segments, scans_done_cb *done, void *arg)
{
    struct scans *scans = calloc(1, sizeof(*scans));

    if (scans == NULL)
        return NULL;
    *scans = (struct scans){ .loop = loop,
                             .workers = workers,
                             .queue = queue,
                             .segments = segments,
                             .done = done,
                             .arg = arg };
    scans->again = loop_timer_new(loop, on_again, scans);
    if (scans->again == NULL)
        scans_free(&scans);
    return scans;
}

void scans_free(struct scans **scans)
{
    if (*scans == NULL)
        return;
    loop_timer_free(&(*scans)->again);
    free(*scans);
    *scans = NULL;
}

static bool is_open(const struct slot_scan *scan)
{
    return scan->is_wanted || scan->is_expected || scan->is_own || scan->worker != NULL;
}

/* Until all mail is known no segment may be taken for unused, and none while it is being read. A
 * slot that cannot be read does not count for ever: the disk would fill. */
static void update_hold(struct scans *scans)
{
    bool is_needed = false;

    for (unsigned slot = 0; slot < ID_SLOTS && !is_needed; slot++) {
        const struct slot_scan *scan = &scans->slots[slot];

        is_needed = scan->is_failed ? scan->is_own || scan->worker != NULL : is_open(scan);
    }
    if (is_needed == scans->is_holding)
        return;
    scans->is_holding = is_needed;
    queue_set_complete(scans->queue, !is_needed);
    if (is_needed)
        segments_hold(scans->segments);
    else
        segments_unhold(scans->segments);
}

void scans_expect(struct scans *scans, unsigned slot)
{
    scans->slots[slot].is_expected = true;
    scans->slots[slot].is_failed = false; /* there may be more than there was then */
    update_hold(scans);
}

void scans_find_surplus(struct scans *scans, const char *spool_dir, unsigned first)
{
    DIR *dir = opendir(spool_dir);
    struct dirent *entry;

    if (dir == NULL)
        return; /* no spool yet */
    while ((entry = readdir(dir)) != NULL) {
        char *end;
        unsigned long slot = strtoul(entry->d_name, &end, 10);

        if (end != entry->d_name && *end == '\0' && slot >= first && slot < ID_SLOTS)
            scans->slots[slot].is_wanted = true;
    }
    closedir(dir);
    update_hold(scans);
}

void scans_own_began(struct scans *scans, struct worker *worker)
{
    scans->slots[worker->slot].is_own = true;
    scans->slots[worker->slot].is_expected = false;
    scans->slots[worker->slot].is_wanted = false;
    worker->is_recovering = true;
    queue_scan_began(scans->queue, worker->slot);
    segments_read_anew(scans->segments, worker->slot);
    update_hold(scans);
}

/* ---- by order ---- */

static void order(struct scans *scans, unsigned slot, struct worker *worker)
{
    const struct ipc_rescan rescan = { .slot = slot };

    channel_send(worker->channel, IPC_RESCAN, &rescan);
    log_info("scans", "a slot's spool is scanned", LOG_INT("slot", slot),
             LOG_INT("by", worker->slot));
    if (slot == worker->slot) {
        scans_own_began(scans, worker);
        return;
    }
    scans->slots[slot].is_wanted = false;
    scans->slots[slot].worker = worker;
    worker->scans++;
    queue_scan_began(scans->queue, slot);
    update_hold(scans);
}

static bool is_free(const struct worker *worker)
{
    return worker_is_running(worker) && !worker->is_recovering && worker->scans == 0;
}

/* One that has a worker is scanned by that one, which alone knows what it is writing to. */
static struct worker *find_free(const struct scans *scans, unsigned slot)
{
    struct worker *own = scans->workers->slots[slot];

    if (worker_is_running(own))
        return is_free(own) ? own : NULL;
    for (unsigned i = 0; i < ID_SLOTS; i++) {
        if (is_free(scans->workers->slots[i]))
            return scans->workers->slots[i];
    }
    return NULL;
}

void scans_worker_ready(struct scans *scans)
{
    int64_t now_ms = loop_now_ms(scans->loop), wait_ms = -1;

    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        struct slot_scan *scan = &scans->slots[slot];
        struct worker *worker;

        if (!scan->is_wanted || scan->worker != NULL || scan->is_own)
            continue;
        if (scan->not_before_ms > now_ms) {
            if (wait_ms < 0 || scan->not_before_ms - now_ms < wait_ms)
                wait_ms = scan->not_before_ms - now_ms;
            continue;
        }
        worker = find_free(scans, slot);
        if (worker != NULL) /* else the next one that is ready or done comes here again */
            order(scans, slot, worker);
    }
    if (wait_ms >= 0)
        loop_timer_set_ms(scans->again, wait_ms);
}

void scans_want(struct scans *scans, unsigned slot)
{
    scans->slots[slot].is_wanted = true;
    scans->slots[slot].is_expected = false;
    scans->slots[slot].not_before_ms = 0;
    update_hold(scans);
    scans_worker_ready(scans);
}

void scans_want_again(struct scans *scans, unsigned slot)
{
    struct slot_scan *scan = &scans->slots[slot];

    if (scan->is_wanted)
        return;
    scan->is_wanted = true;
    scan->not_before_ms = loop_now_ms(scans->loop) + AGAIN_FIRST_MS;
    update_hold(scans);
    scans_worker_ready(scans);
}

bool scans_is_under_way(const struct scans *scans, unsigned slot)
{
    return scans->slots[slot].worker != NULL;
}

bool scans_may_report(const struct scans *scans, const struct worker *worker, unsigned slot)
{
    return slot < ID_SLOTS && (slot == worker->slot || scans->slots[slot].worker == worker);
}

static void end_foreign(struct scans *scans, unsigned slot)
{
    scans->slots[slot].worker->scans--;
    scans->slots[slot].worker = NULL;
    queue_scan_ended(scans->queue, slot);
    update_hold(scans);
    scans->done(slot, scans->arg);
}

void scans_worker_gone(struct scans *scans, struct worker *worker)
{
    if (scans->slots[worker->slot].is_own) {
        scans->slots[worker->slot].is_own = false;
        worker->is_recovering = false;
        queue_scan_ended(scans->queue, worker->slot);
    }
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        if (scans->slots[slot].worker != worker)
            continue;
        scans->slots[slot].is_wanted = true;
        end_foreign(scans, slot);
    }
    scans_worker_ready(scans);
}

/* A disk that fails may do so for good, and reading much of it again and again helps nobody. */
static void plan_another(struct scans *scans, unsigned slot, int err)
{
    struct slot_scan *scan = &scans->slots[slot];

    log_alert("scans", "a slot's spool could not be read: mail in it waits", LOG_INT("slot", slot),
              LOG_STR("reason", strerror(-err)));
    scan->again_ms = scan->is_failed ? 2 * scan->again_ms : AGAIN_FIRST_MS;
    if (scan->again_ms > AGAIN_MAX_MS)
        scan->again_ms = AGAIN_MAX_MS;
    scan->is_wanted = true;
    scan->is_failed = true;
    scan->not_before_ms = loop_now_ms(scans->loop) + scan->again_ms;
}

int scans_rescanned(struct scans *scans, struct worker *worker,
                    const struct ipc_rescanned *rescanned)
{
    unsigned slot = rescanned->slot;
    bool is_own = slot == worker->slot;

    if (slot >= ID_SLOTS ||
        (is_own ? !scans->slots[slot].is_own : scans->slots[slot].worker != worker))
        return -EBADMSG;
    log_info("scans", "spool scanned", LOG_INT("slot", slot), LOG_INT("by", worker->slot),
             LOG_INT("groups", rescanned->groups), LOG_INT("damaged", rescanned->damaged),
             LOG_STR("reason", rescanned->err != 0 ? strerror(-rescanned->err) : NULL));
    if (rescanned->damaged > 0)
        log_alert("scans", "damage was found in the spool and set aside in spool/damaged",
                  LOG_INT("slot", slot), LOG_INT("places", rescanned->damaged));
    if (rescanned->err != 0)
        plan_another(scans, slot, rescanned->err);
    else
        scans->slots[slot].is_failed = false;
    if (is_own) {
        scans->slots[slot].is_own = false;
        worker->is_recovering = false;
        queue_scan_ended(scans->queue, slot);
        update_hold(scans);
    } else {
        end_foreign(scans, slot);
    }
    scans_worker_ready(scans);
    return 0;
}

unsigned scans_open(const struct scans *scans)
{
    unsigned open = 0;

    for (unsigned slot = 0; slot < ID_SLOTS; slot++)
        open += is_open(&scans->slots[slot]) ? 1 : 0;
    return open;
}
