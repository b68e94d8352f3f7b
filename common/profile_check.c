#include "common/profile_private.h"

#include <stdio.h>
#include <string.h>

#define EXPIRY_WARNING_S 300U

bool profile_has_credentials(const struct profile *profile)
{
    return profile->username != NULL || profile->oauth.grant != GRANT_NONE;
}

/* ---- secrets and what belongs to them ---- */

static bool is_kept(const struct profile_reading *r, const char *name)
{
    return property_value(r->input, name) == NULL;
}

/* The stored one was lost to SP60's binding, which has been told. */
static bool was_refused(const struct profile_reading *r, enum profile_secret secret)
{
    return r->stored != NULL && r->stored->secret_set[secret] && !r->profile->secret_set[secret] &&
           is_kept(r, profile_secret_name(secret));
}

static void require_secret(const struct profile_reading *r, enum profile_secret secret,
                           const char *why)
{
    const char *name = profile_secret_name(secret);

    if (r->profile->secret_set[secret])
        return;
    if (r->is_import) {
        r->profile->incomplete = true;
        warning_add(r->problems, name, NULL, "the secret",
                    "is missing: the profile's mail waits until it is entered");
    } else if (!was_refused(r, secret)) {
        problem_add(r->problems, name, NULL, "1 to 512 bytes of text without control characters",
                    "is missing: %s", why);
    }
}

/* A secret that is left over from the stored version is never dropped silently. */
static void refuse_secret(const struct profile_reading *r, enum profile_secret secret,
                          const char *why, const char *remove)
{
    const char *name = profile_secret_name(secret);

    if (!r->profile->secret_set[secret])
        return;
    if (is_kept(r, name))
        problem_add(r->problems, name, NULL, remove, "is kept from the stored version, but %s",
                    why);
    else
        problem_add(r->problems, name, NULL, remove, "is given, but %s", why);
}

static void check_password(const struct profile_reading *r)
{
    bool has_user = property_is_given(r->input, "username");

    if (has_user)
        require_secret(r, SECRET_PASSWORD, "user name and password are given together");
    else if (r->profile->secret_set[SECRET_PASSWORD] && !is_kept(r, "password"))
        problem_add(r->problems, "username", NULL,
                    "1 to 512 bytes of text without control characters",
                    "is missing: user name and password are given together");
    else
        refuse_secret(r, SECRET_PASSWORD, "username is not given",
                      "username with it, or null to remove the password");
}

static void require_member(const struct profile_reading *r, const char *name, const char *allowed)
{
    if (!property_is_given(r->input, name))
        problem_add(r->problems, name, NULL, allowed, "is missing");
}

static void check_oauth(const struct profile_reading *r)
{
    static const char text[] = "1 to 512 bytes of text without control characters";
    enum profile_grant grant = r->profile->oauth.grant;

    if (!property_is_given(r->input, "oauth")) {
        refuse_secret(r, SECRET_OAUTH_CLIENT_SECRET, "oauth is not given",
                      "oauth with it, or oauth null to remove it");
        refuse_secret(r, SECRET_OAUTH_REFRESH_TOKEN, "oauth is not given",
                      "oauth with it, or oauth null to remove it");
        return;
    }
    if (property_is_given(r->input, "username") || property_is_given(r->input, "password"))
        problem_add(r->problems, "oauth", NULL, "either oauth, or username and password",
                    "cannot be given together with username and password");
    require_member(r, "oauth.grant", "client_credentials or refresh_token");
    require_member(r, "oauth.client_id", text);
    require_member(r, "oauth.token_url", "an https URI");
    require_member(r, "oauth.user", text);
    if (grant == GRANT_CLIENT_CREDENTIALS) {
        require_secret(r, SECRET_OAUTH_CLIENT_SECRET, "grant client_credentials needs it");
        refuse_secret(r, SECRET_OAUTH_REFRESH_TOKEN, "grant is client_credentials",
                      "null, or grant refresh_token");
    } else if (grant == GRANT_REFRESH_TOKEN) {
        require_secret(r, SECRET_OAUTH_REFRESH_TOKEN, "grant refresh_token needs it");
        if (r->is_import && json_is_true(property_value(r->input, "oauth.client_secret_set")))
            require_secret(r, SECRET_OAUTH_CLIENT_SECRET, "the exported profile had it");
    }
}

static void check_api_key(const struct profile_reading *r)
{
    if (r->profile->type == PROFILE_VAULT)
        require_secret(r, SECRET_API_KEY, "a vault profile needs it");
    else if (r->is_import && json_is_true(property_value(r->input, "api_key_set")))
        require_secret(r, SECRET_API_KEY, "the exported profile had it");
}

/* ---- retry ---- */

static void check_retry(const struct profile_reading *r)
{
    const struct profile *p = r->profile;
    char allowed[64];

    if (p->retry.max_s < p->retry.first_s) {
        (void)snprintf(allowed, sizeof(allowed), "%u (retry.first) to 86400", p->retry.first_s);
        problem_add(r->problems, "retry.max", property_value(r->input, "retry.max"), allowed,
                    "is out of range");
    }
    if (p->retry.warn_s > p->retry.lifetime_s) {
        (void)snprintf(allowed, sizeof(allowed), "0 to %u (retry.lifetime)", p->retry.lifetime_s);
        problem_add(r->problems, "retry.warn", property_value(r->input, "retry.warn"), allowed,
                    "is out of range");
    }
}

void profile_check(const struct profile_reading *r)
{
    switch (r->profile->type) {
    case PROFILE_SMTP:
        check_password(r);
        check_oauth(r);
        check_retry(r);
        break;
    case PROFILE_CORE:
    case PROFILE_VAULT: check_api_key(r); break;
    case PROFILE_TYPE_COUNT: break;
    }
}

/* ---- warnings ---- */

static void warn_pool(const struct profile_reading *r)
{
    const struct profile *p = r->profile;
    uint64_t connections = (uint64_t)p->max_connections * p->server_count;

    if (p->pool.expiry_s > EXPIRY_WARNING_S)
        warning_add(r->problems, "pool.expiry", property_value(r->input, "pool.expiry"),
                    "300 or less",
                    "many servers close an idle connection after 300 s; some, such as Exchange, "
                    "close by age whatever the traffic: max_lifetime 270 suits those");
    if (p->max_connections > 0 && p->pool.size > connections)
        warning_add(r->problems, "pool.size", property_value(r->input, "pool.size"), NULL,
                    "servers limit parallel connections, and no more than %llu can be open here "
                    "(max_connections %u for each of %zu servers)",
                    (unsigned long long)connections, p->max_connections, p->server_count);
}

/* SP33, SP62: what would travel without TLS. With starttls_optional nothing does. */
static void warn_clear_text(const struct profile_reading *r)
{
    const struct profile *p = r->profile;
    bool has_key = p->secret_set[SECRET_API_KEY];
    char name[32];

    if (p->type == PROFILE_SMTP &&
        (!profile_has_credentials(p) || p->encryption != ENCRYPTION_NONE))
        return;
    if (p->type != PROFILE_SMTP && !has_key)
        return;
    for (size_t i = 0; i < p->server_count; i++) {
        if (server_uri_is_tls(&p->servers[i]))
            continue;
        (void)snprintf(name, sizeof(name), "servers[%zu]", i);
        warning_add(r->problems, name, json_array_get(json_object_get(r->input, "servers"), i),
                    p->type == PROFILE_SMTP ? "smtps://, or encryption starttls_required"
                                            : "https://",
                    "%s cross the network in clear to this server",
                    p->type == PROFILE_SMTP ? "the credentials" : "the API key and all content");
    }
}

static void warn_local_core(const struct profile_reading *r)
{
    const struct profile *p = r->profile;
    char name[32];

    for (size_t i = 0; p->link_base == NULL && i < p->server_count; i++) {
        if (!server_uri_is_local(&p->servers[i]))
            continue;
        (void)snprintf(name, sizeof(name), "servers[%zu]", i);
        warning_add(r->problems, name, json_array_get(json_object_get(r->input, "servers"), i),
                    "a host that browsers reach, or link_base",
                    "the link to scan details will not open on another machine");
    }
}

/* OP09: said when it is saved, not only when mail waits. */
static void warn_unbuilt(const struct profile_reading *r)
{
    const struct profile *p = r->profile;
    const char *told = NULL;

    for (size_t i = 0; i < p->server_count; i++) {
        const char *protection = profile_unbuilt_protection(p, i);
        char name[32];

        if (protection == NULL || protection == told || strcmp(protection, "incomplete") == 0)
            continue;
        told = protection;
        (void)snprintf(name, sizeof(name), "servers[%zu]", i);
        warning_add(r->problems, name, NULL, NULL,
                    "mail for this server waits: this version of Postern does not have %s yet",
                    protection);
    }
}

void profile_warn(const struct profile_reading *r)
{
    if (r->profile->type == PROFILE_SMTP)
        warn_pool(r);
    if (r->profile->type == PROFILE_CORE)
        warn_local_core(r);
    warn_clear_text(r);
    warn_unbuilt(r);
}
