/* common/ipc_spool.h: what master and workers say of a slot's files in the spool: what is in them,
 * which are to be emptied into others, and which are free again. */
#ifndef COMMON_IPC_SPOOL_H
#define COMMON_IPC_SPOOL_H

#include <stdint.h>

#include "common/ipc_mail.h" /* struct ipc_place */

struct ipc_rescan {
    uint32_t slot;
    uint32_t reserved;
};

struct ipc_rescanned {
    uint64_t max_id;
    uint32_t slot;
    int32_t err; /* 0 or negative errno */
    uint32_t groups;
    uint32_t damaged;
};

struct ipc_segment {
    uint32_t slot;
    uint32_t segment;
};

struct ipc_segment_sealed {
    uint32_t slot;
    uint32_t segment;
    uint32_t bytes;      /* what emptying it would give back, its states' file included; 0: one
                          * message has it for itself */
    uint32_t is_retired; /* 1: the disk refused a write or sync: what it holds should leave it */
};

/* Groups of which nothing happens until they are told as moved, or the whole as ended. */
struct ipc_segment_compact { /* fd: an array of struct ipc_place, in any order */
    uint32_t slot;
    uint32_t segment; /* records and notes in it are to be copied elsewhere */
    uint32_t count;
    uint32_t reserved;
};

struct ipc_mail_moved { /* durable, and the old cell says so */
    struct ipc_place from;
    struct ipc_place place; /* the same if only the note was moved */
    uint32_t record_bytes;
    uint32_t note_segment;
    uint16_t note_slot;
    uint16_t copy;
    uint32_t note_bytes; /* 0: it stayed where it was, or there is none */
};

struct ipc_segment_compacted {
    uint32_t slot;
    uint32_t segment;
    uint32_t moved; /* groups */
    int32_t err;    /* 0, or why the rest stays where it is */
};

#endif
