/* The record of an attempt: whom the walk passed over, how connections were come by, how long it
 * took; in the note and in the log. */
#include "delivery_stage.h"

#include "worker/trail.h"

#define POOLED      "'pool': {'enabled': true}"
#define ROUND_ROBIN "'preference': 'round_robin'"

static FILE *log_file;

static void setup(void)
{
    stage_up();
    log_file = tmpfile();
    log_open("test", fileno(log_file));
    log_set_level(LOG_LEVEL_INFO);
}

static void teardown(void)
{
    log_open("test", STDERR_FILENO);
    fclose(log_file);
    stage_down();
}

/* Once more, with another profile. */
static void begin_again(const char *profile)
{
    stage_down();
    stage_up();
    log_set_level(LOG_LEVEL_INFO);
    stage_profile(profile);
}

TestSuite(delivery_trail, .init = setup, .fini = teardown, .timeout = 60);

/* "0 drained, 1 server failed": the servers by number, each with the end of its result. */
static const char *tried(const struct ipc_place *place)
{
    static char out[1000];
    json_t *note = stage_note(place);
    const json_t *attempts = json_object_get(note, "attempts"), *entry;
    size_t at = 0, i;

    out[0] = '\0';
    json_array_foreach (
        json_object_get(json_array_get(attempts, json_array_size(attempts) - 1), "tried"), i,
        entry) {
        const char *port = strrchr(entry_text(entry, "server"), ':');
        unsigned peer = 0;

        while (peer < STAGE_PEERS && (port == NULL || stage.peers[peer]->port != atoi(port + 1)))
            peer++;
        at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%u %s", i > 0 ? ", " : "", peer,
                               entry_text(entry, "result"));
    }
    json_decref(note);
    return out;
}

/* The last line of the log that has `msg`, "" if none does. */
static const char *logged(const char *msg)
{
    static char line[4096];
    char next[4096];

    log_flush();
    rewind(log_file);
    line[0] = '\0';
    while (fgets(next, sizeof(next), log_file) != NULL) {
        if (strstr(next, msg) != NULL)
            memcpy(line, next, sizeof(line));
    }
    return line;
}

#define EXPECT_LOGGED(msg, what) \
    cr_expect_not_null(strstr(logged(msg), what), "%s: %s", what, logged(msg))
#define EXPECT_NOT_LOGGED(msg, what) cr_expect_null(strstr(logged(msg), what), "%s", logged(msg))

/* ---- whom the walk passes over ---- */

struct walk {
    const char *profile; /* preference */
    struct ipc_mail_deliver order;
    const char *expected;
};

static const struct walk walks[] = {
    { "",
      { .start = 2, .skip = 3, .drained = 1, .refusing = 2 },
      "0 passed over: drained, 1 passed over: refuses our login, 2 deferred" },
    { "", { .start = 1, .skip = ~(uint64_t)2, .is_trial = 1 }, "0 passed over: down, 1 deferred" },
    { "", { .start = 1, .doubted = 1 }, "0 put last: it failed lately, 1 deferred" },
    { "", { .start = 0, .tried = 1 }, "0 tried before in this attempt, 1 deferred" },
    { "", { .start = 0, .skip = 4, .doubted = 2 }, "0 deferred" },
    { "",
      { .start = 0, .skip = ~(uint64_t)0 },
      "0 passed over: down, 1 passed over: down, 2 passed over: down" },
    { ROUND_ROBIN, { .start = 0, .skip = 4 }, "2 passed over: down, 0 deferred" },
    { ROUND_ROBIN,
      { .start = 0, .skip = 2, .doubted = 4 },
      "1 passed over: down, 2 put last: it failed lately, 0 deferred" },
    { ROUND_ROBIN, { .start = 1, .skip = 4 }, "1 deferred" },
};

static struct ipc_mail_deliver order_of(const struct walk *walk, struct ipc_place place)
{
    struct ipc_mail_deliver order = stage_order(place);

    order.start = walk->order.start;
    order.skip = walk->order.skip;
    order.tried = walk->order.tried;
    order.drained = walk->order.drained;
    order.refusing = walk->order.refusing;
    order.doubted = walk->order.doubted;
    order.is_trial = walk->order.is_trial;
    return order;
}

Test(delivery_trail, SP23_it_says_in_their_order_who_was_passed_over_and_why)
{
    for (size_t i = 0; i < sizeof(walks) / sizeof(walks[0]); i++) {
        struct ipc_place place;
        struct ipc_mail_deliver order;

        begin_again(walks[i].profile);
        place = stage_store(1);
        order = order_of(&walks[i], place);
        for (unsigned peer = 0; peer < STAGE_PEERS; peer++)
            peer_on(stage.peers[peer], "RCPT", "450 4.2.1 busy", 1);
        cr_expect_eq(stage_run(&order)->outcome, IPC_OUTCOME_DEFERRED);
        cr_expect_str_eq(tried(&place), walks[i].expected, "walk %zu", i);
    }
}

Test(delivery_trail, one_between_two_that_were_asked_stands_between_them)
{
    const struct walk walk = { "", { .start = 0, .skip = 2 }, NULL };
    struct ipc_mail_deliver order;
    struct ipc_place place;

    stage_profile("");
    place = stage_store(1);
    order = order_of(&walk, place);
    peer_on(stage.peers[0], "greeting", "554 5.3.2 not here", 1);
    peer_on(stage.peers[2], "RCPT", "450 4.2.1 busy", 1);
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_str_eq(tried(&place), "0 server failed, 1 passed over: down, 2 deferred");
    EXPECT_LOGGED("msg=deferred", " is down; ");
    EXPECT_LOGGED("msg=deferred", "554 5.3.2 not here");
    EXPECT_LOGGED("msg=deferred", "deferred it after ");
}

Test(delivery_trail, a_trial_is_told_as_such)
{
    const struct walk walk = { "", { .start = 1, .skip = ~(uint64_t)2, .is_trial = 1 }, NULL };
    struct ipc_mail_deliver order;
    struct ipc_place place;
    json_t *note;

    stage_profile("");
    place = stage_store(1);
    order = order_of(&walk, place);
    peer_on(stage.peers[1], "RCPT", "450 4.2.1 busy", 2);
    for (unsigned i = 0; i < 2; i++) {
        (void)stage_run(&order);
        order.job++;
        order.is_trial = 0;
    }
    note = stage_note(&place);
    cr_expect(json_is_true(
        json_object_get(json_array_get(json_object_get(note, "attempts"), 0), "trial")));
    cr_expect_null(json_object_get(json_array_get(json_object_get(note, "attempts"), 1), "trial"));
    json_decref(note);
}

/* ---- in the log ---- */

Test(delivery_trail, what_is_simply_delivered_names_its_server_only)
{
    stage_profile("");
    cr_assert_eq(stage_deliver(stage_store(1))->outcome, IPC_OUTCOME_DONE);
    EXPECT_LOGGED("msg=delivered", " code=250 ");
    EXPECT_LOGGED("msg=delivered", " age_ms=");
    EXPECT_NOT_LOGGED("msg=delivered", "tried=");
    EXPECT_NOT_LOGGED("msg=delivered", "_ms=0 lookup");
    EXPECT_NOT_LOGGED("msg=delivered", "lookup_ms=");
}

Test(delivery_trail, who_came_before_the_one_that_took_it_is_told)
{
    const struct walk walk = { "", { .start = 1, .skip = 1 }, NULL };
    struct ipc_mail_deliver order;

    stage_profile("");
    order = order_of(&walk, stage_store(1));
    peer_on(stage.peers[1], "greeting", "421 4.3.2 going down", 1);
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DONE);
    EXPECT_LOGGED("msg=delivered", " is down; ");
    EXPECT_LOGGED("msg=delivered", " failed after ");
    EXPECT_LOGGED("msg=delivered", "421 4.3.2 going down");
    EXPECT_NOT_LOGGED("msg=delivered", "took it");
}

/* ---- how the connection was come by ---- */

Test(delivery_trail, SP40_to_SP48_how_the_connection_was_come_by)
{
    struct ipc_mail_deliver orders[2];

    stage_profile("");
    (void)stage_deliver(stage_store(1));
    EXPECT_LOGGED("msg=delivered", " pool=miss_off ");

    begin_again(POOLED);
    (void)stage_deliver(stage_store(1));
    EXPECT_LOGGED("msg=delivered", " pool=miss ");
    (void)stage_deliver(stage_store(1));
    EXPECT_LOGGED("msg=delivered", " pool=hit ");
    peer_on(stage.peers[0], "MAIL", "!close", 1);
    (void)stage_deliver(stage_store(1));
    EXPECT_LOGGED("msg=delivered", " pool=miss_stale ");

    begin_again(POOLED);
    stage.lease_limit = 1;
    for (unsigned i = 0; i < 2; i++)
        orders[i] = stage_order(stage_store(1));
    for (unsigned i = 0; i < 2; i++)
        delivery_start(stage.delivery, &orders[i]);
    UNTIL(stage.loop, stage.outcome_count >= 2 &&
                          stage.outcomes[stage.outcome_count - 1].said.job == orders[1].job);
    EXPECT_LOGGED("msg=delivered", " pool=handed_over ");
}

Test(delivery_trail, each_server_has_its_own)
{
    json_t *note, *steps;
    struct ipc_place place;

    stage_profile(POOLED);
    (void)stage_deliver(stage_store(1));
    peer_on(stage.peers[0], "MAIL", "451 4.3.0 trouble", 1);
    peer_on(stage.peers[1], "RCPT", "450 4.2.1 busy", 1);
    place = stage_store(1);
    cr_assert_eq(stage_deliver(place)->outcome, IPC_OUTCOME_DEFERRED);
    note = stage_note(&place);
    steps = json_object_get(json_array_get(json_object_get(note, "attempts"), 0), "tried");
    cr_expect_str_eq(entry_text(json_array_get(steps, 0), "pool"), "hit");
    cr_expect_str_eq(entry_text(json_array_get(steps, 1), "pool"), "miss");
    json_decref(note);
}

/* ---- how long it took ---- */

static const char *slow_line;

/* Longer than this process is left alone on a busy machine. */
#define SLOW_MS 300

static void pause_long(void)
{
    const struct timespec pause = { .tv_nsec = SLOW_MS * 1000000 };

    nanosleep(&pause, NULL);
}

/* A server that takes its time before it answers this line. */
static void be_slow(struct peer *peer, const char *line)
{
    (void)peer;
    if (strncmp(line, slow_line, strlen(slow_line)) == 0)
        pause_long();
}

static int64_t ms_of(const struct ipc_place *place, const char *key)
{
    json_t *note = stage_note(place);
    const json_t *attempt = json_array_get(json_object_get(note, "attempts"), 0);
    int64_t ms = json_integer_value(
        json_object_get(json_array_get(json_object_get(attempt, "tried"), 0), key));

    json_decref(note);
    return ms;
}

Test(delivery_trail, the_part_that_took_long_is_the_one_that_is_named)
{
    static const struct {
        const char *line, *key;
    } rows[] = { { "EHLO", "handshake_ms" }, { "MAIL", "envelope_ms" }, { "(2", "data_ms" } };
    static const char *const keys[] = { "handshake_ms", "envelope_ms", "data_ms" };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ipc_place place;

        begin_again("");
        place = stage_store(1);
        slow_line = rows[i].line;
        stage.on_line = be_slow;
        peer_on(stage.peers[0], ".", "451 4.2.0 later", 1);
        cr_expect_eq(stage_deliver(place)->outcome, IPC_OUTCOME_DEFERRED);
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
            cr_expect_eq(ms_of(&place, keys[k]) >= SLOW_MS / 2, strcmp(keys[k], rows[i].key) == 0,
                         "%s: %s %lld", rows[i].line, keys[k], (long long)ms_of(&place, keys[k]));
        cr_expect_geq(ms_of(&place, "ms"), SLOW_MS / 2);
        stage.on_line = NULL;
    }
}

Test(delivery_trail, waiting_for_a_name_and_for_a_connection_have_their_own_time)
{
    static const char *const addresses[] = { "127.0.0.1" };
    struct ipc_mail_deliver orders[2];
    struct ipc_place place;
    char profile[120];

    snprintf(profile, sizeof(profile), POOLED ", 'servers': ['relay.test:%u']",
             stage.peers[0]->port);
    stage_profile(profile);
    stage.lease_limit = 1;
    slow_line = "(2"; /* the content */
    stage.on_line = be_slow;
    peer_on(stage.peers[0], ".", "250 2.0.0 ok", 1);
    peer_on(stage.peers[0], ".", "451 4.2.0 later", 1);
    orders[0] = stage_order(stage_store(1));
    place = stage_store(1);
    orders[1] = stage_order(place);
    delivery_start(stage.delivery, &orders[0]);
    pause_long();
    loop_turn(stage.loop, 0); /* the loop's time goes on */
    stage_name_is(addresses, 1);
    delivery_start(stage.delivery, &orders[1]);
    stage_name_is(addresses, 1);
    UNTIL(stage.loop, stage.outcome_count == 2);
    cr_expect_not_null(strstr(logged("msg=delivered"), " lookup_ms="), "%s",
                       logged("msg=delivered"));
    cr_expect_geq(ms_of(&place, "wait_ms"), SLOW_MS / 2, "until the first had its reply");
    cr_expect_lt(ms_of(&place, "lookup_ms"), SLOW_MS / 2);
}

/* ---- the record itself ---- */

Test(delivery_trail, what_is_not_known_is_left_out_and_what_is_too_much_is_cut)
{
    struct trail trail = { 0 };
    char text[TRAIL_TEXT_SIZE], reply[600];
    json_t *json;

    trail_add(&trail, &(struct trail_step){ .server = -1,
                                            .result = TRAIL_UNBUILT,
                                            .took_ms = -1,
                                            .text = "no such profile" });
    json = trail_json(&trail, NULL);
    cr_expect_eq(json_object_size(json_array_get(json, 0)), 2u);
    json_decref(json);
    trail_text(&trail, NULL, text);
    cr_expect_str_eq(text, "it cannot be used: no such profile");
    memset(reply, 'x', sizeof(reply) - 1);
    reply[sizeof(reply) - 1] = '\0';
    for (unsigned i = 0; i < TRAIL_STEPS_MAX + 5; i++)
        trail_add(&trail, &(struct trail_step){ .result = TRAIL_FAILED, .text = reply });
    trail_text(&trail, NULL, text);
    cr_expect_eq(strlen(text), TRAIL_TEXT_SIZE - 1U);
    json = trail_json(&trail, NULL);
    cr_expect_eq(json_array_size(json), TRAIL_STEPS_MAX);
    cr_expect_eq(strlen(entry_text(json_array_get(json, 1), "text")), 200u);
    json_decref(json);
    trail_clear(&trail);
    cr_expect_eq(trail.count, 0u);
}
