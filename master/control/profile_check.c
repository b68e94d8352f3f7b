/* master/control/profile_check.c: what is wrong with a profile that is still being written.
 *
 * For an editor, which asks while one types: the same check as before a save (SP50), and for each
 * server the form in which it would be stored (SP16), also while other properties are wrong.
 * Nothing is connected to, stored or audited. */
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"

#include <string.h>

#include "common/profile.h"

/* null for what cannot be read. */
static json_t *stored_form(const json_t *typed, enum profile_type type)
{
    const char *text = json_string_value(typed), *component;
    struct server_uri uri;
    struct reason why = { "" };

    if (text == NULL || strlen(text) != json_string_length(typed) ||
        server_uri_parse(text, type, &uri, &component, &why) < 0)
        return json_null();
    return json_string(uri.text);
}

/* One for each that was given; none without a type, which decides what is assumed. */
static json_t *stored_forms(const json_t *input)
{
    int type = profile_type_parse(json_string_value(json_object_get(input, "type")));
    const json_t *list = json_object_get(input, "servers"), *typed;
    json_t *forms = json_array();
    size_t i;

    if (type < 0)
        return forms;
    json_array_foreach ((json_t *)list, i, typed) {
        if (i == PROFILE_MAX_SERVERS)
            break;
        json_array_append_new(forms, stored_form(typed, (enum profile_type)type));
    }
    return forms;
}

void serve_profile_check(struct call *call)
{
    struct profile *profile;
    struct problems problems;

    if (problems_init(&problems) < 0) {
        call_refuse_memory(call);
        return;
    }
    profile = registry_profile_check(call->control->registry, call->body, 0, &problems);
    call_answer(call, 200,
                json_pack("{s:b, s:o, s:O, s:O}", "valid", profile != NULL, "servers",
                          stored_forms(call->body), "errors", problems.errors, "warnings",
                          problems.warnings));
    profile_free(&profile);
    problems_done(&problems);
}
