#include "common/feature.h"

const struct feature_row features[FEATURE_COUNT] = {
    [FEATURE_STARTTLS] = { "starttls", true, true },
    [FEATURE_SMTPS] = { "smtps", true, true },
    [FEATURE_CREDENTIALS] = { "credentials", true, true },
    [FEATURE_OAUTH] = { "oauth", true, true },
    [FEATURE_CLIENT_CERTIFICATE] = { "client_certificate", true, true },
    [FEATURE_CORE] = { "core", true, true },
    [FEATURE_VAULT] = { "vault", true, true },
    [FEATURE_POOL] = { "pool", true, false },
    [FEATURE_MAX_CONNECTIONS] = { "max_connections", true, false },
    [FEATURE_MAX_LIFETIME] = { "max_lifetime", true, false },
    [FEATURE_MAX_MESSAGES] = { "max_messages", true, false },
    [FEATURE_RETRY_WARN] = { "retry.warn", false, false },
    [FEATURE_VERIFY_RECIPIENTS] = { "verify_recipients", false, false },
};
