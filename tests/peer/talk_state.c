/* The good server: what it says at each point, and what has come of a transaction after it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "talk_private.h"
#include "wire.h"

static const char *plain_reply(const struct talk *talk, enum script_point point)
{
    switch (point) {
    case AT_MAIL: return talk->is_in_mail ? "503 5.5.1 one MAIL at a time\r\n" : "250 2.1.0 ok\r\n";
    case AT_RCPT:
        if (talk->recipient_count == TALK_RCPT_MAX)
            return "452 4.5.3 too many recipients\r\n";
        return talk->is_in_mail ? "250 2.1.5 ok\r\n" : "503 5.5.1 MAIL first\r\n";
    case AT_DATA:
        if (!talk->is_in_mail)
            return "503 5.5.1 MAIL first\r\n";
        return talk->recipient_count > 0 ? "354 go on\r\n" : "554 5.5.1 no valid recipients\r\n";
    case AT_END:
        return talk->recipient_count > 0 ? "250 2.0.0 taken\r\n"
                                         : "554 5.5.1 no valid recipients\r\n";
    case AT_RSET:
    case AT_NOOP: return "250 2.0.0 ok\r\n";
    case AT_QUIT: return "221 2.0.0 bye\r\n";
    case AT_OTHER: return "500 5.5.2 what?\r\n";
    case AT_BANNER:
    case AT_EHLO:
    case AT_HELO:
    case AT_CONTENT:
    case AT_MESSAGES:
    case AT_AGE:
    case AT_IDLE:
    case SCRIPT_POINTS: break;
    }
    return "";
}

size_t talk_usual(const struct talk *talk, enum script_point point, char *out, size_t size)
{
    const struct script *script = talk->host->script;
    int bytes;

    if (point == AT_BANNER)
        bytes = snprintf(out, size, "220 %s ESMTP\r\n", script->name);
    else if (point == AT_EHLO)
        bytes = snprintf(out, size, "250%c%s\r\n%s", script->extensions[0] != '\0' ? '-' : ' ',
                         script->name, script->extensions);
    else if (point == AT_HELO)
        bytes = snprintf(out, size, "250 %s\r\n", script->name);
    else
        bytes = snprintf(out, size, "%s", plain_reply(talk, point));
    return (size_t)bytes < size ? (size_t)bytes : size - 1;
}

void talk_say_usual(struct talk *talk, enum script_point point)
{
    char reply[2048];
    size_t bytes = talk_usual(talk, point, reply, sizeof(reply));

    talk->code = (unsigned)strtoul(reply, NULL, 10);
    if (!talk->is_answered)
        wire_say(talk->wire, reply, bytes);
    talk->is_answered = false;
}

void talk_forget_transaction(struct talk *talk)
{
    talk->is_in_mail = false;
    talk->recipient_count = 0;
    talk->counts[AT_RCPT] = 0;
}

static void pass_end(struct talk *talk)
{
    struct tally *tally = &talk->host->tally;
    bool is_taken = talk->code / 100 == 2;

    if (is_taken)
        tally_take(tally, &talk->mark, talk->content.name, talk->recipients, talk->recipient_count);
    else if (talk->code != 0)
        tally->refused++;
    else
        tally->unanswered++;
    talk_forget_transaction(talk);
    if (is_taken && !talk->is_over)
        talk_reach(talk, AT_MESSAGES, tally_row_of(tally, &talk->mark)->taken);
}

static void begin_content(struct talk *talk)
{
    const struct script_rule *rule;

    talk->is_in_content = true;
    content_begin(&talk->content);
    rule = script_find(talk->host->script, talk->mark.number, AT_CONTENT, 0);
    talk->content_stop = rule != NULL ? rule->which.from : SIZE_MAX;
}

static void finish(struct talk *talk)
{
    if (talk->is_over)
        return;
    talk->is_over = true;
    talk->end = END_BY_QUIT;
    wire_finish(talk->wire);
}

void talk_pass(struct talk *talk)
{
    bool is_ok = talk->code / 100 == 2;

    switch (talk->at) {
    case AT_EHLO:
    case AT_HELO:
        talk->is_greeted |= is_ok;
        talk_forget_transaction(talk);
        break;
    case AT_MAIL:
        if (is_ok && !talk->is_in_mail) {
            tally_row_of(&talk->host->tally, &talk->mark)->transactions++;
            talk_forget_transaction(talk);
            talk->is_in_mail = true;
        }
        break;
    case AT_RCPT:
        if (is_ok && talk->is_in_mail && talk->recipient_count < TALK_RCPT_MAX)
            talk->recipients[talk->recipient_count++] = talk->named_now;
        break;
    case AT_DATA:
        if (talk->code == 354)
            begin_content(talk);
        break;
    case AT_END: pass_end(talk); break;
    case AT_RSET: talk_forget_transaction(talk); break;
    case AT_QUIT:
        if (is_ok)
            finish(talk);
        break;
    case AT_BANNER:
    case AT_NOOP:
    case AT_OTHER:
    case AT_CONTENT:
    case AT_MESSAGES:
    case AT_AGE:
    case AT_IDLE:
    case SCRIPT_POINTS: break;
    }
}
