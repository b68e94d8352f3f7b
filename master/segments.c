#include "master/segments_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/channel.h"
#include "common/loop.h"
#include "common/oom.h"
#include "master/jobs.h"
#include "master/worker.h"

#define LOOK_AGAIN_MS 100 /* at jobs that were under way at a seal */

static void on_look_again(void *arg);

struct segments *segments_new(struct workers *workers)
{
    struct segments *segments = calloc(1, sizeof(*segments));

    if (segments == NULL)
        return NULL;
    segments->workers = workers;
    TAILQ_INIT(&segments->postponed);
    segments->look_again = loop_timer_new(workers->loop, on_look_again, segments);
    if (segments->look_again == NULL)
        segments_free(&segments);
    return segments;
}

void segments_free(struct segments **segments)
{
    if (*segments == NULL)
        return;
    for (size_t i = 0; i < (*segments)->count; i++)
        free((*segments)->items[i]);
    free((*segments)->items);
    loop_timer_free(&(*segments)->look_again);
    hash_index_done(&(*segments)->index);
    free(*segments);
    *segments = NULL;
}

/* ---- entries ---- */

struct segment_entry *segments_find(const struct segments *segments, unsigned slot, uint32_t number)
{
    struct hash_node *node = hash_index_first(&segments->index, hash_mix(slot, number));

    for (; node != NULL; node = hash_index_next(node)) {
        struct segment_entry *entry = (struct segment_entry *)node; /* its first member */

        if (entry->slot == slot && entry->number == number)
            return entry;
    }
    return NULL;
}

static int make_room(struct segments *segments)
{
    size_t room = segments->room == 0 ? 256 : 2 * segments->room;
    struct segment_entry **grown;

    if (segments->count < segments->room)
        return 0;
    if (room > SEGMENTS_MAX)
        return -ENOSPC;
    grown = realloc(segments->items, room * sizeof(struct segment_entry *));
    if (grown == NULL)
        return -ENOMEM;
    segments->items = grown;
    segments->room = room;
    return 0;
}

static struct segment_entry *find_or_add(struct segments *segments, unsigned slot, uint32_t number)
{
    struct segment_entry *entry = segments_find(segments, slot, number);

    if (entry != NULL)
        return entry;
    if (make_room(segments) != 0 || (entry = calloc(1, sizeof(*entry))) == NULL)
        return NULL;
    entry->slot = (uint16_t)slot;
    entry->number = number;
    if (hash_index_insert(&segments->index, &entry->node, hash_mix(slot, number)) != 0) {
        free(entry);
        return NULL;
    }
    entry->at = segments->count;
    segments->items[segments->count++] = entry;
    return entry;
}

static void forget(struct segments *segments, struct segment_entry *entry)
{
    hash_index_remove(&segments->index, &entry->node);
    segments->items[entry->at] = segments->items[--segments->count];
    segments->items[entry->at]->at = entry->at;
    free(entry);
}

/* ---- the way of an entry ---- */

static void hand_back(struct segments *segments, struct segment_entry *entry)
{
    struct worker *owner = segments->workers->slots[entry->slot];

    if (entry->pins > 0) { /* needed again after all; it will be announced afresh */
        entry->phase = IN_USE;
        return;
    }
    if (!entry->is_sealed) { /* its slot has been read anew since: whether it is there is unknown */
        forget(segments, entry);
        return;
    }
    if (segments->holds > 0) { /* it may be being read */
        entry->phase = RELEASED;
        return;
    }
    if (owner == NULL)
        owner = workers_least_loaded(segments->workers); /* a surplus slot: whoever is there */
    entry->phase = RELEASED;
    /* One that starts or will must find its slot unlocked: nobody else may be at work there. */
    if (!worker_is_running(owner))
        return;
    channel_send(owner->channel, IPC_SEGMENT_REUSE,
                 &(struct ipc_segment){ .slot = entry->slot, .segment = entry->number });
    forget(segments, entry);
}

static void announce(struct segments *segments, struct segment_entry *entry)
{
    const struct ipc_segment gone = { .slot = entry->slot, .segment = entry->number };

    entry->phase = ANNOUNCED;
    entry->open_answers = 0;
    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        struct worker *worker = segments->workers->slots[slot];

        if (worker == NULL || worker->channel == NULL || worker->state == WORKER_STARTING)
            continue; /* one that starts has nothing open yet and is given no such job */
        channel_send(worker->channel, IPC_SEGMENT_GONE, &gone);
        entry->asked[slot / 64] |= UINT64_C(1) << slot % 64;
        entry->open_answers++;
    }
    if (entry->open_answers == 0)
        hand_back(segments, entry);
}

/* Jobs of a worker are in the order in which they were sent. */
static bool may_get_more(const struct segments *segments, const struct segment_entry *entry)
{
    const struct worker *worker = segments->workers->slots[entry->slot];
    const struct job *oldest = worker != NULL ? TAILQ_FIRST(&worker->jobs) : NULL;

    if (segments->is_compacting[entry->slot])
        return true;
    return oldest != NULL && oldest->sent_ms <= entry->sealed_ms;
}

static void postpone(struct segments *segments, struct segment_entry *entry)
{
    entry->phase = POSTPONED;
    TAILQ_INSERT_TAIL(&segments->postponed, entry, link);
    if (!loop_timer_is_set(segments->look_again))
        loop_timer_set_ms(segments->look_again, LOOK_AGAIN_MS);
}

static void consider(struct segments *segments, struct segment_entry *entry)
{
    if (entry->pins > 0 || !entry->is_sealed || entry->phase != IN_USE || segments->holds > 0)
        return;
    if (may_get_more(segments, entry))
        postpone(segments, entry);
    else
        announce(segments, entry);
}

static void on_look_again(void *arg)
{
    struct segments *segments = arg;
    struct entry_list due = TAILQ_HEAD_INITIALIZER(due);
    struct segment_entry *entry;

    TAILQ_CONCAT(&due, &segments->postponed, link);
    while ((entry = TAILQ_FIRST(&due)) != NULL) {
        TAILQ_REMOVE(&due, entry, link);
        entry->phase = IN_USE;
        consider(segments, entry);
    }
}

static bool take_answer(struct segment_entry *entry, unsigned slot)
{
    uint64_t bit = UINT64_C(1) << slot % 64;

    if ((entry->asked[slot / 64] & bit) == 0)
        return false;
    entry->asked[slot / 64] &= ~bit;
    entry->open_answers--;
    return true;
}

void segments_pin(struct segments *segments, unsigned slot, uint32_t number, uint32_t bytes)
{
    struct segment_entry *entry;

    if (number == 0)
        return;
    entry = find_or_add(segments, slot, number);
    if (entry == NULL)
        oom_exit("segments", "what is needed of them"); /* unpinned, it would be used again */
    entry->pins++;
    entry->live += bytes;
}

void segments_unpin(struct segments *segments, unsigned slot, uint32_t number, uint32_t bytes)
{
    struct segment_entry *entry = number != 0 ? segments_find(segments, slot, number) : NULL;

    if (entry == NULL || entry->pins == 0)
        return;
    entry->pins--;
    entry->live -= bytes < entry->live ? bytes : entry->live;
    consider(segments, entry);
}

static void tell_retired(struct segments *segments, const struct segment_entry *entry)
{
    const struct ipc_segment retire = { .slot = entry->slot, .segment = entry->number };
    const struct worker *owner = segments->workers->slots[entry->slot];

    if (worker_is_running(owner))
        channel_send(owner->channel, IPC_SEGMENT_RETIRE, &retire);
}

void segments_sealed(struct segments *segments, const struct ipc_segment_sealed *sealed)
{
    struct segment_entry *entry =
        sealed->segment != 0 ? find_or_add(segments, sealed->slot, sealed->segment) : NULL;

    if (entry == NULL)
        return;
    entry->is_sealed = true;
    if (entry->is_retired && sealed->is_retired == 0)
        tell_retired(segments, entry); /* who works for the slot now does not know */
    entry->is_retired = entry->is_retired || sealed->is_retired != 0;
    entry->bytes = sealed->bytes;
    entry->sealed_ms = loop_now_ms(segments->workers->loop);
    consider(segments, entry);
}

int segments_released(struct segments *segments, const struct worker *worker, unsigned slot,
                      uint32_t number)
{
    struct segment_entry *entry = slot < ID_SLOTS ? segments_find(segments, slot, number) : NULL;

    if (entry == NULL || entry->phase != ANNOUNCED || !take_answer(entry, worker->slot))
        return -EBADMSG;
    if (entry->open_answers == 0)
        hand_back(segments, entry);
    return 0;
}

/* ---- what should be emptied ---- */

void segments_retire(struct segments *segments, unsigned slot, uint32_t number)
{
    struct segment_entry *entry = segments_find(segments, slot, number);

    if (entry == NULL || entry->is_retired)
        return;
    entry->is_retired = true;
    tell_retired(segments, entry);
}

void segments_set_compacting(struct segments *segments, unsigned slot, bool is_compacting)
{
    segments->is_compacting[slot] = is_compacting;
    if (!is_compacting && !TAILQ_EMPTY(&segments->postponed))
        loop_timer_set_ms(segments->look_again, 0); /* what it emptied waits for just this */
}

bool segments_is_held(const struct segments *segments)
{
    return segments->holds > 0;
}

/* ---- holds ---- */

void segments_hold(struct segments *segments)
{
    segments->holds++;
}

void segments_unhold(struct segments *segments)
{
    if (--segments->holds > 0)
        return;
    /* From the end: what is handed back leaves the array, and a later one takes its place. */
    segments_workers_changed(segments);
    for (size_t i = segments->count; i-- > 0;)
        consider(segments, segments->items[i]);
}

/* A number is given to another file when no file has it any more, so what was said of it, by a scan
 * while the file was being removed perhaps, must not be taken for what is said of the next. */
void segments_read_anew(struct segments *segments, unsigned slot)
{
    for (size_t i = segments->count; i-- > 0;) {
        struct segment_entry *entry = segments->items[i];

        if (entry->slot != slot)
            continue;
        if (entry->phase == POSTPONED) {
            TAILQ_REMOVE(&segments->postponed, entry, link);
            entry->phase = IN_USE;
        }
        entry->is_sealed = false;
        entry->bytes = 0;
        if (entry->pins == 0 && entry->phase != ANNOUNCED)
            forget(segments, entry);
    }
}

void segments_worker_gone(struct segments *segments, const struct worker *worker)
{
    for (size_t i = segments->count; i-- > 0;) {
        struct segment_entry *entry = segments->items[i];

        if (entry->phase == ANNOUNCED && take_answer(entry, worker->slot) &&
            entry->open_answers == 0)
            hand_back(segments, entry);
    }
}

void segments_workers_changed(struct segments *segments)
{
    for (size_t i = segments->count; i-- > 0;) {
        if (segments->items[i]->phase == RELEASED) /* it may stay so */
            hand_back(segments, segments->items[i]);
    }
}

uint64_t segments_pins(const struct segments *segments, unsigned slot, uint32_t number)
{
    const struct segment_entry *entry = segments_find(segments, slot, number);

    return entry != NULL ? entry->pins : 0;
}
