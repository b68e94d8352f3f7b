/* common/profile_private.h: how the profile module is cut.
 *
 *   profile_property.c  the table of properties, and the checks of single texts
 *   profile_input.c     an editor's JSON becomes a profile: name, type, servers, the table, checks
 *   profile_secret.c    secrets: given, kept under SP60's binding, or missing
 *   profile_check.c     what holds between properties; warnings
 *   profile_json.c      the three JSON forms, and a record becomes a profile
 *   profile.c           the rest of common/profile.h */
#ifndef COMMON_PROFILE_PRIVATE_H
#define COMMON_PROFILE_PRIVATE_H

#include "common/profile.h"
#include "common/property.h"

#define PROFILE_TYPE_BIT(type) (1U << (type))

extern const struct property_table profile_properties;

struct profile_reading {
    const json_t *input;
    const struct profile *stored; /* NULL: a new one */
    struct profile *profile;
    struct problems *problems;
    bool is_import; /* a secret that is missing makes it incomplete, which is no error */
};

/* -1 when it is no secret. */
int profile_secret_index(const struct property *row);

void profile_read_secrets(const struct profile_reading *reading);
void profile_check(const struct profile_reading *reading);
void profile_warn(const struct profile_reading *reading);

/* Appends what this build does not give effect to. 0 or -ENOMEM. */
int profile_list_not_in_effect(const struct profile *profile, json_t *names);

bool profile_has_credentials(const struct profile *profile);

#endif
