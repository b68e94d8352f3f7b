#include "worker/tls_keeper.h"

#include <stdlib.h>

#include "common/conf.h"
#include "worker/directory.h"
#include "worker/tls.h"

struct tls_keeper {
    const struct conf *conf;
    unsigned generation; /* of the configuration, from 1 */
};

struct tls_keeper *tls_keeper_new(const struct conf *conf)
{
    struct tls_keeper *keeper = calloc(1, sizeof(*keeper));

    if (keeper != NULL)
        tls_keeper_configure(keeper, conf);
    return keeper;
}

void tls_keeper_free(struct tls_keeper **keeper)
{
    free(*keeper);
    *keeper = NULL;
}

void tls_keeper_configure(struct tls_keeper *keeper, const struct conf *conf)
{
    keeper->conf = conf;
    keeper->generation++;
}

int tls_keeper_make(const struct tls_keeper *keeper, const struct profile *profile,
                    struct tls_context **ret_context, struct reason *reterr_why)
{
    const struct conf *conf = keeper->conf;
    const struct tls_trust trust = { .ca_file = conf->tls_ca_file, .ca_extra = profile->ca };
    const struct tls_identity identity = {
        .certificate = profile->client_certificate ? conf->tls_certificate : "",
        .key = profile->client_certificate ? conf->tls_key : "",
    };

    return tls_client_new(&trust, &identity, (unsigned)profile->server_count, ret_context,
                          reterr_why);
}

int tls_keeper_client(const struct tls_keeper *keeper, struct worker_profile *profile,
                      struct tls_context **ret_context, struct reason *reterr_why)
{
    int err = 0;

    if (profile->tls == NULL || profile->tls_generation != keeper->generation) {
        struct tls_context *fresh = NULL;

        err = tls_keeper_make(keeper, profile->profile, &fresh, reterr_why);
        if (err < 0)
            return err;
        tls_release(profile->tls);
        profile->tls = fresh;
        profile->tls_generation = keeper->generation;
    }
    *ret_context = profile->tls;
    return err;
}
