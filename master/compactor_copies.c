/* Two copies of a record. Both say the same at first; the newer is preferred, so that the older's
 * segment becomes free. What has been at work since it was found says more than the other, and
 * stays. The cell of the one that counts no more is marked; never that of the last. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/oom.h"
#include "master/cells.h"
#include "master/compactor_private.h"
#include "master/group.h"
#include "master/segments.h"

/* A cell that is being read or written. Until that is done no segment is used again. */
struct copy_call {
    struct compactor *compactor;
    struct ipc_mail_queued found; /* to check: the copy that was found */
    struct ipc_place place;       /* whose cell it is */
    bool is_waiting;              /* to mark: the group waits for it */
};

static void run_call(const struct copy_call *content, struct cell_change change,
                     cells_done_cb *done)
{
    struct compactor *compactor = content->compactor;
    struct cell_item *item = calloc(1, sizeof(*item));
    struct copy_call *call = malloc(sizeof(*call));

    if (item == NULL || call == NULL)
        oom_exit("compactor", "a mark"); /* the next start finds both copies again */
    *call = *content;
    *item = (struct cell_item){ .place = call->place, .change = change };
    segments_hold(compactor->segments);
    if (cells_run(compactor->cells, item, 1, done, call) == 0)
        return;
    item->err = -ENOMEM;
    done(item, 1, call);
}

static void end_call(struct copy_call *call, struct cell_item *items)
{
    segments_unhold(call->compactor->segments);
    free(items);
    free(call);
}

/* ---- marking ---- */

static void on_marked(struct cell_item *items, size_t count, void *arg)
{
    struct copy_call *call = arg;
    struct queue *queue = call->compactor->queue;
    struct group *group = queue_group(queue, call->place.id, call->place.group);

    (void)count;
    if (items[0].err != 0)
        log_alert("compactor", "cannot mark moved mail: a restart may deliver it again",
                  LOG_ID(call->place.id), LOG_STR("reason", strerror(-items[0].err)));
    if (call->is_waiting && group != NULL && group->state == QUEUE_CHECKING)
        queue_restore(queue, group);
    end_call(call, items);
}

/* The cell at `place` must not be believed after the next start. */
static void mark_moved(struct compactor *compactor, const struct ipc_place *place, bool is_waiting)
{
    const struct copy_call call = { .compactor = compactor,
                                    .place = *place,
                                    .is_waiting = is_waiting };

    run_call(&call, (struct cell_change){ .is_write = true, .move = true }, on_marked);
}

/* ---- going on in the newer one ---- */

static void set_copy(struct compactor *compactor, struct group *group,
                     const struct ipc_mail_queued *copy)
{
    queue_set_place(compactor->queue, group, &copy->place, copy->copy, copy->record_bytes);
    queue_set_note(compactor->queue, group, copy->note_slot, copy->note_segment, 0);
}

static void switch_to(struct compactor *compactor, struct group *group,
                      const struct ipc_mail_queued *copy)
{
    const struct ipc_place old = group->place;

    if (group->state != QUEUE_CHECKING)
        queue_set_checking(compactor->queue, group);
    group->moved_by = 0;
    set_copy(compactor, group, copy);
    mark_moved(compactor, &old, true);
}

static bool is_at_rest(const struct group *group)
{
    switch ((enum queue_state)group->state) {
    case QUEUE_READY:
    case QUEUE_WAITING:
    case QUEUE_HELD:
    case QUEUE_FAILED:
    case QUEUE_QUARANTINED: return true;
    case QUEUE_OUT:
    case QUEUE_CHECKING:
    case QUEUE_GONE:
    case QUEUE_STATE_COUNT: break;
    }
    return false;
}

/* ---- staying in the older one ---- */

/* The older one's cell says that it counts no more, or does not say anything. */
static void keep_copy(struct compactor *compactor, const struct ipc_mail_queued *copy,
                      bool is_moved)
{
    struct group *group = queue_group(compactor->queue, copy->place.id, copy->place.group);

    if (is_moved && group != NULL && is_at_rest(group)) {
        set_copy(compactor, group, copy);
        group->misses = 0;
        if (group->state == QUEUE_WAITING) /* for somebody to read it where it was */
            queue_set_waiting(compactor->queue, group, copy->next_attempt_s);
        return;
    }
    /* For good: nobody knows of it before the next start. */
    segments_pin(compactor->segments, copy->place.slot, copy->place.segment, copy->record_bytes);
    log_alert("compactor", "a message goes on in its other copy only after a restart",
              LOG_ID(copy->place.id), LOG_INT("group", copy->place.group));
}

static void on_checked(struct cell_item *items, size_t count, void *arg)
{
    struct copy_call *call = arg;
    const struct group *group =
        queue_group(call->compactor->queue, call->place.id, call->place.group);
    const bool is_moved = items[0].err == 0 && items[0].cell.stage == CELL_MOVED;

    (void)count;
    if (group != NULL && !compactor_is_same_place(&group->place, &call->place))
        compactor_found_copy(call->compactor, &call->found); /* it went on elsewhere meanwhile */
    else if (items[0].err == 0 && !is_moved)
        mark_moved(call->compactor, &call->found.place, false);
    else
        keep_copy(call->compactor, &call->found, is_moved);
    end_call(call, items);
}

/* ---- both ---- */

static bool is_newer(const struct ipc_mail_queued *queued, const struct group *group)
{
    return (int8_t)(uint8_t)(queued->copy - group->copy) > 0;
}

void compactor_found_copy(struct compactor *compactor, const struct ipc_mail_queued *queued)
{
    struct group *group = queue_group(compactor->queue, queued->place.id, queued->place.group);
    const struct run *run = group != NULL ? compactor_run_of(compactor, group) : NULL;
    const bool is_orphan = run != NULL && run->state == RUN_ORPHANED;

    if (group == NULL || compactor_is_same_place(&group->place, &queued->place) ||
        (run != NULL && !is_orphan)) /* whoever moves it will say where it goes on */
        return;
    log_info("compactor", "a message is there twice", LOG_ID(queued->place.id),
             LOG_INT("group", queued->place.group));
    if (!is_newer(queued, group) || group->state == QUEUE_GONE) {
        mark_moved(compactor, &queued->place, false);
    } else if (is_orphan || (is_at_rest(group) && !group->is_touched)) {
        switch_to(compactor, group, queued);
    } else {
        const struct copy_call call = { .compactor = compactor,
                                        .found = *queued,
                                        .place = group->place };

        run_call(&call, (struct cell_change){ 0 }, on_checked);
    }
}
