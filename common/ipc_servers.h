/* common/ipc_servers.h: what master and workers say of the servers that mail goes to: which of
 * them answer, how many connections a worker may have there, and with which tokens it logs in; and
 * the test of a profile that somebody asks for. */
#ifndef COMMON_IPC_SERVERS_H
#define COMMON_IPC_SERVERS_H

#include <stdint.h>

/* ---- health of servers (SP23) ---- */

enum ipc_server_word {
    IPC_WORD_ANSWERS,
    IPC_WORD_FAILED,        /* in SP22's sense */
    IPC_WORD_REFUSES_LOGIN, /* the same, and our password is why: 535 */
    IPC_WORD_UNDECIDED,     /* it could not be asked here */
    IPC_WORD_COUNT
};

/* A server failed in a delivery that goes on with the next one: told at once, and the only word on
 * it that counts. NO_ROOM is none. */
struct ipc_server_failed {
    uint64_t job;
    uint16_t server; /* index in the list of the job's version */
    uint16_t word;   /* enum ipc_server_word: FAILED or REFUSES_LOGIN */
    uint32_t reserved;
    char text[240]; /* NUL-terminated */
};

/* Connect, greeting, EHLO, QUIT; no mail. Answered once, in IPC_HEALTH_PROBE_MS at the most. */
#define IPC_HEALTH_PROBE_MS 10000

struct ipc_health_probe {
    uint64_t token;
    uint64_t version; /* of the profile */
    uint32_t profile;
    uint32_t server;
    uint64_t leased; /* the server's identity: a lease for the connection comes with it */
    uint32_t others; /* leases that other workers have there */
    uint32_t reserved;
};

struct ipc_health_probed {
    uint64_t token;
    uint32_t profile;
    uint32_t word;  /* enum ipc_server_word */
    char text[240]; /* why, NUL-terminated */
};

/* ---- connections; a server is named by its identity (common/server_uri.h) ---- */

/* What became of the deliveries that wanted a connection to a server, and of the connections. */
#define IPC_POOL_COUNTS(X)                                                 \
    X(hits, "an idle one was there: no handshake")                         \
    X(handed_over, "got one straight from another delivery: no handshake") \
    X(misses, "none was idle: opened a fresh one")                         \
    X(misses_off, "opened a fresh one: pooling is off")                    \
    X(secured, "fresh ones in TLS")                                        \
    X(resumed, "of these, with a session from before")                     \
    X(downgraded, "fresh ones in clear for want of TLS (SP31)")            \
    X(stale, "one that was used again turned out to be dead (SP48)")       \
    X(expired, "closed after its idle time (SP44)")                        \
    X(lost, "the server ended an idle one")                                \
    X(full, "closed because no slot was free (SP43)")                      \
    X(retired, "closed because the profile was saved (SP47)")              \
    X(spent, "closed after the messages or the time that it may live")     \
    X(reclaimed, "closed because another worker needed it (SP49)")

struct ipc_pool_counts { /* since the worker's start */
#define X(name, meaning) uint32_t name;
    IPC_POOL_COUNTS(X)
#undef X
};

/* What a worker has to one server of a profile, for dispatch by affinity and for people. */
struct ipc_connections {
    uint64_t server;
    uint32_t profile;
    uint16_t idle;
    uint16_t open;
    struct ipc_pool_counts counts;
    uint32_t reserved;
};

struct ipc_lease_want { /* that many more are waited for */
    uint64_t server;
    uint32_t profile;
    uint32_t count;
    uint32_t is_patient; /* 1: also if the worker has none; others' are called back for it */
    uint32_t reserved;
};

struct ipc_lease_unwant { /* that many are not waited for any more; and so many were not given */
    uint64_t server;
    uint32_t profile;
    uint32_t count;
    uint32_t is_patient;
    uint32_t reserved;
};

struct ipc_lease { /* the answer, to some or all that were asked for */
    uint64_t server;
    uint32_t profile;
    uint32_t granted;
    uint32_t refused;
    uint32_t unneeded; /* of a patient want: no profile has that server, so no limit either */
    uint32_t others;   /* leases that other workers have there */
    uint32_t limit;    /* how many there may be now in all, 0: no limit */
};

struct ipc_lease_back {
    uint64_t server;
    uint32_t profile;
    uint32_t count;
    uint32_t too_many; /* connections on which the server said that there are too many */
    uint32_t reserved;
};

struct ipc_server_ended { /* the server ended a connection that nobody was using */
    uint64_t server;
    uint32_t profile;
    uint32_t idle_ms;
    uint32_t age_ms;
    uint32_t messages; /* it had carried */
};

struct ipc_server_bears { /* what connections should stay within, 0: no limit is known */
    uint64_t server;
    uint32_t profile;
    uint32_t idle_ms;
    uint32_t age_ms;
    uint32_t messages;
};

struct ipc_reclaim { /* that many are to come back: of idle connections now, else of the next ended
                      */
    uint64_t server;
    uint32_t profile;
    uint32_t count;
};

/* A slot is the right to keep a connection of a profile idle (SP46). */
struct ipc_slot_want { /* so many connections are idle without one */
    uint32_t profile;
    uint32_t count;
};

struct ipc_slots { /* the answer, to some or all that were asked for */
    uint32_t profile;
    uint32_t granted;
    uint32_t refused;
    uint32_t reserved;
};

struct ipc_slot_take { /* another worker wants them, or there are fewer now */
    uint32_t profile;
    uint32_t count;
    uint32_t is_forced; /* 0: only those that no connection has */
    uint32_t reserved;
};

struct ipc_slot_given { /* the answer: the worker has `count` fewer now */
    uint32_t profile;
    uint32_t count;
    uint32_t asked; /* that were asked for */
    uint32_t reserved;
};

/* ---- OAuth tokens (SP34) ---- */

struct ipc_token_want {
    uint64_t version; /* of the profile */
    uint64_t has;     /* serial of the one that the worker has, 0: none */
    uint64_t refused; /* of one that a server did not take, 0: none */
    uint32_t profile;
    uint32_t reserved;
};

struct ipc_token_fetch { /* of the profile's token server; TOKEN_FETCHED is the answer */
    uint64_t version;
    uint32_t profile;
    uint32_t reserved;
};

struct ipc_token_fetched { /* fd: the token, or why there is none */
    uint64_t version;
    uint32_t profile;
    uint32_t is_failed;
    uint32_t lives_s;
    uint32_t reserved;
};

struct ipc_token { /* fd: the token, or why there is none */
    uint64_t version;
    uint64_t serial;
    uint32_t profile;
    uint32_t is_failed;
    uint32_t lives_ms; /* from now on */
    uint32_t fresh_ms; /* the same; later a new one should be asked for, while this still serves */
    uint32_t age_ms;
    uint32_t reserved;
};

/* ---- connection test ---- */

struct ipc_probe { /* fd: the profile as JSON, secrets in clear; the profile need not be stored */
    uint64_t token;
};

struct ipc_probe_step {
    uint64_t token;
    uint32_t ms;
    uint16_t server;
    uint8_t step; /* enum probe_step of common/probe_step.h */
    uint8_t result;
    char text[496]; /* what was seen, or what to do; NUL-terminated UTF-8 */
};

struct ipc_probe_done {
    uint64_t token;
    uint32_t passed;
    uint32_t servers;
};

#endif
