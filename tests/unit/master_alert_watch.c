/* What is found to be an alert: in the queue, of servers, of the disk and the digital ID. */
#include "registry_helper.h"

#include "master/alert_files.h"
#include "master/alert_watch.h"
#include "master/alerts.h"
#include "master/dispatch.h"
#include "master/group.h"
#include "master/route.h"
#include "master/segments.h"
#include "master/stats.h"
#include "master/worker.h"

static struct workers workers;
static struct segments *segments;
static struct queue *queue;
static struct dispatch *dispatch;
static struct alerts *alerts;
static struct stats *stats;
static struct alert_files *files;
static struct alert_watch *watch;
static struct alert_file_facts facts; /* for whoever looks */
static uint64_t last_id;

/* In the place of the one that reads the disk: the linker sees to that. */
const struct alert_file_facts *__wrap_alert_files_look(struct alert_files *ignored, int64_t now_ms);
const struct alert_file_facts *__wrap_alert_files_look(struct alert_files *ignored, int64_t now_ms)
{
    (void)ignored;
    (void)now_ms;
    return &facts;
}

static void setup(void)
{
    struct alert_watch_parts parts;

    start_registry();
    workers.loop = loop;
    segments = segments_new(&workers);
    queue = queue_new(loop, segments);
    dispatch = dispatch_new(loop, queue, &workers, NULL);
    alerts = alerts_new();
    files = alert_files_new(io, directory);
    stats = stats_new(clock_wall_ms());
    parts = (struct alert_watch_parts){
        .loop = loop,
        .alerts = alerts,
        .registry = registry,
        .queue = queue,
        .files = files,
        .stats = stats,
    };
    watch = alert_watch_new(&parts, conf);
    cr_assert(dispatch != NULL && files != NULL && watch != NULL);
}

static void teardown(void)
{
    alert_watch_free(&watch);
    dispatch_free(&dispatch);
    queue_free(&queue);
    segments_free(&segments);
    alerts_free(&alerts);
    stats_free(&stats);
    stop_registry();
    alert_files_free(&files);
}

TestSuite(alert_watch, .init = setup, .fini = teardown, .timeout = 60);

static void set_alerts(const char *more)
{
    struct told told = { 0 };
    json_t *input = json_of("{'alerts': {'profile': 'desk', 'to': ['a@b.example'], 'from': "
                            "'g@b.example'%s}}",
                            more);

    have_smtp("desk");
    registry_settings_put(registry, input, 0, &actor, on_told, &told);
    wait_for(&told);
    json_decref(input);
    cr_assert_eq(told.result, REGISTRY_OK, "%s", told.errors);
}

static bool is_so(enum alert_kind kind, const char *object)
{
    alert_watch_look(watch);
    return alerts_is_standing(alerts, kind, object);
}

static const char *text_of(enum alert_kind kind)
{
    static char out[600];
    json_t *shown = alerts_shown(alerts), *entry;
    size_t i;

    out[0] = '\0';
    json_array_foreach (shown, i, entry) {
        if (strcmp(json_string_value(json_object_get(entry, "kind")), alert_kind_name(kind)) == 0)
            snprintf(out, sizeof(out), "%s", json_string_value(json_object_get(entry, "text")));
    }
    json_decref(shown);
    return out;
}

/* ---- the queue ---- */

static struct group *add(unsigned flags, int64_t age_s)
{
    const uint64_t id = ++last_id;
    const struct ipc_mail_queued queued = {
        .place = { .id = id, .segment = 1, .cell = (uint32_t)id },
        .profile = 99,
        .rule = 1,
        .recipients = 1,
        .received_s = clock_to_epoch_s(clock_wall_ms() - age_s * 1000),
        .crashes = (flags & IPC_QUEUED_HELD) != 0 ? 2 : 0,
        .flags = (uint16_t)flags
    };

    cr_assert_eq(queue_add(queue, &queued), 0);
    return queue_group(queue, last_id, 0);
}

Test(alert_watch, OP08_the_queue_is_too_long_until_it_is_a_quarter_shorter)
{
    struct group *groups[20];

    set_alerts(", 'queue_length': 20");
    for (unsigned i = 0; i < 20; i++) {
        cr_assert(!is_so(ALERT_QUEUE_LENGTH, "queue"), "with %u", i);
        groups[i] = add(0, 0);
    }
    add(IPC_QUEUED_FAILED, 0);
    cr_assert(is_so(ALERT_QUEUE_LENGTH, "queue"));
    cr_assert_str_eq(text_of(ALERT_QUEUE_LENGTH),
                     "20 messages wait or are under way: the threshold is 20");
    for (unsigned i = 0; i < 4; i++) {
        queue_drop(queue, groups[i]);
        cr_assert(is_so(ALERT_QUEUE_LENGTH, "queue"), "with %u less", i + 1);
    }
    queue_drop(queue, groups[4]);
    cr_assert(!is_so(ALERT_QUEUE_LENGTH, "queue"));
    add(0, 0);
    cr_assert(!is_so(ALERT_QUEUE_LENGTH, "queue"));
}

Test(alert_watch, OP08_what_is_final_or_waits_for_somebody_is_not_too_long)
{
    set_alerts(", 'queue_length': 1");
    add(IPC_QUEUED_FAILED, 0);
    add(IPC_QUEUED_QUARANTINED, 0);
    add(IPC_QUEUED_HELD, 0);
    cr_assert(!is_so(ALERT_QUEUE_LENGTH, "queue"));
}

Test(alert_watch, OP08_mail_waits_too_long)
{
    struct group *group;

    set_alerts(", 'queue_age': 600");
    add(0, 500);
    add(IPC_QUEUED_FAILED, 100000);
    add(IPC_QUEUED_QUARANTINED, 100000);
    add(IPC_QUEUED_HELD, 100000);
    add(IPC_QUEUED_OWN, 100000); /* an alert that waits is no reason for another */
    cr_assert(!is_so(ALERT_QUEUE_AGE, "queue"));
    group = add(0, 700);
    add(0, 650);
    cr_assert(is_so(ALERT_QUEUE_AGE, "queue"));
    cr_assert_not_null(strstr(text_of(ALERT_QUEUE_AGE), "waits since 700 s"), "%s",
                       text_of(ALERT_QUEUE_AGE));
    queue_drop(queue, group);
    cr_assert(is_so(ALERT_QUEUE_AGE, "queue"));
    queue_drop(queue, queue_group(queue, last_id, 0));
    cr_assert(!is_so(ALERT_QUEUE_AGE, "queue"));
}

Test(alert_watch, OP04_how_long_the_queue_is_and_how_old)
{
    struct alert_queue now;
    struct group *group;
    json_t *shown;
    int64_t wall_ms;

    alert_watch_queue(watch, &now);
    cr_assert(!now.is_known && now.length == 0 && now.oldest_id == 0);
    add(IPC_QUEUED_FAILED, 100000);
    add(0, 50);
    group = add(0, 700);
    add(IPC_QUEUED_OWN, 800);
    alert_watch_look(watch);
    wall_ms = clock_wall_ms();
    alert_watch_queue(watch, &now);
    cr_assert(now.is_known);
    cr_assert_eq(now.length, 3);
    cr_assert_eq(now.oldest_id, group->place.id);
    cr_assert_eq(now.received_s, group->received_s);
    shown = stats_shown(stats, 1, 1, wall_ms);
    cr_assert_eq(json_integer_value(json_array_get(
                     json_object_get(json_object_get(shown, "series"), "queue_length"), 0)),
                 3);
    json_decref(shown);
    for (uint64_t id = 2; id <= 4; id++)
        queue_drop(queue, queue_group(queue, id, 0));
    alert_watch_queue(watch, &now);
    cr_assert_eq(now.length, 0);
    cr_assert_eq(now.oldest_id, 0, "at once, whatever the last walk found");
}

Test(alert_watch, OP08_a_long_queue_is_walked_in_slices)
{
    struct group *group;

    set_alerts(", 'queue_age': 600, 'queue_length': 0");
    for (unsigned i = 0; i < 50000; i++)
        add(0, 0);
    group = add(0, 1000);
    cr_assert(!is_so(ALERT_QUEUE_AGE, "queue"));
    cr_assert(!is_so(ALERT_QUEUE_AGE, "queue"));
    cr_assert(is_so(ALERT_QUEUE_AGE, "queue"));
    queue_drop(queue, group);
    for (unsigned i = 0; i < 2; i++)
        cr_assert(is_so(ALERT_QUEUE_AGE, "queue"), "until the next walk is over");
    cr_assert(!is_so(ALERT_QUEUE_AGE, "queue"));
    cr_assert(!is_so(ALERT_QUEUE_LENGTH, "queue"), "0 is never");
}

Test(alert_watch, MQ09_a_message_is_held_until_an_operator_decides)
{
    struct group *group = add(IPC_QUEUED_HELD, 0);
    char object[40], id[ID_TEXT_SIZE];

    snprintf(object, sizeof(object), "%s 0", id_text(last_id, id));
    cr_assert(!is_so(ALERT_MESSAGE_HELD, object));
    alert_watch_held(watch, group);
    alert_watch_held(watch, group);
    cr_assert(is_so(ALERT_MESSAGE_HELD, object));
    cr_assert_not_null(strstr(text_of(ALERT_MESSAGE_HELD), "2 workers died"));
    queue_set_checking(queue, group); /* an order is being written */
    cr_assert(is_so(ALERT_MESSAGE_HELD, object));
    queue_set_ready(queue, group, false);
    cr_assert(!is_so(ALERT_MESSAGE_HELD, object));
}

/* ---- files ---- */

Test(alert_watch, OP08_the_disk_is_nearly_full)
{
    set_alerts(", 'disk_free_percent': 10");
    cr_assert(!is_so(ALERT_DISK_LOW, "spool"), "nothing is known");
    facts = (struct alert_file_facts){ .is_known = true,
                                       .disk_bytes = 1000ULL << 30,
                                       .disk_free = 100ULL << 30 };
    cr_assert(!is_so(ALERT_DISK_LOW, "spool"));
    facts.disk_free = 99ULL << 30;
    cr_assert(is_so(ALERT_DISK_LOW, "spool"));
    cr_assert_str_eq(text_of(ALERT_DISK_LOW),
                     "101376 MiB of the spool's file system are free, which is 9 % of it: below "
                     "256 MiB new mail is refused");
    facts = (struct alert_file_facts){ .is_known = false }; /* is read anew */
    cr_assert(is_so(ALERT_DISK_LOW, "spool"));
    facts = (struct alert_file_facts){ .is_known = true,
                                       .disk_bytes = 1000ULL << 30,
                                       .disk_free = 200ULL << 30 };
    cr_assert(!is_so(ALERT_DISK_LOW, "spool"));
    facts = (struct alert_file_facts){ .is_known = true,
                                       .disk_bytes = 1ULL << 30,
                                       .disk_free = 500ULL << 20 };
    cr_assert(is_so(ALERT_DISK_LOW, "spool"), "twice keep_free is near enough");
}

Test(alert_watch, OP08_the_digital_id_ends)
{
    static const struct {
        int days;
        bool is_so;
        const char *text;
    } cases[] = {
        { 40, false, "" }, { 29, true, "(29 days)" }, { 0, true, "has ended" }, { 400, false, "" }
    };

    for (size_t i = 0; i < 4; i++) {
        facts = (struct alert_file_facts){ .is_known = true,
                                           .certificate_end_s = clock_wall_ms() / 1000 +
                                                                cases[i].days * 86400 +
                                                                (cases[i].days > 0 ? 60 : -60) };
        cr_assert_eq(is_so(ALERT_CERTIFICATE, "tls.certificate"), cases[i].is_so, "%d days",
                     cases[i].days);
        cr_assert(!cases[i].is_so || strstr(text_of(ALERT_CERTIFICATE), cases[i].text) != NULL,
                  "%s", text_of(ALERT_CERTIFICATE));
    }
    facts.certificate_end_s = 0;
    cr_assert(!is_so(ALERT_CERTIFICATE, "tls.certificate"));
}

/* ---- servers ---- */

static struct lane *lane_of(json_t *input)
{
    const uint32_t id = have_profile(input);

    cr_assert_eq(dispatch_set_profile(dispatch, registry_profile(registry, id), NULL), 0);
    return queue_lane_known(queue, id);
}

static void set_state(struct lane *lane, unsigned server, enum health_state state, const char *why)
{
    struct health *health = &lane->route->states[server].health;

    health->state = state;
    snprintf(health->why, sizeof(health->why), "%s", why);
}

#define TWO "{'name': 'p', 'type': 'smtp', 'servers': ['a:25', 'b:25']}"

Test(alert_watch, SP23_a_server_is_down_and_then_all_of_its_profile)
{
    struct lane *lane = lane_of(json_of(TWO));

    cr_assert(!is_so(ALERT_SERVER_DOWN, "p smtp://a:25"));
    set_state(lane, 0, HEALTH_DOUBTED, "refused");
    cr_assert(!is_so(ALERT_SERVER_DOWN, "p smtp://a:25"));
    set_state(lane, 0, HEALTH_DOWN, "refused");
    cr_assert(is_so(ALERT_SERVER_DOWN, "p smtp://a:25"));
    cr_assert_str_eq(text_of(ALERT_SERVER_DOWN), "smtp://a:25 of profile \"p\" is down: refused");
    cr_assert(!is_so(ALERT_PROFILE_DOWN, "p"));
    set_state(lane, 1, HEALTH_DOWN, "\xff");
    cr_assert(is_so(ALERT_PROFILE_DOWN, "p"));
    cr_assert_str_eq(text_of(ALERT_PROFILE_DOWN), "no server of profile \"p\" takes mail: it waits "
                                                  "(smtp://a:25: refused; smtp://b:25: ?)");
    cr_assert(is_so(ALERT_SERVER_DOWN, "p smtp://a:25"), "it stood before");
    cr_assert(!is_so(ALERT_SERVER_DOWN, "p smtp://b:25"), "the profile says it");
    set_state(lane, 0, HEALTH_TRYING, "refused");
    cr_assert(is_so(ALERT_SERVER_DOWN, "p smtp://a:25"));
    set_state(lane, 0, HEALTH_WARMING, "");
    cr_assert(!is_so(ALERT_PROFILE_DOWN, "p"));
    cr_assert(!is_so(ALERT_SERVER_DOWN, "p smtp://a:25"));
    cr_assert(is_so(ALERT_SERVER_DOWN, "p smtp://b:25"), "now that is to be said");
}

Test(alert_watch, SP23_a_server_refuses_our_password)
{
    struct lane *lane = lane_of(json_of(TWO));

    set_state(lane, 1, HEALTH_REFUSED, "535 5.7.8 no");
    cr_assert(is_so(ALERT_LOGIN_REFUSED, "p smtp://b:25"));
    cr_assert(!is_so(ALERT_SERVER_DOWN, "p smtp://b:25"));
    cr_assert_not_null(strstr(text_of(ALERT_LOGIN_REFUSED), "535 5.7.8 no"));
}

Test(alert_watch, a_deleted_profile_has_no_servers_that_are_down)
{
    struct lane *lane = lane_of(json_of(TWO));

    set_state(lane, 0, HEALTH_DOWN, "refused");
    cr_assert(is_so(ALERT_SERVER_DOWN, "p smtp://a:25"));
    dispatch_drop_profile(dispatch, lane->profile);
    cr_assert(!is_so(ALERT_SERVER_DOWN, "p smtp://a:25"));
}

Test(alert_watch, SP24_uploads_and_scans_fail_at_servers_that_answer)
{
    struct lane *vault = lane_of(
                    json_of("{'name': 'v', 'type': 'vault', 'servers': ['v'], 'api_key': 'k'}")),
                *core = lane_of(json_of("{'name': 'c', 'type': 'core', 'servers': ['c']}"));

    vault->misfires = core->misfires = ALERT_FAILURES - 1;
    cr_assert(!is_so(ALERT_UPLOADS_FAIL, "v"));
    vault->misfires = core->misfires = ALERT_FAILURES;
    cr_assert(is_so(ALERT_UPLOADS_FAIL, "v"));
    cr_assert(is_so(ALERT_SCANS_FAIL, "c"));
    cr_assert_str_eq(text_of(ALERT_UPLOADS_FAIL),
                     "the last 5 uploads by profile \"v\" failed although a server answered");
    vault->misfires = 0;
    cr_assert(!is_so(ALERT_UPLOADS_FAIL, "v"));
    cr_assert(is_so(ALERT_SCANS_FAIL, "c"));
}
