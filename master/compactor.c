#include "master/compactor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/channel.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "master/cells.h"
#include "master/group.h"
#include "master/segments.h"
#include "master/worker.h"

#define LOOK_MS     1000
#define SLICE       8192U /* groups looked at in one turn */
#define REST_MS     10000 /* of a segment in which something had to stay */
#define BAD_REST_MS 60000 /* the same, because of an error */

/* `reserved` of a place that was collected. */
enum { PLACE_TAKEN, PLACE_BUSY, PLACE_MOVED };

/*   WALKING --> OUT --> over
 *                |
 *                +--> ORPHANED --> over */
enum run_state {
    RUN_WALKING,  /* the groups are being collected */
    RUN_OUT,      /* the worker is at it */
    RUN_ORPHANED, /* the worker is gone: what it did is known when its slot was scanned */
};

struct run {
    TAILQ_ENTRY(run) link;
    struct ipc_segment what;
    enum run_state state;
    uint16_t worker; /* slot of the one that does it */
    uint32_t next;   /* group to be looked at */
    struct ipc_place *places;
    size_t count, room;
    bool is_short; /* of memory: what it could not note must stay */
};

struct compactor {
    struct loop *loop;
    struct queue *queue;
    struct segments *segments;
    struct workers *workers;
    struct cells *cells;
    struct loop_timer *timer;
    TAILQ_HEAD(, run) runs;
    bool is_stopped;
};

static void on_timer(void *arg);

struct compactor *compactor_new(struct loop *loop, struct queue *queue, struct segments *segments,
                                struct workers *workers, struct cells *cells)
{
    struct compactor *compactor = calloc(1, sizeof(*compactor));

    if (compactor == NULL)
        return NULL;
    *compactor = (struct compactor){
        .loop = loop, .queue = queue, .segments = segments, .workers = workers, .cells = cells
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

void compactor_stop(struct compactor *compactor)
{
    compactor->is_stopped = true;
}

static struct run *run_of(const struct compactor *compactor, unsigned worker_slot)
{
    struct run *run;

    TAILQ_FOREACH (run, &compactor->runs, link) {
        if (run->worker == worker_slot)
            return run;
    }
    return NULL;
}

/* ---- the end of a run ---- */

static bool is_same_place(const struct ipc_place *a, const struct ipc_place *b)
{
    return a->id == b->id && a->group == b->group && a->slot == b->slot &&
           a->segment == b->segment && a->offset == b->offset;
}

/* The group of a place that was taken, as long as it is ours. */
static struct group *group_of(const struct compactor *compactor, const struct ipc_place *place)
{
    struct group *group = queue_group(compactor->queue, place->id, place->group);

    if (group == NULL || group->state != QUEUE_CHECKING || !is_same_place(&group->place, place))
        return NULL;
    return group;
}

static void give_back(struct compactor *compactor, struct ipc_place *place)
{
    struct group *group = place->reserved == PLACE_TAKEN ? group_of(compactor, place) : NULL;

    if (group != NULL)
        queue_restore(compactor->queue, group);
}

static void end_run(struct compactor *compactor, struct run *run, int64_t rest_ms)
{
    for (size_t i = 0; i < run->count; i++)
        give_back(compactor, &run->places[i]);
    segments_set_compacting(compactor->segments, run->worker, false);
    if (rest_ms > 0)
        segments_rest(compactor->segments, run->what.slot, run->what.segment, rest_ms);
    free_run(compactor, run);
}

/* ---- collecting ---- */

static bool add_place(struct run *run, const struct ipc_place *place, uint32_t kind)
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
    run->places[run->count] = *place;
    run->places[run->count++].reserved = kind;
    return true;
}

static void look_at(struct compactor *compactor, struct run *run, struct group *group)
{
    const bool is_record =
        group->place.segment == run->what.segment && group->place.slot == run->what.slot;
    const bool is_note =
        group->note_segment == run->what.segment && group->note_slot == run->what.slot;

    if ((!is_record && !is_note) || group->state == QUEUE_GONE)
        return;
    if (group->state == QUEUE_OUT || group->state == QUEUE_CHECKING) {
        if (is_record)
            (void)add_place(run, &group->place, PLACE_BUSY);
        return;
    }
    if (add_place(run, &group->place, PLACE_TAKEN))
        queue_set_checking(compactor->queue, group);
}

static int compare_places(const void *a, const void *b)
{
    const struct ipc_place *x = a, *y = b;

    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->group < y->group ? -1 : x->group > y->group;
}

/* A record is moved with all its groups or not at all. */
static void leave_out_busy(struct compactor *compactor, struct run *run)
{
    size_t kept = 0;

    for (size_t first = 0, end; first < run->count; first = end) {
        bool is_busy = false;

        for (end = first; end < run->count && run->places[end].slot == run->places[first].slot &&
                          run->places[end].segment == run->places[first].segment &&
                          run->places[end].offset == run->places[first].offset;
             end++)
            is_busy = is_busy || run->places[end].reserved == PLACE_BUSY;
        for (size_t i = first; i < end; i++) {
            if (is_busy)
                give_back(compactor, &run->places[i]);
            else
                run->places[kept++] = run->places[i];
        }
    }
    run->count = kept;
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

    if (run->count > 0)
        qsort(run->places, run->count, sizeof(*run->places), compare_places);
    leave_out_busy(compactor, run);
    if (run->count == 0 || run->is_short || compactor->is_stopped || !worker_is_running(worker) ||
        send_run(run, worker) != 0)
        end_run(compactor, run, REST_MS);
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

    return worker != NULL && run_of(compactor, worker->slot) == NULL;
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
    segments_set_compacting(compactor->segments, run->worker, true);
    TAILQ_INSERT_TAIL(&compactor->runs, run, link);
    return true;
}

static void on_timer(void *arg)
{
    struct compactor *compactor = arg;
    const bool is_complete = !segments_is_held(compactor->segments);
    bool is_walking = false;
    struct run *run, *next;

    for (run = TAILQ_FIRST(&compactor->runs); run != NULL; run = next) {
        next = TAILQ_NEXT(run, link);
        if (run->state == RUN_WALKING)
            walk(compactor, run);
        else if (run->state == RUN_ORPHANED && is_complete)
            end_run(compactor, run, REST_MS);
    }
    while (!compactor->is_stopped && is_complete && begin_run(compactor))
        ;
    TAILQ_FOREACH (run, &compactor->runs, link)
        is_walking = is_walking || run->state == RUN_WALKING;
    loop_timer_set_ms(compactor->timer, is_walking ? 0 : LOOK_MS);
}

/* ---- what workers say ---- */

int compactor_moved(struct compactor *compactor, struct worker *worker,
                    const struct ipc_mail_moved *moved)
{
    struct run *run = run_of(compactor, worker->slot);
    const bool is_record = !is_same_place(&moved->from, &moved->place);
    struct ipc_place *place;
    struct group *group;

    if (run == NULL || run->state != RUN_OUT)
        return -EBADMSG;
    place = bsearch(&moved->from, run->places, run->count, sizeof(*run->places), compare_places);
    if (place == NULL || place->reserved != PLACE_TAKEN || place->id != moved->from.id ||
        moved->place.id != place->id || moved->place.group != place->group ||
        moved->note_slot >= ID_SLOTS ||
        (is_record && (moved->place.slot != worker->slot || moved->place.segment == 0)))
        return -EBADMSG;
    group = group_of(compactor, place);
    place->reserved = PLACE_MOVED;
    if (group == NULL)
        return -EBADMSG;
    if (is_record)
        queue_set_place(compactor->queue, group, &moved->place, moved->copy, moved->record_bytes);
    queue_set_note(compactor->queue, group, moved->note_slot, moved->note_segment);
    queue_restore(compactor->queue, group);
    return 0;
}

int compactor_ended(struct compactor *compactor, struct worker *worker,
                    const struct ipc_segment_compacted *ended)
{
    struct run *run = run_of(compactor, worker->slot);
    bool is_left;

    if (run == NULL || run->state != RUN_OUT || run->what.slot != ended->slot ||
        run->what.segment != ended->segment)
        return -EBADMSG;
    is_left = ended->moved < run->count;
    LOG_EVENT(ended->err != 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "compactor",
              "mail was moved out of a segment", LOG_INT("slot", ended->slot),
              LOG_INT("segment", ended->segment), LOG_INT("moved", ended->moved),
              LOG_INT("left", (int64_t)(run->count - ended->moved)),
              LOG_STR("reason", ended->err != 0 ? strerror(-ended->err) : NULL));
    end_run(compactor, run, ended->err != 0 ? BAD_REST_MS : is_left ? REST_MS : 0);
    loop_timer_set_ms(compactor->timer, 0); /* the next one */
    return 0;
}

void compactor_worker_gone(struct compactor *compactor, const struct worker *worker)
{
    struct run *run = run_of(compactor, worker->slot);

    if (run == NULL)
        return;
    if (run->state == RUN_WALKING)
        end_run(compactor, run, 0);
    else
        run->state = RUN_ORPHANED;
}

/* ---- two copies ---- */

struct mark {
    struct compactor *compactor;
    uint64_t id;
    unsigned group;
    bool is_waiting; /* the group waits for it */
};

static void on_marked(struct cell_item *items, size_t count, void *arg)
{
    struct mark mark = *(struct mark *)arg;
    struct queue *queue = mark.compactor->queue;
    struct group *group = queue_group(queue, mark.id, mark.group);

    (void)count;
    if (items[0].err != 0)
        log_alert("compactor", "cannot mark moved mail: a restart may deliver it again",
                  LOG_ID(mark.id), LOG_STR("reason", strerror(-items[0].err)));
    if (mark.is_waiting && group != NULL && group->state == QUEUE_CHECKING)
        queue_restore(queue, group);
    segments_unhold(mark.compactor->segments);
    free(items);
    free(arg);
}

/* The cell at `place` must not be believed after the next start. No segment is used again until it
 * says so. */
static void mark_moved(struct compactor *compactor, const struct ipc_place *place, bool is_waiting)
{
    struct cell_item *item = calloc(1, sizeof(*item));
    struct mark *mark = calloc(1, sizeof(*mark));

    if (item == NULL || mark == NULL)
        abort(); /* the next start finds both copies again */
    *item = (struct cell_item){ .place = *place, .change = { .is_write = true, .move = true } };
    *mark = (struct mark){
        .compactor = compactor, .id = place->id, .group = place->group, .is_waiting = is_waiting
    };
    segments_hold(compactor->segments);
    if (cells_run(compactor->cells, item, 1, on_marked, mark) == 0)
        return;
    item->err = -ENOMEM;
    on_marked(item, 1, mark);
}

static bool is_orphan(const struct compactor *compactor, const struct group *group)
{
    const struct run *run;

    TAILQ_FOREACH (run, &compactor->runs, link) {
        const struct ipc_place *place = run->state == RUN_ORPHANED
                                            ? bsearch(&group->place, run->places, run->count,
                                                      sizeof(*run->places), compare_places)
                                            : NULL;

        if (place != NULL && place->reserved == PLACE_TAKEN)
            return true;
    }
    return false;
}

/* Nobody is at work on it: it can go on from another place. */
static bool can_switch(const struct compactor *compactor, const struct group *group)
{
    switch ((enum queue_state)group->state) {
    case QUEUE_READY:
    case QUEUE_WAITING:
    case QUEUE_HELD:
    case QUEUE_FAILED: return true;
    case QUEUE_CHECKING: return is_orphan(compactor, group);
    case QUEUE_OUT:
    case QUEUE_GONE:
    case QUEUE_STATE_COUNT: break;
    }
    return false;
}

void compactor_found_copy(struct compactor *compactor, const struct ipc_mail_queued *queued)
{
    struct group *group = queue_group(compactor->queue, queued->place.id, queued->place.group);
    struct ipc_place old;

    if (group == NULL || is_same_place(&group->place, &queued->place))
        return;
    log_info("compactor", "a message is there twice: the newer copy counts",
             LOG_ID(queued->place.id), LOG_INT("group", queued->place.group));
    /* Both say the same until the older one's cell is marked, so either will do. */
    if ((int8_t)(uint8_t)(queued->copy - group->copy) <= 0 || !can_switch(compactor, group)) {
        mark_moved(compactor, &queued->place, false);
        return;
    }
    old = group->place;
    if (group->state != QUEUE_CHECKING)
        queue_set_checking(compactor->queue, group);
    queue_set_place(compactor->queue, group, &queued->place, queued->copy, queued->record_bytes);
    queue_set_note(compactor->queue, group, queued->note_slot, queued->note_segment);
    mark_moved(compactor, &old, true);
}
