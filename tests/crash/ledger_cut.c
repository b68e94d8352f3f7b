#include "ledger.h"

#include "record.h"

/* ---- what did not happen ---- */

static size_t cut_position(size_t position, size_t at)
{
    return position <= at ? 0 : LEDGER_NEVER;
}

static void cut_group(struct ledger_group *group, size_t at)
{
    size_t kept = 1;

    while (kept < group->state_count &&
           (group->states[kept].from < at || group->states[kept].until <= at))
        kept++;
    group->state_count = kept;
    for (size_t i = 0; i < kept; i++) {
        struct ledger_state *state = &group->states[i];

        state->from = 0;
        state->until = cut_position(state->until, at);
        state->promised_at = cut_position(state->promised_at, at);
        state->node = RECORD_NO_NODE;
    }
}

void ledger_cut(struct ledger *ledger, size_t at)
{
    for (size_t i = 0; i < ledger->count; i++) {
        struct ledger_message *message = ledger->messages[i];

        message->answered_at = cut_position(message->answered_at, at);
        if (message->fate == LEDGER_ANSWERED && message->answered_at == LEDGER_NEVER)
            message->fate = LEDGER_GIVEN;
        for (uint32_t g = 0; g < message->envelope.group_count; g++)
            cut_group(&message->groups[g], at);
    }
    for (size_t i = 0; i < ledger->note_count; i++)
        ledger->notes[i]->released_at = cut_position(ledger->notes[i]->released_at, at);
}

/* ---- what was found ---- */

static size_t finished_state(const struct ledger_group *group)
{
    size_t i = 0;

    while (i + 1 < group->state_count && cell_is_live(&group->states[i].cell))
        i++;
    return i;
}

static void settle_group(struct ledger_group *group, uint64_t trial)
{
    const bool is_seen = group->seen == trial;
    struct ledger_note *note;

    group->settled = is_seen ? group->seen_state : finished_state(group);
    group->state_count = group->settled + 1;
    for (size_t i = 0; i < group->state_count; i++)
        group->states[i].until = group->states[i].promised_at = 0;
    note = group->states[group->state_count - 1].note;
    if (is_seen && note != NULL)
        note->place = group->seen_note;
}

static bool is_seen(const struct ledger_message *message, uint64_t trial)
{
    for (uint32_t g = 0; g < message->envelope.group_count; g++) {
        if (message->groups[g].seen == trial)
            return true;
    }
    return false;
}

void ledger_forget(struct ledger *ledger, uint64_t trial)
{
    size_t kept = 0;

    for (size_t i = 0; i < ledger->count; i++) {
        struct ledger_message *message = ledger->messages[i];

        if (message->fate == LEDGER_ANSWERED || is_seen(message, trial))
            ledger->messages[kept++] = message;
        else
            ledger_free_message(message);
    }
    ledger->count = kept;
}

void ledger_settle(struct ledger *ledger, uint64_t trial)
{
    ledger_forget(ledger, trial);
    for (size_t i = 0; i < ledger->count; i++) {
        struct ledger_message *message = ledger->messages[i];

        message->fate = LEDGER_ANSWERED;
        message->answered_at = 0;
        for (uint32_t g = 0; g < message->envelope.group_count; g++)
            settle_group(&message->groups[g], trial);
    }
}
