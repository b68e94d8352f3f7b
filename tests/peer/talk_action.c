/* What a script's actions do. */
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "talk_private.h"
#include "wire.h"

#define FLOOD_STEP (256U << 10)

static void say_half(struct talk *talk)
{
    char reply[2048];
    size_t bytes = talk_usual(talk, talk->at, reply, sizeof(reply));

    wire_say(talk->wire, reply, bytes / 2);
}

/* What follows if all goes well. */
static enum script_point point_after(enum script_point point)
{
    static const enum script_point next[SCRIPT_POINTS] = {
        [AT_BANNER] = AT_EHLO, [AT_EHLO] = AT_MAIL, [AT_HELO] = AT_MAIL,
        [AT_MAIL] = AT_RCPT,   [AT_RCPT] = AT_DATA, [AT_DATA] = AT_END,
        [AT_END] = AT_MAIL,    [AT_RSET] = AT_MAIL, [AT_NOOP] = AT_MAIL,
    };

    return next[point];
}

/* The state moves as if the client had gone on, so that the right words are found; what was counted
 * is not touched. */
static void say_early(struct talk *talk)
{
    char reply[2048];
    bool was_in_mail = talk->is_in_mail;
    unsigned recipients = talk->recipient_count;
    enum script_point next = point_after(talk->at);

    talk_say_usual(talk, talk->at);
    if (next == AT_BANNER)
        return;
    talk->is_in_mail = next != AT_MAIL;
    talk->recipient_count = next == AT_DATA || next == AT_END;
    wire_say(talk->wire, reply, talk_usual(talk, next, reply, sizeof(reply)));
    talk->is_in_mail = was_in_mail;
    talk->recipient_count = recipients;
    talk->is_answered = true;
}

static void say_huge(struct talk *talk, size_t bytes)
{
    char *line = malloc(bytes + 6);

    if (line == NULL)
        abort();
    memcpy(line, "250 ", 4);
    memset(line + 4, 'x', bytes);
    memcpy(line + 4 + bytes, "\r\n", 2);
    wire_say(talk->wire, line, bytes + 6);
    free(line);
    talk->code = 250;
}

void talk_flood(struct talk *talk)
{
    static const char line[] = "250-and this reply goes on and on and on and on and on\r\n";
    size_t step = 0;

    while (talk->flood_left > 0 && step < FLOOD_STEP) {
        size_t bytes = sizeof(line) - 1;

        bytes = bytes < talk->flood_left ? bytes : talk->flood_left;
        wire_say(talk->wire, line, bytes);
        talk->flood_left -= bytes;
        step += bytes;
    }
}

static void on_delay(void *arg)
{
    struct talk *talk = arg;
    struct wire *wire = talk->wire;

    talk->is_waiting = false;
    if (talk_perform(talk))
        talk_pass(talk);
    if (!talk->is_waiting)
        wire_resume(wire);
    wire_settle(wire);
}

static void wait_ms(struct talk *talk, unsigned ms)
{
    if (talk->delay == NULL)
        talk->delay = loop_timer_new(talk->host->loop, on_delay, talk);
    if (talk->delay == NULL)
        abort();
    talk->is_waiting = true;
    loop_timer_set_ms(talk->delay, ms);
}

static void end_here(struct talk *talk, bool by_reset)
{
    talk->todo = NULL;
    if (talk->is_over && !by_reset)
        return;
    if (!talk->is_over)
        talk->end = talk->said_quit ? END_BY_QUIT : END_BY_SERVER;
    talk->is_over = true;
    if (by_reset)
        wire_reset(talk->wire);
    else
        wire_finish(talk->wire);
}

static void act(struct talk *talk, const struct script_action *action)
{
    switch (action->verb) {
    case DO_REPLY:
        talk->code = action->code;
        wire_say(talk->wire, action->text, action->text_bytes);
        break;
    case DO_RAW: wire_say(talk->wire, action->text, action->text_bytes); break;
    case DO_USUAL: talk_say_usual(talk, talk->at); break;
    case DO_DELAY: wait_ms(talk, action->number); break;
    case DO_HALF:
        say_half(talk);
        talk->is_stalled = true;
        break;
    case DO_EARLY: say_early(talk); break;
    case DO_HUGE: say_huge(talk, action->number); break;
    case DO_FLOOD:
        talk->flood_left = action->number;
        talk_flood(talk);
        talk->is_stalled = true;
        break;
    case DO_STALL: talk->is_stalled = true; break;
    case DO_DEAF:
        talk->is_stalled = true;
        wire_be_deaf(talk->wire);
        break;
    case DO_DROP: end_here(talk, false); break;
    case DO_RESET: end_here(talk, true); break;
    }
}

bool talk_perform(struct talk *talk)
{
    while (talk->todo != NULL) {
        const struct script_action *action = talk->todo;

        talk->todo = action->next;
        act(talk, action);
        if (talk->is_waiting)
            return false;
    }
    return true;
}
