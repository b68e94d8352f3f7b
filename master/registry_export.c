/* master/registry_export.c: everything as an editor sees it, in one object (OP07). */
#include "master/registry_private.h"

static json_t *export_profiles(const struct registry_state *now)
{
    json_t *list = json_array();

    for (size_t i = 0; i < now->profiles.count; i++) {
        const struct profile *profile = state_profile_at(now, i)->profile;

        if (json_array_append_new(list, profile_to_json(profile, PROFILE_FORM_SHOWN)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *export_rules(const struct registry_state *now)
{
    json_t *list = json_array();

    for (size_t i = 0; i < now->set->count; i++) {
        json_t *rule = rule_to_shown(now->set->rules[i], state_name_of, (void *)now);

        if (json_array_append_new(list, rule) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *registry_export(const struct registry *registry)
{
    return json_pack("{so so so}", "profiles", export_profiles(&registry->now), "rules",
                     export_rules(&registry->now), "settings", registry_settings_shown(registry));
}
