/* The connection pool: what is kept, and who gets it (SP40 to SP43, SP45, SP46). */
#include "pool_world.h"

static struct worker_profile *version;

static void setup(void)
{
    world_setup();
    version = put_version(1, 20, POOLED);
}

TestSuite(pool, .init = setup, .fini = world_teardown, .timeout = 60);

/* ---- SP40 to SP42: taken and reused ---- */

Test(pool, SP40_none_is_idle_so_a_new_one_is_opened)
{
    struct wish wish = { 0 };

    cr_assert_not(take(&wish, version, 0));
    cr_assert_eq(smtp_pool_open_to(pool, version, 0), 0u);
    ask(&wish, version, 0);
    cr_assert_eq(smtp_pool_open_to(pool, version, 0), 1u, "one that is opening counts");
    UNTIL(loop, wish.got == 1);
    cr_assert_not(wish.is_reused);
    cr_assert_eq(peers[0]->connections, 1u);
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|");
    send_message(&wish);
    cr_assert_eq(peers[0]->messages, 1u);
}

Test(pool, SP41_what_is_given_back_is_kept)
{
    struct wish wish = { 0 };

    get(&wish, version, 0);
    send_message(&wish);
    give_back(&wish);
    UNTIL(loop, is_told(0, 1, 1));
    turn_a_while();
    cr_assert_eq(peers[0]->open, 1u);
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|" MESSAGE, "no QUIT, no NOOP: %s", peers[0]->log);
    cr_assert_eq(wish.lost, 0u);
}

Test(pool, SP42_an_idle_one_is_taken_and_reused_without_a_handshake)
{
    struct wish first = { 0 }, second = { 0 };

    get(&first, version, 0);
    send_message(&first);
    give_back(&first);
    UNTIL(loop, is_told(0, 1, 1));

    cr_assert(take(&second, version, 0));
    send_message(&second);
    cr_assert_eq(peers[0]->connections, 1u);
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|" MESSAGE MESSAGE, "%s", peers[0]->log);
    UNTIL(loop, is_told(0, 0, 1));
    give_back(&second);
    UNTIL(loop, is_told(0, 1, 1));
}

Test(pool, SP42_it_is_taken_once)
{
    struct wish first = { 0 }, second = { 0 };

    get(&first, version, 0);
    give_back(&first);
    cr_assert(take(&first, version, 0));
    cr_assert_not(take(&second, version, 0));
}

/* So that what is too much ages out. */
Test(pool, SP42_the_last_one_given_back_is_taken_first)
{
    struct wish wishes[3] = { 0 }, taken = { 0 };
    struct smtp_connection *connections[3];

    for (unsigned i = 0; i < 3; i++) {
        get(&wishes[i], version, 0);
        connections[i] = wishes[i].connection;
    }
    give_back(&wishes[1]);
    give_back(&wishes[2]);
    give_back(&wishes[0]);
    cr_assert(take(&taken, version, 0));
    cr_assert_eq(taken.connection, connections[0]);
    cr_assert(take(&taken, version, 0));
    cr_assert_eq(taken.connection, connections[2]);
    cr_assert(take(&taken, version, 0));
    cr_assert_eq(taken.connection, connections[1]);
}

Test(pool, SP42_SP47_it_belongs_to_one_server_and_one_profile)
{
    struct worker_profile *other = put_profile(8, 1, 20, POOLED);
    struct wish wish = { 0 };

    get(&wish, version, 0);
    give_back(&wish);
    cr_assert_not(take(&wish, version, 1));
    cr_assert_not(take(&wish, other, 0));
    cr_assert_eq(smtp_pool_open_to(pool, version, 1), 0u);
    cr_assert_eq(smtp_pool_open_to(pool, other, 0), 0u);
    cr_assert(take(&wish, version, 0));
}

/* ---- SP43, SP46: full ---- */

Test(pool, SP43_with_the_pool_full_it_says_QUIT)
{
    struct wish wishes[3] = { 0 };

    set_slots(PROFILE, 2);
    for (unsigned i = 0; i < 3; i++)
        get(&wishes[i], version, 0);
    for (unsigned i = 0; i < 3; i++)
        give_back(&wishes[i]);
    UNTIL(loop, is_told(0, 2, 2));
    cr_assert_eq(peers[0]->open, 2u);
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|EHLO gw.test|EHLO gw.test|QUIT|", "%s",
                     peers[0]->log);
}

Test(pool, SP43_without_a_slot_none_is_kept)
{
    struct wish wish = { 0 };

    set_slots(PROFILE, 0);
    get(&wish, version, 0);
    give_back(&wish);
    UNTIL(loop, smtp_pool_open_count(pool) == 0);
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|QUIT|");
}

Test(pool, SP46_the_slots_are_the_profile_s_not_the_server_s)
{
    struct wish wishes[2] = { 0 };

    set_slots(PROFILE, 1);
    get(&wishes[0], version, 0);
    get(&wishes[1], version, 1);
    give_back(&wishes[0]);
    give_back(&wishes[1]);
    UNTIL(loop, is_told(0, 1, 1) && is_told(1, 0, 0) && peers[1]->open == 0);
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|");
    cr_assert_str_eq(peers[1]->log, "EHLO gw.test|QUIT|");
}

Test(pool, SP46_the_slots_of_one_profile_are_not_another_s)
{
    struct worker_profile *other = put_profile(8, 1, 1, POOLED);
    struct wish wishes[2] = { 0 };

    set_slots(PROFILE, 1);
    get(&wishes[0], version, 0);
    get(&wishes[1], other, 0);
    give_back(&wishes[0]);
    give_back(&wishes[1]);
    turn_a_while();
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|EHLO gw.test|", "%s", peers[0]->log);
    cr_assert(take(&wishes[0], version, 0));
    cr_assert(take(&wishes[1], other, 0));
}

Test(pool, SP46_fewer_slots_close_the_oldest_idle_ones_whichever_their_server)
{
    static const unsigned servers[] = { 0, 1, 1, 0 };
    struct wish wishes[4] = { 0 }, busy = { 0 }, taken = { 0 };
    struct smtp_connection *newest;

    get(&busy, version, 0);
    for (unsigned i = 0; i < 4; i++)
        get(&wishes[i], version, servers[i]);
    newest = wishes[3].connection;
    for (unsigned i = 0; i < 4; i++)
        give_back(&wishes[i]);
    UNTIL(loop, is_told(0, 2, 3) && is_told(1, 2, 2));

    set_slots(PROFILE, 2);
    UNTIL(loop, is_told(0, 1, 2) && is_told(1, 1, 1));
    set_slots(PROFILE, 1);
    UNTIL(loop, is_told(0, 1, 2) && is_told(1, 0, 0));
    cr_assert_str_eq(peers[1]->log, "EHLO gw.test|EHLO gw.test|QUIT|QUIT|", "%s", peers[1]->log);
    cr_assert(take(&taken, version, 0));
    cr_assert_eq(taken.connection, newest);
    give_back(&taken);

    set_slots(PROFILE, 5);
    turn_a_while();
    cr_assert(is_told(0, 1, 2), "more slots close none");
    set_slots(PROFILE, 0);
    UNTIL(loop, is_told(0, 0, 1));
    cr_assert_eq(busy.lost, 0u, "one in use needs no slot");
    cr_assert_eq(peers[0]->open, 1u);
}

Test(pool, SP46_a_profile_without_connections_may_lose_its_slots)
{
    set_slots(PROFILE, 0);
    turn_a_while();
    cr_assert_eq(told.messages, 0u);
}

/* ---- SP43, SP45: handed over, or not ---- */

Test(pool, SP43_one_given_back_goes_straight_to_who_waits_and_needs_no_slot)
{
    struct worker_profile *narrow = put_version(2, 0, POOLED ", 'max_connections': 1");
    struct wish first = { 0 }, second = { 0 };

    get(&first, narrow, 0);
    send_message(&first);
    ask(&second, narrow, 0);
    turn_a_while();
    cr_assert_eq(second.got, 0u);
    give_back(&first);
    cr_assert_eq(second.got, 1u, "at once");
    cr_assert(second.is_reused);
    send_message(&second);
    cr_assert_eq(peers[0]->connections, 1u);
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|" MESSAGE MESSAGE, "%s", peers[0]->log);

    give_back(&second);
    UNTIL(loop, peers[0]->open == 0);
    cr_assert_not_null(strstr(peers[0]->log, "QUIT|"), "nobody waits and there is no slot");
}

Test(pool, SP43_it_is_not_handed_to_who_waits_for_another_server)
{
    struct worker_profile *narrow = put_version(2, 20, POOLED ", 'max_connections': 1");
    struct wish here = { 0 }, there = { 0 }, waits = { 0 };

    get(&here, narrow, 0);
    get(&there, narrow, 1);
    ask(&waits, narrow, 1);
    give_back(&here);
    turn_a_while();
    cr_assert_eq(waits.got, 0u);
    give_back(&there);
    cr_assert_eq(waits.got, 1u);
}

Test(pool, SP43_SP47_it_is_not_handed_to_who_waits_for_another_version)
{
    struct worker_profile *old = put_version(2, 20, POOLED ", 'max_connections': 1"), *narrow;
    struct wish before = { 0 }, after = { 0 }, waits = { 0 };

    get(&before, old, 0);
    narrow = put_version(3, 20, POOLED ", 'max_connections': 1");
    ask(&after, narrow, 0);
    ask(&waits, narrow, 0);
    turn_a_while();
    cr_assert_eq(after.got, 0u, "the server has no more than one connection, whatever the version");
    give_back(&before);
    UNTIL(loop, after.got == 1);
    cr_assert_not(after.is_reused);
    cr_assert_eq(waits.got, 0u);
    give_back(&after);
    cr_assert_eq(waits.got, 1u);
    cr_assert(waits.is_reused);
    cr_assert_eq(peers[0]->connections, 2u);
}

Test(pool, SP45_with_pooling_off_every_delivery_opens_and_closes_its_own)
{
    struct worker_profile *plain = put_version(2, 20, "'pool': {'enabled': false}");
    struct wish wish = { 0 };

    for (unsigned i = 1; i <= 3; i++) {
        cr_assert_not(take(&wish, plain, 0));
        get(&wish, plain, 0);
        cr_assert_not(wish.is_reused);
        send_message(&wish);
        give_back(&wish);
        UNTIL(loop, peers[0]->open == 0 && is_told(0, 0, 0));
        cr_assert_eq(peers[0]->connections, i);
    }
    cr_assert_eq(told.last[0].counts.misses_off, 3u);
    cr_assert_eq(told.last[0].counts.misses, 0u, "none could have been idle");
    cr_assert_str_eq(peers[0]->log,
                     "EHLO gw.test|" MESSAGE "QUIT|"
                     "EHLO gw.test|" MESSAGE "QUIT|"
                     "EHLO gw.test|" MESSAGE "QUIT|",
                     "%s", peers[0]->log);
}

static unsigned farewells;

static void count_farewell(const struct smtp_reply *reply, void *owner)
{
    (void)reply;
    (void)owner;
    farewells++;
}

Test(pool, SP45_whoever_gave_it_back_hears_no_more_of_it)
{
    static const struct smtp_connection_ops ops = { .on_farewell = count_farewell };
    struct wish wish = { 0 };

    get(&wish, put_version(2, 20, "'pool': {'enabled': false}"), 0);
    smtp_connection_set_owner(wish.connection, &ops, &wish);
    give_back(&wish);
    UNTIL(loop, peers[0]->open == 0 && smtp_pool_open_count(pool) == 0);
    cr_assert_not_null(strstr(peers[0]->log, "QUIT|"));
    cr_assert_eq(farewells, 0u);
}

Test(pool, SP43_SP45_with_pooling_off_none_is_handed_over)
{
    struct worker_profile *plain =
        put_version(2, 20, "'pool': {'enabled': false}, 'max_connections': 1");
    struct wish first = { 0 }, second = { 0 };

    get(&first, plain, 0);
    ask(&second, plain, 0);
    give_back(&first);
    cr_assert_eq(second.got, 0u);
    UNTIL(loop, second.got == 1);
    cr_assert_not(second.is_reused);
    cr_assert_eq(peers[0]->connections, 2u);
    cr_assert_eq(peers[0]->most_open, 1u, "not before the first is closed");
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|QUIT|EHLO gw.test|", "%s", peers[0]->log);
}

/* LIMITS (RFC 9422), SP49. */
Test(pool, SP49_one_that_had_its_messages_is_neither_kept_nor_handed_over)
{
    struct worker_profile *narrow = put_version(2, 20, POOLED ", 'max_connections': 1");
    struct wish first = { 0 }, second = { 0 };

    peers[0]->extensions = "250-LIMITS MAILMAX=2\r\n250 PIPELINING\r\n";
    get(&first, narrow, 0);
    send_message(&first);
    give_back(&first);
    cr_assert(take(&first, narrow, 0), "it may carry one more");
    send_message(&first);
    ask(&second, narrow, 0);
    give_back(&first);
    UNTIL(loop, second.got == 1);
    cr_assert_not(second.is_reused);
    cr_assert_eq(peers[0]->connections, 2u);
    cr_assert_not_null(strstr(peers[0]->log, "QUIT|EHLO gw.test|"), "%s", peers[0]->log);
}
