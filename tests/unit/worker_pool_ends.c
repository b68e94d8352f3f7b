/* The pool's wishes: every way in which a wish or the pool can end. */
#include "pool_world.h"

TestSuite(pool_ends, .init = world_setup, .fini = world_teardown, .timeout = 60);

/* ---- giving up ---- */

Test(pool_ends, a_wish_may_be_given_up_in_each_phase_of_opening)
{
    static const struct {
        const char *silent_at;    /* NULL: given up at once, while it is connecting */
        const char *heard, *last; /* by the server, until then and in the end */
    } rows[] = {
        { NULL, "", "<eof>|" },
        { "greeting", "", "QUIT|" },
        { "EHLO", "EHLO gw.test|", "EHLO gw.test|QUIT|" },
    };
    struct worker_profile *version = put_version(1, 20, POOLED);

    for (unsigned i = 0; i < 3; i++) {
        struct wish wish = { 0 };
        unsigned before = peers[0]->connections;

        peers[0]->rule_count = 0;
        peers[0]->log[0] = '\0';
        if (rows[i].silent_at != NULL)
            peer_on(peers[0], rows[i].silent_at, "", 1);
        ask(&wish, version, 0);
        if (rows[i].silent_at != NULL)
            UNTIL(loop, peers[0]->connections > before && smtp_pool_open_count(pool) == 1 &&
                            strcmp(peers[0]->log, rows[i].heard) == 0);
        smtp_pool_give_up(&wish.ticket);
        smtp_pool_give_up(&wish.ticket); /* once more does no harm */
        UNTIL(loop, strcmp(peers[0]->log, rows[i].last) == 0 && peers[0]->open == 0);
        UNTIL(loop, smtp_pool_open_to(pool, version, 0) == 0);
        cr_assert_eq(wish.got + wish.failed, 0u, "row %u: not a word", i);
    }
}

Test(pool_ends, one_given_up_while_it_waits_leaves_the_order_of_the_others)
{
    struct worker_profile *version = put_version(1, 20, POOLED ", 'max_connections': 1");
    struct wish wishes[5] = { 0 };

    get(&wishes[0], version, 0);
    for (unsigned i = 1; i < 5; i++)
        ask(&wishes[i], version, 0);
    smtp_pool_give_up(&wishes[1].ticket);
    smtp_pool_give_up(&wishes[3].ticket);
    smtp_pool_give_up(&wishes[3].ticket);
    give_back(&wishes[0]);
    cr_assert_eq(wishes[2].got, 1u);
    give_back(&wishes[2]);
    cr_assert_eq(wishes[4].got, 1u);
    give_back(&wishes[4]);
    turn_a_while();
    cr_assert_eq(wishes[1].got + wishes[1].failed + wishes[3].got + wishes[3].failed, 0u);
    cr_assert(take(&wishes[0], version, 0), "nobody waits any longer: it is idle");
}

Test(pool_ends, one_given_up_while_it_opens_lets_the_next_in)
{
    struct worker_profile *version = put_version(1, 20, POOLED ", 'max_connections': 1");
    struct wish first = { 0 }, second = { 0 };

    peer_on(peers[0], "greeting", "", 1);
    ask(&first, version, 0);
    ask(&second, version, 0);
    UNTIL(loop, peers[0]->open == 1);
    smtp_pool_give_up(&first.ticket);
    UNTIL(loop, second.got == 1);
    cr_assert_eq(first.got + first.failed, 0u);
}

static void give_up_inside(struct wish *wish)
{
    smtp_pool_give_up(&wish->ticket);
}

Test(pool_ends, a_wish_that_is_over_may_be_given_up)
{
    struct worker_profile *version = put_version(1, 20, POOLED);
    struct wish never = { 0 }, inside = { .then = give_up_inside }, failed = inside;

    smtp_pool_give_up(&never.ticket);
    get(&inside, version, 0);
    smtp_pool_give_up(&inside.ticket);
    send_message(&inside);
    peer_on(peers[0], "greeting", "554 no", 1);
    ask(&failed, version, 0);
    UNTIL(loop, failed.failed == 1);
    smtp_pool_give_up(&failed.ticket);
    cr_assert_eq(smtp_pool_open_count(pool), 1u);
}

static void ask_again(struct wish *wish)
{
    if (wish->got == 0)
        ask(wish, wish->version, 1);
}

/* As a delivery does that goes on to the next server. */
Test(pool_ends, a_wish_may_ask_again_when_it_has_failed)
{
    struct worker_profile *version = put_version(1, 20, POOLED);
    struct wish wish = { .then = ask_again };

    peer_on(peers[0], "greeting", "554 no", 1);
    ask(&wish, version, 0);
    UNTIL(loop, wish.got == 1);
    cr_assert_eq(wish.failed, 1u);
    cr_assert_eq(peers[1]->open, 1u);
}

/* ---- the end ---- */

Test(pool_ends, a_pool_that_held_nothing_is_freed)
{
    smtp_pool_free(&pool);
    cr_assert_null(pool);
    smtp_pool_free(&pool);
    pool = smtp_pool_new(loop, channel, NULL);
}

Test(pool_ends, its_end_cuts_whatever_is_open_and_nobody_hears_of_it)
{
    struct worker_profile *version = put_version(1, 20, POOLED ", 'max_connections': 5");
    struct wish idle = { 0 }, busy = { 0 }, kept = { 0 }, quits = { 0 }, opens = { 0 },
                waits = { 0 };

    get(&busy, version, 0);
    get(&kept, version, 0);
    get(&quits, version, 0);
    get(&idle, version, 0);
    peer_on(peers[0], "MAIL", "", -1);
    peer_on(peers[0], "QUIT", "", -1);
    peer_on(peers[0], "greeting", "", -1);
    begin_to_send(&busy);
    smtp_connection_quit(quits.connection);
    give_back(&idle);
    ask(&opens, version, 0);
    UNTIL(loop, peers[0]->open == 5);
    version->profile->max_connections = 4; /* so that one waits although another is idle */
    ask(&waits, version, 0);
    UNTIL(loop, strstr(peers[0]->log, "QUIT|") != NULL && strstr(peers[0]->log, "MAIL") != NULL);

    version = directory_share(version);
    told.messages = 0;
    smtp_pool_free(&pool);
    cr_assert_eq(version->holders, 2u);
    directory_release(version);
    UNTIL(loop, peers[0]->open == 0);
    turn_a_while();
    cr_assert_eq(opens.got + opens.failed + waits.got + waits.failed, 0u);
    cr_assert_eq(busy.lost + kept.lost + quits.lost + idle.lost + busy.sent, 0u);
    smtp_pool_give_up(&opens.ticket);
    smtp_pool_give_up(&waits.ticket);
    directory_watch(directory, NULL, NULL);
}
