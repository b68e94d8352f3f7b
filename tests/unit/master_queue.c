#include <criterion/criterion.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/spool_format.h"
#include "master/group.h"
#include "master/segments.h"
#include "master/worker.h"

static struct loop *loop;
static struct workers workers;
static struct segments *segments;
static struct queue *queue;

static void set_up(void)
{
    loop = workers.loop = loop_new();
    segments = segments_new(&workers);
    queue = queue_new(loop, segments);
    cr_assert(loop != NULL && segments != NULL && queue != NULL);
}

static void tear_down(void)
{
    queue_free(&queue);
    segments_free(&segments);
    loop_free(loop);
}

TestSuite(queue, .init = set_up, .fini = tear_down);

static struct ipc_mail_queued mail(uint64_t id, unsigned group, uint32_t profile)
{
    return (struct ipc_mail_queued){
        .place = { .id = id, .group = (uint16_t)group, .segment = 1, .cell = group },
        .body_bytes = 1000,
        .profile = profile,
        .rule = 10 * profile,
        .recipients = 1
    };
}

static struct group *add(uint64_t id, unsigned group, uint32_t profile)
{
    const struct ipc_mail_queued queued = mail(id, group, profile);

    cr_assert_eq(queue_add(queue, &queued), 0);
    return queue_group(queue, id, group);
}

static uint32_t in_s(int64_t seconds)
{
    return clock_to_epoch_s(clock_wall_ms() + seconds * 1000);
}

Test(queue, a_group_takes_at_most_200_bytes)
{
    cr_assert_leq(sizeof(struct group), 200);
}

Test(queue, new_mail_is_ready_in_order_of_arrival)
{
    struct lane *lane;

    add(7, 0, 1);
    add(5, 0, 1);
    lane = queue_lane_known(queue, 1);
    cr_assert_eq(lane->ready_count, 2);
    cr_assert_eq(TAILQ_FIRST(&lane->ready[READY_NEW])->place.id, 7);
    cr_assert_eq(TAILQ_FIRST(queue_turns(queue)), lane);
    cr_assert_eq(queue_state_count(queue, QUEUE_READY), 2);
}

/* The ids of what is ready and new, in the order in which it goes. */
static void assert_order(const uint64_t *ids, size_t count)
{
    const struct lane *lane = queue_lane_known(queue, 1);
    const struct group *group = TAILQ_FIRST(&lane->ready[READY_NEW]);

    for (size_t i = 0; i < count; i++, group = TAILQ_NEXT(group, link))
        cr_assert_eq(group->place.id, ids[i], "at %zu: %" PRIu64, i, group->place.id);
    cr_assert_null(group);
}

#define ASSERT_ORDER(...) \
    assert_order((uint64_t[]){ __VA_ARGS__ }, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8)

/* As when the segment is emptied in which they lie: mail older than what came meanwhile goes before
 * it, again and again, and the oldest of it first. */
Test(queue, MQ0A_what_comes_back_from_a_check_keeps_its_order_before_what_is_new)
{
    struct group *groups[6];

    for (uint64_t id = 0; id < 6; id++)
        groups[id] = add(id + 1, 0, 1);
    for (unsigned i = 0; i < 4; i++)
        queue_set_checking(queue, groups[i]);
    ASSERT_ORDER(5, 6);
    for (unsigned i = 0; i < 3; i++)
        queue_restore(queue, groups[i]);
    ASSERT_ORDER(1, 2, 3, 5, 6);
    queue_set_out(queue, groups[0]);
    queue_restore(queue, groups[3]);
    ASSERT_ORDER(2, 3, 4, 5, 6);
    queue_set_out(queue, groups[3]); /* the last of them */
    queue_set_checking(queue, groups[4]);
    queue_restore(queue, groups[4]);
    ASSERT_ORDER(2, 3, 5, 6);
}

Test(queue, MQ0A_what_found_no_room_goes_before_what_is_new)
{
    struct group *first = add(1, 0, 1), *second = add(2, 0, 1);

    add(3, 0, 1);
    first->has_kept_turn = second->has_kept_turn = true;
    queue_set_waiting_ms(queue, first, -2);
    queue_set_waiting_ms(queue, second, -1);
    ASSERT_ORDER(3);
    (void)queue_wake(queue, 10);
    ASSERT_ORDER(1, 2, 3);
}

Test(queue, MQ0A_mail_of_the_appliances_own_goes_before_what_waits)
{
    struct ipc_mail_queued own = mail(20, 0, 1);
    const uint64_t order[] = { 20, 21, 7, 8 };

    own.rule = 0;
    own.flags = IPC_QUEUED_OWN;
    add(7, 0, 1);
    add(8, 0, 1);
    cr_assert_eq(queue_add(queue, &own), 0);
    own.place.id = 21;
    cr_assert_eq(queue_add(queue, &own), 0);
    assert_order(order, 4);
    cr_assert(queue_group(queue, 20, 0)->is_own);
    cr_assert(!queue_group(queue, 7, 0)->is_own);
}

Test(queue, a_second_report_of_a_known_group_is_harmless)
{
    struct ipc_mail_queued again = mail(7, 0, 2);
    struct group *group = add(7, 0, 1);

    queue_set_out(queue, group);
    again.flags = IPC_QUEUED_RECOVERED;
    cr_assert_eq(queue_add(queue, &again), -EEXIST);
    cr_assert_eq(group->state, QUEUE_OUT);
    cr_assert_eq(group->lane->profile, 1);
    cr_assert_eq(queue_mail_count(0, 0, queue), 1);
}

static const struct {
    const char *what;
    unsigned flags, attempts;
    int next_in_s;
    enum queue_state state;
} recovered[] = {
    { "never tried", IPC_QUEUED_RECOVERED, 0, 0, QUEUE_READY },
    { "tried, due later", IPC_QUEUED_RECOVERED, 2, 60, QUEUE_WAITING },
    { "held", IPC_QUEUED_RECOVERED | IPC_QUEUED_HELD, 2, 60, QUEUE_HELD },
    { "failed", IPC_QUEUED_RECOVERED | IPC_QUEUED_FAILED, 2, 60, QUEUE_FAILED },
};

Test(queue, recovered_mail_is_where_its_cell_says)
{
    for (size_t i = 0; i < sizeof(recovered) / sizeof(recovered[0]); i++) {
        struct ipc_mail_queued queued = mail(100 + i, 0, 1);

        queued.flags = (uint16_t)recovered[i].flags;
        queued.attempts = (uint16_t)recovered[i].attempts;
        queued.next_attempt_s = in_s(recovered[i].next_in_s);
        cr_assert_eq(queue_add(queue, &queued), 0);
        cr_assert_eq(queue_group(queue, 100 + i, 0)->state, recovered[i].state, "%s",
                     recovered[i].what);
    }
}

Test(queue, what_waits_is_woken_in_order_of_its_time)
{
    struct group *late = add(1, 0, 1), *soon = add(2, 0, 1), *now = add(3, 0, 1);
    struct lane *lane = queue_lane_known(queue, 1);

    late->attempts = soon->attempts = now->attempts = 1;
    queue_set_waiting(queue, late, in_s(100));
    queue_set_waiting(queue, soon, in_s(50));
    queue_set_waiting(queue, now, in_s(-50));
    cr_assert_eq(lane->ready_count, 0);
    cr_assert(TAILQ_EMPTY(queue_turns(queue)));
    cr_assert_gt(queue_wake(queue, 100), 40000);
    cr_assert_eq(now->state, QUEUE_READY, "%d", now->state);
    cr_assert_eq(now->ready_class, READY_DEFERRED);
    cr_assert_eq(soon->state, QUEUE_WAITING);
}

Test(queue, a_time_beyond_any_retry_is_not_believed)
{
    struct group *group = add(1, 0, 1);

    queue_set_waiting(queue, group, UINT32_MAX);
    cr_assert_leq(queue_wake(queue, 1), INT64_C(2592000) * 1000);
}

/* Thousands of groups with random times, some taken out again: the heap keeps its order. */
Test(queue, heap_holds_under_random_work)
{
    int64_t last_ms = INT64_MIN, next_ms;

    srandom(1);
    for (uint64_t id = 1; id <= 5000; id++)
        queue_set_waiting_ms(queue, add(id, 0, 1), random() % 1000000 - 1000000);
    for (uint64_t id = 1; id <= 5000; id += 3)
        queue_drop(queue, queue_group(queue, id, 0));
    for (uint64_t id = 2; id <= 5000; id += 3)
        queue_set_waiting_ms(queue, queue_group(queue, id, 0), random() % 1000000 - 1000000);
    while ((next_ms = queue_wake(queue, 1)) == 0) {
        struct lane *lane = queue_lane_known(queue, 1);
        struct group *woken = TAILQ_LAST(&lane->ready[READY_NEW], group_list);

        cr_assert_geq(woken->due_ms, last_ms);
        last_ms = woken->due_ms;
    }
    cr_assert_eq(queue_state_count(queue, QUEUE_WAITING), 0);
    cr_assert_eq(queue_state_count(queue, QUEUE_READY), queue_mail_count(0, 0, queue));
}

Test(queue, SP53_mail_is_counted_by_profile_and_rule)
{
    add(1, 0, 1);
    add(1, 1, 2);
    queue_set_held(queue, add(2, 0, 1));
    cr_assert_eq(queue_mail_count(0, 0, queue), 3);
    cr_assert_eq(queue_mail_count(1, 0, queue), 2);
    cr_assert_eq(queue_mail_count(2, 0, queue), 1);
    cr_assert_eq(queue_mail_count(0, 10, queue), 2);
    cr_assert_eq(queue_mail_count(3, 0, queue), 0);
    queue_drop(queue, queue_group(queue, 2, 0));
    cr_assert_eq(queue_mail_count(1, 0, queue), 1);
    cr_assert_eq(queue_mail_count(0, 10, queue), 1);
}

Test(queue, segments_are_pinned_by_records_and_notes)
{
    struct group *group = add(1, 0, 1);

    add(1, 1, 1);
    cr_assert_eq(segments_pins(segments, 0, 1), 2);
    queue_set_note(queue, group, 3, 9, 0);
    cr_assert_eq(segments_pins(segments, 3, 9), 1);
    queue_set_note(queue, group, 3, 10, 0);
    cr_assert_eq(segments_pins(segments, 3, 9), 0);
    cr_assert_eq(segments_pins(segments, 3, 10), 1);
    queue_drop(queue, group);
    cr_assert_eq(segments_pins(segments, 3, 10), 0);
    cr_assert_eq(segments_pins(segments, 0, 1), 1);
}

/* A scan may have read a cell just before the group was finished, and report it just after. */
Test(queue, what_is_finished_during_a_scan_does_not_come_back)
{
    struct ipc_mail_queued again = mail(1, 0, 1);

    add(1, 0, 1);
    queue_scan_began(queue, 0);
    queue_drop(queue, queue_group(queue, 1, 0));
    cr_assert_eq(queue_mail_count(0, 0, queue), 0);
    cr_assert_eq(queue_add(queue, &again), -EEXIST);
    cr_assert_eq(queue_find(queue, 1, NULL, 0), 0);
    queue_scan_ended(queue, 0);
    queue_wake(queue, 10);
    cr_assert_null(queue_group(queue, 1, 0));
    cr_assert_eq(queue_mail_count(0, 0, queue), 0);
}

/* Of what an earlier life left there may be two copies, and the other one in any slot. */
Test(queue, what_may_be_there_twice_stays_known_until_all_is_scanned)
{
    struct ipc_mail_queued found = mail(1, 0, 1), copy = mail(1, 0, 1);

    found.flags = IPC_QUEUED_RECOVERED;
    copy.place.slot = 5;
    copy.copy = 1;
    queue_set_complete(queue, false);
    queue_scan_began(queue, 0);
    cr_assert_eq(queue_add(queue, &found), 0);
    add(2, 0, 1);
    queue_drop(queue, queue_group(queue, 1, 0));
    queue_drop(queue, queue_group(queue, 2, 0));
    queue_scan_ended(queue, 0);
    queue_wake(queue, 10);
    cr_assert_null(queue_group(queue, 2, 0), "new mail has no copies");
    cr_assert_eq(queue_add(queue, &copy), -EEXIST);
    queue_set_complete(queue, true);
    cr_assert_eq(queue_wake(queue, 0), 0, "there is more to do");
    queue_wake(queue, 10);
    cr_assert_null(queue_group(queue, 1, 0));
}

static bool always(unsigned slot, void *arg)
{
    (void)slot;
    (void)arg;
    return true;
}

/* Weights are what emptying goes by: it must gain something each time. */
static bool is_emptied(uint32_t bytes)
{
    const struct ipc_segment_sealed sealed = { .slot = 0, .segment = 1, .bytes = bytes };
    struct ipc_segment segment;

    segments_sealed(segments, &sealed);
    return segments_choose(segments, loop_now_ms(loop) + 5000, always, NULL, &segment);
}

Test(queue, a_group_counts_for_no_less_than_its_cell)
{
    for (uint64_t id = 1; id <= 10; id++)
        add(id, 0, 1); /* ten tiny ones in a segment that has ten cells */
    cr_assert_not(is_emptied(10 * SPOOL_BYTES_PER_CELL));
    for (uint64_t id = 1; id <= 6; id++)
        queue_drop(queue, queue_group(queue, id, 0));
    cr_assert(is_emptied(10 * SPOOL_BYTES_PER_CELL));
}

Test(queue, a_note_counts_for_what_it_takes)
{
    struct ipc_mail_queued queued = mail(1, 0, 1);
    struct group *group;

    queued.place.segment = 2;
    cr_assert_eq(queue_add(queue, &queued), 0);
    group = queue_group(queue, 1, 0);
    queue_set_note(queue, group, 0, 1, 0);
    cr_assert(is_emptied(100000), "nobody knows how long it is");
    queue_set_note(queue, group, 0, 1, 60000);
    cr_assert_not(is_emptied(100000));
    queue_set_note(queue, group, 0, 1, 0);
    cr_assert_not(is_emptied(100000), "it is the same note");
    queue_set_note(queue, group, 0, 3, 40000);
    cr_assert_eq(segments_pins(segments, 0, 1), 0);
}

Test(queue, rerouted_mail_counts_for_its_new_profile)
{
    struct group *group = add(1, 0, 1);

    queue_set_checking(queue, group);
    cr_assert_eq(queue_set_relay(queue, group, 2), 0);
    queue_set_ready(queue, group, false);
    cr_assert_eq(queue_mail_count(1, 0, queue), 0);
    cr_assert_eq(queue_mail_count(2, 0, queue), 1);
    cr_assert_eq(TAILQ_FIRST(queue_turns(queue)), queue_lane_known(queue, 2));
}

Test(queue, restore_brings_back_the_state_before)
{
    struct group *group = add(1, 0, 1);

    queue_set_waiting_ms(queue, group, 5000);
    queue_set_checking(queue, group);
    queue_restore(queue, group);
    cr_assert_eq(group->state, QUEUE_WAITING);
    cr_assert_gt(queue_wake(queue, 1), 4000);
    queue_set_held(queue, group);
    queue_set_checking(queue, group);
    queue_restore(queue, group);
    cr_assert_eq(group->state, QUEUE_HELD);
}

/* ---- lists ---- */

struct page {
    struct queue_view views[QUEUE_LIST_MAX];
    size_t count;
    uint64_t total;
    bool more, is_done;
};

static void on_page(const struct queue_page *got, void *arg)
{
    struct page *page = arg;

    cr_assert_not(page->is_done);
    memcpy(page->views, got->views, got->count * sizeof(*got->views));
    page->count = got->count;
    page->more = got->more;
    page->total = got->total;
    page->is_done = true;
}

static void list(struct page *page, const struct queue_filter *filter, uint64_t after_id,
                 unsigned after_group, size_t limit)
{
    *page = (struct page){ 0 };
    cr_assert_eq(queue_list(queue, filter, after_id, after_group, limit, on_page, page), 0);
    cr_assert_not(page->is_done, "never from inside the call");
    for (int i = 0; i < 1000 && !page->is_done; i++)
        loop_turn(loop, 10);
    cr_assert(page->is_done);
}

static const struct queue_filter all = { 0 };
static struct page page;

Test(queue, MQ06_pages_go_through_everything_in_order_once)
{
    uint64_t after_id = 0, seen = 0;
    unsigned after_group = 0;

    srandom(2);
    for (int i = 0; i < 30000; i++)
        add((uint64_t)i / 3 * 7919 % 1000003 + 1, (unsigned)i % 3, 1);
    do {
        list(&page, &all, after_id, after_group, 999);
        cr_assert_eq(page.total, 30000, "of all pages, on each");
        for (size_t i = 0; i < page.count; i++) {
            const struct ipc_place *place = &page.views[i].place;

            cr_assert(place->id > after_id ||
                      (place->id == after_id && place->group > after_group));
            after_id = place->id;
            after_group = place->group;
            seen++;
        }
    } while (page.more);
    cr_assert_eq(seen, 30000);
}

Test(queue, MQ06_lists_are_filtered)
{
    struct queue_filter filter = all;

    add(1, 0, 1);
    add(2, 0, 2);
    queue_set_held(queue, add(3, 0, 2));
    filter.profile = 2;
    list(&page, &filter, 0, 0, 10);
    cr_assert_eq(page.count, 2);
    cr_assert_eq(page.total, 2);
    filter.states = 1U << QUEUE_HELD;
    list(&page, &filter, 0, 0, 10);
    cr_assert_eq(page.count, 1);
    cr_assert_eq(page.total, 1);
    cr_assert_eq(page.views[0].place.id, 3);
    filter.states |= 1U << QUEUE_READY;
    list(&page, &filter, 0, 0, 10);
    cr_assert_eq(page.count, 2);
    filter.states = 1U << QUEUE_FAILED;
    list(&page, &filter, 0, 0, 10);
    cr_assert_eq(page.count, 0);
    filter = all;
    filter.rule = 10;
    list(&page, &filter, 0, 0, 10);
    cr_assert_eq(page.count, 1);
    cr_assert_eq(page.views[0].place.id, 1);
    cr_assert_eq(page.views[0].worker, -1);
}

Test(queue, lists_under_way_end_with_the_queue)
{
    page = (struct page){ 0 };
    add(1, 0, 1);
    cr_assert_eq(queue_list(queue, &all, 0, 0, 10, on_page, &page), 0);
    queue_end_lists(queue);
    cr_assert(page.is_done);
    cr_assert_eq(page.count, 0);
}

Test(queue, too_many_lists_at_once_are_refused)
{
    static struct page pages[64];
    int err = 0, taken = 0;

    for (; taken < 64 && err == 0; taken++)
        err = queue_list(queue, &all, 0, 0, 10, on_page, &pages[taken]);
    cr_assert_eq(err, -EBUSY);
}

Test(queue, states_have_names_both_ways)
{
    for (int i = 0; i < QUEUE_GONE; i++) {
        enum queue_state state;

        cr_assert(queue_state_parse(queue_state_name((enum queue_state)i), &state));
        cr_assert_eq(state, i);
    }
    cr_assert_not(queue_state_parse("finished", &(enum queue_state){ 0 }));
}
