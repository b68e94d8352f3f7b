/* What ends a pooled connection: its time, and the server (SP44, SP48, SP49). */
#include "pool_world.h"

static struct worker_profile *version;

static void setup(void)
{
    world_setup();
    version = put_version(1, 20, POOLED);
}

TestSuite(pool_idle, .init = setup, .fini = world_teardown, .timeout = 60);

/* ---- SP44: expiry ---- */

#define SHORT "'pool': {'enabled': true, 'expiry': 1}"

static int64_t time_of_QUIT_ms(void)
{
    UNTIL(loop, strstr(peers[0]->log, "QUIT|") != NULL);
    return clock_mono_ms();
}

Test(pool_idle, SP44_an_idle_one_says_QUIT_within_a_second_of_its_time)
{
    struct worker_profile *brief = put_version(2, 20, SHORT);
    struct wish wish = { 0 };
    int64_t begun_ms, took_ms;

    get(&wish, brief, 0);
    begun_ms = clock_mono_ms();
    give_back(&wish);
    took_ms = time_of_QUIT_ms() - begun_ms;
    cr_assert(took_ms >= 980 && took_ms <= 2000, "%ld ms", (long)took_ms);
    UNTIL(loop, peers[0]->open == 0 && is_told(0, 0, 0) && told.last[0].counts.expired == 1);
    cr_assert_not(take(&wish, brief, 0));
    cr_assert_eq(smtp_pool_open_count(pool), 0u);
}

Test(pool_idle, SP44_one_in_use_does_not_expire_and_begins_anew_when_given_back)
{
    struct worker_profile *brief = put_version(2, 20, SHORT);
    struct wish wish = { 0 };
    int64_t begun_ms, took_ms;

    get(&wish, brief, 0);
    give_back(&wish);
    cr_assert(take(&wish, brief, 0));
    begun_ms = clock_mono_ms();
    UNTIL(loop, clock_mono_ms() - begun_ms > 1300);
    cr_assert_eq(wish.lost, 0u);
    cr_assert_eq(peers[0]->open, 1u);
    send_message(&wish);

    begun_ms = clock_mono_ms();
    give_back(&wish);
    took_ms = time_of_QUIT_ms() - begun_ms;
    cr_assert(took_ms >= 980 && took_ms <= 2000, "%ld ms", (long)took_ms);
}

Test(pool_idle, SP44_each_has_its_own_time)
{
    struct worker_profile *brief = put_version(2, 20, SHORT);
    struct wish early = { 0 }, late = { 0 }, taken = { 0 };
    struct smtp_connection *second;
    int64_t begun_ms;

    get(&early, brief, 0);
    get(&late, brief, 0);
    second = late.connection;
    give_back(&early);
    begun_ms = clock_mono_ms();
    UNTIL(loop, clock_mono_ms() - begun_ms > 600);
    give_back(&late);
    UNTIL(loop, is_told(0, 1, 1));
    cr_assert(take(&taken, brief, 0));
    cr_assert_eq(taken.connection, second);
}

/* ---- max_messages, max_lifetime ---- */

Test(pool_idle, one_that_has_carried_max_messages_is_closed)
{
    struct worker_profile *few = put_version(2, 20, POOLED ", 'max_messages': 2");
    struct wish wish = { 0 };

    get(&wish, few, 0);
    send_message(&wish);
    give_back(&wish);
    cr_assert(take(&wish, few, 0));
    send_message(&wish);
    give_back(&wish);
    UNTIL(loop, peers[0]->open == 0);
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|" MESSAGE MESSAGE "QUIT|", "%s", peers[0]->log);
    UNTIL(loop, told.last[0].counts.spent == 1);
}

Test(pool_idle, one_that_has_lived_for_max_lifetime_is_closed_idle_or_given_back)
{
    struct worker_profile *brief = put_version(2, 20, POOLED ", 'max_lifetime': 1");
    struct wish idle = { 0 }, busy = { 0 };
    int64_t begun_ms = clock_mono_ms();

    get(&idle, brief, 0);
    get(&busy, brief, 0);
    give_back(&idle);
    UNTIL(loop, peers[0]->open == 1);
    cr_assert_geq(clock_mono_ms() - begun_ms, 950);
    cr_assert_leq(clock_mono_ms() - begun_ms, 2000);
    send_message(&busy);
    give_back(&busy);
    UNTIL(loop, peers[0]->open == 0);
    UNTIL(loop, told.last[0].counts.spent == 2);
}

Test(pool_idle, one_that_has_lived_for_max_lifetime_is_not_handed_over)
{
    struct worker_profile *brief =
        put_version(2, 20, POOLED ", 'max_lifetime': 1, 'max_connections': 1");
    struct wish busy = { 0 }, waits = { 0 };
    int64_t begun_ms = clock_mono_ms();

    get(&busy, brief, 0);
    ask(&waits, brief, 0);
    UNTIL(loop, clock_mono_ms() - begun_ms > 1100);
    give_back(&busy);
    cr_assert_eq(waits.got, 0u);
    UNTIL(loop, waits.got == 1);
    cr_assert_not(waits.is_reused);
}

/* ---- what servers were seen to do ---- */

static void say_bears(uint32_t idle_ms, uint32_t age_ms, uint32_t messages)
{
    const struct ipc_server_bears bears = { .server = identity_of(version, 0),
                                            .profile = PROFILE,
                                            .idle_ms = idle_ms,
                                            .age_ms = age_ms,
                                            .messages = messages };

    channel_send(master, IPC_SERVER_BEARS, &bears);
    turn_a_while();
}

Test(pool_idle, SP49_an_idle_one_that_the_server_has_ended_is_told)
{
    struct wish wish = { 0 };
    int64_t begun_ms = clock_mono_ms();

    get(&wish, version, 0);
    UNTIL(loop, clock_mono_ms() - begun_ms > 300);
    send_message(&wish);
    give_back(&wish);
    UNTIL(loop, clock_mono_ms() - begun_ms > 600);
    peer_hang_up_all(peers[0]);
    UNTIL(loop, ended_count == 1);
    cr_assert_eq(ended.server, identity_of(version, 0));
    cr_assert_eq(ended.messages, 1u);
    cr_assert(ended.idle_ms >= 200 && ended.idle_ms + 250 <= ended.age_ms, "%u", ended.idle_ms);
    cr_assert_leq(ended.age_ms, (uint32_t)(clock_mono_ms() - begun_ms));
}

Test(pool_idle, SP49_what_was_ended_here_is_not_told_as_ended_by_the_server)
{
    struct worker_profile *brief = put_version(2, 20, SHORT);
    struct wish wish = { 0 };

    get(&wish, brief, 0);
    give_back(&wish);
    UNTIL(loop, peers[0]->open == 0);
    get(&wish, brief, 0);
    give_back(&wish);
    smtp_pool_free(&pool);
    UNTIL(loop, peers[0]->open == 0);
    turn_a_while();
    cr_assert_eq(ended_count, 0u);
    directory_watch(directory, NULL, NULL);
}

Test(pool_idle, SP49_connections_stay_within_what_the_server_bears)
{
    struct wish wish = { 0 };
    int64_t begun_ms = clock_mono_ms();

    say_bears(300, 0, 0);
    get(&wish, version, 0);
    give_back(&wish);
    UNTIL(loop, peers[0]->open == 0);
    cr_assert_leq(clock_mono_ms() - begun_ms, 1500, "idle");
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|QUIT|");

    say_bears(0, 300, 0);
    begun_ms = clock_mono_ms();
    get(&wish, version, 0);
    give_back(&wish);
    UNTIL(loop, peers[0]->open == 0);
    cr_assert_leq(clock_mono_ms() - begun_ms, 1500, "age");

    say_bears(0, 0, 1);
    get(&wish, version, 0);
    send_message(&wish);
    give_back(&wish);
    UNTIL(loop, peers[0]->open == 0);
    cr_assert_eq(told.last[0].counts.lost, 0u);
}

Test(pool_idle, SP49_what_the_server_bears_is_no_reason_to_stay_longer)
{
    static const char *const brief[] = { SHORT, POOLED ", 'max_lifetime': 1" };

    say_bears(100000, 100000, 100);
    for (unsigned i = 0; i < 2; i++) {
        struct worker_profile *next = put_version(i + 2, 20, brief[i]);
        struct wish wish = { 0 };

        get(&wish, next, 0);
        give_back(&wish);
        UNTIL(loop, peers[0]->open == 0);
    }
}

/* ---- what is counted ---- */

Test(pool_idle, SP48_what_became_of_connections_is_counted)
{
    struct worker_profile *brief = put_version(2, 1, POOLED ", 'max_connections': 2");
    const struct ipc_pool_counts *counts = &told.last[0].counts;
    struct wish a = { 0 }, b = { 0 }, waits = { 0 };

    get(&a, brief, 0);
    get(&b, brief, 0);
    ask(&waits, brief, 0);
    turn_a_while();
    give_back(&a);
    UNTIL(loop, waits.got == 1 && counts->handed_over == 1);
    give_back(&waits);
    give_back(&b);
    UNTIL(loop, counts->full == 1);
    cr_assert(take(&a, brief, 0));
    give_back(&a);
    turn_a_while();
    peer_hang_up_all(peers[0]);
    UNTIL(loop, counts->lost == 1);
    smtp_pool_count_stale(pool, brief, 0);
    get(&a, brief, 0);
    give_back(&a);
    turn_a_while();
    (void)put_version(3, 1, POOLED);
    UNTIL(loop, counts->retired == 1);
    cr_assert_eq(counts->misses, 3u);
    cr_assert_eq(counts->handed_over, 1u);
    cr_assert_eq(counts->hits, 1u);
    cr_assert_eq(counts->stale, 1u);
    cr_assert_eq(counts->expired + counts->spent + counts->misses_off + counts->reclaimed, 0u);
}

/* ---- SP48: the server ends it ---- */

Test(pool_idle, SP48_an_idle_one_that_the_server_closes_leaves_at_once)
{
    struct wish wish = { 0 };

    get(&wish, version, 0);
    give_back(&wish);
    UNTIL(loop, is_told(0, 1, 1));
    peer_hang_up_all(peers[0]);
    UNTIL(loop, is_told(0, 0, 0));
    cr_assert_not(take(&wish, version, 0));
    cr_assert_eq(smtp_pool_open_count(pool), 0u);
}

Test(pool_idle, SP48_an_idle_one_that_the_server_resets_leaves_at_once)
{
    struct wish wish = { 0 };

    get(&wish, version, 0);
    give_back(&wish);
    UNTIL(loop, is_told(0, 1, 1));
    peer_hang_up(LIST_FIRST(&peers[0]->clients), true);
    UNTIL(loop, is_told(0, 0, 0));
    cr_assert_not(take(&wish, version, 0));
}

Test(pool_idle, SP48_an_idle_one_on_which_the_server_talks_leaves_at_once)
{
    static const char *const words[] = { "421 4.4.2 idle for too long\r\n", "250 what?\r\n", "4" };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct wish wish = { 0 };

        get(&wish, version, 0);
        give_back(&wish);
        UNTIL(loop, is_told(0, 1, 1));
        cr_assert_gt(send(LIST_FIRST(&peers[0]->clients)->fd, words[i], strlen(words[i]), 0), 0);
        UNTIL(loop, is_told(0, 0, 0));
        cr_assert_not(take(&wish, version, 0), "%s", words[i]);
        UNTIL(loop, peers[0]->open == 0);
    }
}

/* Words behind the last reply of a message: they came before it was given back. */
Test(pool_idle, SP48_a_421_behind_the_last_reply_is_seen)
{
    struct wish wish = { 0 };

    peer_on(peers[0], ".", "250 2.0.0 taken\r\n421 4.3.2 enough", 1);
    get(&wish, version, 0);
    begin_to_send(&wish);
    UNTIL(loop, wish.sent == 1);
    cr_assert_eq(wish.verdict, SMTP_DELIVERED);
    if (wish.connection != NULL)
        give_back(&wish);
    UNTIL(loop, is_told(0, 0, 0));
    cr_assert_not(take(&wish, version, 0));
}

Test(pool_idle, SP48_the_others_stay)
{
    struct wish wishes[3] = { 0 }, taken = { 0 };
    struct smtp_connection *kept[2];

    for (unsigned i = 0; i < 3; i++)
        get(&wishes[i], version, 0);
    kept[0] = wishes[0].connection;
    kept[1] = wishes[2].connection;
    for (unsigned i = 0; i < 3; i++)
        give_back(&wishes[i]);
    UNTIL(loop, is_told(0, 3, 3));
    peer_hang_up(LIST_NEXT(LIST_FIRST(&peers[0]->clients), link), false); /* the second of three */
    UNTIL(loop, is_told(0, 2, 2));
    cr_assert(take(&taken, version, 0));
    cr_assert_eq(taken.connection, kept[1]);
    cr_assert(take(&taken, version, 0));
    cr_assert_eq(taken.connection, kept[0]);
}
