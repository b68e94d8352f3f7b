/* tests/peer/talk.h: one client's SMTP talk with a scripted peer.
 *
 * At each point of the talk the script is asked for a sequence of actions; without one it is the
 * usual reply. While a sequence waits, what the client sends waits, too. The talk ends, and frees
 * itself, when the client's end was seen (wire.h). */
#ifndef TESTS_PEER_TALK_H
#define TESTS_PEER_TALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "tally.h"

struct loop;
struct talk;

/* What all talks of a peer share. */
struct host {
    struct loop *loop;
    struct script *script; /* in force; those before it live on until the end */
    struct tally tally;
    TAILQ_HEAD(, talk) talks;
};

/* Of an accepted connection. Its greeting is said before this returns, and may have been its end.
 */
void talk_begin(struct host *host, int fd);

/* Ends all, without a word. */
void talk_cut_all(struct host *host);

#endif
