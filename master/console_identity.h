/* master/console_identity.h: the certificate and key that the console shows (SP62).
 *
 * The operator's (console.certificate, console.key), or a self-signed one, made at first start as
 * <state_dir>/console.pem (mode 0600): ECDSA P-256, for the host's name, localhost
 * and the loopback addresses, good for ten years, so that what a browser was told to trust stays.
 */
#ifndef MASTER_CONSOLE_IDENTITY_H
#define MASTER_CONSOLE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"
#include "common/reason.h"

struct console_identity {
    char *certificate, *key; /* PEM */
    char fingerprint[100];   /* SHA-256 of the certificate, as browsers show it */
    int64_t end_s;           /* Unix time: until when it is good */
    bool is_own;             /* the operator's */
};

/* Reads, or makes and then reads; the key has to be that of the certificate. For the start and for
 * reloads: it waits for the disk. 0 or a negative errno with the reason, which names the file. */
int console_identity_load(const struct conf *conf, struct console_identity *ret_identity,
                          struct reason *reterr_why);
void console_identity_clear(struct console_identity *identity); /* wipes the key */

/* console.certificate without console.key, or the other way round: -EINVAL. */
int console_identity_check(const struct conf *conf, struct reason *reterr_why);

#endif
