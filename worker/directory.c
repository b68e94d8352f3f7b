#include "worker/directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/problem.h"
#include "worker/tls.h"

struct directory {
    struct worker_profile **profiles; /* few: looked up by a walk, newest versions only */
    size_t count;
    struct rule_set *rules;
    directory_retired_cb *retired;
    void *arg;
};

struct directory *directory_new(void)
{
    struct directory *directory = calloc(1, sizeof(*directory));

    if (directory == NULL)
        return NULL;
    directory->rules = calloc(1, sizeof(*directory->rules));
    if (directory->rules == NULL) {
        free(directory);
        return NULL;
    }
    return directory;
}

static void retire(struct directory *directory, size_t index)
{
    struct worker_profile *profile = directory->profiles[index];

    profile->is_retired = true;
    if (directory->retired != NULL)
        directory->retired(profile, directory->arg);
    directory_release(profile);
}

void directory_free(struct directory **directory)
{
    struct directory *d = *directory;

    if (d == NULL)
        return;
    *directory = NULL;
    for (size_t i = 0; i < d->count; i++)
        retire(d, i);
    free(d->profiles);
    rule_set_free(&d->rules);
    free(d);
}

void directory_watch(struct directory *directory, directory_retired_cb *retired, void *arg)
{
    directory->retired = retired;
    directory->arg = arg;
}

static size_t find(const struct directory *directory, uint32_t id)
{
    size_t i = 0;

    while (i < directory->count && directory->profiles[i]->profile->id != id)
        i++;
    return i;
}

static int parse(const char *json, size_t bytes, json_t **ret_root, struct reason *reterr_why)
{
    json_error_t error;

    *ret_root = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &error);
    if (*ret_root == NULL)
        return reason_set(reterr_why, -EBADMSG, "not JSON: %s at byte %d", problem_of_json(&error),
                          error.position);
    return 0;
}

int directory_put_profile(struct directory *directory, const char *json, size_t bytes,
                          struct reason *reterr_why)
{
    struct worker_profile *fresh = calloc(1, sizeof(*fresh)), **grown;
    json_t *root = NULL;
    size_t at;
    int err = fresh != NULL ? parse(json, bytes, &root, reterr_why) : -ENOMEM;

    if (err == 0)
        err = profile_from_record(root, &fresh->profile, reterr_why);
    json_decref(root);
    if (err < 0) {
        free(fresh);
        return err;
    }
    fresh->holders = 1;
    at = find(directory, fresh->profile->id);
    if (at < directory->count) {
        retire(directory, at);
        directory->profiles[at] = fresh;
        return 0;
    }
    grown = realloc(directory->profiles, (directory->count + 1) * sizeof(struct worker_profile *));
    if (grown == NULL) {
        directory_release(fresh);
        return -ENOMEM;
    }
    directory->profiles = grown;
    directory->profiles[directory->count++] = fresh;
    return 0;
}

void directory_drop_profile(struct directory *directory, uint32_t id)
{
    size_t at = find(directory, id);

    if (at == directory->count)
        return;
    retire(directory, at);
    directory->profiles[at] = directory->profiles[--directory->count];
}

int directory_put_rules(struct directory *directory, const char *json, size_t bytes,
                        struct reason *reterr_why)
{
    struct rule_set *set;
    json_t *root = NULL;
    int err = parse(json, bytes, &root, reterr_why);

    if (err == 0)
        err = rule_set_from_json(root, &set, reterr_why);
    json_decref(root);
    if (err < 0)
        return err;
    rule_set_free(&directory->rules);
    directory->rules = set;
    return 0;
}

struct worker_profile *directory_hold(struct directory *directory, uint32_t id)
{
    size_t at = find(directory, id);

    if (at == directory->count)
        return NULL;
    directory->profiles[at]->holders++;
    return directory->profiles[at];
}

struct worker_profile *directory_share(struct worker_profile *profile)
{
    profile->holders++;
    return profile;
}

void directory_release(struct worker_profile *profile)
{
    if (profile == NULL || --profile->holders > 0)
        return;
    profile_free(&profile->profile);
    tls_release(profile->tls);
    free(profile);
}

const struct rule_set *directory_rules(const struct directory *directory)
{
    return directory->rules;
}

const struct rule *directory_rule(const struct directory *directory, uint32_t id)
{
    for (size_t i = 0; i < directory->rules->count; i++) {
        if (directory->rules->rules[i]->id == id)
            return directory->rules->rules[i];
    }
    return NULL;
}
