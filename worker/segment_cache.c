#include "worker/segment_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/auto.h"
#include "common/channel.h"
#include "common/clock.h"
#include "common/spool_format.h"
#include "common/spool_path.h"

#define STATE_LINGER_MS 3000 /* a state file is synced within a second of a write */

struct segment {
    TAILQ_ENTRY(segment) link;   /* most recently used first; or among those let go */
    struct segment_cache *cache; /* NULL: it is gone, the last holder frees */
    uint32_t number;
    unsigned slot;
    unsigned holders;
    bool is_gone; /* by SEGMENT_GONE: answered when it is let go */
    unsigned char *data, *state;
    size_t bytes, state_bytes;
    uint64_t incarnation;
    uint64_t checked_offset;
    int state_fd;
    int64_t let_go_ms;
};

TAILQ_HEAD(segment_list, segment);

struct segment_cache {
    struct channel *channel;
    char *spool_dir;
    struct segment_list open, lingering;
    unsigned idle;
};

struct segment_cache *segment_cache_new(const char *spool_dir, struct channel *channel)
{
    struct segment_cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL)
        return NULL;
    TAILQ_INIT(&cache->open);
    TAILQ_INIT(&cache->lingering);
    cache->channel = channel;
    cache->spool_dir = strdup(spool_dir);
    if (cache->spool_dir == NULL) {
        free(cache);
        return NULL;
    }
    return cache;
}

/* ---- letting go ---- */

static void unmap(struct segment *segment)
{
    if (segment->data != NULL)
        (void)munmap(segment->data, segment->bytes);
    if (segment->state != NULL)
        (void)munmap(segment->state, segment->state_bytes);
    segment->data = segment->state = NULL;
}

static void free_segment(struct segment *segment)
{
    unmap(segment);
    if (segment->state_fd >= 0)
        close(segment->state_fd);
    free(segment);
}

static void free_lingering(struct segment_cache *cache, int64_t now_ms)
{
    struct segment *segment;

    while ((segment = TAILQ_FIRST(&cache->lingering)) != NULL &&
           now_ms - segment->let_go_ms >= STATE_LINGER_MS) {
        TAILQ_REMOVE(&cache->lingering, segment, link);
        free_segment(segment);
    }
}

static void send_released(struct segment_cache *cache, unsigned slot, uint32_t number)
{
    const struct ipc_segment released = { .slot = slot, .segment = number };

    channel_send(cache->channel, IPC_SEGMENT_RELEASED, &released);
}

/* Nobody holds it. */
static void let_go(struct segment *segment)
{
    struct segment_cache *cache = segment->cache;

    TAILQ_REMOVE(&cache->open, segment, link);
    cache->idle--;
    unmap(segment);
    if (segment->is_gone)
        send_released(cache, segment->slot, segment->number);
    segment->let_go_ms = clock_mono_ms();
    TAILQ_INSERT_TAIL(&cache->lingering, segment, link);
    free_lingering(cache, segment->let_go_ms);
}

static void trim(struct segment_cache *cache)
{
    struct segment *segment = TAILQ_LAST(&cache->open, segment_list);

    while (segment != NULL && cache->idle > SEGMENT_CACHE_OPEN) {
        struct segment *newer = TAILQ_PREV(segment, segment_list, link);

        if (segment->holders == 0)
            let_go(segment);
        segment = newer;
    }
}

void segment_release(struct segment *segment)
{
    if (--segment->holders > 0)
        return;
    if (segment->cache == NULL) {
        free_segment(segment);
        return;
    }
    segment->cache->idle++;
    if (segment->is_gone)
        let_go(segment);
    else
        trim(segment->cache);
}

void segment_cache_free(struct segment_cache **cache)
{
    struct segment_cache *c = *cache;
    struct segment *segment;

    if (c == NULL)
        return;
    free_lingering(c, INT64_MAX);
    while ((segment = TAILQ_FIRST(&c->open)) != NULL) {
        TAILQ_REMOVE(&c->open, segment, link);
        segment->cache = NULL;
        if (segment->holders == 0)
            free_segment(segment);
    }
    free(c->spool_dir);
    free(c);
    *cache = NULL;
}

/* ---- opening ---- */

static int map_file(int fd, unsigned char **ret_data, size_t *ret_bytes)
{
    struct stat status;
    void *data;

    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode) || status.st_size <= 0)
        return -EBADMSG;
    data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        return -errno;
    *ret_data = data;
    *ret_bytes = (size_t)status.st_size;
    return 0;
}

static int map_segment(struct segment *segment, const char *spool_dir)
{
    AUTO(close)
    int fd = spool_open(spool_dir, segment->slot, segment->number, SPOOL_FILE_SEGMENT, O_RDONLY);
    int err;

    if (fd < 0)
        return fd;
    segment->state_fd =
        spool_open(spool_dir, segment->slot, segment->number, SPOOL_FILE_STATE, O_RDWR);
    if (segment->state_fd < 0)
        return segment->state_fd;
    err = map_file(fd, &segment->data, &segment->bytes);
    if (err == 0)
        err = map_file(segment->state_fd, &segment->state, &segment->state_bytes);
    if (err == 0)
        err = spool_incarnation(segment->data, segment->bytes, &segment->incarnation);
    if (err < 0)
        return err;
    /* After a restart the pages are on disk: better fetched ahead than by the loop's faults. */
    (void)madvise(segment->data, segment->bytes, MADV_WILLNEED);
    return 0;
}

static struct segment *find(struct segment_cache *cache, unsigned slot, uint32_t number)
{
    struct segment *segment;

    TAILQ_FOREACH (segment, &cache->open, link) {
        if (segment->number == number && segment->slot == slot)
            return segment;
    }
    return NULL;
}

static int open_segment(struct segment_cache *cache, unsigned slot, uint32_t number,
                        struct segment **ret_segment, struct reason *reterr_why)
{
    struct segment *segment = calloc(1, sizeof(*segment));
    int err;

    if (segment == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    segment->cache = cache;
    segment->slot = slot;
    segment->number = number;
    segment->state_fd = -1;
    free_lingering(cache, clock_mono_ms());
    err = map_segment(segment, cache->spool_dir);
    if (err < 0) {
        free_segment(segment);
        return reason_set(reterr_why, err, "segment %u of slot %u: %s", number, slot,
                          err == -EBADMSG ? "not a segment" : strerror(-err));
    }
    TAILQ_INSERT_HEAD(&cache->open, segment, link);
    cache->idle++;
    *ret_segment = segment;
    return 0;
}

int segment_hold(struct segment_cache *cache, unsigned slot, uint32_t number,
                 struct segment **ret_segment, struct reason *reterr_why)
{
    struct segment *segment = find(cache, slot, number);
    int err;

    if (segment == NULL) {
        err = open_segment(cache, slot, number, &segment, reterr_why);
        if (err < 0)
            return err;
    } else if (segment != TAILQ_FIRST(&cache->open)) {
        TAILQ_REMOVE(&cache->open, segment, link);
        TAILQ_INSERT_HEAD(&cache->open, segment, link);
    }
    segment_hold_again(segment);
    trim(cache);
    *ret_segment = segment;
    return 0;
}

void segment_hold_again(struct segment *segment)
{
    if (segment->holders++ == 0)
        segment->cache->idle--;
}

void segment_cache_gone(struct segment_cache *cache, unsigned slot, uint32_t number)
{
    struct segment *segment = find(cache, slot, number);

    if (segment == NULL) {
        send_released(cache, slot, number);
        return;
    }
    segment->is_gone = true;
    if (segment->holders == 0)
        let_go(segment);
}

/* ---- reading ---- */

const unsigned char *segment_data(const struct segment *segment)
{
    return segment->data;
}

size_t segment_bytes(const struct segment *segment)
{
    return segment->bytes;
}

uint64_t segment_incarnation(const struct segment *segment)
{
    return segment->incarnation;
}

const unsigned char *segment_state(const struct segment *segment)
{
    return segment->state;
}

size_t segment_state_bytes(const struct segment *segment)
{
    return segment->state_bytes;
}

int segment_state_fd(const struct segment *segment)
{
    return segment->state_fd;
}

void segment_forget(const void *data, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t from = ((uintptr_t)data + page - 1) & ~(page - 1);
    const uintptr_t end = ((uintptr_t)data + bytes) & ~(page - 1);

    if (from < end)
        (void)madvise((void *)from, end - from, MADV_DONTNEED);
}

bool segment_is_checked(const struct segment *segment, uint64_t record_offset)
{
    return segment->checked_offset == record_offset;
}

void segment_set_checked(struct segment *segment, uint64_t record_offset)
{
    segment->checked_offset = record_offset;
}
