/* common/envelope.h: who a message is from and for, and under which rules it travels.
 *
 * Recipients are kept group by group (a group: at most CELL_RECIPIENTS of those under one rule), so
 * that group g is the slice [first, first + count). The packed form is little-endian,
 * length-prefixed, and lies in the message's record in the spool between its header and its body.
 */
#ifndef COMMON_ENVELOPE_H
#define COMMON_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#define ENVELOPE_MAX_RECIPIENTS 10000
#define ENVELOPE_MAX_GROUPS     1000
#define ENVELOPE_MAX_ADDRESS    1024 /* bytes of any text here; RFC 5321 wants 256 */

struct envelope_recipient {
    const char *address; /* without <>, as it will be written in RCPT TO */
    const char *orcpt;   /* RFC 3461, NULL if not given */
    uint8_t notify;      /* RFC 3461 bits: 1 never, 2 success, 4 failure, 8 delay; 0 not given */
};

struct envelope_group {
    uint32_t rule;    /* id */
    uint32_t profile; /* id of the relay profile at acceptance */
    uint32_t first;
    uint32_t count;
};

struct envelope {
    const char *sender; /* without <>; "" is the null sender */
    const char *client; /* address of the peer that handed it in, as text; "": it was made here */
    const char *helo;   /* what it called itself */
    const char *envid;  /* RFC 3461, NULL if not given */
    struct envelope_group *groups;
    struct envelope_recipient *recipients;
    uint32_t group_count;
    uint32_t recipient_count;
};

/* Bytes that envelope_pack() will write. 0: it is beyond a limit above, has no group, or its groups
 * are not the recipients' slices in order; such an envelope cannot be packed. */
size_t envelope_packed_bytes(const struct envelope *envelope);
void envelope_pack(const struct envelope *envelope, void *out);

/* Reads a packed envelope from memory that nobody vouches for. The result is one allocation
 * (free()) that borrows nothing. -EBADMSG for anything that does not fit, -ENOMEM. */
int envelope_unpack(const void *data, size_t bytes, struct envelope **ret_envelope);

#endif
