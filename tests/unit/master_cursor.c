#include <criterion/criterion.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/cursor.h"

enum { A = 101, B, C, D, E };

static struct cursor cursor_over(const uint64_t *servers, size_t count)
{
    struct cursor cursor = { 0 };

    cursor_set_servers(&cursor, servers, count);
    return cursor;
}

#define CURSOR(...)                                \
    cursor_over((const uint64_t[]){ __VA_ARGS__ }, \
                sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))
#define EDIT(cursor, ...)                                         \
    cursor_set_servers(cursor, (const uint64_t[]){ __VA_ARGS__ }, \
                       sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

static uint64_t take(struct cursor *cursor)
{
    size_t peeked = cursor_peek(cursor, CURSOR_ALL);
    size_t at = cursor_take(cursor, CURSOR_ALL);

    cr_assert_eq(at, peeked, "peek says what take gives");
    return cursor->servers[at];
}

Test(cursor, SP21_first_delivery_uses_server_1_then_in_turn)
{
    struct cursor cursor = CURSOR(A, B, C);
    const uint64_t want[] = { A, B, C, A, B, C, A };

    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        cr_assert_eq(take(&cursor), want[i], "turn %zu", i + 1);
}

Test(cursor, SP21_one_server_has_every_turn)
{
    struct cursor cursor = CURSOR(A);

    for (int i = 0; i < 3; i++)
        cr_assert_eq(take(&cursor), A);
    cursor_served(&cursor, A);
    cr_assert_eq(take(&cursor), A, "debt that all have is nobody's");
}

Test(cursor, SP21_debt_skips_one_turn)
{
    struct cursor cursor = CURSOR(A, B, C);

    cr_assert_eq(take(&cursor), A);
    cursor_served(&cursor, C); /* A failed, B failed, C served */
    cr_assert_eq(take(&cursor), B);
    cr_assert_eq(take(&cursor), A, "C has had its turn");
    cr_assert_eq(take(&cursor), B);
    cr_assert_eq(take(&cursor), C, "and owes nothing any more");
}

Test(cursor, SP21_debt_of_all_is_dropped)
{
    struct cursor cursor = CURSOR(A, B, C);

    for (int i = 0; i < 5; i++) {
        cursor_served(&cursor, A);
        cursor_served(&cursor, B);
        cursor_served(&cursor, C);
    }
    cursor_served(&cursor, B);
    cr_assert_eq(take(&cursor), A);
    cr_assert_eq(take(&cursor), C, "B has one more than the others");
    cr_assert_eq(take(&cursor), A);
    cr_assert_eq(take(&cursor), B);
}

/* One at a time with one dead server: the others share evenly. */
Test(cursor, SP21_one_dead_server_the_others_share_evenly)
{
    struct cursor cursor = CURSOR(A, B, C, D);
    unsigned served[4] = { 0 };

    for (int i = 0; i < 3000; i++) {
        size_t start = cursor_take(&cursor, CURSOR_ALL), at = start;

        if (at == 2) { /* C is dead */
            at = 3;
            cursor_served(&cursor, cursor.servers[at]);
        }
        served[at]++;
    }
    cr_assert_eq(served[2], 0);
    for (int i = 0; i < 4; i++)
        cr_assert(i == 2 || (served[i] >= 999 && served[i] <= 1001), "server %d: %u", i, served[i]);
}

static const struct {
    const char *what;
    unsigned turns; /* taken on A, B, C before the edit */
    uint64_t list[5];
    size_t count;
    uint64_t next;
} edits[] = {
    { "nothing was handed out", 0, { B, C }, 2, B },
    { "the last one stays", 1, { A, B, C, D }, 4, B },
    { "the last one stays, the next is gone", 1, { A, C }, 2, C },
    { "the last one is gone: its follower", 1, { B, C }, 2, B },
    { "the last one of the list is gone", 3, { A, B }, 2, A },
    { "in the middle", 2, { A, C }, 2, C },
    { "another order", 1, { C, A, B }, 3, B },
    { "another order, the last one gone", 2, { C, A }, 2, C },
    { "all are new", 2, { D, E }, 2, D },
    { "one new in front", 3, { D, A, B, C }, 4, D },
};

Test(cursor, SP21_edits_keep_it_valid)
{
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        struct cursor cursor = CURSOR(A, B, C);

        for (unsigned t = 0; t < edits[i].turns; t++)
            cursor_take(&cursor, CURSOR_ALL);
        cursor_set_servers(&cursor, edits[i].list, edits[i].count);
        cr_assert_eq(take(&cursor), edits[i].next, "%s", edits[i].what);
    }
}

Test(cursor, SP21_edits_keep_debts_of_those_that_stay)
{
    struct cursor cursor = CURSOR(A, B, C);

    cr_assert_eq(take(&cursor), A);
    cursor_served(&cursor, B);
    EDIT(&cursor, A, D, B);
    cr_assert_eq(take(&cursor), D);
    cr_assert_eq(take(&cursor), A, "B was skipped");
}

/* Random parallel work: n servers of which some fail now and then or for good. Whatever the order
 * in which outcomes come back, those that never fail end within one of each other, and of M / n
 * when none fails, once what is out has come back and been paid for. */
struct out {
    size_t start;
    size_t servers[8];
};

static void run_parallel(unsigned seed, size_t servers, unsigned fail_percent, bool first_is_dead)
{
    enum { AT_ONCE = 40, DELIVERIES = 2400 };
    uint64_t list[8];
    struct cursor cursor = { 0 };
    size_t out[AT_ONCE], out_count = 0;
    unsigned served[8] = { 0 }, failed_once = first_is_dead ? 1U : 0U;
    unsigned started = 0, least = UINT32_MAX, most = 0;

    for (size_t i = 0; i < servers; i++)
        list[i] = A + i;
    cursor_set_servers(&cursor, list, servers);
    srandom(seed);
    while (started < DELIVERIES || out_count > 0) {
        if (started < DELIVERIES && (out_count == 0 || (out_count < AT_ONCE && random() % 2))) {
            out[out_count++] = cursor_take(&cursor, CURSOR_ALL);
            started++;
            continue;
        }
        size_t which = (size_t)random() % out_count, start = out[which], at = start;

        /* Server 0 alone fails, so that the others are healthy. */
        if (at == 0 && (first_is_dead || (unsigned)(random() % 100) < fail_percent)) {
            at = 1;
            failed_once = 1;
            cursor_served(&cursor, list[at]);
        }
        served[at]++;
        out[which] = out[--out_count];
    }
    /* Debts are still to be paid: count them as turns already had. */
    for (size_t i = failed_once; i < servers; i++) {
        unsigned share = served[i] - cursor.debts[i];

        least = share < least ? share : least;
        most = share > most ? share : most;
    }
    cr_assert_leq(most - least, 1, "seed %u, %zu servers: %u to %u", seed, servers, least, most);
    if (failed_once == 0)
        cr_assert(least + 1 >= DELIVERIES / servers && most <= DELIVERIES / servers + 1);
}

Test(cursor, SP21_parallel_work_is_shared_exactly)
{
    for (unsigned seed = 1; seed <= 200; seed++) {
        size_t servers = 2 + seed % 7;

        run_parallel(seed, servers, 0, false);
        run_parallel(seed, servers, 20, false);
        if (servers > 2)
            run_parallel(seed, servers, 0, true);
    }
}

/* ---- servers that take no mail now ---- */

Test(cursor, SP23_who_takes_no_mail_has_no_turns)
{
    struct cursor cursor = CURSOR(A, B, C, D);
    const uint64_t without_b_and_c = CURSOR_ALL & ~UINT64_C(6);

    cr_assert_eq(cursor_take(&cursor, CURSOR_ALL), 0);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(cursor_peek(&cursor, without_b_and_c), i % 2 == 0 ? 3 : 0);
        cr_assert_eq(cursor_take(&cursor, without_b_and_c), i % 2 == 0 ? 3 : 0);
    }
    cr_assert_eq(cursor_take(&cursor, CURSOR_ALL), 1, "back again, B is next");
    cr_assert_eq(cursor_take(&cursor, CURSOR_ALL), 2, "and owed nothing");
}

Test(cursor, SP23_debt_is_among_those_that_take_mail)
{
    struct cursor cursor = CURSOR(A, B, C);
    const uint64_t without_b = 5;

    cursor_served(&cursor, A);
    cursor_served(&cursor, C);
    cursor_served(&cursor, C);
    cr_assert_eq(cursor_take(&cursor, without_b), 0, "A and C both owe B one, which is down");
    cr_assert_eq(cursor_take(&cursor, without_b), 0, "C had one more than A");
    cr_assert_eq(cursor_take(&cursor, without_b), 2);
}

/* Breakers open and close in between, with work under way that still fails over: those that stay up
 * end within one of each other all the same. */
Test(cursor, SP23_shares_are_exact_across_opening_and_closing)
{
    enum { SERVERS = 5, DELIVERIES = 3000 };

    for (unsigned seed = 1; seed <= 200; seed++) {
        struct cursor cursor = CURSOR(A, B, C, D, E);
        uint64_t usable = CURSOR_ALL;
        size_t out[40], out_count = 0;
        unsigned served[SERVERS] = { 0 }, started = 0;
        bool is_dead[SERVERS] = { false }; /* of these only A and C ever are */

        srandom(seed);
        while (started < DELIVERIES || out_count > 0) {
            size_t which, at;

            if (random() % 50 == 0)
                is_dead[random() % 2 * 2] ^= true;
            if (random() % 20 == 0)
                usable = CURSOR_ALL & ~((uint64_t)is_dead[0] | (uint64_t)is_dead[2] << 2);
            if (started < DELIVERIES && (out_count == 0 || (out_count < 40 && random() % 2))) {
                out[out_count++] = cursor_take(&cursor, usable);
                started++;
                continue;
            }
            which = (size_t)random() % out_count;
            at = out[which];
            out[which] = out[--out_count];
            if (is_dead[at]) { /* the worker goes on to the next that answers */
                while (is_dead[at])
                    at = (at + 1) % SERVERS;
                cursor_served(&cursor, cursor.servers[at]);
            }
            served[at]++;
        }
        for (size_t i = 3; i < SERVERS; i++) {
            int first = (int)(served[1] - cursor.debts[1]),
                other = (int)(served[i] - cursor.debts[i]);

            cr_assert_leq(abs(first - other), 1, "seed %u: B %d, server %zu %d", seed, first, i,
                          other);
        }
    }
}

Test(cursor, SP21_survives_as_text)
{
    struct cursor cursor = CURSOR(A, B, C), back;
    char text[CURSOR_TEXT_MAX];

    cursor_take(&cursor, CURSOR_ALL);
    cursor_served(&cursor, C);
    cr_assert_lt(cursor_print(&cursor, text, sizeof(text)), (int)sizeof(text));
    cr_assert_eq(cursor_parse(text, &back), 0);
    cr_assert_eq(back.last, cursor.last);
    cr_assert_eq(take(&back), B);
    cr_assert_eq(take(&back), A, "the debt of C came along");
}

Test(cursor, full_list_fits_its_text)
{
    uint64_t list[CURSOR_MAX_SERVERS];
    struct cursor cursor = { 0 }, back;
    char text[CURSOR_TEXT_MAX];

    for (size_t i = 0; i < CURSOR_MAX_SERVERS; i++)
        list[i] = UINT64_MAX - i;
    cursor_set_servers(&cursor, list, CURSOR_MAX_SERVERS);
    for (size_t i = 1; i < CURSOR_MAX_SERVERS; i++)
        cursor.debts[i] = UINT32_MAX;
    cr_assert_lt(cursor_print(&cursor, text, sizeof(text)), (int)sizeof(text));
    cr_assert_eq(cursor_parse(text, &back), 0);
    cr_assert_eq(back.count, CURSOR_MAX_SERVERS);
}

Test(cursor, text_that_is_not_ours_is_refused)
{
    static const char *const bad[] = {
        "",
        "x",
        "0000000000000065",
        "0000000000000065 65",
        "0000000000000065 2 0000000000000065:0",
        "0000000000000065 1 0000000000000065:0 more",
        "0000000000000065 1 0000000000000065:4294967296",
        "0000000000000065 1 0000000000000000:0",
        "0000000000000065 2 0000000000000065:0 0000000000000065:0",
        "0000000000000065 1 -000000000000065:0",
        "0000000000000065 1  0000000000000065:0",
    };
    struct cursor cursor;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(cursor_parse(bad[i], &cursor), -EBADMSG, "\"%s\"", bad[i]);
}
