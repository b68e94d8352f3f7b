/* The breaker of one server: every state with every event, and what follows from several. */
#include <criterion/criterion.h>

#include <stdint.h>
#include <string.h>

#include "master/health.h"

static const struct health_rules rules = { .failures = 3,
                                           .probe_first_ms = 10000,
                                           .probe_max_ms = 60000 };
static struct health_moment now = { .mono_ms = 1000000, .wall_ms = 5000000, .chance = 20 };

/* Deliveries are numbered as they are sent. */
static uint64_t send(void)
{
    return ++now.last_delivery;
}

static enum health_turn take(struct health *health, enum health_event event)
{
    return health_take(health, &rules, event, &now, HEALTH_NO_DELIVERY, NULL);
}

static enum health_turn fail(struct health *health, uint64_t delivery)
{
    return health_take(health, &rules, HEALTH_FAILED, &now, delivery, "it said no");
}

static enum health_turn fail_new(struct health *health)
{
    return fail(health, send());
}

static struct health one_that_is(enum health_state state)
{
    struct health health = { 0 };

    if (state == HEALTH_DOUBTED)
        fail_new(&health);
    if (state == HEALTH_DOWN || state == HEALTH_TRYING || state == HEALTH_WARMING)
        for (unsigned i = 0; i < 3; i++)
            fail_new(&health);
    if (state == HEALTH_TRYING || state == HEALTH_WARMING)
        take(&health, HEALTH_TRIED);
    if (state == HEALTH_WARMING)
        take(&health, HEALTH_ANSWERED);
    if (state == HEALTH_REFUSED)
        take(&health, HEALTH_LOGIN_REFUSED);
    cr_assert_eq(health.state, state);
    return health;
}

/* ---- every state with every event ---- */

#define UP      HEALTH_UP
#define DOUBTED HEALTH_DOUBTED
#define DOWN    HEALTH_DOWN
#define TRYING  HEALTH_TRYING
#define WARMING HEALTH_WARMING
#define REFUSED HEALTH_REFUSED

static const struct {
    enum health_state state;
    struct {
        enum health_state next;
        enum health_turn turn;
    } after[HEALTH_EVENT_COUNT];
} expected[HEALTH_STATE_COUNT] = {
    { UP,
      { [HEALTH_FAILED] = { DOUBTED, 0 },
        [HEALTH_TRY_FAILED] = { UP, 0 },
        [HEALTH_LOGIN_REFUSED] = { REFUSED, HEALTH_OPENED },
        [HEALTH_ANSWERED] = { UP, 0 },
        [HEALTH_TRIED] = { UP, 0 },
        [HEALTH_TRY_UNDECIDED] = { UP, 0 },
        [HEALTH_PROFILE_SAVED] = { UP, 0 },
        [HEALTH_ENABLED] = { UP, 0 } } },
    { DOUBTED,
      { [HEALTH_FAILED] = { DOUBTED, 0 },
        [HEALTH_TRY_FAILED] = { DOUBTED, 0 },
        [HEALTH_LOGIN_REFUSED] = { REFUSED, HEALTH_OPENED },
        [HEALTH_ANSWERED] = { UP, 0 },
        [HEALTH_TRIED] = { DOUBTED, 0 },
        [HEALTH_TRY_UNDECIDED] = { DOUBTED, 0 },
        [HEALTH_PROFILE_SAVED] = { DOUBTED, 0 },
        [HEALTH_ENABLED] = { DOUBTED, 0 } } },
    { DOWN,
      { [HEALTH_FAILED] = { DOWN, 0 },
        [HEALTH_TRY_FAILED] = { DOWN, 0 },
        [HEALTH_LOGIN_REFUSED] = { REFUSED, 0 },
        [HEALTH_ANSWERED] = { WARMING, HEALTH_CLOSED },
        [HEALTH_TRIED] = { TRYING, 0 },
        [HEALTH_TRY_UNDECIDED] = { DOWN, 0 },
        [HEALTH_PROFILE_SAVED] = { DOWN, 0 },
        [HEALTH_ENABLED] = { WARMING, HEALTH_CLOSED } } },
    { TRYING,
      { [HEALTH_FAILED] = { TRYING, 0 },
        [HEALTH_TRY_FAILED] = { DOWN, 0 },
        [HEALTH_LOGIN_REFUSED] = { REFUSED, 0 },
        [HEALTH_ANSWERED] = { WARMING, HEALTH_CLOSED },
        [HEALTH_TRIED] = { TRYING, 0 },
        [HEALTH_TRY_UNDECIDED] = { DOWN, 0 },
        [HEALTH_PROFILE_SAVED] = { TRYING, 0 },
        [HEALTH_ENABLED] = { WARMING, HEALTH_CLOSED } } },
    { WARMING,
      { [HEALTH_FAILED] = { DOWN, HEALTH_OPENED },
        [HEALTH_TRY_FAILED] = { WARMING, 0 },
        [HEALTH_LOGIN_REFUSED] = { REFUSED, HEALTH_OPENED },
        [HEALTH_ANSWERED] = { WARMING, 0 },
        [HEALTH_TRIED] = { WARMING, 0 },
        [HEALTH_TRY_UNDECIDED] = { WARMING, 0 },
        [HEALTH_PROFILE_SAVED] = { WARMING, 0 },
        [HEALTH_ENABLED] = { WARMING, 0 } } },
    { REFUSED,
      { [HEALTH_FAILED] = { REFUSED, 0 },
        [HEALTH_TRY_FAILED] = { REFUSED, 0 },
        [HEALTH_LOGIN_REFUSED] = { REFUSED, 0 },
        [HEALTH_ANSWERED] = { REFUSED, 0 },
        [HEALTH_TRIED] = { REFUSED, 0 },
        [HEALTH_TRY_UNDECIDED] = { REFUSED, 0 },
        [HEALTH_PROFILE_SAVED] = { WARMING, HEALTH_CLOSED },
        [HEALTH_ENABLED] = { WARMING, HEALTH_CLOSED } } },
};

Test(health, SP23_every_state_with_every_event)
{
    for (unsigned s = 0; s < HEALTH_STATE_COUNT; s++) {
        for (unsigned e = 0; e < HEALTH_EVENT_COUNT; e++) {
            struct health health = one_that_is(expected[s].state);
            enum health_turn turn =
                health_take(&health, &rules, (enum health_event)e, &now, send(), NULL);

            cr_expect_eq(health.state, expected[s].after[e].next, "%s, event %u: %s",
                         health_state_name(expected[s].state), e, health_state_name(health.state));
            cr_expect_eq(turn, expected[s].after[e].turn, "%s, event %u",
                         health_state_name(expected[s].state), e);
        }
    }
}

Test(health, SP23_mail_is_given_to_those_that_are_up)
{
    static const struct {
        enum health_state state;
        unsigned at_once; /* 0: none, UINT32_MAX: no limit */
    } rows[HEALTH_STATE_COUNT] = {
        { UP, UINT32_MAX }, { DOUBTED, 1 }, { DOWN, 0 },
        { TRYING, 0 },      { WARMING, 2 }, { REFUSED, 0 },
    };

    for (unsigned i = 0; i < HEALTH_STATE_COUNT; i++) {
        struct health health = one_that_is(rows[i].state);

        cr_expect_eq(health_is_up(&health), rows[i].at_once > 0);
        cr_expect_eq(health_has_room(&health, 0), rows[i].at_once > 0);
        if (rows[i].at_once > 0)
            cr_expect(health_has_room(&health, rows[i].at_once - 1));
        cr_expect_not(health_has_room(&health, rows[i].at_once) && rows[i].at_once < UINT32_MAX);
    }
}

/* ---- opening ---- */

Test(health, SP23_three_failures_in_a_row_open)
{
    struct health health = { 0 };

    cr_assert_eq(fail_new(&health), HEALTH_NO_TURN);
    cr_assert_eq(fail_new(&health), HEALTH_NO_TURN);
    cr_assert_eq(fail_new(&health), HEALTH_OPENED);
    cr_assert_eq(health.failures, 3u);
    cr_assert_eq(health.since_wall_ms, now.wall_ms);
    cr_assert_str_eq(health.why, "it said no");
}

Test(health, SP23_a_success_in_between_begins_anew)
{
    struct health health = { 0 };

    for (unsigned i = 0; i < 10; i++) {
        fail_new(&health);
        cr_assert_eq(fail_new(&health), HEALTH_NO_TURN);
        take(&health, HEALTH_ANSWERED);
        cr_assert_eq(health.failures, 0u);
        cr_assert_str_eq(health.why, "");
    }
    cr_assert_eq(health.state, HEALTH_UP);
}

Test(health, SP23_the_number_of_failures_is_a_setting)
{
    const struct health_rules one = { .failures = 1, .probe_first_ms = 1, .probe_max_ms = 1 };
    struct health health = { 0 };

    cr_assert_eq(health_take(&health, &one, HEALTH_FAILED, &now, send(), "x"), HEALTH_OPENED);
}

/* Twenty were under way when the server died: they are one failure. */
Test(health, SP23_what_began_before_a_failure_was_known_counts_once)
{
    struct health health = { 0 };
    uint64_t under_way[20];

    for (unsigned i = 0; i < 20; i++)
        under_way[i] = send();
    for (unsigned i = 20; i-- > 0;)
        cr_assert_eq(fail(&health, under_way[i]), HEALTH_NO_TURN);
    cr_assert_eq(health.failures, 1u);
    under_way[0] = send();
    under_way[1] = send(); /* two that began after the first was known, but not after each other */
    fail(&health, under_way[0]);
    fail(&health, under_way[1]);
    cr_assert_eq(health.failures, 2u);
    cr_assert_eq(fail_new(&health), HEALTH_OPENED);
}

Test(health, SP23_a_refused_password_opens_at_once_and_stays)
{
    struct health health = { 0 };

    cr_assert_eq(health_take(&health, &rules, HEALTH_LOGIN_REFUSED, &now, send(), "535 no"),
                 HEALTH_OPENED);
    cr_assert_str_eq(health.why, "535 no");
    now.mono_ms += 1000000;
    cr_assert_not(health_is_due(&health, now.mono_ms), "a probe would change nothing");
    take(&health, HEALTH_ANSWERED); /* one that had logged in before */
    cr_assert_eq(health.state, HEALTH_REFUSED);
    cr_assert_eq(take(&health, HEALTH_PROFILE_SAVED), HEALTH_CLOSED);
}

Test(health, SP23_what_tried_the_old_password_does_not_refuse_the_new_one)
{
    struct health health = one_that_is(HEALTH_REFUSED);
    uint64_t old = send();

    take(&health, HEALTH_PROFILE_SAVED);
    cr_assert_eq(health_take(&health, &rules, HEALTH_LOGIN_REFUSED, &now, old, "535 no"),
                 HEALTH_NO_TURN);
    cr_assert_eq(health.state, HEALTH_WARMING);
    cr_assert_eq(health_take(&health, &rules, HEALTH_LOGIN_REFUSED, &now, send(), "535 no"),
                 HEALTH_OPENED);
}

/* ---- the waits ---- */

static void try_in_vain(struct health *health)
{
    take(health, HEALTH_TRIED);
    take(health, HEALTH_TRY_FAILED);
}

Test(health, SP23_tries_after_10_s_doubling_to_60)
{
    static const int64_t waits_ms[] = { 10000, 20000, 40000, 60000, 60000 };
    struct health health = one_that_is(HEALTH_DOWN);

    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(health.next_ms - now.mono_ms, waits_ms[i]);
        cr_assert_not(health_is_due(&health, health.next_ms - 1));
        cr_assert(health_is_due(&health, health.next_ms));
        now.mono_ms = health.next_ms;
        try_in_vain(&health);
    }
}

Test(health, SP23_jitter_is_a_fifth_to_either_side)
{
    int64_t least = INT64_MAX, most = 0;

    for (uint32_t chance = 0; chance < 1000; chance++) {
        struct health health;
        int64_t wait_ms;

        now.chance = chance;
        health = one_that_is(HEALTH_DOWN);
        wait_ms = health.next_ms - now.mono_ms;
        least = wait_ms < least ? wait_ms : least;
        most = wait_ms > most ? wait_ms : most;
    }
    cr_assert_eq(least, 8000);
    cr_assert_eq(most, 12000);
}

Test(health, SP23_a_try_without_a_word_is_repeated_soon_and_counts_for_nothing)
{
    struct health health = one_that_is(HEALTH_TRYING);
    int64_t wait_ms = health.wait_ms;
    unsigned failures = health.failures;

    take(&health, HEALTH_TRY_UNDECIDED);
    cr_assert_eq(health.next_ms - now.mono_ms, HEALTH_AGAIN_MS);
    cr_assert_eq(health.wait_ms, wait_ms);
    cr_assert_eq(health.failures, failures);
}

Test(health, SP23_while_a_try_is_out_there_is_no_other)
{
    struct health health = one_that_is(HEALTH_TRYING);

    cr_assert_not(health_is_due(&health, INT64_MAX));
    fail_new(&health); /* one that was under way: not the try */
    cr_assert_eq(health.state, HEALTH_TRYING);
}

Test(health, SP23_a_saved_profile_is_tried_at_once)
{
    struct health health = one_that_is(HEALTH_DOWN);

    take(&health, HEALTH_PROFILE_SAVED);
    cr_assert(health_is_due(&health, now.mono_ms));
}

/* ---- back again ---- */

Test(health, SP23_the_load_grows_with_each_success)
{
    struct health health = one_that_is(HEALTH_WARMING);

    for (unsigned room = HEALTH_WARM_FIRST; room <= HEALTH_WARM_LAST; room++) {
        cr_assert_eq(health.state, HEALTH_WARMING);
        cr_assert(health_has_room(&health, room - 1));
        cr_assert_not(health_has_room(&health, room));
        take(&health, HEALTH_ANSWERED);
    }
    cr_assert_eq(health.state, HEALTH_UP);
    cr_assert_eq(health.failures, 0u);
    cr_assert(health_has_room(&health, 100000));
}

Test(health, SP23_one_that_only_greets_is_down_again_and_waits_longer)
{
    struct health health = one_that_is(HEALTH_WARMING);

    cr_assert_eq(fail_new(&health), HEALTH_OPENED);
    cr_assert_eq(health.next_ms - now.mono_ms, 20000);
}

Test(health, SP23_one_that_took_a_message_has_three_failures_again)
{
    struct health health = one_that_is(HEALTH_WARMING);

    take(&health, HEALTH_ANSWERED);
    cr_assert_eq(fail_new(&health), HEALTH_NO_TURN);
    cr_assert_eq(fail_new(&health), HEALTH_NO_TURN);
    cr_assert_eq(fail_new(&health), HEALTH_OPENED);
    cr_assert_eq(health.next_ms - now.mono_ms, 10000, "it is a new trouble");
}

Test(health, SP23_late_failures_from_before_it_answered_are_nothing)
{
    struct health health = one_that_is(HEALTH_DOWN);
    uint64_t old = send();

    take(&health, HEALTH_ANSWERED); /* another late one, which was good */
    fail(&health, old);
    cr_assert_eq(health.state, HEALTH_WARMING);
}

/* ---- drained ---- */

Test(health, SP23_drained_is_beside_every_state)
{
    for (unsigned s = 0; s < HEALTH_STATE_COUNT; s++) {
        struct health health = one_that_is(expected[s].state);

        health.is_drained = true;
        cr_expect_not(health_is_up(&health));
        cr_expect_not(health_has_room(&health, 0));
        cr_expect_not(health_is_due(&health, INT64_MAX));
        take(&health, HEALTH_ENABLED);
        cr_expect(health_is_up(&health), "%s", health_state_name(expected[s].state));
    }
}

Test(health, SP23_what_a_drained_server_says_still_counts)
{
    struct health health = { .is_drained = true };

    for (unsigned i = 0; i < 3; i++)
        fail_new(&health);
    cr_assert_eq(health.state, HEALTH_DOWN);
    cr_assert(health.is_drained);
    take(&health, HEALTH_ENABLED);
    cr_assert_eq(health.state, HEALTH_WARMING);
}

Test(health, a_long_reason_is_cut)
{
    struct health health = { 0 };
    char text[1000];

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    health_take(&health, &rules, HEALTH_FAILED, &now, send(), text);
    cr_assert_eq(strlen(health.why), HEALTH_WHY_SIZE - 1);
}
