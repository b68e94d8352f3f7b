/* tests/peer/script.h: what a scripted SMTP peer does that a good server would not.
 *
 * A script is lines; "#" begins a comment. A good server needs none: without a rule for it, every
 * step gets the usual reply. What is wrong with a line is said with its number.
 *
 *   SETTINGS
 *
 *     name HOST                     in the greeting and the reply to EHLO (peer.test)
 *     extensions WORD, WORD...      what EHLO lists, in this order; "extensions" alone: nothing
 *                                   (PIPELINING, SIZE 104857600, 8BITMIME, ENHANCEDSTATUSCODES)
 *     limit N [CODE TEXT]           at most N connections at once; who comes then hears this and
 *                                   FIN (421 4.3.2 too many connections)
 *     refuse [after N]              nobody listens (any more, once N connections came)
 *     hole                          SYN is not answered, as by a host that is gone
 *
 *   RULES
 *
 *     WHO POINT [RANGE] [times N] ACTION [then ACTION]...
 *
 *     every MAIL reply 451 4.3.0 trouble
 *     connection 3 banner drop
 *     connection 4.. RCPT 2.. reply 452 4.5.3 too many
 *     every END times 2 delay 500 then reply 421 4.3.2 closing then drop
 *     every after 7 messages close 421 4.3.2 seven are enough
 *     every at age 2000 between drop
 *
 * WHO is "every", or "connection" and a RANGE of numbers, counted from 1 since the start. A RANGE
 * is N, N.. or N..M. The first rule that fits is taken; "times N" (or "once") lets it fit so often,
 * over all connections.
 *
 *   POINTS
 *
 *     banner (or accept)            a connection was accepted
 *     EHLO HELO MAIL RCPT DATA RSET NOOP QUIT
 *     other                         any other command
 *     END                           the final dot was read
 *     content N                     N octets of content were read, before their end
 *     after N messages              the N-th message of the connection was taken and answered
 *     at age N [between]            ms since it was accepted; "between": not before a transaction
 *                                   that is under way is over
 *     after idle N                  ms since its last reply when no transaction was under way
 *                                   (each once a connection)
 *
 * The RANGE of a command counts on the connection, that of RCPT in the transaction.
 *
 *   ACTIONS
 *
 *     reply CODE TEXT               "\n" in TEXT begins another line of the same reply
 *     raw TEXT                      these octets; \r \n \t \0 \\ \xNN
 *     usual                         what a good server says
 *     delay MS                      wait; commands that come meanwhile wait, too
 *     half                          half of the usual reply, then stall
 *     early                         the usual reply, and at once the one to the step that follows
 *     garbage                       octets that are no reply
 *     huge [N]                      one line of N octets (1048576)
 *     flood [N]                     a reply that never ends, N octets (67108864), then stall
 *     stall                         not a word any more; what comes is read
 *     deaf                          not a word any more, and nothing is read
 *     drop                          FIN when all is sent that was said
 *     reset                         RST at once
 *     close [CODE TEXT]             with a last word (421 4.3.2 closing), then drop
 *
 * Nothing follows what stalls or ends. Actions that say nothing and end nothing (a delay) are
 * followed by the usual reply. A reply of 421 alone does not close: "close 421 ..." does. What a
 * transaction has come to goes by the code that was said last: a message is taken when a 2xx to END
 * was said. */
#ifndef TESTS_PEER_SCRIPT_H
#define TESTS_PEER_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/reason.h"

enum script_point {
    AT_BANNER,
    AT_EHLO,
    AT_HELO,
    AT_MAIL,
    AT_RCPT,
    AT_DATA,
    AT_END,
    AT_RSET,
    AT_NOOP,
    AT_QUIT,
    AT_OTHER,
    AT_CONTENT, /* from here on nothing is owed to the client: there is no usual reply */
    AT_MESSAGES,
    AT_AGE,
    AT_IDLE,
    SCRIPT_POINTS
};

enum script_verb {
    DO_REPLY,
    DO_RAW,
    DO_USUAL,
    DO_DELAY,
    DO_HALF,
    DO_EARLY,
    DO_HUGE,
    DO_FLOOD,
    DO_STALL,
    DO_DEAF,
    DO_DROP,
    DO_RESET,
};

struct script_action {
    enum script_verb verb;
    unsigned number; /* ms, octets */
    unsigned code;   /* of a reply */
    char *text;      /* to be sent as it stands */
    size_t text_bytes;
    struct script_action *next;
};

struct script_range {
    unsigned from, to;
};

struct script_rule {
    unsigned line;
    struct script_range who, which;
    enum script_point point;
    bool is_between;     /* of an age: not before the transaction is over */
    unsigned times_left; /* ~0U: no end */
    unsigned used;
    struct script_action *actions;
    struct script_rule *next;
};

struct script {
    char *name;
    char *extensions; /* the lines of EHLO's reply after its first, as they are sent */
    unsigned limit;   /* 0: none */
    struct script_action *limit_reply;
    unsigned refuse_after; /* ~0U: never */
    bool is_hole;
    struct script_rule *rules;
};

/* 0, or -EINVAL with "line N: ...". */
int script_parse(const char *text, struct script **ret_script, struct reason *reterr_why);
void script_free(struct script **script); /* NULL inside is allowed */

/* The first rule for the n-th time that this connection comes to `point`; its use is counted.
 * NULL: the usual. */
struct script_rule *script_take(struct script *script, unsigned connection, enum script_point point,
                                unsigned nth);
/* The same without a use; nth 0: the first rule for that point at all. */
struct script_rule *script_find(const struct script *script, unsigned connection,
                                enum script_point point, unsigned nth);

const char *script_point_name(enum script_point point);

#endif
