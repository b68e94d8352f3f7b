/* When mail about alerts leaves, and what is kept of them over a restart. */
#include "registry_helper.h"

#include "common/log.h"
#include "master/alert_file.h"
#include "master/alert_post.h"
#include "master/alerts.h"
#include "master/dispatch.h"
#include "master/group.h"
#include "master/route.h"
#include "master/segments.h"
#include "master/worker.h"

static struct workers workers;
static struct segments *segments;
static struct queue *queue;
static struct dispatch *dispatch;
static struct alerts *alerts;
static struct alert_post *post;

static int64_t now_ms = 1000;
static unsigned sent;
static int send_err;
static char subject[256], recipients[256], sender[64];
static uint32_t by;
static composer_done_cb *sent_done;
static void *sent_arg;

/* In the place of the real ones: the linker sees to that. */
int64_t __wrap_loop_now_ms(struct loop *ignored);
int64_t __wrap_loop_now_ms(struct loop *ignored)
{
    (void)ignored;
    return now_ms;
}

int __wrap_composer_send(struct composer *composer, const struct composer_mail *mail,
                         composer_done_cb *done, void *arg);
int __wrap_composer_send(struct composer *composer, const struct composer_mail *mail,
                         composer_done_cb *done, void *arg)
{
    (void)composer;
    sent++;
    snprintf(subject, sizeof(subject), "%s", mail->subject);
    snprintf(sender, sizeof(sender), "%s/%s", mail->sender, mail->from);
    recipients[0] = '\0';
    for (size_t i = 0; i < mail->recipient_count; i++) {
        strcat(recipients, mail->recipients[i]);
        strcat(recipients, " ");
    }
    by = mail->profile;
    sent_done = done;
    sent_arg = arg;
    return send_err;
}

static void setup(void)
{
    struct alert_post_parts parts;

    log_open("test", open("/dev/null", O_WRONLY | O_CLOEXEC));
    start_registry();
    workers.loop = loop;
    segments = segments_new(&workers);
    queue = queue_new(loop, segments);
    dispatch = dispatch_new(loop, queue, &workers, NULL);
    alerts = alerts_new();
    parts = (struct alert_post_parts){
        .loop = loop, .alerts = alerts, .registry = registry, .queue = queue
    };
    post = alert_post_new(&parts, "gw");
    cr_assert(dispatch != NULL && post != NULL);
}

static void teardown(void)
{
    alert_post_free(&post);
    dispatch_free(&dispatch);
    queue_free(&queue);
    segments_free(&segments);
    alerts_free(&alerts);
    stop_registry();
}

TestSuite(alert_post, .init = setup, .fini = teardown, .timeout = 60);

static void set_alerts(const char *value)
{
    struct told told = { 0 };
    json_t *input = json_of("{'alerts': %s}", value);

    registry_settings_put(registry, input, 0, &actor, on_told, &told);
    wait_for(&told);
    json_decref(input);
    cr_assert_eq(told.result, REGISTRY_OK, "%s", told.errors);
}

#define SETTING "{'profile': 'desk', 'to': ['a@b.example', 'c@b.example'], 'from': 'g@b.example'}"

static struct route *set_up_desk(void)
{
    const uint32_t id = have_smtp("desk");

    cr_assert_eq(dispatch_set_profile(dispatch, registry_profile(registry, id), NULL), 0);
    set_alerts(SETTING);
    return queue_lane_known(queue, id)->route;
}

static unsigned look_after(int64_t ms)
{
    now_ms += ms;
    alert_post_look(post);
    return sent;
}

static void begins(const char *object)
{
    alerts_round(alerts);
    alerts_stands(alerts, ALERT_SERVER_DOWN, object, 0, "it is down");
}

Test(alert_post, OP08_several_seconds_are_one_mail)
{
    set_up_desk();
    cr_assert_eq(look_after(10000), 0u, "nothing is news");
    begins("a");
    cr_assert_eq(look_after(0), 0u);
    begins("b");
    cr_assert_eq(look_after(4999), 0u);
    cr_assert_eq(look_after(1), 1u);
    cr_assert_str_eq(subject, "[gw] server down: b (and 1 more)");
    cr_assert_str_eq(recipients, "a@b.example c@b.example ");
    cr_assert_str_eq(sender, "/g@b.example");
    cr_assert_eq(by, registry_profile_named(registry, "desk")->id);
    begins("c");
    cr_assert_eq(look_after(60000), 1u, "one at a time");
    sent_done(0, 7, sent_arg);
    cr_assert_eq(look_after(0), 1u);
    cr_assert_eq(look_after(5000), 2u);
    cr_assert_str_eq(subject, "[gw] server down: c");
}

Test(alert_post, OP08_what_could_not_be_stored_is_tried_again)
{
    set_up_desk();
    begins("a");
    look_after(0);
    send_err = -EAGAIN; /* no worker runs */
    cr_assert_eq(look_after(5000), 1u);
    send_err = 0;
    cr_assert_eq(look_after(ALERT_POST_RETRY_MS - 10000), 1u);
    cr_assert_eq(look_after(9999), 1u, "although there was news for long");
    look_after(1);
    cr_assert_eq(look_after(5000), 2u);
    sent_done(-ENOSPC, 0, sent_arg);
    look_after(ALERT_POST_RETRY_MS);
    cr_assert_eq(look_after(5000), 3u);
    cr_assert_str_eq(subject, "[gw] server down: a");
    sent_done(0, 7, sent_arg);
    cr_assert_eq(look_after(600000), 3u);
}

Test(alert_post, OP08_nothing_is_sent_while_its_own_profile_is_down)
{
    struct route *route = set_up_desk();

    begins("a");
    route->states[0].health.state = HEALTH_DOWN;
    for (unsigned i = 0; i < 100; i++)
        cr_assert_eq(look_after(60000), 0u);
    route->states[0].health.state = HEALTH_WARMING;
    cr_assert_eq(look_after(0), 1u);
}

Test(alert_post, OP08_whoever_is_told_from_now_on_hears_of_what_stands)
{
    begins("a");
    alerts_take(alerts, "master", "spooler", "long ago");
    cr_assert_eq(look_after(60000), 0u);
    cr_assert_eq(alert_post_test(post, NULL, NULL), -ENOENT);
    set_up_desk();
    look_after(0);
    cr_assert_eq(look_after(5000), 1u);
    cr_assert_str_eq(subject, "[gw] server down: a");
    sent_done(0, 7, sent_arg);
    cr_assert_eq(alert_post_test(post, NULL, NULL), 0);
    cr_assert_str_eq(subject, "[gw] test: alerts arrive");
    set_alerts("null");
    begins("b");
    cr_assert_eq(look_after(60000), 2u);
}

/* ---- the file ---- */

static void turn_until_written(void)
{
    for (unsigned i = 0; i < 50; i++)
        loop_turn(loop, 5);
}

static size_t count_alerts(void)
{
    json_t *shown = alerts_shown(alerts);
    const size_t count = json_array_size(shown);

    json_decref(shown);
    return count;
}

static struct alert_file *open_anew(void)
{
    alerts_free(&alerts);
    alerts = alerts_new();
    return alert_file_new(io, alerts, directory);
}

Test(alert_post, OP08_what_stands_is_in_the_file_and_what_is_over_is_not)
{
    struct alert_file *file = alert_file_new(io, alerts, directory);

    cr_assert_eq(count_alerts(), 0u, "there is no file yet");
    begins("a");
    alert_file_look(file);
    turn_until_written();
    alert_file_free(&file);
    file = open_anew();
    cr_assert(alerts_is_standing(alerts, ALERT_SERVER_DOWN, "a"));
    alerts_round(alerts);
    alerts_stands(alerts, ALERT_SERVER_DOWN, "a", 0, "found again");
    alerts_round(alerts);
    alerts_round_ends(alerts, ~0U);
    alert_file_write(file); /* at once */
    alert_file_free(&file);
    file = open_anew();
    cr_assert_eq(count_alerts(), 0u);
    alert_file_free(&file);
}

Test(alert_post, a_file_that_is_damaged_is_no_obstacle)
{
    char path[128];
    struct alert_file *file;
    FILE *out;

    snprintf(path, sizeof(path), "%s/alerts", directory);
    out = fopen(path, "we");
    fputs("[{\"kind\": \"server_down\", \"obj", out);
    fclose(out);
    file = open_anew();
    cr_assert_not_null(file);
    cr_assert_eq(count_alerts(), 0u);
    begins("a");
    alert_file_write(file);
    alert_file_free(&file);
    file = open_anew();
    cr_assert_eq(count_alerts(), 1u);
    alert_file_free(&file);
}
