/* The end of an attempt: when it is tried again, when it is given up, what stands in the way of
 * trying at all, and messages from other builds' segments. */
#include "delivery_stage.h"

#include "rule_helper.h"

static void setup(void)
{
    stage_up();
    stage_profile("");
}

TestSuite(delivery_settle, .init = setup, .fini = stage_down, .timeout = 60);

/* ---- when ---- */

static uint32_t now_s(void)
{
    return clock_to_epoch_s(clock_wall_ms());
}

Test(delivery_settle, MQ05_the_wait_grows_as_the_profile_says)
{
    static const struct {
        uint16_t attempts;
        unsigned wait_s;
    } rows[] = { { 0, 1000 }, { 1, 3000 }, { 2, 5000 }, { 7, 5000 } };

    stage_profile("'retry': {'first': 1000, 'factor': 3, 'max': 5000}");
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct ipc_mail_deliver order = stage_order(stage_store(1));
        const struct ipc_mail_outcome *said;
        uint32_t before = now_s();

        peer_on(stage.peers[0], "RCPT", "450 4.2.1 busy", 1);
        order.attempts = rows[i].attempts;
        said = stage_run(&order);
        cr_expect_eq(said->outcome, IPC_OUTCOME_DEFERRED);
        cr_expect_eq(said->attempts, rows[i].attempts + 1u);
        cr_expect_eq(stage_last_cell()->attempts, rows[i].attempts + 1u);
        cr_expect_eq(stage_last_cell()->next_attempt_s, said->next_attempt_s);
        cr_expect_geq(said->next_attempt_s, before + rows[i].wait_s * 95 / 100);
        cr_expect_leq(said->next_attempt_s, now_s() + rows[i].wait_s * 105 / 100 + 1);
    }
}

Test(delivery_settle, MQ05_when_its_lifetime_is_over_it_is_given_up)
{
    const struct ipc_mail_outcome *said;
    struct ipc_place place;
    json_t *note, *list;

    stage_profile("'retry': {'lifetime': 600, 'warn': 0}");
    place = stage_store_old(601);
    peer_on(stage.peers[0], "RCPT TO:<r1@", "450 4.2.1 busy", 1);
    said = stage_deliver(place);
    cr_assert_eq(said->outcome, IPC_OUTCOME_FAILED);
    cr_assert_eq(said->recipients, 0u);
    cr_assert_eq(said->next_attempt_s, 0u);
    cr_assert_eq(stage_last_cell()->stage, CELL_FAILED);
    cr_assert_str_eq(stage_states(stage_last_cell(), 2), "DE");
    note = stage_note(&place);
    list = json_object_get(note, "recipients");
    cr_assert_str_eq(entry_text(json_array_get(list, 1), "state"), "expired");
    cr_assert_str_eq(entry_text(json_array_get(list, 1), "text"), "4.2.1 busy");
    json_decref(note);
}

Test(delivery_settle, MQ05_the_last_attempt_is_made_all_the_same)
{
    stage_profile("'retry': {'lifetime': 600, 'warn': 0}");
    cr_assert_eq(stage_deliver(stage_store_old(601))->outcome, IPC_OUTCOME_DONE);
}

/* So the master ends what waits while all servers are down. */
Test(delivery_settle, SP23_MQ05_with_all_servers_left_alone_it_is_given_up_on_the_spot)
{
    struct ipc_mail_deliver order;
    const struct ipc_mail_outcome *said;
    json_t *note, *list;

    stage_profile("'retry': {'lifetime': 600, 'warn': 0}");
    order = stage_order(stage_store_old(601));
    order.skip = UINT64_MAX;
    said = stage_run(&order);
    cr_assert_eq(said->outcome, IPC_OUTCOME_FAILED);
    cr_assert_eq(said->served, -1);
    cr_assert_eq(said->tried, 0u);
    cr_assert_eq(said->failed, 0u);
    cr_assert_eq(stage_last_cell()->stage, CELL_FAILED);
    cr_assert_str_eq(stage_states(stage_last_cell(), 2), "EE");
    cr_assert_eq(stage.peers[0]->connections, 0u);
    note = stage_note(&order.place);
    list = json_object_get(note, "recipients");
    cr_assert_str_eq(entry_text(json_array_get(list, 0), "state"), "expired");
    cr_assert_str_eq(entry_text(json_array_get(list, 0), "text"), "no server was left to try");
    json_decref(note);
}

Test(delivery_settle, MQ05_before_that_the_last_retry_comes_when_it_ends)
{
    const struct ipc_mail_outcome *said;
    uint32_t before = now_s();

    stage_profile("'retry': {'first': 400, 'lifetime': 600, 'warn': 0}");
    peer_on(stage.peers[0], "RCPT", "450 4.2.1 busy", -1);
    said = stage_deliver(stage_store_old(590));
    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_geq(said->next_attempt_s, before + 9);
    cr_assert_leq(said->next_attempt_s, now_s() + 11);
}

/* ---- OP09: what stands in the way ---- */

static void expect_deferred_because(const struct ipc_mail_deliver *order, const char *why)
{
    const struct ipc_mail_outcome *said = stage_run(order);
    json_t *note = stage_note(&order->place), *entry;

    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_eq(said->failed, 0u);
    cr_assert_eq(said->served, -1);
    cr_assert_eq(said->attempts, 1u);
    cr_assert_str_eq(stage.visits, "");
    entry = json_array_get(json_object_get(note, "recipients"), 0);
    cr_assert_not_null(strstr(entry_text(entry, "text"), why), "%s", entry_text(entry, "text"));
    json_decref(note);
}

Test(delivery_settle, OP09_a_profile_that_is_not_here)
{
    struct ipc_mail_deliver order = stage_order(stage_store(1));

    order.profile = 99;
    expect_deferred_because(&order, "profile's present version");
    cr_assert_leq(stage.outcomes[0].said.next_attempt_s, now_s() + 65, "the usual first wait");
}

Test(delivery_settle, OP09_another_version_than_the_master_means)
{
    struct ipc_mail_deliver order = stage_order(stage_store(1));

    order.version = 2;
    expect_deferred_because(&order, "profile's present version");
}

Test(delivery_settle, OP07_an_incomplete_profile)
{
    struct ipc_mail_deliver order = stage_order(stage_store(1));

    stage.is_incomplete = true;
    stage_profile("");
    expect_deferred_because(&order, "the profile is incomplete");
}

Test(delivery_settle, OP09_a_rule_that_is_not_here)
{
    struct ipc_mail_deliver order = stage_order(stage_store(1));

    order.rule = 7;
    expect_deferred_because(&order, "the message's rule");
}

Test(delivery_settle, OP09_a_relay_before_the_scan_that_its_rule_asks_for)
{
    struct ipc_mail_deliver order = stage_order(stage_store(1));
    struct rule *rule = accept_rule(rule_input("'core': 'Scanner'"), NULL);
    struct rule *const list[] = { rule };
    struct rule_set set = { .version = 1, .rules = (struct rule **)list, .count = 1 };
    struct reason why = { "" };
    json_t *json;
    char *text;

    rule->id = 7;
    json = rule_set_to_json(&set);
    text = json_dumps(json, 0);
    cr_assert_eq(directory_put_rules(stage.directory, text, strlen(text), &why), 0, "%s", why.text);
    free(text);
    json_decref(json);
    rule_free(&rule);
    order.rule = 7;
    expect_deferred_because(&order, "its rule asks for a scan or an upload that was not made yet");
}

Test(delivery_settle, a_name_with_control_characters_is_never_sent)
{
    const struct ipc_mail_outcome *said;

    strcpy(stage.names[1], "r1@example.net\r\nDATA");
    said = stage_deliver(stage_store(2));
    cr_assert_eq(said->outcome, IPC_OUTCOME_NOT_HELD);
    cr_assert_eq(stage_last_cell()->attempts, 0u);
    cr_assert_str_eq(stage.visits, "");
}

/* ---- groups of an older build, larger than a cell ---- */

Test(delivery_settle, MQ03_beyond_its_cell_everybody_of_an_older_group_is_open_each_time)
{
    static struct envelope_recipient recipients[CELL_RECIPIENTS + 2];
    static char names[CELL_RECIPIENTS + 2][32];
    static struct envelope_group group = { .count = CELL_RECIPIENTS + 2 };
    const struct envelope envelope = { .sender = "",
                                       .client = "192.0.2.1",
                                       .helo = "client.example",
                                       .groups = &group,
                                       .recipients = recipients,
                                       .group_count = 1,
                                       .recipient_count = CELL_RECIPIENTS + 2 };
    struct ipc_place place = { .id = 77, .slot = 5, .segment = 1 };
    const struct ipc_mail_outcome *said;
    struct segment_builder builder;

    for (unsigned i = 0; i < CELL_RECIPIENTS + 2; i++) {
        snprintf(names[i], sizeof(names[i]), "r%u@example.net", i);
        recipients[i].address = names[i];
    }
    builder_init(&builder, 1 << 16, 42);
    builder.received_ms = clock_wall_ms();
    builder_begin_batch(&builder);
    place.offset = builder_add_message(&builder, 77, &envelope, STAGE_BODY, 21);
    builder_end_batch(&builder);
    builder_store(&builder, stage.world->spool_dir, 5);

    peer_on(stage.peers[0], "RCPT TO:<r5@", "450 4.2.1 busy", 1);
    said = stage_deliver(place);
    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_eq(said->recipients, 1u, "in this attempt they are known");

    stage.peers[0]->log[0] = '\0';
    said = stage_deliver(place);
    cr_assert_eq(said->outcome, IPC_OUTCOME_DONE);
    cr_assert_not_null(strstr(stage.peers[0]->log,
                              "|RCPT TO:<r5@example.net>|RCPT TO:<r128@example.net>|"
                              "RCPT TO:<r129@example.net>|DATA|"),
                       "%s", stage.peers[0]->log);
    cr_assert_eq(stage_deliver(place)->outcome, IPC_OUTCOME_DONE, "and now it is finished");
    cr_assert_eq(stage.peers[0]->messages, 3u, "100 and 30, then 3");
}
