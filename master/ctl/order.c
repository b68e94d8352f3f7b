#include "master/ctl/order.h"

#include <stdio.h>
#include <string.h>

#include "common/auto.h"
#include "master/ctl/ctl.h"
#include "master/ctl/text.h"

void order_add_query(char **target, const char *name, const char *value)
{
    AUTO(free) char *before = *target;
    AUTO(free) char *text = NULL;

    if (!value) {
        before = NULL;
        return;
    }
    text = text_query(value);
    *target = text_format("%s%c%s=%s", before, strchr(before, '?') ? '&' : '?', name, text);
}

int order_one(struct ctl *ctl, const char *list, const char *id, const char *method,
              const char *verb, const json_t *body, const char *said)
{
    AUTO(free) char *query = text_query(id);
    AUTO(free) char *target = text_format("/%s/%s%s", list, query, verb);
    struct transport_request request = { .method = method, .body = body };
    struct transport_reply reply;
    int code;

    order_add_query(&target, "group", ctl->group);
    request.target = target;
    code = ctl_call(ctl, &request, &reply);
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        AUTO(free) char *clean = text_clean(id);

        fprintf(ctl->out, "%s: %s\n", clean, said);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

int order_each(struct ctl *ctl, const char *list, char **ids, const char *method, const char *verb,
               const char *said)
{
    int worst = CTL_DONE;

    for (; *ids; ids++) {
        int code = order_one(ctl, list, *ids, method, verb, NULL, said);

        worst = code > worst ? code : worst;
        if (code == CTL_UNREACHABLE)
            break;
    }
    return worst;
}
