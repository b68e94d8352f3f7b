#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "record.h"

#define USUAL_BYTES 700U

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);

    if (memory == NULL)
        abort();
    return memory;
}

static void *make_room(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room * 2 + 8;
    items = reallocarray(items, *room, size);
    if (items == NULL)
        abort();
    return items;
}

struct ledger *ledger_new(void)
{
    return allocate(1, sizeof(struct ledger));
}

void ledger_free_message(struct ledger_message *message)
{
    for (uint32_t i = 0; i < message->envelope.group_count; i++)
        free(message->groups[i].states);
    for (uint32_t i = 0; i < message->envelope.recipient_count; i++)
        free((void *)(uintptr_t)message->envelope.recipients[i].address);
    free((void *)(uintptr_t)message->envelope.sender);
    free(message->envelope.groups);
    free(message->envelope.recipients);
    free(message->groups);
    free(message->body);
    free(message);
}

void ledger_free(struct ledger **ledger)
{
    struct ledger *l = *ledger;

    if (l == NULL)
        return;
    for (size_t i = 0; i < l->count; i++)
        ledger_free_message(l->messages[i]);
    for (size_t i = 0; i < l->note_count; i++) {
        free(l->notes[i]->text);
        free(l->notes[i]);
    }
    free(l->messages);
    free(l->notes);
    free(l);
    *ledger = NULL;
}

/* ---- messages ---- */

static char *address_of(const char *who, unsigned number, unsigned index)
{
    char text[96];
    char *copy;

    (void)snprintf(text, sizeof(text), "%s%07u.%03u@example.net", who, number, index);
    copy = strdup(text);
    if (copy == NULL)
        abort();
    return copy;
}

/* Each line says whose it is and where, so that no mixture passes for a message. */
static char *make_body(unsigned number, size_t bytes)
{
    char *body = allocate(bytes + 64, 1);

    for (size_t at = 0; at < bytes; at += 32)
        (void)snprintf(body + at, 64, "message %08u line %010u\r\n  ", number, (unsigned)(at / 32));
    body[bytes] = '\0';
    return body;
}

static void make_envelope(struct ledger_message *message, uint32_t groups, uint32_t each)
{
    struct envelope *envelope = &message->envelope;

    *envelope = (struct envelope){ .sender = address_of("from", message->number, 0),
                                   .client = "192.0.2.1",
                                   .helo = "client.example",
                                   .group_count = groups,
                                   .recipient_count = groups * each };
    envelope->groups = allocate(groups, sizeof(*envelope->groups));
    envelope->recipients = allocate(envelope->recipient_count, sizeof(*envelope->recipients));
    for (uint32_t i = 0; i < groups; i++)
        envelope->groups[i] = (struct envelope_group){
            .rule = i + 7, .profile = i + 3, .first = i * each, .count = each
        };
    for (uint32_t i = 0; i < envelope->recipient_count; i++)
        envelope->recipients[i].address = address_of("to", message->number, i);
}

static size_t choose_bytes(enum ledger_kind kind, struct dice *dice)
{
    if (kind == LEDGER_LARGE)
        return dice_one_in(dice, 8) ? 0 : dice_below(dice, dice_one_in(dice, 6) ? 180000 : 40000);
    switch (dice_below(dice, 8)) {
    case 0: return dice_below(dice, 30);
    case 1: return dice_below(dice, 5000);
    case 2: return dice_below(dice, 28000);
    case 3: return dice_below(dice, 700);
    default: return USUAL_BYTES;
    }
}

static void add_first_state(struct ledger_group *group)
{
    struct ledger_state *state = ledger_add_state(group, &(struct cell){ 0 }, NULL, RECORD_NO_NODE);

    state->from = state->until = state->promised_at = 0;
}

struct ledger_message *ledger_add(struct ledger *ledger, uint64_t id, enum ledger_kind kind,
                                  struct dice *dice)
{
    struct ledger_message *message = allocate(1, sizeof(*message));
    const size_t bytes = choose_bytes(kind, dice);
    const bool is_usual = bytes == USUAL_BYTES;
    uint32_t groups = is_usual || dice_one_in(dice, 2) ? 1 : 1 + dice_below(dice, 3);
    uint32_t each = is_usual ? 2 : 1 + dice_below(dice, 5);

    if (dice_one_in(dice, 60))
        each = CELL_RECIPIENTS;
    message->id = id;
    message->number = ledger->next_number++;
    message->bytes = bytes;
    message->body = make_body(message->number, bytes);
    message->facts =
        (struct spooler_body_facts){ .flags = dice_below(dice, 4), .longest_line = 30 };
    message->given_at = record_position();
    message->answered_at = LEDGER_NEVER;
    make_envelope(message, groups, each);
    message->groups = allocate(groups, sizeof(*message->groups));
    for (uint32_t i = 0; i < groups; i++)
        add_first_state(&message->groups[i]);
    ledger->messages =
        make_room(ledger->messages, ledger->count, &ledger->room, sizeof(*ledger->messages));
    ledger->messages[ledger->count++] = message;
    return message;
}

struct ledger_message *ledger_find(const struct ledger *ledger, uint64_t id)
{
    size_t low = 0, high = ledger->count;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (ledger->messages[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ledger->count && ledger->messages[low]->id == id ? ledger->messages[low] : NULL;
}

void ledger_answered(struct ledger_message *message, int err)
{
    message->fate = err == 0 ? LEDGER_ANSWERED : LEDGER_REFUSED;
    if (err == 0)
        message->answered_at = record_position();
}

struct ledger_note *ledger_add_note(struct ledger *ledger, const char *text)
{
    struct ledger_note *note = allocate(1, sizeof(*note));

    note->text = strdup(text);
    note->bytes = strlen(text);
    note->released_at = LEDGER_NEVER;
    ledger->notes =
        make_room(ledger->notes, ledger->note_count, &ledger->note_room, sizeof(*ledger->notes));
    ledger->notes[ledger->note_count++] = note;
    return note;
}

/* ---- states ---- */

const struct ledger_state *ledger_last(const struct ledger_group *group)
{
    return &group->states[group->state_count - 1];
}

bool ledger_is_finished(const struct ledger_group *group)
{
    const enum cell_stage stage = ledger_last(group)->cell.stage;

    return stage == CELL_DONE || stage == CELL_DELETED;
}

bool ledger_is_out(const struct ledger_group *group)
{
    return group->is_busy || group->is_moving;
}

struct ledger_state *ledger_add_state(struct ledger_group *group, const struct cell *cell,
                                      struct ledger_note *note, uint32_t node)
{
    struct ledger_state *state;

    group->states =
        make_room(group->states, group->state_count, &group->state_room, sizeof(*group->states));
    state = &group->states[group->state_count++];
    *state = (struct ledger_state){ .cell = *cell,
                                    .note = note,
                                    .from = record_position(),
                                    .until = LEDGER_NEVER,
                                    .promised_at = LEDGER_NEVER,
                                    .node = node,
                                    .at_us = clock_mono_us() };
    return state;
}

static void find_promise(struct ledger *ledger, struct ledger_state *state, size_t end)
{
    if (state->node == RECORD_NO_NODE)
        return;
    for (size_t i = state->until; i < end; i++) {
        const struct record_entry *entry = record_at(i);

        if (entry->what != RECORD_SYNC_END || entry->node != state->node ||
            entry->began < state->until)
            continue;
        if (i + 1 < state->promised_at)
            state->promised_at = i + 1;
        if (entry->at_us - state->at_us > ledger->slowest_sync_us)
            ledger->slowest_sync_us = entry->at_us - state->at_us;
        return;
    }
    ledger->never_synced++;
}

void ledger_find_promises(struct ledger *ledger)
{
    const size_t end = record_position();

    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_message *message = ledger->messages[i];

        for (uint32_t g = 0; g < message->envelope.group_count; g++) {
            const struct ledger_group *group = &message->groups[g];

            for (size_t s = 0; s < group->state_count; s++)
                find_promise(ledger, &group->states[s], end);
        }
    }
}
