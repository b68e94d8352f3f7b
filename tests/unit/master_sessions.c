/* Sessions of the console, by a clock of the test's own. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/control/sessions.h"

#define IDLE_MS 1000
#define MAX_MS  10000

static struct sessions *sessions;
static unsigned ended[SESSION_END_COUNT];
static char last_ended[SESSION_ID_SIZE];

static void on_ended(const struct session *session, enum session_end why, void *arg)
{
    cr_assert_eq(arg, &ended);
    ended[why]++;
    (void)snprintf(last_ended, sizeof(last_ended), "%s", session->id);
}

static void start(void)
{
    const struct session_rules rules = { IDLE_MS, MAX_MS };

    sessions = sessions_new(&rules, on_ended, &ended);
    cr_assert_not_null(sessions);
}

static void stop(void)
{
    sessions_free(&sessions);
}

TestSuite(sessions, .init = start, .fini = stop);

static const struct session *begin(uint32_t account, int64_t now_ms, char *token)
{
    const struct session *session =
        sessions_begin(sessions, account, "alice", "10.0.0.1", now_ms, token);

    cr_assert_not_null(session);
    return session;
}

Test(sessions, OP04_only_the_token_finds_a_session)
{
    char token[RANDOM_TOKEN_SIZE], other[RANDOM_TOKEN_SIZE];
    const struct session *session = begin(7, 0, token);
    char id[SESSION_ID_SIZE];

    cr_assert_eq(session->account, 7);
    cr_assert_str_eq(session->client, "10.0.0.1");
    cr_assert_eq(strlen(session->csrf), RANDOM_TOKEN_SIZE - 1);
    cr_assert_str_neq(session->csrf, token);
    strcpy(id, session->id);
    (void)begin(8, 0, other);
    cr_assert_str_neq(token, other);
    cr_assert_str_eq(sessions_find(sessions, token, 1)->id, id);
    cr_assert_null(sessions_find(sessions, "", 1));
    cr_assert_null(sessions_find(sessions, id, 1));
    token[0] = token[0] == 'A' ? 'B' : 'A';
    cr_assert_null(sessions_find(sessions, token, 1));
}

Test(sessions, OP04_unused_it_ends_after_its_idle_time)
{
    char token[RANDOM_TOKEN_SIZE];

    (void)begin(7, 0, token);
    cr_assert_not_null(sessions_find(sessions, token, IDLE_MS - 1));
    /* Looking is no use of it. */
    cr_assert_null(sessions_find(sessions, token, IDLE_MS));
    cr_assert_eq(ended[SESSION_IDLE], 1);
    cr_assert_null(sessions_find(sessions, token, 0), "it is gone for good");
}

Test(sessions, OP04_used_it_goes_on_until_its_longest_time)
{
    char token[RANDOM_TOKEN_SIZE];
    int64_t now_ms = 0;

    (void)begin(7, 0, token);
    for (; now_ms < MAX_MS; now_ms += IDLE_MS - 1) {
        const struct session *session = sessions_find(sessions, token, now_ms);

        cr_assert_not_null(session, "at %lld", (long long)now_ms);
        sessions_touch(sessions, session, now_ms);
    }
    cr_assert_null(sessions_find(sessions, token, MAX_MS));
    cr_assert_eq(ended[SESSION_TOO_OLD], 1);
    cr_assert_eq(ended[SESSION_IDLE], 0);
}

Test(sessions, OP04_new_limits_count_for_those_that_are_there)
{
    char token[RANDOM_TOKEN_SIZE];
    const struct session_rules rules = { 10, MAX_MS };

    (void)begin(7, 0, token);
    sessions_set_rules(sessions, &rules);
    sessions_expire(sessions, 10);
    cr_assert_eq(sessions_count(sessions), 0);
}

Test(sessions, OP04_of_one_account_the_oldest_leaves)
{
    char first[RANDOM_TOKEN_SIZE], other[RANDOM_TOKEN_SIZE], token[RANDOM_TOKEN_SIZE];

    (void)begin(8, 0, other);
    (void)begin(7, 0, first);
    for (unsigned i = 1; i < SESSIONS_MAX_PER_ACCOUNT; i++)
        (void)begin(7, 0, token);
    cr_assert_not_null(sessions_find(sessions, first, 1));
    (void)begin(7, 1, token);
    cr_assert_null(sessions_find(sessions, first, 1));
    cr_assert_not_null(sessions_find(sessions, token, 1));
    cr_assert_not_null(sessions_find(sessions, other, 1), "it is another's");
    cr_assert_eq(ended[SESSION_PUSHED_OUT], 1);
}

Test(sessions, OP04_of_all_the_oldest_leaves)
{
    char first[RANDOM_TOKEN_SIZE], token[RANDOM_TOKEN_SIZE];

    (void)begin(1, 0, first);
    for (uint32_t i = 1; i < SESSIONS_MAX; i++)
        (void)begin(i + 1, 0, token);
    cr_assert_eq(ended[SESSION_PUSHED_OUT], 0);
    (void)begin(SESSIONS_MAX + 1, 1, token);
    cr_assert_eq(ended[SESSION_PUSHED_OUT], 1);
    cr_assert_null(sessions_find(sessions, first, 1));
    cr_assert_eq(sessions_count(sessions), SESSIONS_MAX);
}

Test(sessions, OP04_an_account_s_sessions_end_but_the_one_that_is_kept)
{
    char token[4][RANDOM_TOKEN_SIZE];
    char kept[SESSION_ID_SIZE];

    (void)begin(7, 0, token[0]);
    strcpy(kept, begin(7, 0, token[1])->id);
    (void)begin(8, 0, token[2]);
    (void)begin(7, 0, token[3]);
    cr_assert_eq(sessions_end_account(sessions, 7, kept, SESSION_PASSWORD_CHANGED), 2);
    cr_assert_null(sessions_find(sessions, token[0], 0));
    cr_assert_not_null(sessions_find(sessions, token[1], 0));
    cr_assert_not_null(sessions_find(sessions, token[2], 0));
    cr_assert_null(sessions_find(sessions, token[3], 0));
    cr_assert_eq(sessions_end_account(sessions, 7, NULL, SESSION_ACCOUNT_DELETED), 1);
    cr_assert_null(sessions_find(sessions, token[1], 0));
    cr_assert_eq(ended[SESSION_PASSWORD_CHANGED], 2);
    cr_assert_eq(ended[SESSION_ACCOUNT_DELETED], 1);
}

Test(sessions, OP04_one_is_ended_by_its_name)
{
    char token[RANDOM_TOKEN_SIZE];
    char id[SESSION_ID_SIZE];

    strcpy(id, begin(7, 0, token)->id);
    cr_assert_eq(sessions_named(sessions, id), sessions_at(sessions, 0));
    cr_assert_not(sessions_end(sessions, "0", SESSION_LOGGED_OUT));
    cr_assert_not(sessions_end(sessions, "", SESSION_LOGGED_OUT));
    cr_assert(sessions_end(sessions, id, SESSION_LOGGED_OUT));
    cr_assert_str_eq(last_ended, id);
    cr_assert_not(sessions_end(sessions, id, SESSION_LOGGED_OUT));
    cr_assert_null(sessions_find(sessions, token, 0));
    cr_assert_null(sessions_named(sessions, id));
}

Test(sessions, OP04_no_token_is_kept)
{
    char token[RANDOM_TOKEN_SIZE];

    (void)begin(7, 0, token);
    /* The whole of it: an opaque struct, whose first members are small. */
    cr_assert_null(memmem(sessions, SESSIONS_MAX * sizeof(struct session), token, 43));
}
