/* worker/tls_keeper.h: the TLS contexts of this worker: one for each profile version, made when it
 * is first needed, with the CAs and the digital ID that the configuration names. */
#ifndef WORKER_TLS_KEEPER_H
#define WORKER_TLS_KEEPER_H

#include "common/reason.h"

struct conf;
struct profile;
struct tls_context;
struct tls_keeper;
struct worker_profile;

/* `conf` is borrowed until the next tls_keeper_configure(). NULL: no memory. */
struct tls_keeper *tls_keeper_new(const struct conf *conf);
void tls_keeper_free(struct tls_keeper **keeper); /* NULL inside is allowed */

/* The configuration was read anew, and perhaps the files that it names: contexts are made anew when
 * they are next needed. Sessions under way go on with the old ones. */
void tls_keeper_configure(struct tls_keeper *keeper, const struct conf *conf);

/* For sessions with the profile's servers; the profile's version keeps it, the caller borrows it. 0
 * or a negative errno with the reason (worker/tls.h). */
int tls_keeper_client(const struct tls_keeper *keeper, struct worker_profile *profile,
                      struct tls_context **ret_context, struct reason *reterr_why);
/* The same for a profile that is in no directory: tls_release() is the caller's. */
int tls_keeper_make(const struct tls_keeper *keeper, const struct profile *profile,
                    struct tls_context **ret_context, struct reason *reterr_why);

#endif
