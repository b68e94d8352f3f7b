#include "worker/segment_supply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/auto.h"
#include "common/shortage.h"
#include "common/spool_format.h"
#include "common/spool_path.h"
#include "worker/disk.h"

#define FULL_RETRY_MS 1000
#define MAKE_FROM     250 /* thousandths of the current segment: until then one may come back */
#define RETIRED_MAX   64U

struct segment_supply {
    struct segment_settings settings;
    struct segment_file *spares;
    unsigned spare_count;
    struct segment_maker maker;
    uint32_t next_number;
    uint64_t last_id; /* what the slot's last-id file says */

    int make_err; /* why the last making ended, 0: well */
    int64_t make_at_ms;

    bool is_broken; /* the next segment must prove itself */
    bool is_stopped;
    int64_t failed_at_ms, prove_at_ms;
    bool has_failed;
    uint32_t retired[RETIRED_MAX];
    unsigned retired_count;
};

struct segment_supply *segment_supply_new(const struct segment_settings *settings)
{
    struct segment_supply *supply = calloc(1, sizeof(*supply));

    if (supply == NULL)
        return NULL;
    supply->settings = *settings;
    supply->maker.fd = supply->maker.state_fd = -1;
    supply->next_number = settings->first_number;
    supply->last_id = slot_dir_last_id(settings->dir->fd);
    return supply;
}

void segment_supply_free(struct segment_supply **supply)
{
    struct segment_supply *s = *supply;

    if (s == NULL)
        return;
    segment_maker_abort(&s->maker, s->settings.dir);
    while (s->spares != NULL) {
        struct segment_file *file = s->spares;

        s->spares = file->next;
        segment_file_free(&file);
    }
    free(s);
    *supply = NULL;
}

static void tell(const struct segment_supply *supply, enum log_level level, const char *what,
                 uint32_t number, int err)
{
    supply->settings.on_trouble(level, what, number, err, supply->settings.arg);
}

static uint64_t max_id(const struct segment_supply *supply)
{
    return supply->settings.max_id(supply->settings.arg);
}

static bool is_full(int err)
{
    return err == -ENOSPC || err == -EDQUOT;
}

/* ---- failures ---- */

static void mended(struct segment_supply *supply, uint32_t number)
{
    if (supply->is_broken)
        tell(supply, LOG_LEVEL_WARNING, "the spool can be written again", number, 0);
    supply->is_broken = supply->is_stopped = false;
}

static void count_failure(struct segment_supply *supply, uint32_t number, int err, int64_t now_ms)
{
    const struct segment_settings *settings = &supply->settings;
    const bool is_second =
        supply->has_failed && now_ms - supply->failed_at_ms < settings->window_ms;

    supply->has_failed = true;
    supply->failed_at_ms = now_ms;
    supply->is_broken = true;
    supply->prove_at_ms = is_second ? now_ms + settings->retry_ms : now_ms;
    tell(supply, LOG_LEVEL_ALERT, "the spool could not be written: the segment is retired", number,
         err);
    if (is_second && !supply->is_stopped) {
        supply->is_stopped = true;
        tell(supply, LOG_LEVEL_ALERT, "intake stops until the spool can be written", number, err);
    }
}

void segment_supply_retire(struct segment_supply *supply, uint32_t number)
{
    for (unsigned i = 0; i < supply->retired_count; i++) {
        if (supply->retired[i] == number)
            return;
    }
    if (supply->retired_count < RETIRED_MAX)
        supply->retired[supply->retired_count++] = number;
}

/* Beyond the list's end none is trusted any more. */
static bool take_retired(struct segment_supply *supply, uint32_t number)
{
    if (supply->retired_count == RETIRED_MAX)
        return true;
    for (unsigned i = 0; i < supply->retired_count; i++) {
        if (supply->retired[i] != number)
            continue;
        supply->retired[i] = supply->retired[--supply->retired_count];
        return true;
    }
    return false;
}

void segment_supply_failed(struct segment_supply *supply, uint32_t number, int err, int64_t now_ms)
{
    if (number != 0)
        segment_supply_retire(supply, number);
    count_failure(supply, number, err, now_ms);
}

bool segment_supply_is_stopped(const struct segment_supply *supply)
{
    return supply->is_stopped;
}

/* ---- making ---- */

uint32_t segment_supply_next_number(struct segment_supply *supply)
{
    return supply->next_number++;
}

static void add_spare(struct segment_supply *supply, struct segment_file *file)
{
    file->next = supply->spares;
    supply->spares = file;
    supply->spare_count++;
}

static struct segment_file *take_spare(struct segment_supply *supply)
{
    struct segment_file *file = supply->spares;

    supply->spares = file->next;
    file->next = NULL;
    supply->spare_count--;
    return file;
}

static void making_failed(struct segment_supply *supply, int err, int64_t now_ms)
{
    if (is_full(err)) {
        if (supply->make_err != -ENOSPC)
            tell(supply, LOG_LEVEL_ALERT,
                 "no room for another segment of the spool: new mail is refused when the last is "
                 "full",
                 0, err);
        supply->make_err = -ENOSPC;
        supply->make_at_ms = now_ms + FULL_RETRY_MS;
        return;
    }
    if (is_shortage(err)) {
        if (supply->make_err != err)
            tell(supply, LOG_LEVEL_WARNING, "another segment of the spool cannot be made now", 0,
                 err);
        supply->make_err = err;
        supply->make_at_ms = now_ms + FULL_RETRY_MS;
        return;
    }
    supply->make_err = -EIO;
    count_failure(supply, supply->maker.number, err, now_ms);
    supply->make_at_ms = supply->prove_at_ms;
}

static void begin_making(struct segment_supply *supply, int64_t now_ms)
{
    const uint64_t bytes = supply->settings.segment_bytes;
    int err = -ENOSPC;

    if (supply->settings.may_make(segment_room(bytes), supply->settings.arg))
        err = segment_maker_begin(&supply->maker, supply->settings.dir,
                                  segment_supply_next_number(supply), bytes);
    if (err < 0)
        making_failed(supply, err, now_ms);
}

static void make_slice(struct segment_supply *supply, int64_t now_ms)
{
    struct segment_file *file = NULL;
    int made = segment_maker_step(&supply->maker);

    if (made == 0)
        return;
    if (made > 0)
        made = segment_maker_finish(&supply->maker, supply->settings.dir, max_id(supply), &file);
    else
        segment_maker_abort(&supply->maker, supply->settings.dir);
    if (file == NULL) {
        making_failed(supply, made, now_ms);
        return;
    }
    add_spare(supply, file);
    if (supply->make_err == -ENOSPC)
        tell(supply, LOG_LEVEL_WARNING, "the spool has room again", file->number, 0);
    supply->make_err = 0;
    mended(supply, file->number); /* it was written and synced just now */
}

/* After a failure: a fresh header, written and synced, or this one is given up too. */
static void prove_spare(struct segment_supply *supply, int64_t now_ms)
{
    struct segment_file *file = take_spare(supply);
    int err = segment_file_begin_life(file, supply->settings.dir->slot, max_id(supply));

    if (err == 0) {
        add_spare(supply, file);
        mended(supply, file->number);
        return;
    }
    count_failure(supply, file->number, err, now_ms);
    (void)segment_file_unlink(supply->settings.dir->fd, file->number);
    segment_file_free(&file);
}

int64_t segment_supply_advance(struct segment_supply *supply, unsigned used, bool is_idle,
                               int64_t now_ms)
{
    const struct segment_maker *maker = &supply->maker;

    if (supply->is_broken && now_ms < supply->prove_at_ms)
        return supply->prove_at_ms - now_ms;
    if (supply->is_broken && supply->spare_count > 0) {
        prove_spare(supply, now_ms);
        return 0;
    }
    if (supply->spare_count > 0)
        return FULL_RETRY_MS;
    if (!segment_maker_is_busy(maker)) {
        if (used < MAKE_FROM && !supply->is_broken)
            return FULL_RETRY_MS;
        if (now_ms < supply->make_at_ms)
            return supply->make_at_ms - now_ms;
        begin_making(supply, now_ms);
        return segment_maker_is_busy(maker) ? 0 : FULL_RETRY_MS;
    }
    if (is_idle || used < MAKE_FROM ||
        1000 * maker->made / (maker->bytes + maker->state_bytes) < 2 * (used - MAKE_FROM))
        make_slice(supply, now_ms);
    return 0;
}

int segment_supply_take(struct segment_supply *supply, int64_t now_ms,
                        struct segment_file **ret_file)
{
    if (supply->is_broken && now_ms < supply->prove_at_ms)
        return -EIO;
    if (supply->spares == NULL)
        return supply->make_err == 0 || segment_maker_is_busy(&supply->maker) ||
                       now_ms >= supply->make_at_ms
                   ? -EAGAIN
                   : supply->make_err;
    if (supply->is_broken)
        return -EAGAIN; /* it is about to prove itself */
    *ret_file = take_spare(supply);
    return 0;
}

/* ---- used ones ---- */

uint64_t segment_supply_known_id(const struct segment_supply *supply,
                                 const struct segment_file *current)
{
    uint64_t known = current != NULL ? current->max_id : 0;

    for (const struct segment_file *file = supply->spares; file != NULL; file = file->next)
        known = file->max_id > known ? file->max_id : known;
    return known;
}

/* One lies ready: with the segment that is written to and one on its way back the slot takes no
 * more than three beside what is alive. */
static bool wants_spare(const struct segment_supply *supply)
{
    return supply->spare_count == 0;
}

/* The slot must never give out an id again, though nothing of this file is left. */
static int keep_ids(struct segment_supply *supply, const struct segment_file *current)
{
    const uint64_t highest = max_id(supply);
    int err;

    if (supply->last_id >= highest || segment_supply_known_id(supply, current) >= highest)
        return 0;
    err = slot_dir_remember_id(supply->settings.dir->fd, highest);
    if (err == 0)
        supply->last_id = highest;
    return err;
}

void segment_supply_reuse(struct segment_supply *supply, uint32_t number,
                          const struct segment_file *current, int64_t now_ms)
{
    const struct segment_settings *settings = &supply->settings;
    const bool is_retired = take_retired(supply, number);
    struct segment_file *file;
    int err = -ESTALE;

    if (!is_retired && wants_spare(supply))
        err = segment_file_renew(settings->dir, number, settings->segment_bytes, max_id(supply),
                                 &file);
    if (err == 0) {
        add_spare(supply, file);
        segment_maker_abort(&supply->maker, settings->dir); /* not needed any more */
        return;
    }
    if (err != -ESTALE && err != -ENOENT && !is_shortage(err))
        count_failure(supply, number, err, now_ms);
    err = keep_ids(supply, current);
    if (err == 0)
        err = segment_file_unlink(settings->dir->fd, number);
    if (err < 0)
        tell(supply, LOG_LEVEL_ERROR, "cannot remove a segment that is not needed any more", number,
             err);
}

/* Looks at every place where a batch could begin: one damaged commit block must not make a segment
 * full of mail look empty. True also when it cannot be read. */
static bool has_batch(int fd, uint64_t bytes, uint64_t incarnation)
{
    unsigned char slice[16 * SPOOL_BLOCK];
    struct spool_commit commit;
    size_t n;

    for (uint64_t at = SPOOL_BLOCK; at < bytes; at += n) {
        if (disk_read(fd, slice, sizeof(slice), at, &n) < 0 || n == 0 || n % SPOOL_BLOCK != 0)
            return true;
        for (size_t i = 0; i < n; i += SPOOL_BLOCK) {
            if (spool_commit_read(slice + i, at + i, incarnation, &commit))
                return true;
        }
    }
    return false;
}

/* Shared, of the size in use, and without a batch. */
static bool holds_nothing(const struct segment_supply *supply, uint32_t number)
{
    unsigned char start[SPOOL_BLOCK + sizeof(struct spool_commit)];
    char name[SPOOL_NAME_SIZE];
    AUTO(close)
    int fd = openat(supply->settings.dir->fd, spool_name(number, SPOOL_FILE_SEGMENT, name),
                    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct spool_header header;
    struct spool_commit commit;
    size_t n;

    return fd >= 0 && disk_read(fd, start, sizeof(start), 0, &n) == 0 && n == sizeof(start) &&
           spool_header_read(start, n, &header, NULL) && header.kind == SPOOL_SHARED &&
           header.bytes == supply->settings.segment_bytes && header.number == number &&
           !spool_commit_read(start + SPOOL_BLOCK, SPOOL_BLOCK, header.incarnation, &commit) &&
           !has_batch(fd, header.bytes, header.incarnation);
}

void segment_supply_adopt(struct segment_supply *supply, const uint32_t *numbers, size_t count)
{
    for (size_t i = 0; i < count && wants_spare(supply); i++) {
        const struct segment_settings *settings = &supply->settings;
        struct segment_file *file;

        if (holds_nothing(supply, numbers[i]) &&
            segment_file_renew(settings->dir, numbers[i], settings->segment_bytes, max_id(supply),
                               &file) == 0)
            add_spare(supply, file);
    }
}

bool segment_supply_owns(const struct segment_supply *supply, uint32_t number)
{
    if (segment_maker_is_busy(&supply->maker) && supply->maker.number == number)
        return true;
    for (const struct segment_file *file = supply->spares; file != NULL; file = file->next) {
        if (file->number == number)
            return true;
    }
    return false;
}

uint64_t segment_supply_room(const struct segment_supply *supply)
{
    uint64_t room = 0;

    for (const struct segment_file *file = supply->spares; file != NULL; file = file->next)
        room += file->bytes - SPOOL_BLOCK;
    return room;
}
