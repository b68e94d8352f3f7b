#include "check_private.h"

#include <string.h>

#include "worker/message.h"

/* ---- which states may be ---- */

static bool is_owed(const struct ledger_state *state, const struct moment *moment)
{
    return moment->is_kill ? state->until <= moment->at : state->promised_at <= moment->at;
}

static bool is_begun(const struct ledger_state *state, const struct moment *moment)
{
    return state->from < moment->at || state->until <= moment->at;
}

static bool is_flipped(const struct trial *trial, enum flip_what what,
                       const struct ledger_message *given, uint32_t group)
{
    return check_is_flipped(trial, what, given) && trial->moment->flip->group == group;
}

/* The newest is the last that was begun to be written. */
static size_t oldest_allowed(const struct trial *trial, const struct ledger_message *given,
                             uint32_t index)
{
    const struct ledger_group *group = &given->groups[index];
    size_t oldest = 0;

    for (size_t i = 0; i < group->state_count; i++) {
        if (is_owed(&group->states[i], trial->moment))
            oldest = i;
    }
    if (!is_flipped(trial, FLIP_CELL, given, index))
        return oldest;
    return oldest > group->settled ? oldest - 1 : 0;
}

bool check_may_be_finished(const struct trial *trial, const struct ledger_message *given,
                           uint32_t index)
{
    const struct ledger_group *group = &given->groups[index];

    for (size_t i = oldest_allowed(trial, given, index); i < group->state_count; i++) {
        if (is_begun(&group->states[i], trial->moment) && !cell_is_live(&group->states[i].cell))
            return true;
    }
    return false;
}

/* ---- which one it is ---- */

/* The note is looked at by itself: it may have been written anew elsewhere. */
static bool is_same_cell(const struct cell *a, const struct cell *b)
{
    return a->stage == b->stage && a->flags == b->flags && a->attempts == b->attempts &&
           a->crashes == b->crashes && a->next_attempt_s == b->next_attempt_s &&
           a->profile == b->profile &&
           memcmp(a->recipients, b->recipients, sizeof(a->recipients)) == 0;
}

/* What lies where the cell says that its note lies: 1 this note, 0 another, or a negative errno. */
static int compare_note(const struct trial *trial, const struct ipc_mail_queued *queued,
                        const struct cell *cell, const struct ledger_note *note, struct reason *why)
{
    struct message_note found;
    int result = message_note_open(trial->gateway->cache, cell->note, queued->place.id,
                                   queued->place.group, &found, why);

    if (result < 0)
        return result;
    result = found.bytes == note->bytes && memcmp(found.text, note->text, note->bytes) == 0;
    message_note_close(&found);
    return result;
}

/* Its segment was handed back, as a newer one took its place: it only explains, and may be gone. */
static bool is_released(const struct trial *trial, const struct ledger_note *note)
{
    return note->released_at <= trial->moment->at;
}

static bool has_its_note(const struct trial *trial, const struct ipc_mail_queued *queued,
                         const struct cell *cell, const struct ledger_note *note)
{
    if (note == NULL)
        return cell->note.segment == 0;
    return compare_note(trial, queued, cell, note, NULL) == 1;
}

/* Two states may differ in their notes only; then the one whose note is there is meant. */
static const struct ledger_state *find_state(const struct trial *trial,
                                             const struct ledger_message *given,
                                             const struct ipc_mail_queued *queued,
                                             const struct cell *cell)
{
    const struct ledger_group *group = &given->groups[queued->place.group];
    const struct ledger_state *found = NULL;

    for (size_t i = oldest_allowed(trial, given, queued->place.group); i < group->state_count;
         i++) {
        const struct ledger_state *state = &group->states[i];

        if (!is_begun(state, trial->moment) || !is_same_cell(&state->cell, cell))
            continue;
        if (has_its_note(trial, queued, cell, state->note))
            return state;
        if (state->note != NULL && (found == NULL || is_released(trial, state->note)))
            found = state;
    }
    return found;
}

static void check_note(struct trial *trial, const struct ledger_message *given,
                       const struct ipc_mail_queued *queued, const struct cell *cell,
                       const struct ledger_note *note)
{
    struct reason why = { "" };
    int result;

    if (note == NULL || is_released(trial, note))
        return;
    result = compare_note(trial, queued, cell, note, &why);
    if (result == 0)
        check_wrong(trial, "the note of message %u is another", given->number);
    if (result < 0 && !is_flipped(trial, FLIP_NOTE, given, queued->place.group))
        check_wrong(trial, "the note of message %u: %s", given->number, why.text);
}

static uint32_t count_open(const struct cell *cell, uint32_t recipients)
{
    uint32_t open = recipients;

    for (uint32_t i = 0; i < recipients; i++)
        open -= cell_recipient_get(cell, i) != CELL_RCPT_OPEN;
    return open;
}

/* The report says what the cell says. */
static void check_report(struct trial *trial, const struct ledger_message *given,
                         const struct ipc_mail_queued *queued, const struct cell *cell)
{
    const struct envelope_group *group = &given->envelope.groups[queued->place.group];
    const bool is_last = queued->place.group + 1U == given->envelope.group_count;
    unsigned flags = IPC_QUEUED_RECOVERED;

    flags |= (cell->flags & CELL_HELD) != 0 ? IPC_QUEUED_HELD : 0U;
    flags |= cell->stage == CELL_FAILED ? IPC_QUEUED_FAILED : 0U;
    flags |= is_last ? IPC_QUEUED_LAST : 0U;
    if (queued->flags != flags || queued->attempts != cell->attempts ||
        queued->crashes != cell->crashes || queued->next_attempt_s != cell->next_attempt_s ||
        queued->note_segment != cell->note.segment || queued->note_slot != cell->note.slot ||
        queued->recipients != count_open(cell, group->count) || queued->rule != group->rule ||
        queued->profile != (cell->profile != 0 ? cell->profile : group->profile) ||
        queued->body_bytes != given->bytes)
        check_wrong(trial, "the report of message %u, group %u, is not what its cell says",
                    given->number, queued->place.group);
}

void check_state(struct trial *trial, struct ledger_message *given,
                 const struct ipc_mail_queued *queued, const struct cell *cell)
{
    const uint32_t index = queued->place.group;
    const struct ledger_state *state = find_state(trial, given, queued, cell);

    if (state == NULL) {
        check_wrong(trial,
                    "message %u, group %u: stage %u after %u attempts is older than promised "
                    "(state %zu) or was never written (of %zu)",
                    given->number, index, cell->stage, cell->attempts,
                    oldest_allowed(trial, given, index), given->groups[index].state_count);
        return;
    }
    given->groups[index].seen_state = (size_t)(state - given->groups[index].states);
    given->groups[index].seen_note = cell->note;
    check_report(trial, given, queued, cell);
    check_note(trial, given, queued, cell, state->note);
}
