#include "talk_private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <xxhash.h>

#include "common/loop.h"
#include "wire.h"

#define LINE_MAX_BYTES 8192

static const struct script_action usual_action = { .verb = DO_USUAL };

/* ---- from point to point ---- */

static void perform(struct talk *talk, const struct script_action *actions, enum script_point point)
{
    talk->at = point;
    talk->code = 0;
    talk->todo = actions;
    if (talk_perform(talk))
        talk_pass(talk);
}

void talk_reach(struct talk *talk, enum script_point point, unsigned nth)
{
    struct script_rule *rule = script_take(talk->host->script, talk->mark.number, point, nth);

    if (rule != NULL)
        perform(talk, rule->actions, point);
    else if (point < AT_CONTENT)
        perform(talk, &usual_action, point);
}

static void come_to(struct talk *talk, enum script_point point)
{
    talk->host->tally.commands[point]++;
    talk_reach(talk, point, ++talk->counts[point]);
}

/* ---- what the client says ---- */

static enum script_point point_of(const char *line, size_t bytes)
{
    for (enum script_point point = AT_EHLO; point < AT_OTHER; point++) {
        if (point != AT_END && bytes >= 4 && strncasecmp(line, script_point_name(point), 4) == 0 &&
            (bytes == 4 || line[4] == ' ' || line[4] == '\r'))
            return point;
    }
    return AT_OTHER;
}

static uint64_t hash_of_address(const char *line, size_t bytes)
{
    const char *begin = memchr(line, '<', bytes);
    const char *end = begin != NULL ? memchr(begin, '>', bytes - (size_t)(begin - line)) : NULL;

    return end != NULL ? XXH3_64bits(begin, (size_t)(end - begin)) : XXH3_64bits(line, bytes);
}

static void take_command(struct talk *talk, const char *line, size_t bytes)
{
    enum script_point point = point_of(line, bytes);

    if (point == AT_MAIL || point == AT_QUIT)
        tally_end_idle(&talk->host->tally, &talk->mark);
    if (point == AT_QUIT)
        talk->said_quit = tally_row_of(&talk->host->tally, &talk->mark)->said_quit = true;
    if (point == AT_RCPT)
        talk->named_now = hash_of_address(line, bytes);
    come_to(talk, point);
}

static size_t take_content(struct talk *talk, const char *octets, size_t count)
{
    size_t taken = content_take(&talk->content, octets, count, talk->content_stop);

    if (talk->content.is_over) {
        talk->host->tally.octets += talk->content.octets;
        talk->is_in_content = false;
        come_to(talk, AT_END);
    } else if (talk->content.octets == talk->content_stop) {
        unsigned stop = (unsigned)talk->content_stop;

        talk->content_stop = SIZE_MAX;
        talk_reach(talk, AT_CONTENT, stop);
    }
    return taken;
}

static size_t on_octets(const char *octets, size_t count, void *owner)
{
    struct talk *talk = owner;
    size_t done = 0;

    while (done < count && !talk->is_waiting && !talk->is_over && !talk->is_stalled) {
        const char *line = octets + done;
        const char *end;

        if (talk->is_in_content) {
            done += take_content(talk, line, count - done);
            continue;
        }
        end = memchr(line, '\n', count - done);
        if (end == NULL && count - done < LINE_MAX_BYTES)
            return done;
        done = end != NULL ? (size_t)(end + 1 - octets) : count;
        take_command(talk, line, done - (size_t)(line - octets));
    }
    return talk->is_over || talk->is_stalled ? count : done;
}

/* ---- rules with a clock ---- */

/* Nothing of a sequence that is under way is left when the clock has spoken. */
static void interrupt(struct talk *talk, enum script_point point, unsigned ms)
{
    struct wire *wire = talk->wire;

    if (!talk->is_over) {
        if (talk->delay != NULL)
            loop_timer_clear(talk->delay);
        talk->is_waiting = false;
        talk_reach(talk, point, ms);
        if (!talk->is_waiting)
            wire_resume(wire);
    }
    wire_settle(wire);
}

static const struct script_rule *clock_rule(const struct talk *talk, enum script_point point)
{
    return script_find(talk->host->script, talk->mark.number, point, 0);
}

static void on_age(void *arg)
{
    struct talk *talk = arg;
    const struct script_rule *rule = clock_rule(talk, AT_AGE);

    if (rule != NULL && rule->is_between && talk->is_in_mail)
        loop_timer_set_ms(talk->age, 1);
    else
        interrupt(talk, AT_AGE, rule != NULL ? rule->which.from : 0);
}

static void on_idle(void *arg)
{
    struct talk *talk = arg;
    const struct script_rule *rule = clock_rule(talk, AT_IDLE);

    talk->was_idle_fired = true;
    interrupt(talk, AT_IDLE, rule != NULL ? rule->which.from : 0);
}

static void set_clock(struct talk *talk, enum script_point point, struct loop_timer **timer,
                      loop_timer_cb *cb)
{
    const struct script_rule *rule = clock_rule(talk, point);

    if (rule == NULL)
        return;
    if (*timer == NULL)
        *timer = loop_timer_new(talk->host->loop, cb, talk);
    if (*timer == NULL)
        abort();
    loop_timer_set_ms(*timer, rule->which.from);
}

static void on_handled(void *owner)
{
    struct talk *talk = owner;
    bool is_idle = talk->is_greeted && !talk->is_in_mail && !talk->is_waiting &&
                   !talk->is_stalled && !talk->is_over && !talk->said_quit;

    if (!is_idle) {
        tally_end_idle(&talk->host->tally, &talk->mark);
        if (talk->idle != NULL)
            loop_timer_clear(talk->idle);
    } else if (!talk->mark.is_idle) {
        tally_begin_idle(&talk->host->tally, &talk->mark);
        if (!talk->was_idle_fired)
            set_clock(talk, AT_IDLE, &talk->idle, on_idle);
    }
}

/* ---- begin and end ---- */

static void on_drained(void *owner)
{
    talk_flood(owner);
}

static void talk_free(struct talk *talk)
{
    TAILQ_REMOVE(&talk->host->talks, talk, link);
    loop_timer_free(&talk->delay);
    loop_timer_free(&talk->age);
    loop_timer_free(&talk->idle);
    wire_free(&talk->wire);
    free(talk);
}

static void on_end(bool is_client_reset, void *owner)
{
    struct talk *talk = owner;
    enum tally_end end = talk->end;

    if (end == END_OPEN)
        end = talk->said_quit ? END_BY_QUIT : is_client_reset ? END_BY_CLIENT_RESET : END_BY_CLIENT;
    tally_close(&talk->host->tally, &talk->mark, end);
    talk_free(talk);
}

void talk_begin(struct host *host, int fd)
{
    static const struct wire_ops ops = { on_octets, on_drained, on_handled, on_end };
    struct talk *talk = calloc(1, sizeof(*talk));
    bool is_served;

    if (talk == NULL)
        abort();
    talk->host = host;
    TAILQ_INSERT_TAIL(&host->talks, talk, link);
    is_served = tally_open(&host->tally, &talk->mark, fd, host->script->limit);
    talk->wire = wire_new(host->loop, fd, &ops, talk);
    set_clock(talk, AT_AGE, &talk->age, on_age);
    if (is_served)
        come_to(talk, AT_BANNER);
    else
        perform(talk, host->script->limit_reply, AT_BANNER);
    wire_settle(talk->wire);
}

void talk_cut_all(struct host *host)
{
    while (!TAILQ_EMPTY(&host->talks)) {
        struct talk *talk = TAILQ_FIRST(&host->talks);

        tally_end_idle(&host->tally, &talk->mark);
        TAILQ_REMOVE(&host->tally.marks, &talk->mark, open_link);
        talk_free(talk);
    }
}
