/* master/registry_settings.c: what is set for the whole appliance (the postmaster, SR03, and
 * alerts), and what `status` warns of as long as it lasts. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/registry_private.h"

json_t *registry_settings_shown(const struct registry *registry)
{
    const struct registry_state *now = &registry->now;
    const struct rule_set *set = now->set;
    json_t *postmaster = json_null();

    if (set->postmaster != NULL)
        postmaster = json_pack("{ss ss?}", "mailbox", set->postmaster, "profile",
                               state_name_of(set->postmaster_profile, (void *)now));
    return json_pack("{sI so so}", "version", (json_int_t)now->settings_version, "postmaster",
                     postmaster, "alerts", registry_alerts_shown(now));
}

uint64_t registry_settings_version(const struct registry *registry)
{
    return registry->now.settings_version;
}

/* ---- reading an editor's ---- */

void settings_add(const struct settings_reading *r, const char *property, const json_t *value,
                  const char *allowed, const char *problem)
{
    char name[128];

    (void)snprintf(name, sizeof(name), "%s%.100s", r->prefix, property);
    problem_add(r->problems, name, value, allowed, "%s", problem);
}

const struct profile *settings_profile(const struct settings_reading *r, const char *property,
                                       const json_t *value)
{
    static const char allowed[] = "the name of an smtp profile";
    const char *name = json_string_value(value);
    const struct registry_profile *entry =
        name != NULL ? state_profile_named(&r->draft->next, name) : NULL;

    if (value == NULL)
        settings_add(r, property, NULL, allowed, "is missing");
    else if (entry == NULL)
        settings_add(r, property, value, allowed,
                     name == NULL ? "must be a text" : "there is no such profile");
    else if (entry->profile->type != PROFILE_SMTP)
        settings_add(r, property, value, allowed, "is not of type smtp");
    else
        return entry->profile;
    return NULL;
}

/* `names` are the members that there may be, one after the other, with a blank behind each. */
static void refuse_unknown(const struct settings_reading *r, const json_t *object,
                           const char *group, const char *names)
{
    const char *member;
    const json_t *value;
    char name[128], word[66];

    json_object_foreach ((json_t *)object, member, value) {
        (void)snprintf(word, sizeof(word), "%.64s ", member);
        if (strchr(member, ' ') == NULL && strstr(names, word) != NULL)
            continue;
        (void)snprintf(name, sizeof(name), "%s%.64s", group, member);
        settings_add(r, name, value, names, "is not known");
    }
}

static bool check_mailbox(const struct settings_reading *r, const json_t *value)
{
    static const char allowed[] = "one mailbox, such as it@example.net";
    const char *text = json_string_value(value);
    struct reason why = { "must be a text" };

    if (value == NULL)
        settings_add(r, "postmaster.mailbox", NULL, allowed, "is missing");
    else if (text == NULL || strlen(text) != json_string_length(value) ||
             rule_mailbox_check(text, &why) < 0)
        settings_add(r, "postmaster.mailbox", value, allowed, why.text);
    else
        return true;
    return false;
}

/* NULL: unset, or wrong. */
static const char *read_postmaster(const struct settings_reading *r, const json_t *postmaster,
                                   uint32_t *ret_profile)
{
    const json_t *mailbox = json_object_get(postmaster, "mailbox");
    const struct profile *profile;
    bool is_mailbox;

    if (postmaster == NULL || json_is_null(postmaster))
        return NULL;
    if (!json_is_object(postmaster)) {
        settings_add(r, "postmaster", postmaster, "{\"mailbox\", \"profile\"} or null",
                     "must be an object");
        return NULL;
    }
    refuse_unknown(r, postmaster, "postmaster.", "mailbox profile ");
    is_mailbox = check_mailbox(r, mailbox);
    profile = settings_profile(r, "postmaster.profile", json_object_get(postmaster, "profile"));
    if (!is_mailbox || profile == NULL)
        return NULL;
    *ret_profile = profile->id;
    return json_string_value(mailbox);
}

void registry_read_settings(struct draft *draft, const json_t *input, const char *prefix,
                            struct problems *problems)
{
    const struct settings_reading r = { draft, prefix, problems };
    uint32_t profile = 0;
    const char *mailbox;

    if (!json_is_object(input)) {
        settings_add(&r, "settings", input, "an object", "must be an object");
        return;
    }
    refuse_unknown(&r, input, "", "postmaster alerts version ");
    mailbox = read_postmaster(&r, json_object_get(input, "postmaster"), &profile);
    draft_set_settings(draft, mailbox, profile,
                       registry_read_alerts(&r, json_object_get(input, "alerts")));
}

/* ---- put ---- */

static enum registry_result prepare_put(struct registry *registry, struct request *request)
{
    struct problems *problems = &request->answer.problems;
    enum registry_result result = request_check_version(request, registry->now.settings_version);
    struct draft *draft;

    if (result != REGISTRY_OK)
        return result;
    draft = request->draft = draft_new(registry);
    if (draft == NULL)
        return request_fail(request, REGISTRY_STORE, -ENOMEM, "out of memory");
    registry_read_settings(draft, request->input, "", problems);
    if (problems_any(problems))
        return REGISTRY_INVALID;
    request->answer.version = draft->next.settings_version;
    request_audit(request, "settings changed", "postmaster",
                  draft->postmaster != NULL ? draft->postmaster : "unset");
    if (!json_equal(registry->now.alerts, draft->next.alerts))
        request_audit(request, "settings changed", "alerts",
                      json_is_object(draft->next.alerts) ? "set" : "unset");
    return REGISTRY_OK;
}

void registry_settings_put(struct registry *registry, const json_t *input, uint64_t if_match,
                           const struct registry_actor *actor, registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare_put, actor, done, arg);

    request->input = json_incref((json_t *)input);
    request->if_match = if_match;
    request_submit(request);
}

/* ---- standing warnings ---- */

__attribute__((format(printf, 2, 3))) static void warn(json_t *list, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)json_array_append_new(list, json_vsprintf(format, args));
    va_end(args);
}

static void warn_of_profile(json_t *list, const struct profile *profile)
{
    const char *lacking = NULL;

    if (profile->incomplete) {
        warn(list, "profile \"%s\" lacks a secret: its mail waits until that is entered",
             profile->name);
        return;
    }
    for (size_t i = 0; i < profile->server_count && lacking == NULL; i++)
        lacking = profile_unbuilt_protection(profile, i);
    if (lacking != NULL && profile->type == PROFILE_SMTP)
        warn(list, "profile \"%s\" asks for %s, which this version cannot honour: its mail waits",
             profile->name, lacking);
}

static void warn_of_rule(json_t *list, const struct rule *rule)
{
    const char *lacking = rule->enabled ? rule_unbuilt_protection(rule) : NULL;

    if (lacking != NULL)
        warn(list, "rule \"%s\" asks for %s, which this version cannot honour: its mail waits",
             rule->name, lacking);
    if (rule->enabled && rule->allow_open_relay)
        warn(list, "rule \"%s\" may make this gateway an open relay", rule->name);
}

json_t *registry_warnings(const struct registry *registry)
{
    const struct registry_state *now = &registry->now;
    json_t *list = json_array();

    if (now->set->enabled_count == 0)
        warn(list, "no rule is enabled: all mail is answered 451 4.3.5");
    if (now->set->postmaster == NULL)
        warn(list, "the setting postmaster is unset: mail to postmaster is answered 451 4.3.5");
    for (size_t i = 0; i < now->profiles.count; i++)
        warn_of_profile(list, state_profile_at(now, i)->profile);
    for (size_t i = 0; i < now->set->count; i++)
        warn_of_rule(list, now->set->rules[i]);
    if (registry->keys.count > 1)
        warn(list, "key_file %s still holds the key before the present one: rotate the key again",
             registry->key_path);
    return list;
}
