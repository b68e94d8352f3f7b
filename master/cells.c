#include "master/cells.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/auto.h"
#include "common/spool_format.h"
#include "common/spool_path.h"
#include "master/io_thread.h"

struct cells {
    struct io_thread *io;
    char *spool_dir;
};

struct cells_call {
    const struct cells *cells;
    struct cell_item *items;
    size_t count;
    cells_done_cb *done;
    void *arg;
};

/* The state file of one segment while its cells are worked on. */
struct state_file {
    int fd; /* -1: none open */
    uint64_t incarnation;
};

struct cells *cells_new(struct io_thread *io, const char *spool_dir)
{
    struct cells *cells = calloc(1, sizeof(*cells));

    if (cells == NULL)
        return NULL;
    cells->io = io;
    cells->spool_dir = strdup(spool_dir);
    if (cells->spool_dir == NULL)
        cells_free(&cells);
    return cells;
}

void cells_free(struct cells **cells)
{
    if (*cells == NULL)
        return;
    free((*cells)->spool_dir);
    free(*cells);
    *cells = NULL;
}

/* ---- in the I/O thread ---- */

static int open_state(const struct cells *cells, const struct ipc_place *place,
                      struct state_file *file)
{
    AUTO(close) int segment_fd = -1;
    int err;

    segment_fd =
        spool_open(cells->spool_dir, place->slot, place->segment, SPOOL_FILE_SEGMENT, O_RDONLY);
    if (segment_fd < 0)
        return segment_fd;
    err = spool_incarnation_of(segment_fd, &file->incarnation);
    if (err != 0)
        return err;
    file->fd = spool_open(cells->spool_dir, place->slot, place->segment, SPOOL_FILE_STATE, O_RDWR);
    return file->fd < 0 ? file->fd : 0;
}

static void reopen(struct cell *cell)
{
    cell->stage = CELL_OPEN;
    for (unsigned i = 0; i < CELL_RECIPIENTS; i++) {
        enum cell_recipient state = cell_recipient_get(cell, i);

        if (state == CELL_RCPT_REFUSED || state == CELL_RCPT_EXPIRED)
            cell_recipient_set(cell, i, CELL_RCPT_OPEN);
    }
}

static void apply(const struct cell_change *change, struct cell *cell)
{
    cell->flags = (cell->flags | change->set_flags) & ~change->clear_flags;
    if (change->reopen && cell->stage == CELL_FAILED)
        reopen(cell);
    if (change->remove)
        cell->stage = CELL_DELETED;
    if (change->move)
        cell->stage = CELL_MOVED;
    if (change->set_crashes)
        cell->crashes = change->crashes;
    if (change->set_next_attempt)
        cell->next_attempt_s = change->next_attempt_s;
    if (change->profile != 0)
        cell->profile = change->profile;
}

static int change_cell(const struct state_file *file, struct cell_item *item)
{
    const struct cell_key key = { .incarnation = file->incarnation,
                                  .id = item->place.id,
                                  .group = item->place.group };
    uint16_t sequence;
    int err = cell_read(file->fd, item->place.cell, &key, &item->cell, &sequence);

    /* What is finished stays finished, whatever was meant to be changed. */
    if (err != 0 || !item->change.is_write || !cell_is_live(&item->cell))
        return err;
    apply(&item->change, &item->cell);
    return cell_write(file->fd, item->place.cell, &key, &item->cell, &sequence);
}

static int compare_places(const void *a, const void *b)
{
    const struct ipc_place *x = &((const struct cell_item *)a)->place;
    const struct ipc_place *y = &((const struct cell_item *)b)->place;

    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return x->cell < y->cell ? -1 : x->cell > y->cell;
}

/* All items of one segment: one pair of files, one sync. */
static void change_segment(const struct cells *cells, struct cell_item *items, size_t count)
{
    struct state_file file = { .fd = -1 };
    int err = open_state(cells, &items[0].place, &file);
    bool is_written = false;

    for (size_t i = 0; i < count; i++) {
        items[i].err = err != 0 ? err : change_cell(&file, &items[i]);
        is_written = is_written || (items[i].err == 0 && items[i].change.is_write);
    }
    if (is_written && fdatasync(file.fd) != 0) {
        err = -errno;
        for (size_t i = 0; i < count; i++)
            items[i].err = items[i].change.is_write ? err : items[i].err;
    }
    if (file.fd >= 0)
        close(file.fd);
}

static int work(void *arg)
{
    struct cells_call *call = arg;

    qsort(call->items, call->count, sizeof(*call->items), compare_places);
    for (size_t first = 0, end; first < call->count; first = end) {
        const struct ipc_place *place = &call->items[first].place;

        for (end = first + 1; end < call->count; end++) {
            if (call->items[end].place.slot != place->slot ||
                call->items[end].place.segment != place->segment)
                break;
        }
        change_segment(call->cells, call->items + first, end - first);
    }
    return 0;
}

/* ---- in the loop ---- */

static void on_done(int result, void *arg)
{
    struct cells_call call = *(struct cells_call *)arg;

    (void)result; /* each item has its own */
    free(arg);
    call.done(call.items, call.count, call.arg);
}

int cells_run(struct cells *cells, struct cell_item *items, size_t count, cells_done_cb *done,
              void *arg)
{
    struct cells_call *call;

    if (count == 0 || count > CELLS_MAX)
        return -EINVAL;
    call = malloc(sizeof(*call));
    if (call == NULL)
        return -ENOMEM;
    *call = (struct cells_call){
        .cells = cells, .items = items, .count = count, .done = done, .arg = arg
    };
    if (io_thread_run(cells->io, work, on_done, call) != 0) {
        free(call);
        return -ENOMEM;
    }
    return 0;
}
