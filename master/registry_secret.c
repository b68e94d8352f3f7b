/* master/registry_secret.c: a profile with its secrets sealed (SP61).
 *
 * The record in the store is PROFILE_FORM_RECORD with one member more: "sealed", an object of
 * sealed values by the secrets' names. Each is bound to "<id of the profile>/<name of the secret>".
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "master/registry_private.h"

#define PLACE_SIZE 64

static const char *place_of(const struct profile *profile, unsigned secret, char out[PLACE_SIZE])
{
    (void)snprintf(out, PLACE_SIZE, "%" PRIu32 "/%s", profile->id,
                   profile_secret_name((enum profile_secret)secret));
    return out;
}

void registry_profile_free(struct registry_profile *entry)
{
    if (entry == NULL)
        return;
    for (unsigned i = 0; i < SECRET_COUNT; i++)
        free(entry->sealed[i]);
    profile_free(&entry->profile);
    free(entry->key);
    free(entry);
}

/* Takes `profile` over, which has no secret in clear. */
static struct registry_profile *make_entry(struct profile *profile)
{
    struct registry_profile *entry = calloc(1, sizeof(*entry));

    if (entry == NULL) {
        profile_free(&profile);
        return NULL;
    }
    entry->profile = profile;
    entry->key = profile_name_key(profile->name);
    if (entry->key != NULL)
        return entry;
    registry_profile_free(entry);
    return NULL;
}

/* By way of its record, which has none. */
static struct profile *copy_without_secrets(const struct profile *profile)
{
    AUTO(json) json_t *record = profile_to_json(profile, PROFILE_FORM_RECORD);
    struct profile *copy = NULL;

    return record != NULL && profile_from_record(record, &copy, NULL) == 0 ? copy : NULL;
}

static int seal_all(const struct secret_keys *keys, const struct profile *clear,
                    struct registry_profile *entry)
{
    int err = 0;

    for (unsigned i = 0; i < SECRET_COUNT && err == 0; i++) {
        char place[PLACE_SIZE];

        if (clear->secrets[i] != NULL)
            err =
                secret_seal(keys, place_of(clear, i, place), clear->secrets[i], &entry->sealed[i]);
    }
    return err;
}

struct registry_profile *registry_profile_seal(const struct secret_keys *keys,
                                               const struct profile *profile)
{
    struct profile *bare = copy_without_secrets(profile);
    struct registry_profile *entry = bare != NULL ? make_entry(bare) : NULL;

    if (entry == NULL || seal_all(keys, profile, entry) == 0)
        return entry;
    registry_profile_free(entry);
    return NULL;
}

int registry_profile_open(const struct secret_keys *keys, const struct registry_profile *entry,
                          struct profile **ret_profile, struct reason *reterr_why)
{
    struct profile *clear = copy_without_secrets(entry->profile);
    int err = clear != NULL ? 0 : -ENOMEM;

    for (unsigned i = 0; i < SECRET_COUNT && err == 0; i++) {
        char place[PLACE_SIZE];

        if (entry->sealed[i] != NULL)
            err = secret_open(keys, place_of(clear, i, place), entry->sealed[i], &clear->secrets[i],
                              reterr_why);
    }
    if (err < 0)
        profile_free(&clear);
    else
        *ret_profile = clear;
    return err;
}

struct registry_profile *registry_profile_reseal(const struct secret_keys *keys,
                                                 const struct registry_profile *entry)
{
    struct registry_profile *fresh = NULL;
    struct profile *clear = NULL;

    if (registry_profile_open(keys, entry, &clear, NULL) == 0)
        fresh = registry_profile_seal(keys, clear);
    profile_free(&clear);
    return fresh;
}

/* ---- as it is stored ---- */

json_t *registry_profile_to_record(const struct registry_profile *entry)
{
    json_t *record = profile_to_json(entry->profile, PROFILE_FORM_RECORD), *sealed = json_object();
    int failed = 0;

    for (unsigned i = 0; i < SECRET_COUNT; i++) {
        if (entry->sealed[i] != NULL)
            failed |= json_object_set_new(sealed, profile_secret_name((enum profile_secret)i),
                                          json_string(entry->sealed[i]));
    }
    failed |= json_object_set_new(record, "sealed", sealed);
    if (failed == 0)
        return record;
    json_decref(record);
    return NULL;
}

/* Every secret that is set is there, and nothing else. */
static int read_sealed(const json_t *sealed, struct registry_profile *entry,
                       struct reason *reterr_why)
{
    size_t known = 0;

    for (unsigned i = 0; i < SECRET_COUNT; i++) {
        const char *name = profile_secret_name((enum profile_secret)i);
        const char *text = json_string_value(json_object_get(sealed, name));

        if ((text != NULL) != entry->profile->secret_set[i])
            return reason_set(reterr_why, -EBADMSG, "sealed: %s is %s", name,
                              text != NULL ? "there, but not set" : "set, but not there");
        if (text == NULL)
            continue;
        entry->sealed[i] = strdup(text);
        if (entry->sealed[i] == NULL)
            return -ENOMEM;
        known++;
    }
    if (!json_is_object(sealed) || json_object_size(sealed) != known)
        return reason_set(reterr_why, -EBADMSG, "sealed: holds something unknown");
    return 0;
}

int registry_profile_from_record(const json_t *record, struct registry_profile **ret_entry,
                                 struct reason *reterr_why)
{
    struct registry_profile *entry = NULL;
    struct profile *profile = NULL;
    int err = profile_from_record(record, &profile, reterr_why);

    if (err < 0)
        return err;
    entry = make_entry(profile);
    err =
        entry != NULL ? read_sealed(json_object_get(record, "sealed"), entry, reterr_why) : -ENOMEM;
    if (err < 0)
        registry_profile_free(entry);
    else
        *ret_entry = entry;
    return err;
}
