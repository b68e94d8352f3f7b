/* tests/peer/wire.h: the socket of one connection of a scripted peer.
 *
 * What is read is handed up, what is said leaves at the end of the handler, and the client's end is
 * always seen: a wire that has sent its FIN goes on reading until the client ends, too. Every entry
 * that is not one of the wire's own callbacks (a timer) ends with wire_settle(). */
#ifndef TESTS_PEER_WIRE_H
#define TESTS_PEER_WIRE_H

#include <stdbool.h>
#include <stddef.h>

struct loop;
struct wire;

struct wire_ops {
    /* Returns how many of these octets are done with; the others come again, with what follows. */
    size_t (*on_octets)(const char *octets, size_t count, void *owner);
    void (*on_drained)(void *owner); /* all that was said has left */
    void (*on_handled)(
        void *owner); /* the last thing of every handler that does not end the wire */
    /* The client's FIN or RST, or wire_reset(). The last callback; the owner frees the wire. */
    void (*on_end)(bool is_client_reset, void *owner);
};

/* Owns `fd`, which does not block. Reads from the next turn of the loop on. */
struct wire *wire_new(struct loop *loop, int fd, const struct wire_ops *ops, void *owner);
void wire_free(struct wire **wire);
int wire_fd(const struct wire *wire);

void wire_say(struct wire *wire, const char *octets, size_t count);
void wire_finish(struct wire *wire); /* FIN when all has left; what comes is read and forgotten */
void wire_reset(struct wire *wire);  /* RST */
void wire_be_deaf(struct wire *wire);
void wire_resume(struct wire *wire); /* hands up what was not done with */

/* Lets go what was said; on_end may follow from inside: the owner may be gone when it returns. */
void wire_settle(struct wire *wire);

#endif
