#include "workload_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "common/clock.h"
#include "record.h"

#define LIFE_MS     1300 /* of each of the two spoolers */
#define LIVE_MAX    70U  /* groups that are not finished */
#define GIVEN_MAX   20U  /* messages not yet answered */
#define PAUSE_MAX   26U  /* ms between two bouts */
#define SMALL_ROOM  30000U
#define LARGE_ROOM  200000U
#define PIECE_BYTES 30000U

/* ---- new mail ---- */

struct small {
    struct work *work;
    struct ledger_message *message;
};

struct large {
    struct work *work;
    struct ledger_message *message;
    struct spooler_large *handle;
    size_t written;
    bool is_choked;
};

static void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (memory == NULL)
        abort();
    return memory;
}

static void answered(struct work *work, struct ledger_message *message, int err)
{
    ledger_answered(message, err);
    work->figures->answered += err == 0;
    work->given--;
}

static void on_small_done(int err, uint64_t id, void *arg)
{
    struct small *small = arg;

    (void)id;
    answered(small->work, small->message, err);
    free(small);
}

static void on_large_done(int err, uint64_t id, void *arg)
{
    struct large *large = arg;

    (void)id;
    answered(large->work, large->message, err);
    large->work->figures->large += err == 0;
    free(large);
}

static void on_room(void *arg)
{
    ((struct large *)arg)->is_choked = false;
}

static struct ledger_message *give(struct work *work, enum ledger_kind kind)
{
    work->given++;
    work->figures->given++;
    return ledger_add(work->ledger, spooler_next_id(work->gateway->spooler), kind, work->dice);
}

static void submit(struct work *work)
{
    struct spooler *spooler = work->gateway->spooler;
    struct small *small;
    char *body;

    if (spooler_reserve(spooler, SMALL_ROOM) != 0)
        return; /* no spare yet */
    small = allocate(sizeof(*small));
    *small = (struct small){ .work = work, .message = give(work, LEDGER_SMALL) };
    body = allocate(small->message->bytes + 1);
    memcpy(body, small->message->body, small->message->bytes);
    spooler_submit(spooler, small->message->id, &small->message->envelope, body,
                   small->message->bytes, &small->message->facts, SMALL_ROOM, on_small_done, small);
}

static struct large *begin_large(struct work *work)
{
    struct spooler *spooler = work->gateway->spooler;
    struct large *large;

    if (spooler_reserve(spooler, LARGE_ROOM) != 0)
        return NULL;
    large = allocate(sizeof(*large));
    *large = (struct large){ .work = work, .message = give(work, LEDGER_LARGE) };
    large->handle = spooler_large_begin(spooler, large->message->id, &large->message->envelope,
                                        LARGE_ROOM, on_room, on_large_done, large);
    if (large->handle == NULL)
        abort();
    /* That its id is the highest when it is gone again with its segment. */
    if (dice_one_in(work->dice, 2))
        work->quiet = 25;
    return large;
}

/* True: it has ended. */
static bool end_large(struct large *large, bool is_kept)
{
    struct work *work = large->work;

    if (is_kept) {
        spooler_large_commit(large->handle, &large->message->facts);
        return true;
    }
    spooler_large_abort(large->handle);
    large->message->fate = LEDGER_ABORTED;
    work->figures->aborted++;
    work->given--;
    free(large);
    return true;
}

static void write_piece(struct large *large)
{
    const struct ledger_message *message = large->message;
    size_t part = message->bytes - large->written;

    if (part > PIECE_BYTES)
        part = PIECE_BYTES;
    large->is_choked = !spooler_large_write(large->handle, message->body + large->written, part);
    large->written += part;
}

static bool write_large(struct large *large)
{
    const size_t part = large->message->bytes - large->written;

    if (large->is_choked)
        return false;
    if (part == 0 || dice_one_in(large->work->dice, 15))
        return end_large(large, part == 0 && !dice_one_in(large->work->dice, 4));
    write_piece(large);
    return false;
}

static void give_mail(struct work *work)
{
    for (unsigned i = 0; i < LARGE_MAX; i++) {
        if (work->large[i] != NULL && write_large(work->large[i]))
            work->large[i] = NULL;
    }
    if (work->quiet > 0) {
        work->quiet--;
        return;
    }
    if (work->live >= LIVE_MAX)
        return;
    for (uint32_t i = dice_below(work->dice, 5); i > 0 && work->given < GIVEN_MAX; i--)
        submit(work);
    for (unsigned i = 0; i < LARGE_MAX; i++) {
        if (work->large[i] == NULL && dice_one_in(work->dice, 30))
            work->large[i] = begin_large(work);
    }
}

/* ---- lives ---- */

static void live(struct work *work)
{
    const int64_t until_ms = clock_mono_ms() + LIFE_MS;

    while (clock_mono_ms() < until_ms) {
        const int64_t began_ms = clock_mono_ms();
        const int64_t pause_ms = began_ms + dice_below(work->dice, PAUSE_MAX);

        work_hear(work);
        give_mail(work);
        work_deliver(work);
        work_tidy(work);
        do {
            gateway_turn(work->gateway, 1);
        } while (clock_mono_ms() < pause_ms);
        if (clock_mono_ms() - began_ms > work->figures->longest_ms)
            work->figures->longest_ms = clock_mono_ms() - began_ms;
    }
}

static bool is_known(struct work *work, const struct ledger_message *message)
{
    work_hear(work);
    return message->groups[message->envelope.group_count - 1].is_known;
}

static bool is_gone(struct work *work, uint32_t segment)
{
    char path[256];

    work_hear(work); /* nothing is handed back before a compaction was heard to end */
    work_tidy(work);
    (void)snprintf(path, sizeof(path), "%s/%u/%u.state", work->gateway->spool_dir, GATEWAY_SLOT,
                   segment);
    return access(path, F_OK) != 0;
}

/* Its segment has the highest number, which the next life will use again. */
static void remove_large_last(struct work *work)
{
    struct large *large = begin_large(work);
    struct ledger_message *message;
    bool is_done;

    if (large == NULL)
        return;
    message = large->message;
    while (large->written < message->bytes) {
        if (!large->is_choked)
            write_piece(large);
        gateway_turn(work->gateway, 1);
    }
    (void)end_large(large, true);
    is_done = GATEWAY_WAIT(work->gateway, is_known(work, message));
    for (uint32_t g = 0; is_done && g < message->envelope.group_count; g++)
        work_finish(work, message, g);
    if (!is_done || !GATEWAY_WAIT(work->gateway, is_gone(work, message->groups[0].place.segment)))
        abort();
}

static void stop(struct work *work)
{
    for (unsigned i = 0; i < LARGE_MAX; i++) {
        struct large *large = work->large[i];

        if (large != NULL)
            (void)end_large(large, large->written == large->message->bytes);
        work->large[i] = NULL;
    }
    if (dice_one_in(work->dice, 2))
        remove_large_last(work);
    gateway_stop(work->gateway);
}

static void tell(const char *line, void *arg)
{
    (void)arg;
    (void)fprintf(stderr, "  the restart in the workload: %s\n", line);
}

static unsigned begin(struct work *work, const struct moment *moment)
{
    work_forget(work);
    work->figures->restarts++;
    return check_restart(work->gateway, work->ledger, moment, tell, NULL);
}

unsigned workload_run(struct gateway *gateway, struct ledger *ledger, struct dice *dice,
                      struct workload_figures *figures)
{
    struct work work = { .gateway = gateway, .ledger = ledger, .dice = dice, .figures = figures };
    unsigned wrong;

    wrong = begin(&work, &(struct moment){ .at = record_position() });
    ledger_settle(ledger, check_trials());
    live(&work);
    stop(&work);
    wrong += begin(&work, &(struct moment){ .at = record_position(), .is_kill = true });
    ledger_forget(ledger, check_trials());
    live(&work);
    stop(&work);
    return wrong + work.wrong;
}
