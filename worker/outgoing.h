/* worker/outgoing.h: what is written into a message on its way to the relay (VA05, SR05).
 *
 *   X-Postern-Scan: allowed; files=2; core=http://10.0.0.5:8008
 *   X-Postern-Link: http://vault.example.net:8010/vault_rest/file/...      one for each attachment
 *
 * in front of it, or the links as a text part of their own behind all others: then the message
 * becomes the first part of a multipart, as it was, signatures included, and its header goes in
 * front. The body itself is not copied. */
#ifndef WORKER_OUTGOING_H
#define WORKER_OUTGOING_H

#include <stddef.h>

#include <jansson.h>

struct message;
struct rule;
struct smtp_body;

struct outgoing {
    char *head, *tail; /* NULL: none */
    size_t head_bytes, tail_bytes;
    size_t skipped; /* bytes of the message that the head has instead */
};

/* `told`: the notes of scan and upload (worker/note.h), NULL inside: there is none. `rule` NULL: as
 * if it asked for nothing. 0 or -ENOMEM. */
int outgoing_make(struct outgoing *outgoing, const struct message *message, json_t *const told[2],
                  const struct rule *rule);
/* `body` is the message's; it is good as long as `outgoing` is. */
void outgoing_apply(const struct outgoing *outgoing, struct smtp_body *body);
void outgoing_clear(struct outgoing *outgoing);

#endif
