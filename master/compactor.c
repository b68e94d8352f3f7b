#include "master/compactor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/channel.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "master/compactor_private.h"
#include "master/group.h"
#include "master/segments.h"
#include "master/worker.h"

#define LOOK_MS        250
#define SEALED_MS      50     /* what is on its way at the seal has mostly left by then */
#define SLICE          8192U  /* groups looked at in one turn */
#define RUN_PLACES_MAX 65536U /* in one run: what more there is has another */
#define REST_MS        10000  /* of a segment in which something had to stay */
#define BAD_REST_MS    60000  /* the same, because of an error */
#define READY_MS       10000

static void on_timer(void *arg);

struct compactor *compactor_new(struct loop *loop, struct queue *queue, struct segments *segments,
                                struct workers *workers, struct cells *cells)
{
    struct compactor *compactor = calloc(1, sizeof(*compactor));

    if (compactor == NULL)
        return NULL;
    *compactor = (struct compactor){
        .loop = loop,
        .queue = queue,
        .segments = segments,
        .workers = workers,
        .cells = cells,
        .ready_ms = READY_MS,
    };
    TAILQ_INIT(&compactor->runs);
    compactor->timer = loop_timer_new(loop, on_timer, compactor);
    if (compactor->timer == NULL) {
        free(compactor);
        return NULL;
    }
    loop_timer_set_ms(compactor->timer, LOOK_MS);
    return compactor;
}

static void free_run(struct compactor *compactor, struct run *run)
{
    TAILQ_REMOVE(&compactor->runs, run, link);
    free(run->places);
    free(run);
}

void compactor_free(struct compactor **compactor)
{
    if (*compactor == NULL)
        return;
    while (!TAILQ_EMPTY(&(*compactor)->runs))
        free_run(*compactor, TAILQ_FIRST(&(*compactor)->runs));
    loop_timer_free(&(*compactor)->timer);
    free(*compactor);
    *compactor = NULL;
}

void compactor_set_ready_ms(struct compactor *compactor, int64_t ready_ms)
{
    compactor->ready_ms = ready_ms;
}

void compactor_stop(struct compactor *compactor)
{
    compactor->is_stopped = true;
}

/* ---- whose a group is ---- */

static struct run *run_at(const struct compactor *compactor, unsigned worker_slot)
{
    struct run *run;

    TAILQ_FOREACH (run, &compactor->runs, link) {
        if (run->worker == worker_slot)
            return run;
    }
    return NULL;
}

struct run *compactor_run_of(const struct compactor *compactor, const struct group *group)
{
    return group->moved_by != 0 ? run_at(compactor, group->moved_by - 1U) : NULL;
}

static void take(struct compactor *compactor, const struct run *run, struct group *group)
{
    queue_set_checking(compactor->queue, group);
    group->moved_by = run->worker + 1;
    group->may_be_twice = true;
}

static void let_go(struct compactor *compactor, struct group *group)
{
    group->moved_by = 0;
    queue_restore(compactor->queue, group);
}

/* ---- the end of a run ---- */

static void end_run(struct compactor *compactor, struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        struct group *group = queue_at(compactor->queue, run->places[i].reserved);

        if (group != NULL && group->moved_by == run->worker + 1)
            let_go(compactor, group);
    }
    segments_set_compacting(compactor->segments, run->worker, false);
    free_run(compactor, run);
}

/* What would only end like this again waits, each time longer; what is about to leave does not. */
static void end_in_vain(struct compactor *compactor, struct run *run, int64_t rest_ms)
{
    segments_rest(compactor->segments, run->what.slot, run->what.segment, rest_ms, !run->is_young);
    end_run(compactor, run);
}

/* ---- collecting ---- */

static bool add_place(struct run *run, const struct group *group)
{
    if (run->count == run->room) {
        size_t room = run->room == 0 ? 256 : 2 * run->room;
        struct ipc_place *grown = reallocarray(run->places, room, sizeof(*grown));

        if (grown == NULL) {
            run->is_short = true;
            return false;
        }
        run->places = grown;
        run->room = room;
    }
    run->places[run->count] = group->place;
    run->places[run->count++].reserved = group->number;
    return true;
}

/* A backlog that moves on would be copied again and again, and what came later would go first. */
static bool is_about_to_leave(const struct run *run, const struct group *group)
{
    return run->is_young && group->state == QUEUE_READY;
}

/* What is out, or being looked at, stays, and with it all of its record: its cell says that it is
 * alive, and it is not listed. */
static void look_at(struct compactor *compactor, struct run *run, struct group *group)
{
    const bool is_record =
        group->place.segment == run->what.segment && group->place.slot == run->what.slot;
    const bool is_note =
        group->note_segment == run->what.segment && group->note_slot == run->what.slot;

    if ((!is_record && !is_note) || group->state == QUEUE_GONE || group->state == QUEUE_OUT ||
        group->state == QUEUE_CHECKING || is_about_to_leave(run, group))
        return;
    run->is_cut = run->is_cut || run->count == RUN_PLACES_MAX;
    if (!run->is_cut && add_place(run, group))
        take(compactor, run, group);
}

static int send_run(struct run *run, struct worker *worker)
{
    const struct ipc_segment_compact order = { .slot = run->what.slot,
                                               .segment = run->what.segment,
                                               .count = (uint32_t)run->count };
    int fd = memfd_seal("places", run->places, run->count * sizeof(*run->places));

    if (fd < 0)
        return fd;
    channel_send_fd(worker->channel, IPC_SEGMENT_COMPACT, &order, fd);
    run->state = RUN_OUT;
    return 0;
}

static void end_walk(struct compactor *compactor, struct run *run)
{
    struct worker *worker = compactor->workers->slots[run->worker];

    if (run->count == 0 || run->is_short || compactor->is_stopped || !worker_is_running(worker) ||
        send_run(run, worker) != 0)
        end_in_vain(compactor, run, REST_MS);
}

/* A group that comes while the walk is under way is new, and so in another segment. */
static void walk(struct compactor *compactor, struct run *run)
{
    uint32_t end = queue_numbers(compactor->queue);

    if (end - run->next > SLICE)
        end = run->next + SLICE;
    for (; run->next < end; run->next++) {
        struct group *group = queue_at(compactor->queue, run->next);

        if (group != NULL)
            look_at(compactor, run, group);
    }
    if (run->next >= queue_numbers(compactor->queue))
        end_walk(compactor, run);
}

/* ---- the beginning ---- */

/* Its slot's own, or for a slot that has none whoever has the least to do. */
static struct worker *worker_for(const struct compactor *compactor, unsigned slot)
{
    struct worker *worker = compactor->workers->slots[slot];

    if (worker == NULL)
        worker = workers_least_loaded(compactor->workers);
    return worker_is_running(worker) && !worker->is_recovering ? worker : NULL;
}

static bool may_empty(unsigned slot, void *arg)
{
    const struct compactor *compactor = arg;
    const struct worker *worker = worker_for(compactor, slot);

    return worker != NULL && run_at(compactor, worker->slot) == NULL;
}

static bool begin_run(struct compactor *compactor)
{
    struct ipc_segment what;
    struct run *run;

    if (!segments_choose(compactor->segments, loop_now_ms(compactor->loop), may_empty, compactor,
                         &what))
        return false;
    run = calloc(1, sizeof(*run));
    if (run == NULL)
        return false;
    run->what = what;
    run->worker = worker_for(compactor, what.slot)->slot;
    run->is_young =
        segments_age_ms(compactor->segments, what.slot, what.segment) < compactor->ready_ms;
    segments_set_compacting(compactor->segments, run->worker, true);
    TAILQ_INSERT_TAIL(&compactor->runs, run, link);
    return true;
}

static struct run *first_in(const struct compactor *compactor, enum run_state state)
{
    struct run *run;

    TAILQ_FOREACH (run, &compactor->runs, link) {
        if (run->state == state)
            return run;
    }
    return NULL;
}

/* One walks at a time, so that no turn is long. */
static void on_timer(void *arg)
{
    struct compactor *compactor = arg;
    const bool is_complete = !segments_is_held(compactor->segments);
    struct run *run = first_in(compactor, RUN_WALKING);

    if (run != NULL)
        walk(compactor, run);
    while (is_complete && (run = first_in(compactor, RUN_ORPHANED)) != NULL)
        end_run(compactor, run);
    while (!compactor->is_stopped && is_complete && begin_run(compactor))
        ;
    loop_timer_set_ms(compactor->timer, first_in(compactor, RUN_WALKING) != NULL ? 0 : LOOK_MS);
}

/* ---- what workers say ---- */

void compactor_sealed(struct compactor *compactor)
{
    if (first_in(compactor, RUN_WALKING) == NULL)
        loop_timer_set_ms(compactor->timer, SEALED_MS);
}

int compactor_moved(struct compactor *compactor, struct worker *worker,
                    const struct ipc_mail_moved *moved)
{
    const struct run *run = run_at(compactor, worker->slot);
    const struct ipc_place *from = &moved->from, *to = &moved->place;
    const bool is_record = !compactor_is_same_place(from, to);
    struct group *group = queue_group(compactor->queue, from->id, from->group);

    if (run == NULL || run->state != RUN_OUT || group == NULL ||
        group->moved_by != worker->slot + 1 || !compactor_is_same_place(&group->place, from) ||
        to->id != from->id || to->group != from->group || moved->note_slot >= ID_SLOTS ||
        (is_record && (to->slot != worker->slot || to->segment == 0)))
        return -EBADMSG;
    if (is_record)
        queue_set_place(compactor->queue, group, to, moved->copy, moved->record_bytes);
    queue_set_note(compactor->queue, group, moved->note_slot, moved->note_segment,
                   moved->note_bytes);
    let_go(compactor, group);
    return 0;
}

static void tell_end(const struct run *run, const struct ipc_segment_compacted *ended)
{
    LOG_EVENT(ended->err != 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "compactor",
              "mail was moved out of a segment", LOG_INT("slot", ended->slot),
              LOG_INT("segment", ended->segment), LOG_INT("moved", ended->moved),
              LOG_INT("left", (int64_t)run->count - ended->moved),
              LOG_STR("reason", ended->err != 0 ? strerror(-ended->err) : NULL));
}

int compactor_ended(struct compactor *compactor, struct worker *worker,
                    const struct ipc_segment_compacted *ended)
{
    struct run *run = run_at(compactor, worker->slot);
    const bool is_full = ended->err == -ENOSPC || ended->err == -EDQUOT;

    if (run == NULL || run->state != RUN_OUT || run->what.slot != ended->slot ||
        run->what.segment != ended->segment)
        return -EBADMSG;
    tell_end(run, ended);
    if (ended->err != 0 || ended->moved == 0 || (ended->moved < run->count && !run->is_cut))
        segments_rest(compactor->segments, ended->slot, ended->segment,
                      ended->err != 0 && !is_full ? BAD_REST_MS : REST_MS,
                      ended->moved == 0 && !is_full);
    end_run(compactor, run);
    loop_timer_set_ms(compactor->timer, 0); /* the next one */
    return 0;
}

void compactor_worker_gone(struct compactor *compactor, const struct worker *worker)
{
    struct run *run = run_at(compactor, worker->slot);

    if (run == NULL)
        return;
    if (run->state == RUN_WALKING)
        end_run(compactor, run);
    else
        run->state = RUN_ORPHANED;
}
