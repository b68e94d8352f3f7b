#include "common/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/feature.h"
#include "common/names.h"
#include "common/profile_private.h"

void profile_free(struct profile **profile)
{
    struct profile *p = *profile;

    if (p == NULL)
        return;
    property_clear(&profile_properties, p);
    for (unsigned i = 0; i < SECRET_COUNT; i++) {
        if (p->secrets[i] != NULL)
            explicit_bzero(p->secrets[i], strlen(p->secrets[i]));
        free(p->secrets[i]);
    }
    free(p->name);
    free(p->servers);
    free(p);
    *profile = NULL;
}

char *profile_name_key(const char *name)
{
    return names_key(name);
}

static bool lacks(enum feature feature)
{
    return !features[feature].is_built;
}

const char *profile_unbuilt_protection(const struct profile *profile, size_t server)
{
    const struct server_uri *uri = &profile->servers[server];

    if (profile->incomplete)
        return "incomplete";
    if (profile->type == PROFILE_CORE && lacks(FEATURE_CORE))
        return "core";
    if (profile->type == PROFILE_VAULT && lacks(FEATURE_VAULT))
        return "vault";
    if (profile->type != PROFILE_SMTP)
        return NULL;
    if (uri->scheme == SERVER_SMTPS && lacks(FEATURE_SMTPS))
        return "smtps";
    if (uri->scheme == SERVER_SMTP && profile->encryption == ENCRYPTION_REQUIRED &&
        lacks(FEATURE_STARTTLS))
        return "starttls_required";
    if (profile->username != NULL && lacks(FEATURE_CREDENTIALS))
        return "credentials";
    if (profile->oauth.grant != GRANT_NONE && lacks(FEATURE_OAUTH))
        return "oauth";
    if (profile->client_certificate && lacks(FEATURE_CLIENT_CERTIFICATE))
        return "client_certificate";
    return NULL;
}

/* The table says it for most; some depend on more than one property. */
int profile_list_not_in_effect(const struct profile *profile, json_t *names)
{
    int err = 0;

    if ((profile->type == PROFILE_CORE && lacks(FEATURE_CORE)) ||
        (profile->type == PROFILE_VAULT && lacks(FEATURE_VAULT)))
        err = json_array_append_new(names, json_string("type"));
    for (size_t i = 0; err == 0 && i < profile->server_count; i++) {
        if (profile->servers[i].scheme != SERVER_SMTPS || !lacks(FEATURE_SMTPS))
            continue;
        err = json_array_append_new(names, json_sprintf("servers[%zu]", i));
    }
    if (err == 0 && profile->type == PROFILE_SMTP && !profile->verify_certificate &&
        lacks(FEATURE_STARTTLS) && lacks(FEATURE_SMTPS))
        err = json_array_append_new(names, json_string("verify_certificate"));
    if (err < 0)
        return -ENOMEM;
    return property_list_not_in_effect(&profile_properties, PROFILE_TYPE_BIT(profile->type),
                                       profile, names);
}
