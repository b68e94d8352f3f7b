/* master/ctl/pool.c: posternctl pool. */
#include "master/ctl/commands.h"
#include "master/ctl/ctl.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/auto.h"
#include "master/ctl/show.h"
#include "master/ctl/table.h"
#include "master/ctl/text.h"

#define WATCH_S 1

/* The columns that a server and each of its workers have, then those of the server alone. */
static const char *const shared[] = { "open", "idle", "idle_slots", "leases" };
static const char *const alone[] = {
    "handshakes_saved", "misses", "misses_off", "expired", "lost", "stale", "full", "retired"
};
static const char *const headings[] = { "PROFILE", "SERVER", "WORKER", "OPEN",   "IDLE", "SLOTS",
                                        "LEASES",  "LIMIT",  "SAVED",  "MISSES", "OFF",  "EXPIRED",
                                        "LOST",    "STALE",  "FULL",   "RETIRED" };

static void add_value(struct table *table, const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    AUTO(free) char *text = value && !json_is_null(value) ? show_value(value) : NULL;

    table_add(table, text);
}

static void add_limit(struct table *table, const json_t *row)
{
    json_int_t limit = json_integer_value(json_object_get(row, "max_connections"));
    json_int_t now = json_integer_value(json_object_get(row, "using"));
    AUTO(free)
    char *text = now != limit ? text_format("%lld (learnt)", (long long)now)
                              : text_format("%lld", (long long)limit);

    table_add(table, limit == 0 && now == 0 ? "none" : text);
}

static void add_worker(struct table *table, const json_t *worker)
{
    table_add(table, "");
    table_add(table, "");
    add_value(table, worker, "slot");
    for (size_t i = 0; i < ARRAY_LEN(shared); i++)
        add_value(table, worker, shared[i]);
    for (size_t i = 3 + ARRAY_LEN(shared); i < ARRAY_LEN(headings); i++)
        table_add(table, "");
}

static void add_server(struct table *table, const json_t *server)
{
    const json_t *worker;
    size_t i;

    table_add(table, show_text(server, "profile"));
    table_add(table, show_text(server, "server"));
    table_add(table, "all");
    for (i = 0; i < ARRAY_LEN(shared); i++)
        add_value(table, server, shared[i]);
    add_limit(table, server);
    for (i = 0; i < ARRAY_LEN(alone); i++)
        add_value(table, server, alone[i]);
    json_array_foreach (json_object_get(server, "workers"), i, worker)
        add_worker(table, worker);
}

/* What was learnt limits more than what is configured. */
static void print_life(FILE *out, const json_t *server)
{
    static const struct {
        const char *key, *what, *unit;
    } rows[] = { { "idle", "idle time", " s" },
                 { "age", "age", " s" },
                 { "messages", "messages on one connection", "" } };
    AUTO(free) char *name = text_clean(show_text(server, "server"));

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double learnt =
            json_number_value(json_object_get(json_object_get(server, "learnt_life"), rows[i].key));
        double now =
            json_number_value(json_object_get(json_object_get(server, "using_life"), rows[i].key));

        if (learnt > 0)
            fprintf(out, "%s: %s: learnt %.4g%s, using %.4g%s\n", name, rows[i].what, learnt,
                    rows[i].unit, now, rows[i].unit);
    }
}

/* Of the fresh connections: how many were in TLS, or should have been. */
static void print_protection(FILE *out, const json_t *server)
{
    json_int_t secured = json_integer_value(json_object_get(server, "secured"));
    json_int_t resumed = json_integer_value(json_object_get(server, "resumed"));
    json_int_t downgraded = json_integer_value(json_object_get(server, "downgraded"));
    AUTO(free) char *name = text_clean(show_text(server, "server"));

    if (secured > 0)
        fprintf(out, "%s: %lld connections in TLS, %lld of them resumed\n", name,
                (long long)secured, (long long)resumed);
    if (downgraded > 0)
        fprintf(out, "%s: %lld connections in clear for want of TLS\n", name,
                (long long)downgraded);
}

static int show_once(struct ctl *ctl, const char *target)
{
    struct transport_reply reply;
    struct table *table;
    const json_t *server;
    size_t i;
    int code = ctl_get(ctl, target, &reply);

    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        table = table_new(ARRAY_LEN(headings));
        for (i = 0; i < ARRAY_LEN(headings); i++)
            table_add(table, headings[i]);
        json_array_foreach (json_object_get(reply.body, "servers"), i, server)
            add_server(table, server);
        table_print(table, ctl->out, 0);
        table_free(&table);
        json_array_foreach (json_object_get(reply.body, "servers"), i, server) {
            print_protection(ctl->out, server);
            print_life(ctl->out, server);
        }
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

/* Until nobody reads it any more. */
static int watch(struct ctl *ctl, const char *target)
{
    const struct timespec pause = { .tv_sec = WATCH_S };
    const char *between = isatty(fileno(ctl->out)) ? "\033[H\033[2J" : "\n";
    bool is_first = true;
    int code;

    do {
        if (!is_first || between[0] != '\n')
            fputs(between, ctl->out);
        is_first = false;
        code = show_once(ctl, target);
    } while (code == CTL_DONE && fflush(ctl->out) == 0 && nanosleep(&pause, NULL) == 0);
    return code;
}

int pool_show(struct ctl *ctl, char **arguments)
{
    AUTO(free) char *name = arguments[0] ? text_query(arguments[0]) : NULL;
    AUTO(free) char *target = text_format("/pool%s%s", name ? "?profile=" : "", name ? name : "");

    return ctl->watch ? watch(ctl, target) : show_once(ctl, target);
}
