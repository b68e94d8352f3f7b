/* What becomes of connections and leases when a profile is edited or deleted (SP47). */
#include "pool_world.h"

static struct worker_profile *version;

static void setup(void)
{
    world_setup();
    version = put_version(1, 20, POOLED);
}

TestSuite(pool_versions, .init = setup, .fini = world_teardown, .timeout = 60);

/* ---- a new version ---- */

Test(pool_versions, SP47_a_new_version_closes_the_old_one_s_idle_connections_at_once)
{
    struct wish wishes[2] = { 0 };
    struct worker_profile *next;

    get(&wishes[0], version, 0);
    get(&wishes[1], version, 1);
    give_back(&wishes[0]);
    give_back(&wishes[1]);
    next = put_version(2, 20, POOLED);
    cr_assert_not(take(&wishes[0], next, 0));
    cr_assert_eq(smtp_pool_open_to(pool, next, 0), 1u, "until the server has ended it");
    UNTIL(loop, smtp_pool_open_count(pool) == 0);
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|QUIT|");
    cr_assert_str_eq(peers[1]->log, "EHLO gw.test|QUIT|");
}

Test(pool_versions, SP47_a_transaction_under_way_is_not_disturbed)
{
    struct wish wish = { 0 };

    version = directory_share(version);
    get(&wish, version, 0);
    begin_to_send(&wish);
    put_version(2, 20, POOLED);
    UNTIL(loop, wish.sent == 1);
    cr_assert_eq(wish.verdict, SMTP_DELIVERED);
    send_message(&wish);
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|" MESSAGE MESSAGE, "%s", peers[0]->log);

    give_back(&wish);
    UNTIL(loop, peers[0]->open == 0);
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|" MESSAGE MESSAGE "QUIT|", "%s", peers[0]->log);
    UNTIL(loop, version->holders == 1); /* the pool has let go of the version, too */
    directory_release(version);
}

Test(pool_versions, SP47_one_that_is_opening_is_not_disturbed)
{
    struct wish wish = { 0 };

    ask(&wish, version, 0);
    put_version(2, 20, POOLED);
    UNTIL(loop, wish.got == 1);
    send_message(&wish);
    give_back(&wish);
    UNTIL(loop, peers[0]->open == 0);
    cr_assert_str_eq(peers[0]->log, "EHLO gw.test|" MESSAGE "QUIT|", "%s", peers[0]->log);
}

Test(pool_versions, SP47_who_waits_with_the_old_version_gets_a_fresh_one)
{
    struct worker_profile *old = put_version(2, 20, POOLED ", 'max_connections': 1");
    struct wish first = { 0 }, second = { 0 };

    get(&first, old, 0);
    ask(&second, old, 0);
    put_version(3, 20, POOLED ", 'max_connections': 1");
    give_back(&first);
    cr_assert_eq(second.got, 0u, "a retired version's connections are let go");
    UNTIL(loop, second.got == 1);
    cr_assert_not(second.is_reused);
    send_message(&second);
    give_back(&second);
    UNTIL(loop, smtp_pool_open_count(pool) == 0);
}

Test(pool_versions, SP47_who_waited_in_vain_with_the_old_version_does_not_keep_it)
{
    struct worker_profile *old = put_version(2, 20, POOLED ", 'max_connections': 1");
    struct wish first = { 0 }, second = { .ticket.first = 1 }; /* has no such address */

    old = directory_share(old);
    get(&first, old, 0);
    ask(&second, old, 0);
    put_version(3, 20, POOLED);
    give_back(&first);
    UNTIL(loop, second.failed == 1);
    UNTIL(loop, old->holders == 1);
    directory_release(old);
}

Test(pool_versions, SP47_a_profile_that_goes_takes_its_connections_along)
{
    struct wish idle = { 0 }, busy = { 0 };

    version = directory_share(version);
    get(&idle, version, 0);
    get(&busy, version, 0);
    give_back(&idle);
    directory_drop_profile(directory, PROFILE);
    UNTIL(loop, peers[0]->open == 1);
    send_message(&busy);
    give_back(&busy);
    UNTIL(loop, peers[0]->open == 0 && version->holders == 1);
    directory_release(version);
}

Test(pool_versions, SP47_a_retired_version_without_connections_is_let_go)
{
    struct wish wish = { 0 };

    version = directory_share(version);
    get(&wish, version, 0);
    smtp_connection_free(&wish.connection);
    turn_a_while();
    cr_assert_eq(version->holders, 3u, "this test, the directory, the pool");
    put_version(2, 20, POOLED);
    turn_a_while();
    cr_assert_eq(version->holders, 1u);
    directory_release(version);
}

Test(pool_versions, SP47_the_counts_go_on_over_a_new_version)
{
    struct wish wish = { 0 };

    get(&wish, version, 0);
    give_back(&wish);
    UNTIL(loop, told.last[0].counts.misses == 1);
    version = put_version(2, 20, POOLED);
    UNTIL(loop, lender_at(version, 0)->out == 0);
    turn_a_while();
    get(&wish, version, 0);
    UNTIL(loop, is_told(0, 0, 1));
    cr_assert_eq(told.last[0].counts.misses, 2u);
    cr_assert_eq(told.last[0].counts.retired, 1u);
}

/* They are connections to the same server, whatever the version. */
Test(pool_versions, SP47_a_retired_version_s_connections_are_told_until_they_are_gone)
{
    struct worker_profile *next;
    struct wish idle = { 0 }, busy = { 0 }, fresh = { 0 };

    get(&idle, version, 0);
    get(&busy, version, 0);
    give_back(&idle);
    UNTIL(loop, is_told(0, 1, 2));
    next = put_version(2, 20, POOLED);
    UNTIL(loop, is_told(0, 0, 1));
    get(&fresh, next, 0);
    UNTIL(loop, is_told(0, 0, 2));
    give_back(&busy);
    UNTIL(loop, is_told(0, 0, 1));
    cr_assert_eq(lender_at(next, 0)->out, 1u);
}

/* A delivery that began before an edit goes on with its version: it has its turn like any other. */
Test(pool_versions, SP47_SP49_who_waits_with_the_old_version_has_its_turn)
{
    struct worker_profile *old;
    struct wish busy = { 0 }, late = { 0 }, next = { 0 };

    old = directory_share(put_version(2, 20, POOLED ", 'max_connections': 1"));
    version = put_version(3, 20, POOLED ", 'max_connections': 1");
    get(&busy, version, 0);
    ask(&late, old, 0);
    ask(&next, version, 0);
    give_back(&busy);
    UNTIL(loop, late.got == 1);
    cr_assert_not(late.is_reused);
    cr_assert_eq(next.got, 0u);
    give_back(&late);
    UNTIL(loop, next.got == 1);
    cr_assert_not(next.is_reused);

    ask(&late, old, 0);
    turn_a_while();
    give_back(&next);
    UNTIL(loop, late.got == 2);
    give_back(&late);
    UNTIL(loop, old->holders == 1);
    directory_release(old);
}

/* ---- the profile is deleted ---- */

static void delete_profile(void)
{
    directory_drop_profile(directory, PROFILE);
    smtp_pool_forget_profile(pool, PROFILE);
}

Test(pool_versions, SP49_what_comes_for_a_deleted_profile_goes_back)
{
    struct lender *lender = lender_at(version, 0);
    struct wish busy = { 0 }, waits = { 0 };

    lender->limit = 1;
    get(&busy, version, 0);
    ask(&waits, version, 0);
    UNTIL(loop, lender->wanted == 1);
    smtp_pool_give_up(&waits.ticket);
    delete_profile();
    give_back(&busy);
    UNTIL(loop, peers[0]->open == 0);
    UNTIL(loop, lender->wanted == 0 && lender->out == 0);
}

Test(pool_versions, SP47_another_profile_of_that_name_begins_anew)
{
    struct lender *lender = lender_at(version, 0);
    struct wish wish = { 0 }, busy = { 0 };

    get(&wish, version, 1);
    smtp_connection_free(&wish.connection);
    get(&busy, version, 0);
    UNTIL(loop, told.last[1].counts.misses == 1 && told.last[0].counts.misses == 1);
    delete_profile();
    turn_a_while();
    give_back(&busy);
    UNTIL(loop, lender->out == 0);
    version = put_version(9, 20, POOLED);
    get(&wish, version, 1);
    get(&busy, version, 0);
    UNTIL(loop, is_told(0, 0, 1) && is_told(1, 0, 1));
    cr_assert_eq(told.last[0].counts.misses, 1u);
    cr_assert_eq(told.last[1].counts.misses, 1u, "which had no connection when it was deleted");
}

Test(pool_versions, SP47_the_others_keep_their_counts)
{
    struct worker_profile *other = put_profile(8, 1, 20, POOLED);
    struct wish wish = { 0 }, wish_of_other = { 0 };

    get(&wish, version, 0);
    give_back(&wish);
    get(&wish_of_other, other, 0);
    give_back(&wish_of_other);
    directory_drop_profile(directory, 8);
    smtp_pool_forget_profile(pool, 8);
    version = put_version(2, 20, POOLED);
    UNTIL(loop, peers[0]->open == 0 && lender_at(version, 0)->out == 0);
    turn_a_while();
    get(&wish, version, 0);
    UNTIL(loop, is_told(0, 0, 1));
    cr_assert_eq(told.last[0].counts.misses, 2u);
}

Test(pool_versions, SP47_nothing_is_kept_of_a_deleted_profile)
{
    struct lender *lender = lender_at(version, 0);
    struct wish busy = { 0 }, idle = { 0 }, waits = { 0 };

    lender->limit = 2;
    is_silent = true;
    get(&busy, version, 0);
    get(&idle, version, 0);
    give_back(&idle);
    UNTIL(loop, keeper_of(PROFILE)->wants == 1);
    ask(&waits, version, 0);
    delete_profile();
    UNTIL(loop, waits.got == 1);
    give_back(&waits);
    give_back(&busy);
    UNTIL(loop, peers[0]->open == 0 && lender->out == 0);
    cr_assert_not(LIST_EMPTY(&pool->slots), "an answer is awaited");
    refuse_slots(PROFILE, 1);
    turn_a_while();
    cr_assert(LIST_EMPTY(&pool->shelves) && LIST_EMPTY(&pool->accounts) &&
              LIST_EMPTY(&pool->slots) && LIST_EMPTY(&pool->connections));
}

Test(pool_versions, SP47_nor_of_one_whose_last_was_in_use)
{
    struct lender *lender = lender_at(version, 0);
    struct wish busy = { 0 };

    get(&busy, version, 0);
    delete_profile();
    turn_a_while();
    give_back(&busy);
    UNTIL(loop, lender->out == 0);
    turn_a_while();
    cr_assert(LIST_EMPTY(&pool->shelves) && LIST_EMPTY(&pool->accounts) &&
              LIST_EMPTY(&pool->slots));
}

Test(pool_versions, SP47_nor_are_slots_that_outlived_their_version)
{
    struct lender *lender = lender_at(version, 0);
    struct wish wish = { 0 };

    get(&wish, version, 0);
    give_back(&wish);
    UNTIL(loop, keeper_of(PROFILE)->out == 1);
    (void)put_version(2, 20, POOLED);
    UNTIL(loop, lender->out == 0);
    turn_a_while();
    cr_assert(LIST_EMPTY(&pool->shelves));
    cr_assert_not(LIST_EMPTY(&pool->slots), "the next version has it");
    delete_profile();
    turn_a_while();
    cr_assert(LIST_EMPTY(&pool->slots));
}

Test(pool_versions, SP47_nor_of_one_that_had_no_connections)
{
    struct wish wish = { 0 };

    get(&wish, version, 0);
    give_back(&wish);
    UNTIL(loop, keeper_of(PROFILE)->out == 1);
    turn_a_while();
    peer_hang_up_all(peers[0]);
    UNTIL(loop, is_told(0, 0, 0));
    delete_profile();
    turn_a_while();
    cr_assert(LIST_EMPTY(&pool->shelves) && LIST_EMPTY(&pool->accounts) &&
              LIST_EMPTY(&pool->slots));
}

/* Nothing is lost that somebody still looks at. */
Test(pool_versions, SP47_a_profile_may_be_forgotten_before_its_version)
{
    struct wish wish = { 0 };

    get(&wish, version, 0);
    smtp_connection_free(&wish.connection);
    UNTIL(loop, lender_at(version, 0)->out == 0);
    smtp_pool_forget_profile(pool, PROFILE);
    turn_a_while();
    get(&wish, version, 0);
    give_back(&wish);
    turn_a_while();
    delete_profile();
    UNTIL(loop, peers[0]->open == 0);
}
