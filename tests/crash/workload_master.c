/* The harness as the master: it hears of mail, has attempts made, and has segments emptied and used
 * again when nothing in them is needed. */
#include "workload_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/memfd.h"
#include "record.h"
#include "worker/message.h"
#include "worker/segment_cache.h"

#define PLACES_MAX 512U

static bool is_open(const struct ledger_group *group)
{
    return group->is_known && !ledger_is_finished(group);
}

static struct message *open_message(struct work *work, const struct ipc_place *place)
{
    struct message *message = NULL;
    struct reason why = { "" };

    if (message_open(work->gateway->cache, place, &message, &why) == 0)
        return message;
    (void)fprintf(stderr, "crash_points: %s\n", why.text);
    abort();
}

/* ---- what is reported ---- */

static uint64_t incarnation_of(struct gateway *gateway, uint32_t number)
{
    struct segment *segment;
    uint64_t incarnation;

    if (segment_hold(gateway->cache, GATEWAY_SLOT, number, &segment, NULL) < 0)
        abort();
    incarnation = segment_incarnation(segment);
    segment_release(segment);
    return incarnation;
}

/* Of two copies of a record the lower one must not be found open again. */
static void mark_moved(struct work *work, const struct ipc_place *place)
{
    struct message *message = open_message(work, place);

    message->cell.stage = CELL_MOVED;
    if (message_record(message) != 0 || fdatasync(message_state_fd(message)) != 0)
        abort();
    message_free(&message);
}

/* It may have been written anew elsewhere: where it lies now stands in the cell. */
static void find_note(struct work *work, struct ledger_group *group)
{
    struct ledger_note *note = group->states[group->state_count - 1].note;
    struct message *message;

    if (note == NULL || note->released_at != LEDGER_NEVER)
        return;
    message = open_message(work, &group->place);
    note->place = message->cell.note;
    message_free(&message);
}

static void hear_queued(struct work *work, const struct ipc_mail_queued *queued)
{
    struct ledger_message *message = ledger_find(work->ledger, queued->place.id);
    struct ledger_group *group;

    if (message == NULL)
        return; /* given to a restarted spool by a check */
    group = &message->groups[queued->place.group];
    if (group->is_known) {
        const bool is_newer = queued->copy > group->copy;

        mark_moved(work, is_newer ? &group->place : &queued->place);
        if (!is_newer)
            return;
    }
    group->place = queued->place;
    group->copy = queued->copy;
    group->is_known = true;
    message->incarnation = incarnation_of(work->gateway, queued->place.segment);
    find_note(work, group);
}

static bool is_copied(const struct ipc_mail_moved *moved)
{
    return moved->place.segment != moved->from.segment || moved->place.slot != moved->from.slot;
}

/* A segment that was emptied is used again: neither the group nor its note may lie in it now, and
 * the master must have been told where the note is. */
static void check_moved(struct work *work, const struct ipc_mail_moved *moved)
{
    struct message *message = open_message(work, &moved->place);
    const struct cell_note_place note = message->cell.note;

    message_free(&message);
    if (moved->place.segment != work->compacting && note.segment != work->compacting &&
        note.segment == moved->note_segment)
        return;
    work->wrong++;
    (void)fprintf(
        stderr, "    WRONG: out of segment %u a group was moved to %u, its note to %u, told: %u\n",
        work->compacting, moved->place.segment, note.segment, moved->note_segment);
}

/* The group goes on where its copy lies. A copy's state was synced before it; where only the note
 * was moved, or had been before, the state in the cell has no other promise than it had. */
static void hear_moved(struct work *work, const struct ipc_mail_moved *moved)
{
    struct ledger_message *message = ledger_find(work->ledger, moved->from.id);
    struct ledger_group *group = &message->groups[moved->from.group];
    struct ledger_state *last = &group->states[group->state_count - 1];

    group->place = moved->place;
    group->copy = moved->copy;
    group->is_moving = false; /* from now on attempts are made, though the compaction goes on */
    if (is_copied(moved) && record_position() < last->promised_at)
        last->promised_at = record_position();
    work->figures->moved++;
    check_moved(work, moved);
    find_note(work, group);
}

static void end_compaction(struct work *work)
{
    work->is_compacting = false;
    if (work->gateway->compacted.err != 0)
        abort();
    for (size_t i = 0; i < work->ledger->count; i++) {
        struct ledger_message *message = work->ledger->messages[i];

        for (uint32_t g = 0; g < message->envelope.group_count; g++)
            message->groups[g].is_moving = false;
    }
}

void work_hear(struct work *work)
{
    struct gateway *gateway = work->gateway;

    for (; work->heard_queued < gateway->queued_count; work->heard_queued++) {
        hear_queued(work, &gateway->queued[work->heard_queued]);
        spooler_credit(gateway->spooler, 1);
    }
    for (; work->heard_moved < gateway->moved_count; work->heard_moved++)
        hear_moved(work, &gateway->moved[work->heard_moved]);
    if (work->is_compacting && gateway->compacted_count > work->heard_compacted)
        end_compaction(work);
    work->heard_compacted = gateway->compacted_count;
}

/* ---- attempts ---- */

/* Some stay for long, and are moved from segment to segment, also into one that they lay in before.
 */
static uint32_t patience(const struct work *work, const struct ledger_message *message)
{
    if (message->number % 6 == 0)
        return 200;
    return work->quiet > 0 ? 3 : 20;
}

void work_deliver(struct work *work)
{
    work->live = 0;
    for (size_t i = 0; i < work->ledger->count; i++) {
        struct ledger_message *message = work->ledger->messages[i];

        for (uint32_t g = 0; g < message->envelope.group_count; g++) {
            struct ledger_group *group = &message->groups[g];

            if (!is_open(group))
                continue;
            work->live++;
            if (!ledger_is_out(group) && dice_one_in(work->dice, patience(work, message)))
                work_attempt(work, message, g);
        }
    }
}

/* ---- segments ---- */

static bool lies_in(const struct ledger_group *group, uint32_t number)
{
    const struct ledger_note *note = ledger_last(group)->note;

    return group->place.segment == number || (note != NULL && note->place.segment == number);
}

struct places {
    struct ipc_place items[PLACES_MAX];
    size_t count;
    bool is_busy; /* something is under way with one of them */
};

/* The groups that need the segment. */
static void find_places(const struct work *work, uint32_t number, struct places *places)
{
    places->count = 0;
    places->is_busy = false;
    for (size_t i = 0; i < work->ledger->count; i++) {
        const struct ledger_message *message = work->ledger->messages[i];

        for (uint32_t g = 0; g < message->envelope.group_count; g++) {
            const struct ledger_group *group = &message->groups[g];

            if (!is_open(group) || !lies_in(group, number) || places->count == PLACES_MAX)
                continue;
            places->items[places->count++] = group->place;
            places->is_busy = places->is_busy || ledger_is_out(group);
        }
    }
}

static void hand_back(struct work *work, uint32_t number)
{
    for (size_t i = 0; i < work->ledger->note_count; i++) {
        struct ledger_note *note = work->ledger->notes[i];

        if (note->place.segment == number && note->released_at == LEDGER_NEVER)
            note->released_at = record_position();
    }
    segment_cache_gone(work->gateway->cache, GATEWAY_SLOT, number);
    spooler_segment_reuse(work->gateway->spooler, GATEWAY_SLOT, number);
    work->figures->handed_back++;
}

static int compare_places(const void *a, const void *b)
{
    const struct ipc_place *x = a, *y = b;

    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->group < y->group ? -1 : x->group > y->group;
}

static void compact(struct work *work, uint32_t number, struct places *places)
{
    struct ipc_segment_compact order = { .slot = GATEWAY_SLOT,
                                         .segment = number,
                                         .count = (uint32_t)places->count };
    int fd;

    qsort(places->items, places->count, sizeof(*places->items), compare_places);
    for (size_t i = 0; i < places->count; i++) {
        struct ledger_message *message = ledger_find(work->ledger, places->items[i].id);
        struct ledger_group *group = &message->groups[places->items[i].group];

        group->is_moving = true;
        message->may_be_copied = true;
    }
    fd = memfd_seal("places", places->items, places->count * sizeof(*places->items));
    if (fd < 0)
        abort();
    spooler_compact(work->gateway->spooler, &order, fd);
    work->is_compacting = true;
    work->compacting = number;
    work->figures->compacted++;
}

void work_tidy(struct work *work)
{
    static struct places places;
    struct gateway *gateway = work->gateway;

    for (size_t i = gateway->sealed_count; i-- > 0 && work->notes_under_way == 0;) {
        const struct ipc_segment_sealed sealed = gateway->sealed[i];

        find_places(work, sealed.segment, &places);
        if (places.count == 0 && work->is_compacting)
            continue; /* copies of which nobody has told yet may lie in it */
        if (places.count == 0) {
            gateway->sealed[i] = gateway->sealed[--gateway->sealed_count];
            hand_back(work, sealed.segment);
        } else if (sealed.bytes > 0 && !places.is_busy && !work->is_compacting &&
                   dice_one_in(work->dice, 12)) {
            compact(work, sealed.segment, &places);
        }
    }
}

void work_forget(struct work *work)
{
    for (size_t i = 0; i < work->ledger->count; i++) {
        struct ledger_message *message = work->ledger->messages[i];

        for (uint32_t g = 0; g < message->envelope.group_count; g++) {
            struct ledger_group *group = &message->groups[g];

            group->is_known = group->is_busy = group->is_moving = false;
        }
    }
    work->heard_queued = work->heard_moved = 0;
    work->is_compacting = false;
}
