/* master/registry_profile.c: profiles: found, checked, put, deleted. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/names.h"
#include "master/registry_private.h"

/* ---- reading ---- */

static const struct profile *profile_of(const struct registry_profile *entry)
{
    return entry != NULL ? entry->profile : NULL;
}

size_t registry_profile_count(const struct registry *registry)
{
    return registry->now.profiles.count;
}

const struct profile *registry_profile_at(const struct registry *registry, size_t index)
{
    return index < registry->now.profiles.count
               ? profile_of(state_profile_at(&registry->now, index))
               : NULL;
}

const struct profile *registry_profile(const struct registry *registry, uint32_t id)
{
    return profile_of(state_profile(&registry->now, id));
}

const struct profile *registry_profile_named(const struct registry *registry, const char *name)
{
    return profile_of(state_profile_named(&registry->now, name));
}

/* ---- checking ---- */

/* Which stored one the input means: by `id`, by its own, by its name; none if its id is null.
 * False: noted as a mistake. */
static bool find_target(const struct registry *registry, const json_t *input, uint32_t id,
                        const struct registry_profile **ret_entry, uint64_t *ret_version,
                        struct problems *problems)
{
    const char *name = json_string_value(json_object_get(input, "name"));
    const json_t *given = json_object_get(input, "id");
    uint32_t named;

    *ret_entry = NULL;
    if (!registry_read_numbers(input, &named, ret_version, problems))
        return false;
    if (id != 0 && named != 0 && named != id) {
        problem_add(problems, "id", given, "the one that is changed, or left out",
                    "is not the id of the profile that is changed (%" PRIu32 ")", id);
        return false;
    }
    id = id != 0 ? id : named;
    if (id != 0)
        *ret_entry = state_profile(&registry->now, id);
    else if (name != NULL && !json_is_null(given))
        *ret_entry = state_profile_named(&registry->now, name);
    if (id == 0 || *ret_entry != NULL)
        return true;
    problem_add(problems, "id", given, "the id of a stored profile, or left out",
                "there is no profile with the id %" PRIu32, id);
    return false;
}

/* SP02: over all types, as far as the name can be read at all. */
static void check_name(const struct registry *registry, const json_t *input,
                       const struct registry_profile *stored, struct problems *problems)
{
    const json_t *value = json_object_get(input, "name");
    AUTO(free) char *name = NULL;
    const struct registry_profile *other;

    if (json_is_string(value))
        name = names_clean(json_string_value(value), NULL);
    other = name != NULL ? state_profile_named(&registry->now, name) : NULL;
    if (other != NULL && other != stored)
        problem_add(problems, "name", value, "a name that no other profile has, of whichever type",
                    "is the name of another profile (id %" PRIu32 ", %s)", other->profile->id,
                    profile_type_name(other->profile->type));
}

static void check_room(const struct registry *registry, const struct registry_profile *stored,
                       struct problems *problems)
{
    if (stored == NULL && registry->now.profiles.count >= REGISTRY_MAX_PROFILES)
        problem_add(problems, "name", NULL, "at most 1000 profiles", "there are %zu already",
                    registry->now.profiles.count);
}

struct profile *registry_profile_check(struct registry *registry, const json_t *input, uint32_t id,
                                       struct problems *problems)
{
    const struct registry_profile *entry;
    struct profile *stored = NULL, *profile;
    uint64_t version;
    struct reason why = { "" };

    if (!find_target(registry, input, id, &entry, &version, problems))
        return NULL;
    if (entry != NULL && registry_profile_open(&registry->keys, entry, &stored, &why) < 0) {
        problem_add(problems, "password", NULL, NULL, "the stored secrets do not open: %s",
                    why.text);
        return NULL;
    }
    check_name(registry, input, entry, problems);
    check_room(registry, entry, problems);
    profile_check_digital_id(input, registry->has_digital_id, problems);
    profile = profile_from_input(input, stored, problems);
    if (profile != NULL && version != 0)
        profile->version = version;
    profile_free(&stored);
    return profile;
}

/* ---- put ---- */

/* A secret shows in the record only as set or not: another one in its place must be told. */
static void note_other_secrets(const struct registry *registry, const struct registry_profile *old,
                               const struct profile *fresh, json_t *record)
{
    struct profile *clear = NULL;

    if (registry_profile_open(&registry->keys, old, &clear, NULL) < 0)
        return;
    for (unsigned i = 0; i < SECRET_COUNT; i++) {
        if (fresh->secrets[i] != NULL && clear->secrets[i] != NULL &&
            strcmp(fresh->secrets[i], clear->secrets[i]) != 0)
            (void)json_object_set_new(record, profile_secret_name((enum profile_secret)i),
                                      json_true());
    }
    profile_free(&clear);
}

static void audit_put(struct registry *registry, struct request *request,
                      const struct registry_profile *old)
{
    const struct profile *profile = request->profile;
    AUTO(json) json_t *before = NULL, *after = NULL;
    char changes[512] = "", detail[600];

    if (old != NULL) {
        before = profile_to_json(old->profile, PROFILE_FORM_RECORD);
        after = profile_to_json(profile, PROFILE_FORM_RECORD);
        note_other_secrets(registry, old, profile, after);
        audit_describe(before, after, changes, sizeof(changes));
    }
    (void)snprintf(detail, sizeof(detail), "%s%s%s", request->how, *changes != '\0' ? "; " : "",
                   changes);
    request_audit(request, old != NULL ? "profile changed" : "profile created", profile->name,
                  detail);
}

/* What was checked may have been overtaken while the connection was tested. */
static enum registry_result compare_with_present(const struct registry *registry,
                                                 const struct request *request,
                                                 const struct registry_profile *present)
{
    const struct profile *profile = request->profile;
    const struct registry_profile *namesake = state_profile_named(&registry->now, profile->name);

    if (profile->id != 0 && present == NULL)
        return REGISTRY_NOT_FOUND;
    if (profile->version != (present != NULL ? present->profile->version : 0) ||
        (request->if_match != 0 && request->if_match != profile->version))
        return REGISTRY_STALE;
    /* Somebody took the name. */
    return namesake == NULL || namesake == present ? REGISTRY_OK : REGISTRY_STALE;
}

static enum registry_result prepare_put(struct registry *registry, struct request *request)
{
    struct profile *profile = request->profile;
    const struct registry_profile *present =
        profile->id != 0 ? state_profile(&registry->now, profile->id) : NULL;
    enum registry_result result = compare_with_present(registry, request, present);
    struct draft *draft;

    if (result != REGISTRY_OK)
        return result;
    draft = request->draft = draft_new(registry);
    if (draft == NULL)
        return request_fail(request, REGISTRY_STORE, -ENOMEM, "out of memory");
    audit_put(registry, request, present);
    if (profile->id == 0)
        profile->id = draft_next_profile_id(draft);
    profile->version = draft_next_version(draft);
    draft_put_profile(draft, registry_profile_seal(&registry->keys, profile));
    request->answer.id = profile->id;
    request->answer.version = profile->version;
    return REGISTRY_OK;
}

void registry_profile_put(struct registry *registry, struct profile *profile, uint64_t if_match,
                          const char *how, const struct registry_actor *actor,
                          registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare_put, actor, done, arg);

    request->profile = profile;
    request->if_match = if_match;
    (void)snprintf(request->how, sizeof(request->how), "%s", how);
    request_submit(request);
}

/* ---- delete (SP53) ---- */

struct users {
    unsigned rules, settings;
    uint64_t mail;
    bool is_mail_unknown;
};

static const char *role_of(const struct rule *rule, uint32_t profile)
{
    return rule->relay == profile   ? "relay"
           : rule->core == profile  ? "core"
           : rule->vault == profile ? "vault"
                                    : NULL;
}

static void count_mail(struct users *users, uint64_t mail)
{
    if (mail == REGISTRY_MAIL_UNKNOWN)
        users->is_mail_unknown = true;
    else
        users->mail += mail;
}

static void find_rules(const struct registry *registry, uint32_t id, struct users *users,
                       struct problems *problems)
{
    const struct rule_set *set = registry->now.set;

    for (size_t i = 0; i < set->count; i++) {
        const char *role = role_of(set->rules[i], id);

        if (role == NULL)
            continue;
        users->rules++;
        problem_add(problems, "rule", NULL, NULL, "rule \"%s\" uses it as %s", set->rules[i]->name,
                    role);
    }
    if (set->postmaster != NULL && set->postmaster_profile == id) {
        users->settings++;
        problem_add(problems, "postmaster", NULL, NULL, "the setting postmaster uses it");
    }
    if (registry_alerts_profile(&registry->now) == id) {
        users->settings++;
        problem_add(problems, "alerts", NULL, NULL, "the setting alerts uses it");
    }
}

/* Mail that it relays, and mail of a deleted rule that it scans or takes attachments for. */
static void find_mail(const struct registry *registry, uint32_t id, struct users *users)
{
    const struct registry_state *now = &registry->now;

    count_mail(users, registry_mail(registry, id, 0));
    for (size_t i = 0; i < now->hidden.count; i++) {
        const struct rule *rule = state_hidden_at(now, i)->rule;

        if (rule->relay != id && role_of(rule, id) != NULL)
            count_mail(users, registry_mail(registry, 0, rule->id));
    }
}

static bool is_in_use(struct registry *registry, struct request *request)
{
    struct problems *problems = &request->answer.problems;
    struct users users = { 0 };

    find_rules(registry, request->id, &users, problems);
    find_mail(registry, request->id, &users);
    if (users.mail > 0)
        problem_add(problems, "mail", NULL, NULL,
                    "%" PRIu64 " queued, held or failed messages need it", users.mail);
    if (users.is_mail_unknown)
        problem_add(problems, "mail", NULL, NULL,
                    "the queue is still being read: whether mail needs it is not known yet");
    if (!problems_any(problems))
        return false;
    (void)reason_set(&request->answer.why, -EBUSY,
                     "%u rule%s, %u setting%s and %" PRIu64 " message%s need it", users.rules,
                     users.rules == 1 ? "" : "s", users.settings, users.settings == 1 ? "" : "s",
                     users.mail, users.mail == 1 ? "" : "s");
    return true;
}

static enum registry_result prepare_delete(struct registry *registry, struct request *request)
{
    const struct profile *present = registry_profile(registry, request->id);

    if (present == NULL)
        return REGISTRY_NOT_FOUND;
    if (request->if_match != 0 && request->if_match != present->version)
        return REGISTRY_STALE;
    if (is_in_use(registry, request))
        return REGISTRY_IN_USE;
    request->draft = draft_new(registry);
    if (request->draft == NULL)
        return request_fail(request, REGISTRY_STORE, -ENOMEM, "out of memory");
    draft_remove_profile(request->draft, request->id);
    request->answer.id = request->id;
    request_audit(request, "profile deleted", present->name, NULL);
    return REGISTRY_OK;
}

void registry_profile_delete(struct registry *registry, uint32_t id, uint64_t if_match,
                             const struct registry_actor *actor, registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare_delete, actor, done, arg);

    request->id = id;
    request->if_match = if_match;
    request_submit(request);
}
