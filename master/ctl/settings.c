/* master/ctl/settings.c: posternctl settings, export, import. */
#include "master/ctl/commands.h"
#include "master/ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "master/ctl/ladder.h"
#include "master/ctl/show.h"
#include "master/ctl/text.h"

int settings_show(struct ctl *ctl, char **arguments)
{
    struct transport_reply reply;
    int code = ctl_get(ctl, "/settings", &reply);

    (void)arguments;
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body))
        show_object(ctl->out, reply.body, 0);
    ctl_reply_done(&reply);
    return CTL_DONE;
}

/* A file without a version replaces whatever is there now. */
static int find_etag(struct ctl *ctl, const json_t *input, char etag[64])
{
    const json_t *version = json_object_get(input, "version");
    struct transport_reply reply;
    int code;

    if (version) {
        snprintf(etag, 64, "\"%" JSON_INTEGER_FORMAT "\"", json_integer_value(version));
        return CTL_DONE;
    }
    code = ctl_get(ctl, "/settings", &reply);
    if (code != CTL_DONE)
        return code;
    memcpy(etag, reply.etag, sizeof(reply.etag));
    ctl_reply_done(&reply);
    return CTL_DONE;
}

int settings_put(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *input = NULL;
    char etag[64];
    struct transport_request request = { .method = "PUT", .target = "/settings" };
    struct transport_reply reply;
    int code = ctl_read_file(ctl, arguments[0], &input);

    if (code == CTL_DONE)
        code = find_etag(ctl, input, etag);
    if (code != CTL_DONE)
        return code;
    request.body = input;
    request.if_match = etag;
    code = ctl_call(ctl, &request, &reply);
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        fprintf(ctl->out, "settings replaced\n");
        ctl_print_warnings(ctl, reply.body);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

int settings_export(struct ctl *ctl, char **arguments)
{
    struct transport_reply reply;
    int code = ctl_get(ctl, "/export", &reply);

    (void)arguments;
    if (code != CTL_DONE)
        return code;
    ctl->json = true; /* there is no other form of it */
    (void)ctl_print_json(ctl, reply.body);
    ctl_reply_done(&reply);
    return CTL_DONE;
}

static void print_counts(struct ctl *ctl, const json_t *body)
{
    const json_t *incomplete = json_object_get(body, "incomplete");
    const json_t *name;
    size_t i;

    fprintf(ctl->out,
            "imported %" JSON_INTEGER_FORMAT " profiles and %" JSON_INTEGER_FORMAT " rules%s\n",
            json_integer_value(json_object_get(body, "profiles")),
            json_integer_value(json_object_get(body, "rules")), ctl->no_test ? ", not tested" : "");
    json_array_foreach (incomplete, i, name) {
        AUTO(free) char *clean = text_clean(json_string_value(name) ? json_string_value(name) : "");

        fprintf(ctl->out,
                "profile \"%s\" is incomplete: its mail waits until its secrets are "
                "entered (profile put)\n",
                clean);
    }
    ctl_print_warnings(ctl, body);
}

int settings_import(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *input = NULL;
    struct transport_request request = { .method = "POST",
                                         .target = ctl->no_test ? "/import?test=skip" : "/import",
                                         .on_line = ctl->json ? NULL : ladder_print_step,
                                         .arg = ctl };
    struct transport_reply reply;
    int code = ctl_read_file(ctl, arguments[0], &input);

    if (code != CTL_DONE)
        return code;
    request.body = input;
    code = ctl_call(ctl, &request, &reply);
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body))
        print_counts(ctl, reply.body);
    ctl_reply_done(&reply);
    return CTL_DONE;
}
