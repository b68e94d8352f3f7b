#include "tests/unit/dispatch_stage.h"

#include "common/rule.h"

/* Mail by rule 1 is scanned by profile 2, uploaded to profile 3 and relayed by profile 1. */
enum { RELAY = 1, CORE = 2, VAULT = 3, OTHER = 4 };

static struct rule rule;

static const struct rule *find_rule(uint32_t id, void *arg)
{
    (void)arg;
    return id == rule.id ? &rule : NULL;
}

static void set_up_stages(void)
{
    set_up();
    rule = (struct rule){ .id = 1, .relay = RELAY, .core = CORE, .vault = VAULT };
    queue_set_rules(queue, find_rule, NULL);
    set_profile(RELAY, PREFERENCE_FAILOVER, 100);
    lifetime_s = 0; /* of the other types */
    set_profile(CORE, PREFERENCE_FAILOVER, 100);
    set_profile(VAULT, PREFERENCE_FAILOVER, 100);
    set_profile(OTHER, PREFERENCE_FAILOVER, 100);
    lifetime_s = 432000;
    keep_workers(1);
}

TestSuite(dispatch_stages, .init = set_up_stages, .fini = tear_down);

static const struct ipc_mail_deliver *last_job(void)
{
    cr_assert_gt(fakes[0].count, 0u);
    return &fakes[0].jobs[fakes[0].count - 1];
}

static void say(enum ipc_outcome outcome, unsigned stages)
{
    struct ipc_mail_outcome said = outcome_of(last_job(), outcome, 0);

    said.stages = stages;
    said.attempts = 0;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
    turns();
}

static void expect_job(size_t count, uint32_t profile, enum stage stage)
{
    cr_assert_eq(fakes[0].count, count);
    cr_assert_eq(last_job()->profile, profile);
    cr_assert_eq(last_job()->stage, stage);
}

static const struct group *only_group(void)
{
    return queue_group(queue, last_id, 0);
}

Test(dispatch_stages, VA01_CO01_each_stage_goes_through_its_own_profile)
{
    queue_mail(RELAY, 0, 1, 0);
    turns();
    expect_job(1, CORE, STAGE_SCAN);
    say(IPC_OUTCOME_ADVANCED, CELL_SCANNED);
    expect_job(2, VAULT, STAGE_UPLOAD);
    say(IPC_OUTCOME_ADVANCED, CELL_SCANNED | CELL_UPLOADED);
    expect_job(3, RELAY, STAGE_RELAY);
    say(IPC_OUTCOME_DONE, CELL_SCANNED | CELL_UPLOADED);
    cr_assert_null(only_group());
}

Test(dispatch_stages, SR05_what_the_rule_does_not_name_is_no_stage)
{
    rule.core = 0;
    queue_mail(RELAY, 0, 1, 0);
    turns();
    expect_job(1, VAULT, STAGE_UPLOAD);
    say(IPC_OUTCOME_ADVANCED, CELL_UPLOADED);
    expect_job(2, RELAY, STAGE_RELAY);
}

Test(dispatch_stages, a_stage_that_was_over_before_a_restart_is_over)
{
    const struct ipc_mail_queued queued = {
        .place = { .id = ++last_id, .segment = 1 },
        .profile = RELAY,
        .rule = 1,
        .recipients = 1,
        .stages = CELL_SCANNED,
        .flags = IPC_QUEUED_RECOVERED,
    };

    cr_assert_eq(dispatch_queued(dispatch, workers.slots[0], &queued), 0);
    turns();
    expect_job(1, VAULT, STAGE_UPLOAD);
}

Test(dispatch_stages, each_stage_has_its_own_attempts)
{
    queue_mail(RELAY, 0, 1, 0);
    turns();
    answer(0, last_job(), IPC_OUTCOME_DEFERRED, 0);
    cr_assert_eq(only_group()->attempts, 1u);
    cr_assert_eq(only_group()->lane->profile, (uint32_t)CORE);
    queue_set_ready(queue, queue_group(queue, last_id, 0), false);
    turns();
    say(IPC_OUTCOME_ADVANCED, CELL_SCANNED);
    expect_job(3, VAULT, STAGE_UPLOAD);
    cr_assert_eq(last_job()->attempts, 0u);
}

Test(dispatch_stages, SP53_mail_counts_for_its_relay_at_every_stage)
{
    queue_mail(RELAY, 0, 2, 0);
    cr_assert_eq(queue_mail_count(RELAY, 0, queue), 2u);
    cr_assert_eq(queue_mail_count(CORE, 0, queue), 2u);
    cr_assert_eq(queue_mail_count(VAULT, 0, queue), 0u);
    turns();
    say(IPC_OUTCOME_ADVANCED, CELL_SCANNED);
    cr_assert_eq(queue_mail_count(RELAY, 0, queue), 2u);
    cr_assert_eq(queue_mail_count(CORE, 0, queue), 1u);
    cr_assert_eq(queue_mail_count(VAULT, 0, queue), 1u);
}

static void on_list(const struct queue_page *page, void *arg)
{
    *(size_t *)arg = page->count;
}

static size_t count_listed(uint32_t profile)
{
    const struct queue_filter filter = { .profile = profile };
    size_t count = SIZE_MAX;

    cr_assert_eq(queue_list(queue, &filter, 0, 0, 10, on_list, &count), 0);
    turns();
    return count;
}

Test(dispatch_stages, MQ06_mail_is_listed_by_its_stage_and_by_its_relay)
{
    dispatch_stop(dispatch);
    queue_mail(RELAY, 0, 1, 0);
    cr_assert_eq(count_listed(RELAY), 1u);
    cr_assert_eq(count_listed(CORE), 1u);
    cr_assert_eq(count_listed(VAULT), 0u);
}

Test(dispatch_stages, SP53_what_waits_follows_its_rule)
{
    dispatch_stop(dispatch); /* it only waits */
    queue_mail(RELAY, 0, 5000, 0);
    cr_assert_eq(queue_lane_known(queue, CORE)->ready_count, 5000u);
    rule.core = OTHER;
    dispatch_rules_changed(dispatch);
    turns();
    cr_assert_eq(queue_lane_known(queue, CORE)->ready_count, 0u);
    cr_assert_eq(queue_lane_known(queue, OTHER)->ready_count, 5000u);
    cr_assert_eq(queue_mail_count(CORE, 0, queue), 0u);
}

Test(dispatch_stages, SP53_what_is_sent_follows_its_rule_at_once)
{
    dispatch_stop(dispatch);
    queue_mail(RELAY, 0, 1, 0);
    rule.core = rule.vault = 0;
    cr_assert_eq(queue_restage(queue, queue_group(queue, last_id, 0)), 1);
    cr_assert_eq(only_group()->lane->profile, (uint32_t)RELAY);
    cr_assert_eq(queue_restage(queue, queue_group(queue, last_id, 0)), 0);
}

Test(dispatch_stages, a_reroute_changes_the_relay_and_not_the_stage)
{
    struct group *group;

    dispatch_stop(dispatch);
    queue_mail(RELAY, 0, 1, 0);
    group = queue_group(queue, last_id, 0);
    queue_set_checking(queue, group);
    cr_assert_eq(queue_set_relay(queue, group, OTHER), 0);
    cr_assert_eq(group->lane->profile, (uint32_t)CORE);
    cr_assert_eq(queue_mail_count(OTHER, 0, queue), 1u);
    cr_assert_eq(queue_mail_count(RELAY, 0, queue), 0u);
    queue_set_stages(group, CELL_SCANNED | CELL_UPLOADED);
    cr_assert_eq(queue_restage(queue, group), 1);
    cr_assert_eq(group->lane->profile, (uint32_t)OTHER);
}

Test(dispatch_stages, SR05_quarantined_mail_stays_and_counts)
{
    queue_mail(RELAY, 0, 1, 0);
    turns();
    say(IPC_OUTCOME_QUARANTINED, CELL_SCANNED);
    cr_assert_eq(only_group()->state, QUEUE_QUARANTINED);
    cr_assert_eq(queue_state_count(queue, QUEUE_QUARANTINED), 1u);
    cr_assert_eq(queue_mail_count(RELAY, 0, queue), 1u);
    cr_assert_eq(segments_pins(segments, 0, 1), 1u);
    turns();
    cr_assert_eq(fakes[0].count, 1u);
}

/* ---- notes in the middle ---- */

Test(dispatch_stages, VA03_the_segment_of_a_note_is_kept_while_the_job_goes_on)
{
    struct ipc_mail_noted noted;

    queue_mail(RELAY, 0, 1, 0);
    turns();
    noted = (struct ipc_mail_noted){ .job = last_job()->job, .note_segment = 7, .note_bytes = 99 };
    cr_assert_eq(dispatch_noted(dispatch, workers.slots[0], &noted), 0);
    cr_assert_eq(segments_pins(segments, 0, 7), 1u);
    noted.note_segment = 8;
    cr_assert_eq(dispatch_noted(dispatch, workers.slots[0], &noted), 0);
    cr_assert_eq(segments_pins(segments, 0, 7), 0u);
    cr_assert_eq(segments_pins(segments, 0, 8), 1u);
    cr_assert_eq(dispatch_noted(dispatch, workers.slots[1], &noted), -EBADMSG);
    noted.job++;
    cr_assert_eq(dispatch_noted(dispatch, workers.slots[0], &noted), 0, "it has ended meanwhile");
}

/* ---- no server takes it ---- */

static void take_down(uint32_t profile)
{
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(dispatch_drain(dispatch, profile, three[i]), 0);
}

static void wait_for_job(size_t count)
{
    const int64_t limit_ms = loop_now_ms(loop) + 10000;

    while (fakes[0].count < count && loop_now_ms(loop) < limit_ms)
        loop_turn(loop, 50);
    cr_assert_eq(fakes[0].count, count);
}

Test(dispatch_stages, SR05_it_goes_on_without_a_scan_if_the_rule_says_so)
{
    rule.scan.on_unavailable = SCAN_UNAVAILABLE_PASS_WITH_HEADER;
    take_down(CORE);
    queue_mail(RELAY, 0, 1, 0);
    wait_for_job(1);
    expect_job(1, CORE, STAGE_SCAN);
    cr_assert_eq(last_job()->skip, ~UINT64_C(0));
}

Test(dispatch_stages, SR05_it_goes_on_without_an_upload_if_the_rule_says_so)
{
    rule.core = 0;
    rule.upload.on_unavailable = UPLOAD_UNAVAILABLE_SKIP;
    take_down(VAULT);
    queue_mail(RELAY, 0, 1, 0);
    wait_for_job(1);
    expect_job(1, VAULT, STAGE_UPLOAD);
    cr_assert_eq(last_job()->skip, ~UINT64_C(0));
}

Test(dispatch_stages, SR05_it_waits_for_a_scan_and_lives_as_long_as_its_relay_says)
{
    take_down(CORE);
    queue_mail(RELAY, 0, 1, 0);
    age_s = 432001;
    queue_mail(RELAY, 0, 1, 0); /* this one is too old */
    age_s = 0;
    wait_for_job(1);
    cr_assert_eq(last_job()->place.id, last_id);
    say(IPC_OUTCOME_FAILED, 0);
    turns();
    cr_assert_eq(fakes[0].count, 1u);
    cr_assert_eq(queue_lane_known(queue, CORE)->ready_count, 1u);
}

/* ---- attempts that a server answered and did not do ---- */

static void defer_at(int served, unsigned stages)
{
    struct ipc_mail_outcome said = outcome_of(last_job(), IPC_OUTCOME_DEFERRED, served);

    said.attempts = 1;
    said.stages = stages;
    said.next_attempt_s = clock_to_epoch_s(clock_wall_ms());
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
    turns();
}

static unsigned misfires(uint32_t profile)
{
    return queue_lane_known(queue, profile)->misfires;
}

Test(dispatch_stages, OP08_failed_scans_are_counted_until_one_is_done)
{
    queue_mail(RELAY, 0, 1, 0);
    turns();
    expect_job(1, CORE, STAGE_SCAN);
    defer_at(0, 0);
    expect_job(2, CORE, STAGE_SCAN);
    defer_at(-1, 0); /* no server answered: that is another cause */
    expect_job(3, CORE, STAGE_SCAN);
    defer_at(1, 0);
    expect_job(4, CORE, STAGE_SCAN);
    cr_assert_eq(misfires(CORE), 2u);
    say(IPC_OUTCOME_ADVANCED, CELL_SCANNED);
    expect_job(5, VAULT, STAGE_UPLOAD);
    cr_assert_eq(misfires(CORE), 0u);
    defer_at(0, CELL_SCANNED);
    cr_assert_eq(misfires(VAULT), 1u);
    expect_job(6, VAULT, STAGE_UPLOAD);
    say(IPC_OUTCOME_ADVANCED, CELL_SCANNED | CELL_UPLOADED);
    cr_assert_eq(misfires(VAULT), 0u);
    expect_job(7, RELAY, STAGE_RELAY);
    defer_at(0, CELL_SCANNED | CELL_UPLOADED);
    cr_assert_eq(misfires(RELAY), 0u, "a message may be deferred by its relay");
}
