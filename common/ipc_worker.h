/* common/ipc_worker.h: what master and workers say of a worker itself: what it is to run with, and
 * how it fares. */
#ifndef COMMON_IPC_WORKER_H
#define COMMON_IPC_WORKER_H

#include <stdint.h>

/* ---- start, configuration ---- */

struct ipc_worker_ready {
    uint32_t version; /* IPC_VERSION */
    int32_t pid;
};

struct ipc_configure { /* fd: the effective configuration in the syntax of the file */
    uint32_t slot;
    uint32_t worker_count;
    uint32_t first; /* 1: the first of this process: recover the slot before accepting */
    uint32_t listener_count;
};

struct ipc_listener { /* fd: a listening socket, kept open by the master */
    uint32_t index;
};

struct ipc_profile { /* fd: the profile as JSON, secrets in clear; none for PROFILE_GONE */
    uint64_t version;
    uint32_t id;
    uint32_t reserved;
};

struct ipc_rules { /* fd: {"rules":[...], "settings":{...}} */
    uint64_t version;
};

/* What a worker runs now (SP54). profile 0: the rules. */
struct ipc_running {
    uint64_t version;
    uint32_t profile;
    uint32_t reserved;
};

/* ---- life ---- */

struct ipc_heartbeat {
    uint64_t accepted;  /* messages stored since the start of the process: taken in, or made here */
    uint64_t taken;     /* of these, from clients */
    uint64_t refused;   /* senders, recipients, messages, connections answered 5xx at the door */
    uint64_t put_off;   /* the same with 4xx */
    uint64_t delivered; /* groups finished */
    uint64_t bytes_in;
    uint64_t syncs;
    uint32_t connections_in;
    uint32_t connections_out;
    uint32_t jobs;
    uint32_t longest_turn_us;
    uint64_t sessions;   /* inbound connections accepted since the start */
    uint64_t cpu_ms;     /* all its threads, since the start */
    uint32_t disk_hangs; /* 1: a disk sync takes very long: not the worker is stuck */
    uint32_t rss_kib;
    uint32_t listeners_left; /* since the start: LISTENER_CLOSE obeyed, nothing came any more */
    uint32_t reserved;
};

/* A log line of level alert, for `status` (OP08). Cut where it does not fit; NUL-terminated. */
struct ipc_alert {
    char module[32];
    char text[512];
};

#endif
