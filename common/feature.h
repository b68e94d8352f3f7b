/* common/feature.h: which parts of the contract this build honours.
 *
 * The one table that says "accepted and stored, not yet in effect". A property that merely tunes is
 * listed in answers; one that protects defers the mail (OP09). An issue that builds a feature turns
 * its row to true and nothing else. */
#ifndef COMMON_FEATURE_H
#define COMMON_FEATURE_H

#include <stdbool.h>

enum feature {
    FEATURE_STARTTLS,
    FEATURE_SMTPS,
    FEATURE_CREDENTIALS,
    FEATURE_OAUTH,
    FEATURE_CLIENT_CERTIFICATE,
    FEATURE_CORE,
    FEATURE_VAULT,
    FEATURE_POOL,
    FEATURE_MAX_CONNECTIONS,
    FEATURE_MAX_LIFETIME,
    FEATURE_MAX_MESSAGES,
    FEATURE_RETRY_WARN,
    FEATURE_VERIFY_RECIPIENTS,
    FEATURE_COUNT
};

struct feature_row {
    const char *name;
    bool is_built;
    bool protects;
};

extern const struct feature_row features[FEATURE_COUNT];

#endif
