/* master/registry_profile.c: profiles: found, sealed, put, deleted. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memfd.h"
#include "master/registry_private.h"

static void place_of(const struct profile *profile, unsigned secret, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%" PRIu32 "/%s", profile->id,
                   profile_secret_name((enum profile_secret)secret));
}

json_t *registry_seal_profile(const struct registry *registry, const struct secret_keys *keys,
                              const struct profile *profile)
{
    json_t *record = profile_to_json(profile, PROFILE_FORM_RECORD), *sealed = json_object();

    (void)registry;
    for (unsigned i = 0; i < SECRET_COUNT && record != NULL; i++) {
        char place[64], *text = NULL;

        if (profile->secrets[i] == NULL)
            continue;
        place_of(profile, i, place, sizeof(place));
        if (secret_seal(keys, place, profile->secrets[i], &text) < 0 ||
            json_object_set_new(sealed, profile_secret_name((enum profile_secret)i),
                                json_string(text)) < 0) {
            json_decref(record);
            record = NULL;
        }
        free(text);
    }
    if (record == NULL || json_object_set_new(record, "sealed", sealed) < 0) {
        json_decref(record);
        return NULL;
    }
    return record;
}

int registry_open_profile(const struct secret_keys *keys, const json_t *record,
                          struct profile **ret_profile, struct reason *reterr_why)
{
    const json_t *sealed = json_object_get(record, "sealed");
    json_t *bare = json_copy((json_t *)record);
    struct profile *profile = NULL;
    int err;

    (void)json_object_del(bare, "sealed");
    err = profile_from_record(bare, &profile, reterr_why);
    json_decref(bare);
    for (unsigned i = 0; i < SECRET_COUNT && err == 0; i++) {
        const char *name = profile_secret_name((enum profile_secret)i);
        const char *text = json_string_value(json_object_get(sealed, name));
        char place[64];

        if (text == NULL)
            continue;
        place_of(profile, i, place, sizeof(place));
        err = secret_open(keys, place, text, &profile->secrets[i], reterr_why);
        profile->secret_set[i] = err == 0;
    }
    if (err < 0)
        profile_free(&profile);
    else
        *ret_profile = profile;
    return err;
}

/* ---- finding ---- */

size_t registry_find_profile(const struct registry *registry, uint32_t id)
{
    size_t i = 0;

    while (i < registry->profile_count && registry->profiles[i]->id != id)
        i++;
    return i;
}

size_t registry_profile_count(const struct registry *registry)
{
    return registry->profile_count;
}

const struct profile *registry_profile_at(const struct registry *registry, size_t index)
{
    return index < registry->profile_count ? registry->profiles[index] : NULL;
}

const struct profile *registry_profile(const struct registry *registry, uint32_t id)
{
    return registry_profile_at(registry, registry_find_profile(registry, id));
}

const struct profile *registry_profile_named(const struct registry *registry, const char *name)
{
    const struct profile *found = NULL;
    char *key = profile_name_key(name);

    for (size_t i = 0; i < registry->profile_count && key != NULL && found == NULL; i++) {
        char *other = profile_name_key(registry->profiles[i]->name);

        if (other != NULL && strcmp(key, other) == 0)
            found = registry->profiles[i];
        free(other);
    }
    free(key);
    return found;
}

static int compare_names(const void *a, const void *b)
{
    const struct profile *const *left = a, *const *right = b;
    char *left_key = profile_name_key((*left)->name), *right_key = profile_name_key((*right)->name);
    int order = left_key != NULL && right_key != NULL ? strcmp(left_key, right_key) : 0;

    free(left_key);
    free(right_key);
    return order != 0 ? order : ((*left)->id > (*right)->id) - ((*left)->id < (*right)->id);
}

int registry_place_profile(struct registry *registry, struct profile *profile)
{
    size_t at = registry_find_profile(registry, profile->id);

    if (at == registry->profile_count) {
        struct profile **grown =
            realloc(registry->profiles, (registry->profile_count + 1) * sizeof(struct profile *));

        if (grown == NULL)
            return -ENOMEM;
        registry->profiles = grown;
        registry->profile_count++;
    } else {
        profile_free(&registry->profiles[at]);
    }
    registry->profiles[at] = profile;
    qsort(registry->profiles, registry->profile_count, sizeof(struct profile *), compare_names);
    return 0;
}

/* ---- put ---- */

static const struct profile *find_target(const struct registry *registry, const json_t *input,
                                         uint32_t id, struct problems *problems)
{
    const json_t *given = json_object_get(input, "id");
    const char *name = json_string_value(json_object_get(input, "name"));
    const struct profile *stored = NULL;

    if (id == 0 && json_is_integer(given))
        id = (uint32_t)json_integer_value(given);
    if (id != 0) {
        stored = registry_profile(registry, id);
        if (stored == NULL)
            problem_add(problems, "id", given, "the id of a stored profile", "no profile has it");
    } else if (name != NULL) {
        stored = registry_profile_named(registry, name);
    }
    return stored;
}

struct profile *registry_profile_check(struct registry *registry, const json_t *input, uint32_t id,
                                       struct problems *problems)
{
    const struct profile *stored = find_target(registry, input, id, problems), *other;
    const json_t *given = json_object_get(input, "version");
    struct profile *profile;

    if (problems_any(problems))
        return NULL;
    profile_check_digital_id(input, registry->has_digital_id, problems);
    profile = profile_from_input(input, stored, problems);
    if (profile == NULL)
        return NULL;
    other = registry_profile_named(registry, profile->name);
    if (other != NULL && other != stored) {
        problem_add(problems, "name", json_object_get(input, "name"),
                    "a name that no other profile has, of whichever type",
                    "there is a profile of this name already (id %" PRIu32 ")", other->id);
        profile_free(&profile);
        return NULL;
    }
    profile->id = stored != NULL ? stored->id : 0;
    profile->version = json_is_integer(given) && stored != NULL
                           ? (uint64_t)json_integer_value(given)
                       : stored != NULL ? stored->version
                                        : 0;
    return profile;
}

static enum registry_result prepare_put(struct registry *registry, struct request *request)
{
    struct profile *profile = request->profile;
    const struct profile *current = profile->id != 0
                                        ? registry_profile(registry, profile->id)
                                        : registry_profile_named(registry, profile->name);
    const struct profile *namesake = registry_profile_named(registry, profile->name);
    bool is_new = profile->id == 0;

    if (!is_new && current == NULL)
        return REGISTRY_NOT_FOUND;
    if (is_new ? current != NULL
               : (current->version != profile->version ||
                  (request->if_match != 0 && request->if_match != current->version)))
        return REGISTRY_STALE;
    if (namesake != NULL && namesake->id != profile->id)
        return REGISTRY_STALE; /* the name was free when it was checked */
    if (is_new)
        profile->id = request_next_id(request);
    profile->version = request_next_version(request);
    request->answer.id = profile->id;
    request->answer.version = profile->version;
    request->watch_profile = profile->id;
    request_write_number(request, STORE_PROFILES, profile->id,
                         registry_seal_profile(registry, &registry->keys, profile));
    request_audit(request, is_new ? "profile created" : "profile changed", profile->name,
                  request->how);
    return REGISTRY_OK;
}

static void apply_put(struct registry *registry, struct request *request)
{
    if (registry_place_profile(registry, request->profile) == 0)
        request->profile = NULL;
}

void registry_profile_put(struct registry *registry, struct profile *profile, uint64_t if_match,
                          const char *how, const struct registry_actor *actor,
                          registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare_put, apply_put, actor, done, arg);

    if (request == NULL)
        abort(); /* a few hundred bytes: nothing would work any more */
    request->profile = profile;
    request->if_match = if_match;
    (void)snprintf(request->how, sizeof(request->how), "%s", how);
    request_submit(request);
}

/* ---- delete (SP53) ---- */

static void list_rules_that_use(const struct registry *registry, uint32_t id,
                                struct problems *problems)
{
    for (size_t i = 0; i < registry->rules->count; i++) {
        const struct rule *rule = registry->rules->rules[i];
        const char *role = rule->relay == id   ? "relay"
                           : rule->core == id  ? "core"
                           : rule->vault == id ? "vault"
                                               : NULL;

        if (role != NULL)
            problem_add(problems, "profile", NULL, "a profile that no rule uses",
                        "rule \"%s\" uses it as %s", rule->name, role);
    }
    if (registry->rules->postmaster != NULL && registry->rules->postmaster_profile == id)
        problem_add(problems, "profile", NULL, "a profile that no setting uses",
                    "the setting postmaster uses it");
}

static enum registry_result prepare_delete(struct registry *registry, struct request *request)
{
    const struct profile *current = registry_profile(registry, request->id);
    char key[STORE_KEY_MAX + 1];
    uint64_t mail;

    if (current == NULL)
        return REGISTRY_NOT_FOUND;
    if (request->if_match != 0 && request->if_match != current->version)
        return REGISTRY_STALE;
    list_rules_that_use(registry, request->id, &request->answer.problems);
    mail = registry->mail_count != NULL
               ? registry->mail_count(request->id, 0, registry->mail_count_arg)
               : 0;
    if (mail > 0)
        problem_add(&request->answer.problems, "profile", NULL, "a profile that no mail needs",
                    "%" PRIu64 " queued, held or failed messages need it", mail);
    if (problems_any(&request->answer.problems))
        return REGISTRY_IN_USE;
    request->answer.id = request->id;
    request->watch_profile = request->id;
    request->is_gone = true;
    store_number_key(request->id, key);
    request_write(request, STORE_PROFILES, key, NULL);
    request_audit(request, "profile deleted", current->name, NULL);
    return REGISTRY_OK;
}

static void apply_delete(struct registry *registry, struct request *request)
{
    size_t at = registry_find_profile(registry, request->id);

    if (at == registry->profile_count)
        return;
    profile_free(&registry->profiles[at]);
    registry->profile_count--;
    memmove(&registry->profiles[at], &registry->profiles[at + 1],
            (registry->profile_count - at) * sizeof(struct profile *));
}

void registry_profile_delete(struct registry *registry, uint32_t id, uint64_t if_match,
                             const struct registry_actor *actor, registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare_delete, apply_delete, actor, done, arg);

    if (request == NULL)
        abort();
    request->id = id;
    request->if_match = if_match;
    request_submit(request);
}

/* ---- for a worker ---- */

int registry_profile_memfd(struct registry *registry, uint32_t id)
{
    const struct profile *profile = registry_profile(registry, id);
    json_t *json = profile != NULL ? profile_to_json(profile, PROFILE_FORM_WORKER) : NULL;
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    int fd = profile == NULL ? -ENOENT : -ENOMEM;

    json_decref(json);
    if (text != NULL) {
        fd = memfd_seal("profile", text, strlen(text));
        secret_free(&text);
    }
    return fd;
}
