/* The queue through the control API: listed, shown, and ordered about. */
#include "tests/unit/control_fixture.h"

TestSuite(control_queue, .init = start, .fini = stop, .timeout = 60);

#define ID 0x123456789abcdULL

static void fill_queue(uint32_t profile)
{
    for (unsigned i = 0; i < 2; i++)
        fake.views[i] = (struct queue_view){ .place = { .id = ID, .group = (uint16_t)i },
                                             .body_bytes = 1234,
                                             .profile = profile,
                                             .rule = 4711,
                                             .recipients = 3,
                                             .received_s = 1000,
                                             .next_attempt_s = 2000,
                                             .attempts = 2,
                                             .state = i ? QUEUE_HELD : QUEUE_WAITING,
                                             .worker = -1 };
    fake.view_count = 2;
    fake.rows = json_pack("[{s:s, s:[s]}, n]", "sender", "a@b", "recipients", "c@d");
}

static const char *shown_id(void)
{
    static char text[ID_TEXT_SIZE];

    return id_text(ID, text);
}

Test(control_queue, MQ06_list_shows_names_states_and_what_is_in_the_message)
{
    char next[64];

    fill_queue((uint32_t)put_profile(EXCHANGE));
    fake.more = true;
    ASSERT_STATUS(ask("GET", "/queue", NULL), 200);
    ASSERT_AT("messages.0.id", shown_id());
    ASSERT_AT("messages.0.state", queue_state_name(QUEUE_WAITING));
    ASSERT_AT("messages.0.profile", "Exchange");
    ASSERT_AT("messages.0.message.sender", "a@b");
    cr_assert(strncmp(text_at("messages.0.next_attempt"), "2026-01-01T00:33:20", 19) == 0, "%s",
              text_at("messages.0.next_attempt"));
    cr_assert(json_is_null(at("messages.1.message")));
    cr_assert(json_is_null(at("messages.1.next_attempt")), "what is held has no next attempt");
    cr_assert(json_is_null(at("messages.0.held")));
    ASSERT_AT("messages.1.held", "by an operator");
    cr_assert(json_is_null(at("messages.1.rule")), "there is no such rule (any more)");
    cr_assert_eq(json_integer_value(at("messages.1.rule_id")), 4711);
    snprintf(next, sizeof(next), "%s.1", shown_id());
    ASSERT_AT("next", next);
    cr_assert_eq(number_at("total"), 1000000);
    cr_assert_eq(fake.limit, 100);
    cr_assert_eq(fake.filter.states, 0);
    cr_assert_not(fake.detail);
}

Test(control_queue, MQ09_what_killed_workers_is_held_for_that_reason)
{
    fill_queue(1);
    fake.views[1].crashes = QUEUE_CRASHES_TO_HOLD;
    ASSERT_STATUS(ask("GET", "/queue", NULL), 200);
    ASSERT_AT("messages.1.held", "2 workers died while they had it");
}

Test(control_queue, MQ06_list_without_a_worker_says_what_the_master_knows)
{
    fill_queue(1);
    fake.query_err = -EAGAIN;
    ASSERT_STATUS(ask("GET", "/queue", NULL), 200);
    cr_assert_eq(json_array_size(at("messages")), 2);
    cr_assert(json_is_null(at("messages.0.message")));
    fake.query_err = 0;
    fake.rows_err = -ETIMEDOUT;
    ASSERT_STATUS(ask("GET", "/queue", NULL), 200);
    cr_assert(json_is_null(at("messages.0.message")));
    fake.view_count = 0;
    ASSERT_STATUS(ask("GET", "/queue", NULL), 200);
    cr_assert_eq(json_array_size(at("messages")), 0);
    cr_assert(json_is_null(at("next")));
}

Test(control_queue, MQ06_list_filters)
{
    char target[128];
    long long profile = put_profile(EXCHANGE);

    snprintf(target, sizeof(target), "/queue?state=held&profile=Exchange&limit=7&after=%s.3",
             shown_id());
    ASSERT_STATUS(ask("GET", target, NULL), 200);
    cr_assert_eq(fake.filter.states, 1U << QUEUE_HELD);
    cr_assert_eq(fake.filter.profile, (uint32_t)profile);
    cr_assert_eq(fake.limit, 7);
    cr_assert_eq(fake.after_id, ID);
    cr_assert_eq(fake.after_group, 3);
    ASSERT_STATUS(ask("GET", "/queue?state=deferred%2Cheld,ready", NULL), 200);
    cr_assert_eq(fake.filter.states, 1U << QUEUE_WAITING | 1U << QUEUE_HELD | 1U << QUEUE_READY);
    ASSERT_STATUS(ask("GET", "/queue?state=sleeping", NULL), 422);
    ASSERT_STATUS(ask("GET", "/queue?state=held,sleeping", NULL), 422);
    ASSERT_STATUS(ask("GET", "/queue?state=held,", NULL), 422);
    ASSERT_STATUS(ask("GET", "/queue?state=quarantinedquarantined", NULL), 422);
    ASSERT_STATUS(ask("GET", "/queue?profile=nobody", NULL), 422);
    ASSERT_STATUS(ask("GET", "/queue?rule=nobody", NULL), 422);
    ASSERT_STATUS(ask("GET", "/queue?limit=0", NULL), 400);
    ASSERT_STATUS(ask("GET", "/queue?limit=1001", NULL), 400);
    ASSERT_STATUS(ask("GET", "/queue?limit=-1", NULL), 400);
    ASSERT_STATUS(ask("GET", "/queue?limit=1x", NULL), 400);
    ASSERT_STATUS(ask("GET", "/queue?after=U", NULL), 422);
}

Test(control_queue, MQ06_show_has_every_group)
{
    char target[64];

    fill_queue((uint32_t)put_profile(EXCHANGE));
    snprintf(target, sizeof(target), "/queue/%s", shown_id());
    ASSERT_STATUS(ask("GET", target, NULL), 200);
    ASSERT_AT("id", shown_id());
    cr_assert_eq(number_at("bytes"), 1234);
    cr_assert_eq(json_array_size(at("groups")), 2);
    ASSERT_AT("groups.0.message.sender", "a@b");
    cr_assert(fake.detail);
    json_array_append_new(fake.rows, json_pack("[{s:i, s:s}]", "group", 2, "state", "delivered"));
    ASSERT_STATUS(ask("GET", target, NULL), 200);
    cr_assert_eq(json_array_size(at("groups")), 3, "those that are finished come last");
    ASSERT_AT("groups.2.state", "delivered");
    ASSERT_STATUS(ask("GET", "/queue/0000000000001", NULL), 404);
    ASSERT_STATUS(ask("GET", "/queue/short", NULL), 404);
}

Test(control_queue, MQ06_orders_are_passed_on_and_audited)
{
    static const struct {
        const char *method, *behind;
        enum queue_verb verb;
    } orders[] = { { "POST", "/retry", QUEUE_RETRY },
                   { "POST", "/hold", QUEUE_HOLD },
                   { "POST", "/release", QUEUE_RELEASE },
                   { "DELETE", "", QUEUE_DELETE } };
    char target[64];

    fake.order_answer.done_count = 2;
    for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
        snprintf(target, sizeof(target), "/queue/%s%s", shown_id(), orders[i].behind);
        ASSERT_STATUS(ask(orders[i].method, target, NULL), 200);
        cr_assert_eq(fake.order.verb, orders[i].verb);
        cr_assert_eq(fake.order.id, ID);
        cr_assert_eq(fake.order.group, -1);
        cr_assert_eq(number_at("done"), 2);
    }
    snprintf(target, sizeof(target), "/queue/%s/hold?group=1", shown_id());
    ASSERT_STATUS(ask("POST", target, NULL), 200);
    cr_assert_eq(fake.order.group, 1);
    TURN_UNTIL(ask("GET", "/audit", NULL) == 200 && strstr(last.body, "queue delete") &&
               strstr(last.body, shown_id()));
    ASSERT_STATUS(ask("POST", "/queue/short/hold", NULL), 404);
}

Test(control_queue, MQ06_refused_orders_say_why)
{
    static const struct {
        enum queue_order_result result;
        int status;
        const char *code;
    } cases[] = { { QUEUE_NOT_FOUND, 404, "not_found" },
                  { QUEUE_TOO_LATE, 409, "too_late" },
                  { QUEUE_NOT_IN_STATE, 409, "state" },
                  { QUEUE_BUSY, 503, "busy" },
                  { QUEUE_DISK, 507, "store" } };
    char target[64];

    snprintf(target, sizeof(target), "/queue/%s/hold", shown_id());
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fake.order_answer = (struct queue_order_answer){ .result = cases[i].result };
        ASSERT_STATUS(ask("POST", target, NULL), cases[i].status);
        ASSERT_AT("code", cases[i].code);
        cr_assert(strstr(text_at("detail"), queue_order_result_text(cases[i].result)));
    }
    fake.order_answer =
        (struct queue_order_answer){ .result = QUEUE_TOO_LATE, .done_count = 1, .other_count = 2 };
    ASSERT_STATUS(ask("POST", target, NULL), 409);
    cr_assert(strstr(text_at("detail"), "2 of 3"), "%s", text_at("detail"));
    cr_assert_eq(number_at("done"), 1);
}

Test(control_queue, MQ06_reroute_only_to_an_smtp_profile)
{
    char target[64];
    long long profile = put_profile(EXCHANGE);

    put_profile("{\"name\":\"Scanner\",\"type\":\"core\",\"servers\":[\"10.0.0.5\"]}");
    fake.order_answer.done_count = 1;
    snprintf(target, sizeof(target), "/queue/%s/reroute", shown_id());
    ASSERT_STATUS(ask("POST", target, "{\"profile\":\"Exchange\"}"), 200);
    cr_assert_eq(fake.order.verb, QUEUE_REROUTE);
    cr_assert_eq(fake.order.profile, (uint32_t)profile);
    ASSERT_STATUS(ask("POST", target, "{\"profile\":\"Scanner\"}"), 422);
    cr_assert(strstr(text_at("detail"), "core"), "%s", text_at("detail"));
    ASSERT_STATUS(ask("POST", target, "{\"profile\":\"nobody\"}"), 422);
    ASSERT_STATUS(ask("POST", target, "{}"), 422);
}
