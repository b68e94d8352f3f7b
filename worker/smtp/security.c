#include "worker/smtp/security.h"

#include "common/profile.h"
#include "worker/directory.h"
#include "worker/tls_keeper.h"

struct smtp_security smtp_security_of(const struct profile *profile, unsigned server)
{
    static const enum smtp_tls wishes[] = {
        [ENCRYPTION_NONE] = SMTP_TLS_NEVER,
        [ENCRYPTION_OPTIONAL] = SMTP_TLS_IF_OFFERED,
        [ENCRYPTION_REQUIRED] = SMTP_TLS_REQUIRED,
    };
    const struct server_uri *uri = &profile->servers[server];
    struct smtp_security security = {
        .tls = server_uri_is_tls(uri) ? SMTP_TLS_AT_ONCE : wishes[profile->encryption],
        .server = { .host = uri->host, .index = server },
        .username = profile->username,
        .password = profile->secrets[SECRET_PASSWORD],
        .may_be_anyone = !profile->verify_certificate,
    };

    if (profile->oauth.grant != GRANT_NONE) {
        security.username = profile->oauth.user;
        security.token_of = profile;
    }
    security.must_verify = security.tls >= SMTP_TLS_REQUIRED && profile->verify_certificate;
    return security;
}

int smtp_security_get(const struct tls_keeper *keeper, struct worker_profile *profile,
                      unsigned server, struct smtp_security *ret_security,
                      struct reason *reterr_why)
{
    *ret_security = smtp_security_of(profile->profile, server);
    if (ret_security->tls == SMTP_TLS_NEVER)
        return 0;
    return tls_keeper_client(keeper, profile, &ret_security->context, reterr_why);
}
