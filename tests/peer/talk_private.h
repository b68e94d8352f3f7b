/* tests/peer/talk_private.h: a talk, for the files that it is made of: talk.c goes from point to
 * point, talk_action.c performs what the script says there, talk_state.c is the good server: what
 * it says, and what has come of a transaction when a point is passed. */
#ifndef TESTS_PEER_TALK_PRIVATE_H
#define TESTS_PEER_TALK_PRIVATE_H

#include "content.h"
#include "talk.h"

struct loop_timer;
struct wire;

#define TALK_RCPT_MAX 1000

struct talk {
    TAILQ_ENTRY(talk) link;
    struct host *host;
    struct tally_mark mark;
    struct wire *wire;

    /* The sequence under way. */
    enum script_point at;
    const struct script_action *todo;
    unsigned code;                        /* said last at this point, 0: nothing */
    bool is_waiting, is_stalled, is_over; /* over: FIN or RST from here */
    bool is_answered; /* `early` has said already what is usual at the next point */
    struct loop_timer *delay;
    size_t flood_left;

    unsigned counts[SCRIPT_POINTS]; /* how often it came there; of RCPT in the transaction */
    bool is_greeted, said_quit;
    enum tally_end end;

    /* Rules with a clock. */
    struct loop_timer *age, *idle;
    bool was_idle_fired;

    /* The transaction. */
    bool is_in_mail, is_in_content;
    uint64_t recipients[TALK_RCPT_MAX]; /* accepted: hashes */
    unsigned recipient_count;
    uint64_t named_now; /* of the RCPT that is being answered */
    struct content content;
    size_t content_stop; /* where the script is asked, SIZE_MAX: nowhere */
};

/* talk.c. Performs the script's actions for the n-th time at `point`, or what is usual there. */
void talk_reach(struct talk *talk, enum script_point point, unsigned nth);

/* talk_action.c. Goes on with the sequence until it is done or has to wait; false: not done. */
bool talk_perform(struct talk *talk);
void talk_flood(struct talk *talk); /* more of it */

/* talk_state.c. Says what is usual at `point`, or only has said so if `early` did. */
void talk_say_usual(struct talk *talk, enum script_point point);
size_t talk_usual(const struct talk *talk, enum script_point point, char *out, size_t size);
void talk_forget_transaction(struct talk *talk);
/* The point is passed: what the code that was said means. */
void talk_pass(struct talk *talk);

#endif
