/* master/ctl/ladder.c: a connection test as it happens. */
#include "master/ctl/ladder.h"

#include <stdlib.h>

#include "common/auto.h"
#include "master/ctl/ctl.h"
#include "master/ctl/text.h"

static char *text_at(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    return text_clean(text ? text : "");
}

/* What the last test saw there. */
static void print_change(const struct ctl *ctl, const json_t *line, const char *profile,
                         const char *server, const char *step)
{
    AUTO(free) char *since = text_at(line, "since");
    AUTO(free) char *was = text_at(line, "was");
    AUTO(free) char *text = text_at(line, "was_text");

    fprintf(ctl->out, "%s%s%-30s  %-11s  at %s it was %s%s%s\n", profile, *profile ? "  " : "",
            server, step, since, *was ? was : "not reached", *text ? ": " : "", text);
}

void ladder_print_step(const json_t *line, void *arg)
{
    struct ctl *ctl = arg;
    AUTO(free) char *profile = text_at(line, "profile");
    AUTO(free) char *server = text_at(line, "server");
    AUTO(free) char *step = text_at(line, "step");
    AUTO(free) char *result = text_at(line, "result");
    AUTO(free) char *text = text_at(line, "text");
    int ms = (int)json_integer_value(json_object_get(line, "ms"));

    if (json_object_get(line, "was")) {
        print_change(ctl, line, profile, server, step);
        return;
    }
    fprintf(ctl->out, "%s%s%-30s  %-11s  %-10s  %5d ms%s%s\n", profile, *profile ? "  " : "",
            server, step, result, ms, *text ? "  " : "", text);
    fflush(ctl->out); /* somebody watches it happen */
}
