#include "workload_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "worker/message.h"

struct attempt {
    struct work *work;
    struct ledger_message *given;
    struct ledger_group *group;
    struct message *message;
    struct ledger_note *note;
};

/* As a delivery does: the cell, then word to the spooler that its file wants a sync. */
static void record_cell(struct attempt *attempt, struct ledger_note *note)
{
    struct message *message = attempt->message;
    const int fd = message_state_fd(message);
    struct ledger_state *state =
        ledger_add_state(attempt->group, &message->cell, note, record_node_of(fd));

    if (message_record(message) != 0)
        abort();
    state->until = record_position();
    spooler_state_touched(attempt->work->gateway->spooler, &message->place, fd);
    attempt->work->figures->states++;
}

static void end_attempt(struct attempt *attempt)
{
    message_free(&attempt->message);
    free(attempt);
}

static void on_note(int err, struct cell_note_place place, void *arg)
{
    struct attempt *attempt = arg;

    attempt->work->notes_under_way--;
    attempt->group->is_busy = false;
    if (err == 0) {
        attempt->note->place = place;
        attempt->message->cell.note = place;
        record_cell(attempt, attempt->note);
    }
    end_attempt(attempt);
}

static void write_note(struct attempt *attempt)
{
    struct work *work = attempt->work;
    const struct message *message = attempt->message;
    char text[3000];
    const size_t most = dice_one_in(work->dice, 8) ? sizeof(text) - 1 : 90;

    memset(text, 'n', sizeof(text));
    text[snprintf(text, sizeof(text), "{\"of\":%u,\"group\":%u,\"number\":%zu,\"text\":\"",
                  attempt->given->number, message->place.group, work->ledger->note_count)] = 'n';
    memcpy(text + most - 2, "\"}", 3);
    attempt->note = ledger_add_note(work->ledger, text);
    attempt->group->is_busy = true;
    work->notes_under_way++;
    work->figures->notes++;
    spooler_note(work->gateway->spooler, message->place.id, message->place.group,
                 message->cell.note, attempt->note->text, attempt->note->bytes, on_note, attempt);
}

static void settle_recipients(struct attempt *attempt, enum cell_recipient as, unsigned one_in)
{
    struct message *message = attempt->message;

    for (uint32_t i = 0; i < message->group->count; i++) {
        if (cell_recipient_get(&message->cell, i) == CELL_RCPT_OPEN &&
            dice_one_in(attempt->work->dice, one_in))
            cell_recipient_set(&message->cell, i, as);
    }
}

static void deliver(struct attempt *attempt)
{
    settle_recipients(attempt, CELL_RCPT_DELIVERED, 1);
    attempt->message->cell.stage = CELL_DONE;
    record_cell(attempt, ledger_last(attempt->group)->note);
    end_attempt(attempt);
}

static void defer(struct attempt *attempt)
{
    struct cell *cell = &attempt->message->cell;

    settle_recipients(attempt, CELL_RCPT_DELIVERED, 3);
    settle_recipients(attempt, CELL_RCPT_REFUSED, 5);
    cell->attempts++;
    cell->next_attempt_s += 60;
    record_cell(attempt, ledger_last(attempt->group)->note);
    write_note(attempt);
}

static void fail(struct attempt *attempt)
{
    settle_recipients(attempt, CELL_RCPT_REFUSED, 1);
    attempt->message->cell.stage = CELL_FAILED;
    record_cell(attempt, ledger_last(attempt->group)->note);
    write_note(attempt);
}

/* What an operator, or the master after a worker's death, does to a cell. */
static void operate(struct attempt *attempt)
{
    struct cell *cell = &attempt->message->cell;

    switch (dice_below(attempt->work->dice, 4)) {
    case 0: cell->flags ^= CELL_HELD; break;
    case 1: cell->profile = 90 + dice_below(attempt->work->dice, 9); break;
    case 2: cell->crashes++; break;
    default: cell->stage = CELL_DELETED; break;
    }
    record_cell(attempt, ledger_last(attempt->group)->note);
    end_attempt(attempt);
}

static struct attempt *begin_attempt(struct work *work, struct ledger_message *given,
                                     uint32_t index)
{
    struct ledger_group *group = &given->groups[index];
    struct attempt *attempt = calloc(1, sizeof(*attempt));
    struct reason why = { "" };

    if (attempt == NULL || ledger_is_out(group))
        abort();
    *attempt = (struct attempt){ .work = work, .given = given, .group = group };
    if (message_open(work->gateway->cache, &group->place, &attempt->message, &why) < 0) {
        (void)fprintf(stderr, "crash_points: message %u: %s\n", given->number, why.text);
        abort();
    }
    return attempt;
}

void work_finish(struct work *work, struct ledger_message *given, uint32_t index)
{
    deliver(begin_attempt(work, given, index));
}

void work_attempt(struct work *work, struct ledger_message *given, uint32_t index)
{
    struct attempt *attempt = begin_attempt(work, given, index);

    if (attempt->message->cell.stage == CELL_FAILED) {
        attempt->message->cell.stage = CELL_DELETED;
        record_cell(attempt, ledger_last(attempt->group)->note);
        end_attempt(attempt);
        return;
    }
    switch (dice_below(work->dice, 12)) {
    case 0:
    case 1:
    case 2:
    case 3: defer(attempt); break;
    case 4: fail(attempt); break;
    case 5: operate(attempt); break;
    default: deliver(attempt); break;
    }
}
