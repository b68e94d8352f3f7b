/* master/registry_settings.c: what is set for the whole appliance: today the postmaster (SR03). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/registry_private.h"

json_t *registry_settings_shown(const struct registry *registry)
{
    const struct rule_set *rules = registry->rules;
    const char *profile = registry_name_of(rules->postmaster_profile, (void *)registry);

    if (rules->postmaster == NULL)
        return json_pack("{sI sn}", "version", (json_int_t)registry->settings_version,
                         "postmaster");
    return json_pack("{sI s{ss ss*}}", "version", (json_int_t)registry->settings_version,
                     "postmaster", "mailbox", rules->postmaster, "profile", profile);
}

uint64_t registry_settings_version(const struct registry *registry)
{
    return registry->settings_version;
}

static bool is_mailbox(const char *text)
{
    const char *at = text != NULL ? strrchr(text, '@') : NULL;

    if (at == NULL || at == text || at[1] == '\0' || strlen(text) > 320)
        return false;
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '<' || *p == '>')
            return false;
    }
    return true;
}

static void read_postmaster(const struct registry *registry, const json_t *input,
                            struct rule_set *rules, struct problems *problems)
{
    const json_t *mailbox = json_object_get(input, "mailbox");
    const json_t *name = json_object_get(input, "profile");
    const struct profile *profile =
        json_is_string(name) ? registry_profile_named(registry, json_string_value(name)) : NULL;

    if (!is_mailbox(json_string_value(mailbox)))
        problem_add(problems, "postmaster.mailbox", mailbox, "an address such as it@example.net",
                    "not a mailbox");
    if (profile == NULL || profile->type != PROFILE_SMTP)
        problem_add(problems, "postmaster.profile", name, "the name of an smtp profile",
                    profile == NULL ? "no such profile" : "not of type smtp");
    if (problems_any(problems))
        return;
    rules->postmaster = strdup(json_string_value(mailbox));
    rules->postmaster_profile = profile->id;
}

enum registry_result registry_read_settings(const struct registry *registry, const json_t *input,
                                            struct rule_set *rules, struct problems *problems)
{
    const json_t *postmaster = json_object_get(input, "postmaster");
    const json_t *value;
    const char *key;

    json_object_foreach ((json_t *)input, key, value) {
        if (strcmp(key, "postmaster") != 0 && strcmp(key, "version") != 0)
            problem_add(problems, key, value, "postmaster", "no such setting");
    }
    if (!json_is_object(input))
        problem_add(problems, "settings", input, "an object", "not an object");
    else if (postmaster != NULL && !json_is_null(postmaster) && !json_is_object(postmaster))
        problem_add(problems, "postmaster", postmaster, "{mailbox, profile} or null",
                    "not an object");
    free(rules->postmaster);
    rules->postmaster = NULL;
    rules->postmaster_profile = 0;
    if (json_is_object(postmaster))
        read_postmaster(registry, postmaster, rules, problems);
    return problems_any(problems) ? REGISTRY_INVALID : REGISTRY_OK;
}

void request_write_settings(struct request *request, const struct rule_set *rules)
{
    uint64_t version = request->registry->last_version;
    json_t *postmaster = rules->postmaster != NULL
                             ? json_pack("{ss sI}", "mailbox", rules->postmaster, "profile",
                                         (json_int_t)rules->postmaster_profile)
                             : json_null();

    request_write(request, STORE_SETTINGS, "general",
                  json_pack("{si sI so}", "v", REGISTRY_FORMAT, "version", (json_int_t)version,
                            "postmaster", postmaster));
}

static enum registry_result prepare_put(struct registry *registry, struct request *request)
{
    const json_t *given = json_object_get(request->input, "version");
    enum registry_result result;

    if (request->if_match == 0 && json_is_integer(given))
        request->if_match = (uint64_t)json_integer_value(given);
    if (request->if_match != 0 && request->if_match != registry->settings_version)
        return REGISTRY_STALE;
    request->rules = registry_copy_rules(registry);
    if (request->rules == NULL) {
        (void)reason_set(&request->answer.why, 0, "out of memory");
        return REGISTRY_STORE;
    }
    result =
        registry_read_settings(registry, request->input, request->rules, &request->answer.problems);
    if (result != REGISTRY_OK)
        return result;
    request->answer.version = request_next_version(request);
    request->watch_rules = true;
    request_write_settings(request, request->rules);
    request_audit(request, "settings changed", "postmaster",
                  request->rules->postmaster != NULL ? request->rules->postmaster : "unset");
    return REGISTRY_OK;
}

static void apply_put(struct registry *registry, struct request *request)
{
    registry->settings_version = request->answer.version;
    registry_become_rules(registry, request);
}

void registry_settings_put(struct registry *registry, const json_t *input, uint64_t if_match,
                           const struct registry_actor *actor, registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare_put, apply_put, actor, done, arg);

    if (request == NULL)
        abort(); /* a few hundred bytes: nothing would work any more */
    request->input = json_deep_copy(input);
    request->if_match = if_match;
    request_submit(request);
}

json_t *registry_warnings(const struct registry *registry)
{
    json_t *warnings = json_array();

    if (registry->rules->enabled_count == 0)
        (void)json_array_append_new(
            warnings, json_string("no rule is enabled: all mail is answered 451 4.3.5"));
    if (registry->rules->postmaster == NULL)
        (void)json_array_append_new(
            warnings, json_string("the setting postmaster is unset: mail to postmaster is "
                                  "answered 451 4.3.5"));
    for (size_t i = 0; i < registry->profile_count; i++) {
        if (registry->profiles[i]->incomplete)
            (void)json_array_append_new(
                warnings, json_sprintf("profile \"%s\" is incomplete: its mail is deferred until "
                                       "its secret is entered",
                                       registry->profiles[i]->name));
    }
    return warnings;
}
