/* A cell survives what a power cut or a recycled file can do to it. */
#include <criterion/criterion.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cell.h"

static const struct cell_key key = { .incarnation = 0x1122334455667788, .id = 42, .group = 3 };
static int fd = -1;
static struct cell cell;
static uint16_t sequence;

static void setup(void)
{
    fd = memfd_create("cells", MFD_CLOEXEC);
    cr_assert_eq(ftruncate(fd, 16 * CELL_BYTES), 0);
    cell = (struct cell){ .stage = CELL_OPEN,
                          .flags = CELL_HELD,
                          .attempts = 3,
                          .crashes = 1,
                          .next_attempt_s = 1234567,
                          .profile = 9,
                          .note = { .segment = 5, .offset = 99, .slot = 200 } };
    cell_recipient_set(&cell, 0, CELL_RCPT_DELIVERED);
    cell_recipient_set(&cell, 5, CELL_RCPT_REFUSED);
    cell_recipient_set(&cell, 127, CELL_RCPT_EXPIRED);
    sequence = 0;
}

static void teardown(void)
{
    close(fd);
}

TestSuite(cell, .init = setup, .fini = teardown);

Test(cell, an_unwritten_cell_reads_as_nothing_delivered)
{
    struct cell back = { .attempts = 7 };
    uint16_t found = 9;

    cr_assert_eq(cell_read(fd, 2, &key, &back, &found), 0);
    cr_assert_eq(back.stage, CELL_OPEN);
    cr_assert_eq(back.attempts, 0);
    cr_assert_eq(found, 0);
    cr_assert_eq(cell_read(fd, 1000, &key, &back, &found), 0, "beyond the end of the file too");
}

Test(cell, what_was_written_is_read)
{
    struct cell back;
    uint16_t found;

    cr_assert_eq(cell_write(fd, 2, &key, &cell, &sequence), 0);
    cr_assert_eq(sequence, 1);
    cr_assert_eq(cell_read(fd, 2, &key, &back, &found), 0);
    cr_assert_eq(found, 1);
    cr_assert_eq(back.stage, CELL_OPEN);
    cr_assert_eq(back.flags, CELL_HELD);
    cr_assert_eq(back.attempts, 3);
    cr_assert_eq(back.crashes, 1);
    cr_assert_eq(back.next_attempt_s, 1234567);
    cr_assert_eq(back.profile, 9);
    cr_assert_eq(back.note.segment, 5);
    cr_assert_eq(back.note.offset, 99);
    cr_assert_eq(back.note.slot, 200);
    cr_assert_eq(cell_recipient_get(&back, 0), CELL_RCPT_DELIVERED);
    cr_assert_eq(cell_recipient_get(&back, 1), CELL_RCPT_OPEN);
    cr_assert_eq(cell_recipient_get(&back, 5), CELL_RCPT_REFUSED);
    cr_assert_eq(cell_recipient_get(&back, 127), CELL_RCPT_EXPIRED);
}

Test(cell, recipients_that_a_cell_has_no_room_for_stay_open)
{
    cell_recipient_set(&cell, CELL_RECIPIENTS, CELL_RCPT_REFUSED);
    cr_assert_eq(cell_recipient_get(&cell, CELL_RECIPIENTS), CELL_RCPT_OPEN);
    cell_recipient_set(&cell, 5, CELL_RCPT_DELIVERED);
    cr_assert_eq(cell_recipient_get(&cell, 5), CELL_RCPT_DELIVERED);
    cr_assert_eq(cell_recipient_get(&cell, 4), CELL_RCPT_OPEN);
    cr_assert_eq(cell_recipient_get(&cell, 6), CELL_RCPT_OPEN);
}

Test(cell, the_later_write_wins_over_many)
{
    struct cell back;
    uint16_t found;

    sequence = 65530; /* over the wrap of the sequence number */
    for (unsigned i = 0; i < 20; i++) {
        cell.attempts = (uint16_t)i;
        cr_assert_eq(cell_write(fd, 1, &key, &cell, &sequence), 0);
        cr_assert_eq(cell_read(fd, 1, &key, &back, &found), 0);
        cr_assert_eq(back.attempts, i);
        cr_assert_eq(found, sequence);
    }
}

Test(cell, MQ03_a_torn_write_leaves_the_one_before)
{
    struct cell back;
    uint16_t found;
    unsigned char slots[CELL_BYTES], torn[CELL_BYTES];

    cell.attempts = 1;
    cr_assert_eq(cell_write(fd, 0, &key, &cell, &sequence), 0);
    cell.attempts = 2;
    cr_assert_eq(cell_write(fd, 0, &key, &cell, &sequence), 0);
    cr_assert_eq(pread(fd, slots, sizeof(slots), 0), sizeof(slots));
    /* The second write went to slot 0; any byte of it lost must bring back the first. */
    for (unsigned i = 0; i < CELL_BYTES / 2; i++) {
        memcpy(torn, slots, sizeof(torn));
        torn[i] ^= 0x10;
        cr_assert(cell_decode(torn, &key, &back, &found));
        cr_assert_eq(back.attempts, 1, "byte %u", i);
        cr_assert_eq(found, 1);
    }
}

Test(cell, another_life_of_the_file_is_never_believed)
{
    struct cell back;
    uint16_t found;
    unsigned char slots[CELL_BYTES];
    struct cell_key other;

    cell.stage = CELL_DONE;
    cr_assert_eq(cell_write(fd, 0, &key, &cell, &sequence), 0);
    cr_assert_eq(pread(fd, slots, sizeof(slots), 0), sizeof(slots));
    cr_assert(cell_decode(slots, &key, &back, &found));
    other = key;
    other.incarnation++;
    cr_assert_not(cell_decode(slots, &other, &back, &found));
    cr_assert_eq(back.stage, CELL_OPEN);
    other = key;
    other.id++;
    cr_assert_not(cell_decode(slots, &other, &back, &found));
    other = key;
    other.group++;
    cr_assert_not(cell_decode(slots, &other, &back, &found));
}

Test(cell, a_write_that_fails_is_told)
{
    int pipe_fd[2];

    cr_assert_eq(pipe(pipe_fd), 0);
    cr_assert_lt(cell_write(pipe_fd[1], 0, &key, &cell, &sequence), 0);
    cr_assert_eq(sequence, 0);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
}
