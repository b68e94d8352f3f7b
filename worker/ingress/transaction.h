/* worker/ingress/transaction.h: the envelope of a message while it is being spoken.
 *
 * Kept inside the session and reused; a usual one needs no memory of its own. */
#ifndef WORKER_INGRESS_TRANSACTION_H
#define WORKER_INGRESS_TRANSACTION_H

#include <stddef.h>
#include <stdint.h>

#include "common/envelope.h"

#define TRANSACTION_OWN_RECIPIENTS 4
#define TRANSACTION_OWN_TEXT       384

struct transaction_recipient {
    uint32_t text; /* offset of the address */
    uint32_t hash; /* of the address as it is compared */
    uint32_t group;
};

struct transaction_group {
    uint32_t rule;
    uint32_t profile;
    uint32_t count;
};

struct transaction {
    uint64_t declared_bytes; /* SIZE, 0: not given */
    uint32_t recipient_count, recipient_room;
    uint32_t group_count, group_room;
    uint32_t text_bytes, text_room;
    struct transaction_recipient *recipients;
    struct transaction_group *groups;
    char *text; /* NUL-terminated addresses, the sender first */
    struct transaction_recipient own_recipients[TRANSACTION_OWN_RECIPIENTS];
    struct transaction_group own_groups[TRANSACTION_OWN_RECIPIENTS];
    char own_text[TRANSACTION_OWN_TEXT];
};

void transaction_init(struct transaction *tx);
void transaction_done(struct transaction *tx);

/* Forgets everything; what has grown is given back. */
void transaction_reset(struct transaction *tx);

int transaction_set_sender(struct transaction *tx, const char *sender, size_t bytes);

/* `address` without a NUL. 0, also when it is there already (the local part is compared exactly,
 * the domain in any case of letters), -ENOMEM, or -E2BIG when there are too many recipients or
 * groups. */
int transaction_add(struct transaction *tx, const char *address, size_t bytes, uint32_t rule,
                    uint32_t profile);

const char *transaction_sender(const struct transaction *tx);
const char *transaction_recipient(const struct transaction *tx, uint32_t index);

/* Fills recipients and groups (one allocation, free(ret_envelope->groups)); it borrows the
 * addresses from the transaction. 0 or -ENOMEM. */
int transaction_envelope(const struct transaction *tx, struct envelope *ret_envelope);

#endif
