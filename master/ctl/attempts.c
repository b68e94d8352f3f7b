#include "master/ctl/attempts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "master/ctl/show.h"
#include "master/ctl/text.h"

/* ---- the parts of a line ---- */

/* " (a; b; c)", opened by the first. */
struct remarks {
    FILE *out;
    bool has_some;
};

static void remark(struct remarks *remarks, const char *text)
{
    AUTO(free) char *clean = text_clean(text);

    fprintf(remarks->out, "%s%s", remarks->has_some ? "; " : " (", clean);
    remarks->has_some = true;
}

static void remark_ms(struct remarks *remarks, const char *what, json_int_t ms)
{
    const char *blank = *what ? " " : "";
    AUTO(free)
    char *text = ms < 10000 ? text_format("%s%s%lld ms", what, blank, (long long)ms)
                            : text_format("%s%s%.1f s", what, blank, (double)ms / 1000);

    remark(remarks, text);
}

static void remark_pool(struct remarks *remarks, const char *pool)
{
    static const struct {
        const char *name, *text;
    } ways[] = {
        { "hit", "an idle connection" },
        { "handed_over", "a connection handed over by another delivery" },
        { "miss", "a fresh connection: none was idle" },
        { "miss_off", "a fresh connection: pooling is off" },
        { "miss_stale", "a fresh connection: the idle one was dead" },
    };

    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        if (strcmp(pool, ways[i].name) == 0)
            pool = ways[i].text;
    }
    remark(remarks, pool);
}

/* ---- a server ---- */

static bool ends_with_ms(const char *key)
{
    size_t length = strlen(key);

    return length > 3 && strcmp(key + length - 3, "_ms") == 0;
}

/* The code stands at the beginning of the text where there is a reply. */
static bool is_said_already(const char *key)
{
    return strcmp(key, "server") == 0 || strcmp(key, "result") == 0 || strcmp(key, "code") == 0 ||
           strcmp(key, "text") == 0;
}

static void remark_member(struct remarks *remarks, const char *key, const json_t *value)
{
    if (is_said_already(key))
        return;
    if (strcmp(key, "ms") == 0) {
        remark_ms(remarks, "", json_integer_value(value));
    } else if (ends_with_ms(key)) {
        AUTO(free) char *what = text_format("%.*s", (int)strlen(key) - 3, key);

        remark_ms(remarks, what, json_integer_value(value));
    } else if (strcmp(key, "pool") == 0 && json_is_string(value)) {
        remark_pool(remarks, json_string_value(value));
    } else {
        AUTO(free) char *shown = show_value(value);
        AUTO(free) char *text = text_format("%s %s", key, shown);

        remark(remarks, text);
    }
}

static void show_step(FILE *out, const json_t *step, unsigned indent)
{
    const char *server = show_text(step, "server"), *said = show_text(step, "text");
    const char *result = show_text(step, "result");
    AUTO(free) char *clean_server = text_clean(server ? server : "-");
    AUTO(free) char *clean_result = text_clean(result ? result : "-");
    AUTO(free) char *clean_said = text_clean(said ? said : "");
    struct remarks remarks = { .out = out };
    const char *key;
    json_t *value;

    fprintf(out, "%*s%s  %s%s%s", (int)indent, "", clean_server, clean_result,
            *clean_said ? ": " : "", clean_said);
    json_object_foreach ((json_t *)step, key, value)
        remark_member(&remarks, key, value);
    fputs(remarks.has_some ? ")\n" : "\n", out);
}

/* ---- an attempt ---- */

static void show_attempt(FILE *out, const json_t *attempt, unsigned indent)
{
    const char *outcome = show_text(attempt, "outcome"), *next = show_text(attempt, "next");
    const char *at = show_text(attempt, "time"), *stage = show_text(attempt, "stage");
    AUTO(free) char *clean_stage = text_clean(stage ? stage : "");
    AUTO(free) char *clean_outcome = text_clean(outcome ? outcome : "-");
    AUTO(free) char *clean_at = text_clean(at ? at : "-");
    AUTO(free) char *clean_next = text_clean(next ? next : "");
    const json_t *step;
    size_t i;

    fprintf(out, "%*s%s%sattempt %lld at %s: %s after %.1f s%s%s%s\n", (int)indent, "", clean_stage,
            *clean_stage ? ", " : "",
            (long long)json_integer_value(json_object_get(attempt, "number")), clean_at,
            clean_outcome, (double)json_integer_value(json_object_get(attempt, "ms")) / 1000,
            *clean_next ? "; next " : "", clean_next,
            json_is_true(json_object_get(attempt, "trial"))
                ? "; a trial, for no server of the profile took mail"
                : "");
    json_array_foreach (json_object_get(attempt, "tried"), i, step)
        show_step(out, step, indent + 2);
}

void attempts_show(FILE *out, const json_t *attempts, unsigned indent)
{
    const json_t *attempt;
    size_t i;

    json_array_foreach (attempts, i, attempt)
        show_attempt(out, attempt, indent);
}
