/* master/ctl/profile.c: posternctl profile ... */
#include "master/ctl/commands.h"
#include "master/ctl/ctl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/auto.h"
#include "master/ctl/ladder.h"
#include "master/ctl/show.h"
#include "master/ctl/table.h"
#include "master/ctl/text.h"

int profile_list(struct ctl *ctl, char **arguments)
{
    struct transport_reply reply;
    struct table *table;
    const json_t *profile;
    size_t i;
    int code = ctl_get(ctl, "/profiles", &reply);

    (void)arguments;
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        table = table_new(7);
        table_add(table, "NAME");
        table_add(table, "TYPE");
        table_add(table, "PREFERENCE");
        table_add(table, "ENCRYPTION");
        table_add(table, "VERSION");
        table_add(table, "STATE");
        table_add(table, "SERVERS");
        json_array_foreach (json_object_get(reply.body, "profiles"), i, profile) {
            AUTO(free) char *version = show_value(json_object_get(profile, "version"));
            AUTO(free) char *servers = show_value(json_object_get(profile, "servers"));

            table_add(table, show_text(profile, "name"));
            table_add(table, show_text(profile, "type"));
            table_add(table, show_text(profile, "preference"));
            table_add(table, show_text(profile, "encryption"));
            table_add(table, version);
            table_add(table, json_is_true(json_object_get(profile, "incomplete")) ? "incomplete"
                                                                                  : "complete");
            table_add(table, servers);
        }
        table_print(table, ctl->out, 0);
        table_free(&table);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

int profile_show(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *profile = NULL;
    int code = ctl_find(ctl, "profiles", arguments[0], &profile);

    if (code == CTL_DONE && !ctl_print_json(ctl, profile))
        show_object(ctl->out, profile, 0);
    return code;
}

/* Sends a profile to be tested, and shows the test while it runs. */
static int send_profile(struct ctl *ctl, const char *target, const json_t *profile,
                        struct transport_reply *ret_reply)
{
    struct transport_request request = { .method = "POST",
                                         .target = target,
                                         .body = profile,
                                         .on_line = ctl->json ? NULL : ladder_print_step,
                                         .arg = ctl };

    return ctl_call(ctl, &request, ret_reply);
}

int profile_put(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *input = NULL;
    struct transport_reply reply;
    const json_t *profile;
    int code = ctl_read_file(ctl, arguments[0], &input);

    if (code != CTL_DONE)
        return code;
    code = send_profile(ctl, ctl->no_test ? "/profiles?test=skip" : "/profiles", input, &reply);
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        AUTO(free) char *name = NULL;

        profile = json_object_get(reply.body, "profile");
        name = text_clean(show_text(profile, "name") ? show_text(profile, "name") : "");
        fprintf(ctl->out, "%s profile \"%s\", version %" JSON_INTEGER_FORMAT "%s\n",
                json_is_true(json_object_get(reply.body, "created")) ? "created" : "updated", name,
                json_integer_value(json_object_get(profile, "version")),
                ctl->no_test ? ", not tested" : "");
        ctl_print_warnings(ctl, reply.body);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

int profile_delete(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *profile = NULL;
    AUTO(free) char *target = NULL;
    struct transport_request request = { .method = "DELETE" };
    struct transport_reply reply;
    int code = ctl_find(ctl, "profiles", arguments[0], &profile);

    if (code != CTL_DONE)
        return code;
    target = text_format("/profiles/%" JSON_INTEGER_FORMAT,
                         json_integer_value(json_object_get(profile, "id")));
    request.target = target;
    code = ctl_call(ctl, &request, &reply);
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        AUTO(free) char *name = text_clean(arguments[0]);

        fprintf(ctl->out, "deleted profile \"%s\"\n", name);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

int profile_test(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *profile = NULL;
    struct transport_reply reply;
    bool is_file = strcmp(arguments[0], "-") == 0 || access(arguments[0], R_OK) == 0;
    int code = is_file ? ctl_read_file(ctl, arguments[0], &profile)
                       : ctl_find(ctl, "profiles", arguments[0], &profile);

    if (code != CTL_DONE)
        return code;
    code = send_profile(ctl, "/profiles/test", profile, &reply);
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        fprintf(ctl->out, "passed\n");
        ctl_print_warnings(ctl, reply.body);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}
