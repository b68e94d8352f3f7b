#include "master/settle.h"

#include "common/cell.h"
#include "common/clock.h"
#include "master/group.h"

#define MOVED_WAIT_MS 60000

static bool is_due(uint32_t next_attempt_s)
{
    return next_attempt_s <= clock_to_epoch_s(clock_wall_ms());
}

void settle_by_cell(struct queue *queue, struct group *group, const struct cell *cell)
{
    if (cell->stage == CELL_DONE || cell->stage == CELL_DELETED) {
        queue_drop(queue, group);
        return;
    }
    if (cell->stage == CELL_MOVED) { /* a scan finds the copy */
        queue_set_waiting_ms(queue, group, MOVED_WAIT_MS);
        return;
    }
    if (cell->profile != 0)
        (void)queue_set_relay(queue, group, cell->profile);
    queue_set_stages(group, cell->flags);
    (void)queue_restage(queue, group); /* else when it is its turn */
    group->crashes = cell->crashes;
    group->attempts = cell->attempts;
    group->next_attempt_s = cell->next_attempt_s;
    group->is_deferred_by_servers = true; /* the cell does not say it: it may be so */
    queue_set_note(queue, group, cell->note.slot, cell->note.segment, 0);
    if (cell->stage == CELL_FAILED)
        queue_set_failed(queue, group);
    else if ((cell->flags & CELL_QUARANTINED) != 0)
        queue_set_quarantined(queue, group);
    else if ((cell->flags & CELL_HELD) != 0)
        queue_set_held(queue, group);
    else if (cell->attempts > 0 && !is_due(cell->next_attempt_s))
        queue_set_waiting(queue, group, cell->next_attempt_s);
    else
        queue_set_ready(queue, group, true);
}
