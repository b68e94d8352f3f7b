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

void ladder_print_step(const json_t *line, void *arg)
{
    struct ctl *ctl = arg;
    AUTO(free) char *profile = text_at(line, "profile");
    AUTO(free) char *server = text_at(line, "server");
    AUTO(free) char *step = text_at(line, "step");
    AUTO(free) char *result = text_at(line, "result");
    AUTO(free) char *text = text_at(line, "text");
    int ms = (int)json_integer_value(json_object_get(line, "ms"));

    fprintf(ctl->out, "%s%s%-30s  %-11s  %-10s  %5d ms%s%s\n", profile, *profile ? "  " : "",
            server, step, result, ms, *text ? "  " : "", text);
    fflush(ctl->out); /* somebody watches it happen */
}
