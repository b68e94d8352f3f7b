/* master/control/profiles.c: reading and deleting server profiles. */
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"

#include "common/auto.h"

static void append_shown(json_t *list, const struct profile *profile)
{
    json_array_append_new(list, profile_to_json(profile, PROFILE_FORM_SHOWN));
}

void serve_profiles_get(struct call *call)
{
    const struct registry *registry = call->control->registry;
    const char *name = http_request_query(call->request, "name");
    json_t *list = json_array();

    if (name) {
        const struct profile *profile = registry_profile_named(registry, name);

        if (profile)
            append_shown(list, profile);
    } else {
        for (size_t i = 0; i < registry_profile_count(registry); i++)
            append_shown(list, registry_profile_at(registry, i));
    }
    call_answer(call, 200, json_pack("{s:o}", "profiles", list));
}

void serve_profile_get(struct call *call)
{
    uint32_t id = call_number(call, "profile");
    const struct profile *profile;

    if (id == 0)
        return;
    profile = registry_profile(call->control->registry, id);
    if (!profile) {
        call_refuse(call, 404, "not_found", "there is no profile %u", id);
        return;
    }
    call_set_version(call, profile->version);
    call_answer(call, 200, profile_to_json(profile, PROFILE_FORM_SHOWN));
}

static void on_deleted(struct registry_answer *answer, void *arg)
{
    struct call *call = arg;

    if (answer->result == REGISTRY_OK)
        call_answer(call, 204, NULL);
    else
        call_refuse_registry(call, answer, "profile", NULL);
}

void serve_profile_delete(struct call *call)
{
    uint32_t id = call_number(call, "profile");

    if (id != 0)
        registry_profile_delete(call->control->registry, id, call->if_match, &call->actor,
                                on_deleted, call);
}
