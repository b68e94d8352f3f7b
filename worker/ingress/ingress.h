/* worker/ingress/ingress.h: the SMTP server of a worker (MQ01, MQ04, SR03, SR04).
 *
 * From an accepted connection to a message in the spooler's hands. One session per connection
 * (session.h), one file per group of verbs. What a session may do is decided by the directory's
 * rules; what it may cost by the configuration. Nothing is accepted at the limit of connections,
 * nor while the spooler is out of credit; a full disk is told to every client instead (MQ07). A 250
 * after the end of data is sent only when the spooler has said that the message is on stable
 * storage. */
#ifndef WORKER_INGRESS_INGRESS_H
#define WORKER_INGRESS_INGRESS_H

#include <stdint.h>

struct conf;
struct directory;
struct ingress;
struct loop;
struct spooler;

/* Borrows everything it is given. NULL when memory is short. */
struct ingress *ingress_new(struct loop *loop, const struct conf *conf,
                            const struct directory *directory, struct spooler *spooler);

/* Cuts every session and closes the listeners. Messages that the spooler still has are let go: free
 * the ingress before the spooler. NULL inside is allowed. */
void ingress_free(struct ingress **ingress);

/* The configuration changed. New connections get it whole, sessions under way its limits. The old
 * one is not looked at any more. 0 or -ENOMEM, and then nothing has changed. */
int ingress_configure(struct ingress *ingress, const struct conf *conf);

/* Takes over a listening socket; `index` names it for ingress_close_listener(). 0, or a negative
 * errno and the socket is still the caller's. */
int ingress_add_listener(struct ingress *ingress, uint32_t index, int fd);

/* The master has turned new connections away from this socket: those that wait in it are taken in,
 * then it is closed. */
void ingress_close_listener(struct ingress *ingress, uint32_t index);

/* Takes over a connected socket, as if it had been accepted. */
void ingress_adopt(struct ingress *ingress, int fd);

/* No new mail: nothing is accepted any more, sessions are sent away with 421 4.3.2, those past
 * their end of data after their reply. `done` runs once, never from inside the call. */
typedef void ingress_drained_cb(void *arg);
void ingress_drain(struct ingress *ingress, ingress_drained_cb *done, void *arg);

/* The master is gone: as drained, but no message is answered 250 any more. */
void ingress_master_gone(struct ingress *ingress);

/* For the heartbeat. */
struct ingress_figures {
    uint64_t sessions; /* accepted since the start */
    uint64_t messages; /* taken in since the start: answered 250, or the client left before it */
    uint64_t bytes;    /* of those answered */
    uint64_t refused;  /* senders, recipients, messages, connections answered 5xx, as the next */
    uint64_t put_off;  /* with 4xx: they may come again */
    uint32_t connections;
    uint32_t listeners_left; /* closed by order, and empty */
};
void ingress_figures(const struct ingress *ingress, struct ingress_figures *ret_figures);

#endif
