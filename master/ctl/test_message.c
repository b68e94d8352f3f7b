/* master/ctl/test_message.c: posternctl test-message. */
#include "master/ctl/commands.h"
#include "master/ctl/ctl.h"

#include <stdlib.h>

#include "common/auto.h"
#include "master/ctl/show.h"
#include "master/ctl/text.h"

static bool set(json_t *body, const char *name, const char *text)
{
    return !text || json_object_set_new(body, name, json_string(text)) == 0;
}

static void print(struct ctl *ctl, const json_t *answer)
{
    static const char *const names[] = { "id", "to", "rule", "profile" };
    char *texts[ARRAY_LEN(names)];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *text = show_text(answer, names[i]);

        texts[i] = text_clean(text ? text : "-");
    }
    fprintf(ctl->out,
            "message %s is on its way to %s by rule \"%s\", profile \"%s\"\n"
            "see: posternctl queue show %s\n",
            texts[0], texts[1], texts[2], texts[3], texts[0]);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        free(texts[i]);
}

int test_message(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *body = json_object();
    struct transport_request request = { .method = "POST",
                                         .target = "/test-message",
                                         .body = body };
    struct transport_reply reply;
    int code;

    (void)arguments;
    if (!ctl->to)
        return ctl_refuse(ctl, CTL_USAGE, "test-message: --to is needed");
    if (!set(body, "to", ctl->to) || !set(body, "from", ctl->from) ||
        !set(body, "client", ctl->client))
        return ctl_refuse(ctl, CTL_USAGE, "test-message: an address is UTF-8");
    code = ctl_call(ctl, &request, &reply);
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body))
        print(ctl, reply.body);
    ctl_reply_done(&reply);
    return CTL_DONE;
}
