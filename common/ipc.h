/* common/ipc.h: every message between master and worker, one line each.
 *
 * Enum, log name, size check and direction check are all made from IPC_MESSAGES. Payloads have a
 * fixed size; what is variable (profile with its secrets, rules, configuration, query answers) is a
 * sealed memfd that travels with the message. Both ends come from one package: a change here raises
 * IPC_VERSION, which WORKER_READY carries.
 *
 * The payloads stand by subject in headers that only this one includes: what is said of messages,
 * of the servers that they go to, of the spool's files, and of a worker itself.
 *
 * Credit keeps both directions bounded: the master has at most IPC_JOBS_PER_WORKER jobs out per
 * worker; a worker has at most IPC_QUEUED_CREDIT unacknowledged MAIL_QUEUED, then it answers 451
 * and stops accepting. */
#ifndef COMMON_IPC_H
#define COMMON_IPC_H

#include <stdint.h>

#include "common/ipc_mail.h"
#include "common/ipc_servers.h"
#include "common/ipc_spool.h"
#include "common/ipc_worker.h"

#define IPC_VERSION         11
#define IPC_JOBS_PER_WORKER 512
#define IPC_QUEUED_CREDIT   65536
#define IPC_PROBES_MAX      64 /* connection tests under way at a time */
#define IPC_CHANNEL_FD      3  /* where a worker finds its channel */

enum ipc_side { IPC_MASTER, IPC_WORKER };
enum ipc_fd { IPC_NO_FD, IPC_WITH_FD };

struct ipc_empty {
    uint32_t reserved;
};

#define IPC_MESSAGES(X)                                                           \
    /* name             from    to      fd           payload */                   \
    X(WORKER_READY, WORKER, MASTER, IPC_NO_FD, struct ipc_worker_ready)           \
    X(CONFIGURE, MASTER, WORKER, IPC_WITH_FD, struct ipc_configure)               \
    X(LISTENER, MASTER, WORKER, IPC_WITH_FD, struct ipc_listener)                 \
    X(LISTENER_CLOSE, MASTER, WORKER, IPC_NO_FD, struct ipc_listener)             \
    X(PROFILE, MASTER, WORKER, IPC_WITH_FD, struct ipc_profile)                   \
    X(PROFILE_GONE, MASTER, WORKER, IPC_NO_FD, struct ipc_profile)                \
    X(RULES, MASTER, WORKER, IPC_WITH_FD, struct ipc_rules)                       \
    X(RUNNING, WORKER, MASTER, IPC_NO_FD, struct ipc_running)                     \
    X(MAIL_QUEUED, WORKER, MASTER, IPC_NO_FD, struct ipc_mail_queued)             \
    X(CREDIT, MASTER, WORKER, IPC_NO_FD, struct ipc_credit)                       \
    X(MAIL_DELIVER, MASTER, WORKER, IPC_NO_FD, struct ipc_mail_deliver)           \
    X(MAIL_CANCEL, MASTER, WORKER, IPC_NO_FD, struct ipc_mail_cancel)             \
    X(MAIL_OUTCOME, WORKER, MASTER, IPC_NO_FD, struct ipc_mail_outcome)           \
    X(MAIL_NOTED, WORKER, MASTER, IPC_NO_FD, struct ipc_mail_noted)               \
    X(UPLOAD_DISCARD, MASTER, WORKER, IPC_NO_FD, struct ipc_upload_discard)       \
    X(SERVER_FAILED, WORKER, MASTER, IPC_NO_FD, struct ipc_server_failed)         \
    X(HEALTH_PROBE, MASTER, WORKER, IPC_NO_FD, struct ipc_health_probe)           \
    X(HEALTH_PROBED, WORKER, MASTER, IPC_NO_FD, struct ipc_health_probed)         \
    X(CONNECTIONS, WORKER, MASTER, IPC_NO_FD, struct ipc_connections)             \
    X(LEASE_WANT, WORKER, MASTER, IPC_NO_FD, struct ipc_lease_want)               \
    X(LEASE, MASTER, WORKER, IPC_NO_FD, struct ipc_lease)                         \
    X(LEASE_UNWANT, WORKER, MASTER, IPC_NO_FD, struct ipc_lease_unwant)           \
    X(LEASE_UNWANTED, MASTER, WORKER, IPC_NO_FD, struct ipc_lease_unwant)         \
    X(LEASE_BACK, WORKER, MASTER, IPC_NO_FD, struct ipc_lease_back)               \
    X(RECLAIM, MASTER, WORKER, IPC_NO_FD, struct ipc_reclaim)                     \
    X(SERVER_ENDED, WORKER, MASTER, IPC_NO_FD, struct ipc_server_ended)           \
    X(SERVER_BEARS, MASTER, WORKER, IPC_NO_FD, struct ipc_server_bears)           \
    X(SLOT_WANT, WORKER, MASTER, IPC_NO_FD, struct ipc_slot_want)                 \
    X(SLOTS, MASTER, WORKER, IPC_NO_FD, struct ipc_slots)                         \
    X(SLOT_TAKE, MASTER, WORKER, IPC_NO_FD, struct ipc_slot_take)                 \
    X(SLOT_GIVEN, WORKER, MASTER, IPC_NO_FD, struct ipc_slot_given)               \
    X(TOKEN_WANT, WORKER, MASTER, IPC_NO_FD, struct ipc_token_want)               \
    X(TOKEN_FETCH, MASTER, WORKER, IPC_NO_FD, struct ipc_token_fetch)             \
    X(TOKEN_FETCHED, WORKER, MASTER, IPC_WITH_FD, struct ipc_token_fetched)       \
    X(TOKEN, MASTER, WORKER, IPC_WITH_FD, struct ipc_token)                       \
    X(PROBE, MASTER, WORKER, IPC_WITH_FD, struct ipc_probe)                       \
    X(PROBE_STEP, WORKER, MASTER, IPC_NO_FD, struct ipc_probe_step)               \
    X(PROBE_DONE, WORKER, MASTER, IPC_NO_FD, struct ipc_probe_done)               \
    X(QUERY, MASTER, WORKER, IPC_WITH_FD, struct ipc_query)                       \
    X(QUERY_ROWS, WORKER, MASTER, IPC_WITH_FD, struct ipc_query_rows)             \
    X(COMPOSE, MASTER, WORKER, IPC_WITH_FD, struct ipc_compose)                   \
    X(COMPOSED, WORKER, MASTER, IPC_NO_FD, struct ipc_composed)                   \
    X(RESCAN, MASTER, WORKER, IPC_NO_FD, struct ipc_rescan)                       \
    X(RESCANNED, WORKER, MASTER, IPC_NO_FD, struct ipc_rescanned)                 \
    X(SEGMENT_SEALED, WORKER, MASTER, IPC_NO_FD, struct ipc_segment_sealed)       \
    X(SEGMENT_COMPACT, MASTER, WORKER, IPC_WITH_FD, struct ipc_segment_compact)   \
    X(MAIL_MOVED, WORKER, MASTER, IPC_NO_FD, struct ipc_mail_moved)               \
    X(SEGMENT_COMPACTED, WORKER, MASTER, IPC_NO_FD, struct ipc_segment_compacted) \
    X(SEGMENT_FAILED, WORKER, MASTER, IPC_NO_FD, struct ipc_segment)              \
    X(SEGMENT_RETIRE, MASTER, WORKER, IPC_NO_FD, struct ipc_segment)              \
    X(SEGMENT_GONE, MASTER, WORKER, IPC_NO_FD, struct ipc_segment)                \
    X(SEGMENT_RELEASED, WORKER, MASTER, IPC_NO_FD, struct ipc_segment)            \
    X(SEGMENT_REUSE, MASTER, WORKER, IPC_NO_FD, struct ipc_segment)               \
    X(DRAIN, MASTER, WORKER, IPC_NO_FD, struct ipc_empty)                         \
    X(DRAINED, WORKER, MASTER, IPC_NO_FD, struct ipc_empty)                       \
    X(HEARTBEAT, WORKER, MASTER, IPC_NO_FD, struct ipc_heartbeat)                 \
    X(ALERT, WORKER, MASTER, IPC_NO_FD, struct ipc_alert)

enum ipc_kind {
#define X(name, from, to, fd, payload) IPC_##name,
    IPC_MESSAGES(X)
#undef X
        IPC_KIND_COUNT
};

struct ipc_declaration {
    const char *name;
    enum ipc_side from, to;
    enum ipc_fd fd;
    unsigned bytes;
};

extern const struct ipc_declaration ipc_declarations[IPC_KIND_COUNT];

#endif
