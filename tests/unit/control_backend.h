/* tests/unit/control_backend.h: what stands behind the control API, and does what the test says:
 * the queue, probes, servers, the composer of mail. Callbacks come at the loop's next turn. */
#ifndef TESTS_UNIT_CONTROL_BACKEND_H
#define TESTS_UNIT_CONTROL_BACKEND_H

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "common/loop.h"
#include "common/probe_step.h"
#include "common/profile.h"
#include "master/control/control.h"

#define FAKE_VIEWS 8

static struct loop *loop; /* of the test */

static struct {
    int probe_err;  /* of the start */
    bool is_manual; /* the test calls fake_step() and fake_done() itself */
    int done_err;
    unsigned failing; /* servers, bit = index */
    unsigned probes, forgotten;
    char password[64]; /* that the last probe was given */
    prober_step_cb *on_step;
    prober_done_cb *done;
    void *arg;

    struct queue_view views[FAKE_VIEWS];
    size_t view_count;
    bool more;
    struct queue_filter filter; /* of the last list, as the next */
    uint64_t after_id;
    unsigned after_group;
    size_t limit;
    queue_list_cb *list_done;
    void *list_arg;

    int alert_err, alert_late_err;
    composer_done_cb *alert_done;
    void *alert_arg;

    struct { /* the last mail that was to be composed */
        int err, late_err;
        char sender[128], from[128], to[128], subject[128], text[1024], file[64];
        uint32_t profile, rule;
        composer_done_cb *done;
        void *arg;
    } mail;

    int query_err, rows_err;
    bool detail;
    json_t *rows;
    querier_done_cb *query_done;
    void *query_arg;

    struct queue_order order;
    struct queue_order_answer order_answer;
    queue_order_cb *order_done;
    void *order_arg;

    int next_start;

    struct {
        uint32_t profile; /* of the last order, or list */
        char uri[64];
        bool is_drain;
        unsigned orders;
    } server;
} fake;

static void send_step(prober_step_cb *on_step, void *arg, uint16_t server, enum probe_step step,
                      enum probe_result result, const char *text)
{
    struct ipc_probe_step sent = {
        .token = 7, .ms = 12, .server = server, .step = (uint8_t)step, .result = (uint8_t)result
    };

    snprintf(sent.text, sizeof(sent.text), "%s", text);
    on_step(&sent, arg);
}

/* By hand, for the last probe that was started. */
__attribute__((unused)) static void fake_step(uint16_t server, enum probe_step step,
                                              enum probe_result result, const char *text)
{
    send_step(fake.on_step, fake.arg, server, step, result, text);
}

__attribute__((unused)) static void fake_done(int err, bool passed)
{
    fake.done(err, passed, fake.arg);
}

struct fake_run {
    prober_step_cb *on_step;
    prober_done_cb *done;
    void *arg;
    size_t server_count;
};

static void run_probe(void *arg)
{
    struct fake_run *run = arg;

    for (unsigned i = 0; i < run->server_count; i++) {
        bool fails = fake.failing & (1U << i);

        send_step(run->on_step, run->arg, (uint16_t)i, PROBE_RESOLVE, PROBE_OK, "127.0.0.1");
        send_step(run->on_step, run->arg, (uint16_t)i, PROBE_CONNECT,
                  fails ? PROBE_FAILED : PROBE_OK, fails ? "connection refused" : "");
    }
    run->done(fake.done_err, fake.failing == 0, run->arg);
    free(run);
}

static int fake_probe(void *self, const struct profile *profile, prober_step_cb *on_step,
                      prober_done_cb *done, void *arg, uint64_t *ret_token)
{
    cr_assert_eq(self, &fake);
    if (fake.probe_err < 0)
        return fake.probe_err;
    fake.probes++;
    fake.on_step = on_step;
    fake.done = done;
    fake.arg = arg;
    snprintf(fake.password, sizeof(fake.password), "%s",
             profile->secrets[SECRET_PASSWORD] ? profile->secrets[SECRET_PASSWORD] : "");
    *ret_token = 7;
    if (!fake.is_manual) {
        struct fake_run *run = malloc(sizeof(*run));

        *run = (struct fake_run){ on_step, done, arg, profile->server_count };
        loop_post(loop, run_probe, run);
    }
    return 0;
}

static void fake_forget(void *self, uint64_t token)
{
    (void)self;
    cr_assert_eq(token, 7);
    fake.forgotten++;
}

static size_t fake_find(void *self, uint64_t id, struct queue_view *ret_views, size_t max)
{
    size_t count = 0;

    (void)self;
    for (size_t i = 0; i < fake.view_count; i++) {
        if (fake.views[i].place.id != id)
            continue;
        if (count < max)
            ret_views[count] = fake.views[i];
        count++;
    }
    return count;
}

static void run_list(void *arg)
{
    const struct queue_page page = {
        .views = fake.views, .count = fake.view_count, .more = fake.more, .total = 1000000
    };

    (void)arg;
    fake.list_done(&page, fake.list_arg);
}

static int fake_list(void *self, const struct queue_filter *filter, uint64_t after_id,
                     unsigned after_group, size_t limit, queue_list_cb *done, void *arg)
{
    (void)self;
    fake.filter = *filter;
    fake.after_id = after_id;
    fake.after_group = after_group;
    fake.limit = limit;
    fake.list_done = done;
    fake.list_arg = arg;
    return loop_post(loop, run_list, NULL);
}

static uint64_t fake_count(void *self, enum queue_state state)
{
    (void)self;
    return state == QUEUE_WAITING ? 5 : 0;
}

static void run_order(void *arg)
{
    (void)arg;
    fake.order_done(&fake.order_answer, fake.order_arg);
}

static void fake_order(void *self, const struct queue_order *order, queue_order_cb *done, void *arg)
{
    (void)self;
    fake.order = *order;
    fake.order_done = done;
    fake.order_arg = arg;
    loop_post(loop, run_order, NULL);
}

static void run_query(void *arg)
{
    (void)arg;
    fake.query_done(fake.rows_err, fake.rows_err < 0 ? NULL : fake.rows, fake.query_arg);
}

static int fake_query(void *self, const struct ipc_place *places, size_t count, bool detail,
                      querier_done_cb *done, void *arg)
{
    (void)self;
    (void)places;
    cr_assert_gt(count, 0);
    fake.detail = detail;
    fake.query_done = done;
    fake.query_arg = arg;
    return fake.query_err < 0 ? fake.query_err : loop_post(loop, run_query, NULL);
}

static int fake_next_start(void *self, uint32_t profile)
{
    (void)self;
    (void)profile;
    return fake.next_start;
}

static json_t *fake_pool(void *self, uint32_t profile)
{
    (void)self;
    fake.server.profile = profile;
    return json_pack("[{s:s, s:i}]", "server", "smtp://10.0.0.1:25", "open", 3);
}

static json_t *fake_servers(void *self, uint32_t profile)
{
    (void)self;
    fake.server.profile = profile;
    return json_pack("[{s:s, s:s}]", "server", "smtp://10.0.0.1:25", "state", "down");
}

static json_t *fake_server_warnings(void *self)
{
    (void)self;
    return json_pack("[s]", "no server of profile \"p\" takes mail");
}

static void fake_server_drain(void *self, uint32_t profile, const char *uri, bool is_drain)
{
    (void)self;
    fake.server.profile = profile;
    snprintf(fake.server.uri, sizeof(fake.server.uri), "%s", uri);
    fake.server.is_drain = is_drain;
    fake.server.orders++;
}

static json_t *fake_workers(void *self)
{
    (void)self;
    return json_pack("[{s:i, s:s, s:{s:i, s:{}}}]", "slot", 0, "state", "running", "running",
                     "rules", 0, "profiles");
}

static void fake_workers_count(void *self, unsigned *ret_running, unsigned *ret_wanted)
{
    (void)self;
    *ret_running = 1;
    *ret_wanted = 2;
}

static void run_alert_test(void *arg)
{
    (void)arg;
    fake.alert_done(fake.alert_late_err, 77, fake.alert_arg);
}

static json_t *fake_stats(void *self, unsigned minutes, unsigned step)
{
    (void)self;
    return json_pack("{s:i, s:i}", "minutes", (int)minutes, "step_s", (int)step * 60);
}

static int fake_alert_test(void *self, composer_done_cb *done, void *arg)
{
    (void)self;
    fake.alert_done = done;
    fake.alert_arg = arg;
    return fake.alert_err < 0 ? fake.alert_err : loop_post(loop, run_alert_test, NULL);
}

static void run_compose(void *arg)
{
    (void)arg;
    fake.mail.done(fake.mail.late_err, fake.mail.late_err == 0 ? 77 : 0, fake.mail.arg);
}

static int fake_compose(void *self, const struct composer_mail *mail, composer_done_cb *done,
                        void *arg)
{
    (void)self;
    cr_assert_eq(mail->recipient_count, 1);
    snprintf(fake.mail.sender, sizeof(fake.mail.sender), "%s", mail->sender);
    snprintf(fake.mail.from, sizeof(fake.mail.from), "%s", mail->from);
    snprintf(fake.mail.to, sizeof(fake.mail.to), "%s", mail->recipients[0]);
    snprintf(fake.mail.subject, sizeof(fake.mail.subject), "%s", mail->subject);
    snprintf(fake.mail.text, sizeof(fake.mail.text), "%s", mail->text);
    snprintf(fake.mail.file, sizeof(fake.mail.file), "%s", mail->file_name ? mail->file_name : "");
    fake.mail.profile = mail->profile;
    fake.mail.rule = mail->rule;
    fake.mail.done = done;
    fake.mail.arg = arg;
    return fake.mail.err < 0 ? fake.mail.err : loop_post(loop, run_compose, NULL);
}

static json_t *fake_alerts(void *self)
{
    (void)self;
    return json_pack("[{s:i, s:s}]", "number", 1, "text", "disk");
}

static json_t *fake_ambiguous(void *self, size_t limit)
{
    (void)self;
    return json_pack("[{s:s, s:i}]", "id", "06AB", "limit", (int)limit);
}

static json_t *fake_status(void *self)
{
    (void)self;
    return json_pack("{s:i, s:s}", "longest_turn_us", 77, "version", "never seen");
}

static const struct control_backend fake_backend = { .self = &fake,
                                                     .queue_find = fake_find,
                                                     .queue_list = fake_list,
                                                     .queue_state_count = fake_count,
                                                     .queue_order = fake_order,
                                                     .compose = fake_compose,
                                                     .query = fake_query,
                                                     .probe = fake_probe,
                                                     .probe_forget = fake_forget,
                                                     .next_start = fake_next_start,
                                                     .pool = fake_pool,
                                                     .servers = fake_servers,
                                                     .server_warnings = fake_server_warnings,
                                                     .server_drain = fake_server_drain,
                                                     .workers = fake_workers,
                                                     .workers_count = fake_workers_count,
                                                     .alerts = fake_alerts,
                                                     .stats = fake_stats,
                                                     .alert_test = fake_alert_test,
                                                     .ambiguous = fake_ambiguous,
                                                     .status = fake_status };

#endif
