#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/auto.h"
#include "talk.h"

static const char *const end_names[TALLY_ENDS] = {
    [END_OPEN] = "open",        [END_BY_QUIT] = "quit",
    [END_BY_CLIENT] = "client", [END_BY_CLIENT_RESET] = "client_reset",
    [END_BY_SERVER] = "server",
};

static json_t *time_or_null(int64_t ms)
{
    return ms < 0 ? json_null() : json_integer(ms);
}

static json_t *connections_of(const struct tally *tally)
{
    long ends[TALLY_ENDS] = { 0 };
    json_t *by_end = json_object();
    long quits = 0;

    for (unsigned i = 0; i < tally->accepted; i++) {
        ends[tally->rows[i].end]++;
        quits += tally->rows[i].said_quit;
    }
    for (enum tally_end end = END_BY_QUIT; end < TALLY_ENDS; end++)
        json_object_set_new(by_end, end_names[end], json_integer(ends[end]));
    return json_pack("{s:i, s:i, s:i, s:i, s:I, s:i, s:i, s:i, s:I, s:I, s:o}", "accepted",
                     (int)tally->accepted, "ended", (int)(tally->accepted - tally->open), "open",
                     (int)tally->open, "most_open", (int)tally->most_open, "most_open_at_ms",
                     (json_int_t)tally->most_open_at_ms, "turned_away", (int)tally->turned_away,
                     "idle", (int)tally->idle, "most_idle", (int)tally->most_idle,
                     "most_idle_at_ms", (json_int_t)tally->most_idle_at_ms, "quits",
                     (json_int_t)quits, "by_end", by_end);
}

static json_t *messages_of(const struct tally *tally)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "taken", (json_int_t)tally->taken,
                     "distinct", (json_int_t)tally->messages.count, "repeated",
                     (json_int_t)tally->repeated, "unnamed", (json_int_t)tally->unnamed, "refused",
                     (json_int_t)tally->refused, "unanswered", (json_int_t)tally->unanswered,
                     "recipients", (json_int_t)tally->recipients, "octets",
                     (json_int_t)tally->octets);
}

static json_t *commands_of(const struct tally *tally)
{
    json_t *commands = json_object();

    for (enum script_point point = AT_EHLO; point <= AT_OTHER; point++)
        json_object_set_new(commands, script_point_name(point),
                            json_integer((json_int_t)tally->commands[point]));
    return commands;
}

static void count_one(json_t *counts, uint32_t number)
{
    char key[16];

    (void)snprintf(key, sizeof(key), "%u", number);
    json_object_set_new(counts, key,
                        json_integer(json_integer_value(json_object_get(counts, key)) + 1));
}

static json_t *per_connection_of(const struct tally *tally)
{
    json_t *transactions = json_object(), *messages = json_object();

    for (unsigned i = 0; i < tally->accepted; i++) {
        count_one(transactions, tally->rows[i].transactions);
        count_one(messages, tally->rows[i].taken);
    }
    return json_pack("{s:o, s:o}", "transactions", transactions, "messages", messages);
}

static json_t *times_of(const struct tally *tally)
{
    int64_t last_end = -1;

    for (unsigned i = 0; i < tally->accepted; i++) {
        if (tally->rows[i].ended_ms > last_end)
            last_end = tally->rows[i].ended_ms;
    }
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:I}", "first_connection",
        time_or_null(tally->accepted > 0 ? tally->rows[0].accepted_ms : -1), "last_connection",
        time_or_null(tally->accepted > 0 ? tally->rows[tally->accepted - 1].accepted_ms : -1),
        "last_end", time_or_null(last_end), "first_message", time_or_null(tally->first_taken_ms),
        "last_message", time_or_null(tally->last_taken_ms), "now", (json_int_t)tally_now_ms(tally));
}

static json_t *rules_of(const struct script *script)
{
    json_t *rules = json_array();

    for (const struct script_rule *rule = script->rules; rule != NULL; rule = rule->next)
        json_array_append_new(
            rules, json_pack("{s:i, s:i}", "line", (int)rule->line, "used", (int)rule->used));
    return rules;
}

static json_t *rows_of(const struct tally *tally)
{
    json_t *rows = json_array();

    for (unsigned i = 0; i < tally->accepted; i++) {
        const struct tally_row *row = &tally->rows[i];

        json_array_append_new(
            rows, json_pack("{s:I, s:o, s:s, s:b, s:i, s:i, s:o}", "accepted_ms",
                            (json_int_t)row->accepted_ms, "ended_ms", time_or_null(row->ended_ms),
                            "end", end_names[row->end], "quit", row->said_quit, "transactions",
                            (int)row->transactions, "messages", (int)row->taken, "longest_idle_ms",
                            time_or_null(row->longest_idle_ms)));
    }
    return rows;
}

int report_write(struct host *host, const char *path, bool with_rows)
{
    struct tally *tally = &host->tally;
    AUTO(json) json_t *all = NULL;
    char beside[512];

    tally_to_now(tally);
    all = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "connections", connections_of(tally),
                    "messages", messages_of(tally), "commands", commands_of(tally),
                    "per_connection", per_connection_of(tally), "times_ms", times_of(tally),
                    "rules", rules_of(host->script));
    if (all == NULL)
        abort();
    if (with_rows)
        json_object_set_new(all, "rows", rows_of(tally));
    if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
        return -ENAMETOOLONG;
    if (json_dump_file(all, beside, JSON_INDENT(1)) < 0 || rename(beside, path) < 0)
        return -EIO;
    return 0;
}

void report_say(struct host *host)
{
    static unsigned long taken_before;
    static unsigned accepted_before;
    struct tally *tally = &host->tally;

    tally_to_now(tally);
    (void)fprintf(stderr,
                  "%6.1f s  open %u (most %u)  idle %u (most %u)  accepted %u (+%u)  "
                  "taken %lu (+%lu)\n",
                  (double)tally_now_ms(tally) / 1000, tally->open, tally->most_open, tally->idle,
                  tally->most_idle, tally->accepted, tally->accepted - accepted_before,
                  tally->taken, tally->taken - taken_before);
    accepted_before = tally->accepted;
    taken_before = tally->taken;
}
