/* tests/crash/gateway.h: the real spooler on a folder of its own, with a loop, a segment cache, and
 * a channel whose other end writes down what a master would hear. */
#ifndef TESTS_CRASH_GATEWAY_H
#define TESTS_CRASH_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ipc.h"
#include "common/reason.h"

#define GATEWAY_SLOT          3U /* where the mail is */
#define GATEWAY_SEGMENT_BYTES (64U << 10)

struct conf;
struct channel;
struct loop;
struct segment_cache;
struct spooler;

struct gateway {
    char state_dir[128], spool_dir[160];
    struct conf *conf;
    struct loop *loop;
    struct channel *master, *worker;
    struct spooler *spooler;
    struct segment_cache *cache;

    struct ipc_mail_queued *queued; /* heard since gateway_forget() */
    size_t queued_count, queued_room;
    struct ipc_segment_sealed *sealed;
    size_t sealed_count, sealed_room;
    struct ipc_mail_moved *moved;
    size_t moved_count, moved_room;
    struct ipc_segment_compacted compacted;
    unsigned compacted_count;
    struct ipc_rescanned rescanned;
    unsigned rescanned_count;
};

struct gateway *gateway_new(const char *state_dir);
void gateway_free(struct gateway **gateway); /* the folder stays */

/* A life of the spooler in that slot. 0 or a negative errno of spooler_new(). */
int gateway_start(struct gateway *gateway, unsigned slot, struct reason *reterr_why);
void gateway_stop(struct gateway *gateway);

void gateway_turn(struct gateway *gateway, int wait_ms);
/* RESCAN of GATEWAY_SLOT: false if nothing came of it in time. */
bool gateway_recover(struct gateway *gateway);
void gateway_forget(struct gateway *gateway);

#define GATEWAY_WAIT_MS 20000

/* Turns until the condition holds; the value is whether it does in the end. */
#define GATEWAY_WAIT(gateway, condition)                             \
    __extension__({                                                  \
        const int64_t until_ms_ = clock_mono_ms() + GATEWAY_WAIT_MS; \
        gateway_turn((gateway), 0); /* what was asked for leaves */  \
        while (!(condition) && clock_mono_ms() < until_ms_)          \
            gateway_turn((gateway), 10);                             \
        (condition);                                                 \
    })

#endif
