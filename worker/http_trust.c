/* worker/http_trust.c: a context for each set of CAs. Reading the system's takes milliseconds, so
 * the last few are kept. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "worker/http_private.h"
#include "worker/tls.h"

#define CONTEXTS_MAX 8

struct kept {
    TAILQ_ENTRY(kept) link;
    char *ca; /* NULL: the configuration's alone */
    struct tls_context *context;
};

struct http_trust {
    char *ca_file;
    TAILQ_HEAD(kept_list, kept) contexts; /* the one used last first */
    unsigned count;
};

struct http_trust *http_trust_new(const char *ca_file)
{
    struct http_trust *trust = calloc(1, sizeof(*trust));

    if (trust == NULL)
        return NULL;
    TAILQ_INIT(&trust->contexts);
    trust->ca_file = strdup(ca_file != NULL ? ca_file : "");
    if (trust->ca_file == NULL)
        http_trust_free(&trust);
    return trust;
}

static void drop(struct http_trust *trust, struct kept *kept)
{
    TAILQ_REMOVE(&trust->contexts, kept, link);
    trust->count--;
    tls_release(kept->context);
    free(kept->ca);
    free(kept);
}

void http_trust_free(struct http_trust **trust)
{
    struct kept *kept;

    if (*trust == NULL)
        return;
    while ((kept = TAILQ_FIRST(&(*trust)->contexts)) != NULL)
        drop(*trust, kept);
    free((*trust)->ca_file);
    free(*trust);
    *trust = NULL;
}

static bool is_for(const struct kept *kept, const char *ca)
{
    return ca != NULL && kept->ca != NULL ? strcmp(kept->ca, ca) == 0 : kept->ca == ca;
}

static int make(const struct http_trust *trust, const char *ca, struct kept **ret_kept,
                struct reason *reterr_why)
{
    const struct tls_trust cas = { .ca_file = trust->ca_file, .ca_extra = ca };
    const struct tls_identity nobody = { .certificate = "", .key = "" };
    struct kept *kept = calloc(1, sizeof(*kept));
    int err;

    if (kept == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    kept->ca = ca != NULL ? strdup(ca) : NULL;
    if (ca != NULL && kept->ca == NULL)
        err = reason_set(reterr_why, -ENOMEM, "out of memory");
    else
        err = tls_client_new(&cas, &nobody, 1, &kept->context, reterr_why);
    if (err < 0) {
        free(kept->ca);
        free(kept);
        return err;
    }
    *ret_kept = kept;
    return 0;
}

int http_trust_find(struct http_trust *trust, const char *ca, struct tls_context **ret_context,
                    struct reason *reterr_why)
{
    struct kept *kept;
    int err = 0;

    TAILQ_FOREACH (kept, &trust->contexts, link) {
        if (is_for(kept, ca))
            break;
    }
    if (kept == NULL) {
        err = make(trust, ca, &kept, reterr_why);
        if (err < 0)
            return err;
        if (trust->count >= CONTEXTS_MAX)
            drop(trust, TAILQ_LAST(&trust->contexts, kept_list));
        trust->count++;
    } else {
        TAILQ_REMOVE(&trust->contexts, kept, link);
    }
    TAILQ_INSERT_HEAD(&trust->contexts, kept, link);
    *ret_context = tls_hold(kept->context);
    return 0;
}
