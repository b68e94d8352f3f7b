#include "master/alert_watch.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/loop.h"
#include "master/alert_file.h"
#include "master/alert_files.h"
#include "master/alert_post.h"
#include "master/alerts.h"
#include "master/group.h"
#include "master/registry.h"
#include "master/route.h"
#include "master/stats.h"

#define SLICE      20000U /* groups that one look walks past */
#define DAY_S      86400
#define NAME_BYTES 400

struct alert_watch {
    struct alert_watch_parts parts;
    struct loop_timer *timer;
    struct alert_settings settings; /* of this look */
    uint64_t keep_free;
    bool is_too_long;
    struct {
        uint32_t next; /* number of the group that is looked at next */
        uint32_t oldest_s;
        uint64_t oldest_id;
        uint32_t found_s; /* of the last whole walk; UINT32_MAX: nothing waits */
        uint64_t found_id;
        bool is_known;
    } age;
    struct {
        uint64_t id;
        unsigned group;
    } held[ALERT_HELD_MAX];
    unsigned held_count;
};

__attribute__((format(printf, 5, 6))) static void stands(struct alert_watch *watch,
                                                         enum alert_kind kind, const char *object,
                                                         int level, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    alerts_stands(watch->parts.alerts, kind, object, level, text);
}

static unsigned bit(enum alert_kind kind)
{
    return 1U << kind;
}

/* ---- servers ---- */

static const char *why(const struct health *health)
{
    return health->why[0] != '\0' ? health->why : "no reason is known";
}

static void look_at_server(struct alert_watch *watch, const struct route *route,
                           const struct route_server *server, bool is_profile_down)
{
    const struct health *health = &server->health;
    char object[NAME_BYTES];

    (void)snprintf(object, sizeof(object), "%s %s", route->name, server->uri);
    if (health->state == HEALTH_REFUSED)
        stands(watch, ALERT_LOGIN_REFUSED, object, 0,
               "%s of profile \"%s\" refuses our login: no mail goes there until the profile is "
               "saved or the server enabled: %s",
               server->uri, route->name, why(health));
    if (health->state != HEALTH_DOWN && health->state != HEALTH_TRYING)
        return;
    /* What was told before stands on; what is new is told as the profile's. */
    if (!is_profile_down || alerts_is_standing(watch->parts.alerts, ALERT_SERVER_DOWN, object))
        stands(watch, ALERT_SERVER_DOWN, object, 0, "%s of profile \"%s\" is down: %s", server->uri,
               route->name, why(health));
}

static void look_at_profile(struct alert_watch *watch, const struct route *route)
{
    char servers[700] = "";
    size_t used = 0;

    for (size_t i = 0; i < route->servers->count && used < sizeof(servers) - 1; i++) {
        const struct route_server *server = &route->states[i];
        int bytes =
            snprintf(servers + used, sizeof(servers) - used, "%s%s: %s", i > 0 ? "; " : "",
                     server->uri, server->health.is_drained ? "drained" : why(&server->health));

        used += bytes > 0 ? (size_t)bytes : 0;
    }
    stands(watch, ALERT_PROFILE_DOWN, route->name, 0,
           "no server of profile \"%s\" takes mail: it waits (%s)", route->name, servers);
}

static void look_at_stage(struct alert_watch *watch, const struct lane *lane)
{
    const struct profile *profile = registry_profile(watch->parts.registry, lane->profile);

    if (profile == NULL || profile->type == PROFILE_SMTP || lane->misfires < ALERT_FAILURES)
        return;
    stands(watch, profile->type == PROFILE_CORE ? ALERT_SCANS_FAIL : ALERT_UPLOADS_FAIL,
           profile->name, 0, "the last %u %s by profile \"%s\" failed although a server answered",
           lane->misfires, profile->type == PROFILE_CORE ? "scans" : "uploads", profile->name);
}

static void look_at_servers(struct alert_watch *watch)
{
    for (size_t i = 0; i < queue_lane_count(watch->parts.queue); i++) {
        const struct lane *lane = queue_lane_at(watch->parts.queue, i);
        const struct route *route = lane->route;
        const bool is_down = route != NULL && route_up(route) == 0;

        if (route == NULL)
            continue;
        if (is_down)
            look_at_profile(watch, route);
        for (size_t s = 0; s < route->servers->count; s++)
            look_at_server(watch, route, &route->states[s], is_down);
        look_at_stage(watch, lane);
    }
}

/* ---- the queue ---- */

static bool is_on_its_way(enum queue_state state)
{
    return state == QUEUE_READY || state == QUEUE_OUT || state == QUEUE_WAITING ||
           state == QUEUE_CHECKING;
}

static uint64_t length_of(const struct queue *queue)
{
    uint64_t length = 0;

    for (unsigned state = 0; state < QUEUE_STATE_COUNT; state++) {
        if (is_on_its_way((enum queue_state)state))
            length += queue_state_count(queue, (enum queue_state)state);
    }
    return length;
}

static void look_at_length(struct alert_watch *watch)
{
    const uint64_t limit = watch->settings.queue_length, length = length_of(watch->parts.queue);

    if (watch->parts.stats != NULL)
        stats_queue_length(watch->parts.stats, length, clock_wall_ms());
    watch->is_too_long =
        limit > 0 && (length >= limit || (watch->is_too_long && length > limit - limit / 4));
    if (watch->is_too_long)
        stands(watch, ALERT_QUEUE_LENGTH, "queue", 0,
               "%" PRIu64 " messages wait or are under way: the threshold is %" PRIu64, length,
               limit);
}

/* Mail about alerts that waits is no reason for more of it. */
static void walk(struct alert_watch *watch)
{
    const struct queue *queue = watch->parts.queue;
    const uint32_t numbers = queue_numbers(queue);

    if (watch->age.next == 0)
        watch->age.oldest_s = UINT32_MAX;
    for (unsigned left = SLICE; left > 0 && watch->age.next < numbers; left--) {
        const struct group *group = queue_at(queue, watch->age.next++);

        if (group == NULL || group->is_own || group->received_s >= watch->age.oldest_s ||
            !is_on_its_way((enum queue_state)group->state))
            continue;
        watch->age.oldest_s = group->received_s;
        watch->age.oldest_id = group->place.id;
    }
    if (watch->age.next < numbers)
        return;
    watch->age.next = 0;
    watch->age.found_s = watch->age.oldest_s;
    watch->age.found_id = watch->age.oldest_id;
    watch->age.is_known = true;
}

static void look_at_age(struct alert_watch *watch)
{
    const uint32_t now_s = clock_to_epoch_s(clock_wall_ms()), found_s = watch->age.found_s;
    char id[ID_TEXT_SIZE];

    if (watch->settings.queue_age == 0 || !watch->age.is_known || found_s == UINT32_MAX ||
        now_s < found_s || now_s - found_s < watch->settings.queue_age)
        return;
    stands(watch, ALERT_QUEUE_AGE, "queue", 0,
           "the oldest message (%s) waits since %u s: the threshold is %u s",
           id_text(watch->age.found_id, id), now_s - found_s, watch->settings.queue_age);
}

void alert_watch_queue(const struct alert_watch *watch, struct alert_queue *ret_queue)
{
    const uint64_t length = length_of(watch->parts.queue);
    const bool is_any = length > 0 && watch->age.is_known && watch->age.found_s != UINT32_MAX;

    *ret_queue = (struct alert_queue){ .length = length,
                                       .is_known = watch->age.is_known,
                                       .oldest_id = is_any ? watch->age.found_id : 0,
                                       .received_s = is_any ? watch->age.found_s : 0 };
}

/* ---- files ---- */

static void look_at_disk(struct alert_watch *watch, const struct alert_file_facts *facts)
{
    const unsigned percent = watch->settings.disk_free_percent;
    const uint64_t share = facts->disk_bytes > 0 ? facts->disk_free * 100 / facts->disk_bytes : 100;

    if (facts->disk_bytes == 0 || percent == 0 ||
        (share >= percent && facts->disk_free >= 2 * watch->keep_free))
        return;
    stands(watch, ALERT_DISK_LOW, "spool", 0,
           "%" PRIu64 " MiB of the spool's file system are free, which is %" PRIu64
           " %% of it: below %" PRIu64 " MiB new mail is refused",
           facts->disk_free >> 20, share, watch->keep_free >> 20);
}

static void look_at_certificate(struct alert_watch *watch, const struct alert_file_facts *facts)
{
    const int64_t left_s = facts->certificate_end_s - clock_wall_ms() / 1000;
    const int64_t first_s = (int64_t)watch->settings.certificate_days * DAY_S;

    if (facts->certificate_end_s == 0 || first_s == 0 || left_s > first_s)
        return;
    if (left_s <= 0)
        stands(watch, ALERT_CERTIFICATE, "tls.certificate", 4, "the digital ID has ended");
    else
        stands(watch, ALERT_CERTIFICATE, "tls.certificate",
               left_s <= DAY_S                ? 3
               : left_s <= (int64_t)7 * DAY_S ? 2
                                              : 1,
               "the digital ID ends in %" PRId64 " hours (%" PRId64 " days)", left_s / 3600,
               left_s / DAY_S);
}

/* ---- held messages ---- */

void alert_watch_held(struct alert_watch *watch, const struct group *group)
{
    for (unsigned i = 0; i < watch->held_count; i++) {
        if (watch->held[i].id == group->place.id && watch->held[i].group == group->place.group)
            return;
    }
    if (watch->held_count == ALERT_HELD_MAX)
        return;
    watch->held[watch->held_count].id = group->place.id;
    watch->held[watch->held_count++].group = group->place.group;
}

static void look_at_held(struct alert_watch *watch)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < watch->held_count; i++) {
        const struct group *group =
            queue_group(watch->parts.queue, watch->held[i].id, watch->held[i].group);
        char id[ID_TEXT_SIZE], object[ID_TEXT_SIZE + 16];

        if (group == NULL || (group->state != QUEUE_HELD && group->state != QUEUE_CHECKING))
            continue;
        watch->held[kept++] = watch->held[i];
        (void)snprintf(object, sizeof(object), "%s %u", id_text(group->place.id, id),
                       group->place.group);
        stands(watch, ALERT_MESSAGE_HELD, object, 0,
               "message %s (group %u) is held: %u workers died while they had it", id,
               group->place.group, group->crashes);
    }
    watch->held_count = kept;
}

/* ---- the look ---- */

void alert_watch_look(struct alert_watch *watch)
{
    struct alerts *alerts = watch->parts.alerts;
    const struct alert_file_facts *facts =
        alert_files_look(watch->parts.files, loop_now_ms(watch->parts.loop));
    unsigned known = bit(ALERT_SERVER_DOWN) | bit(ALERT_LOGIN_REFUSED) | bit(ALERT_PROFILE_DOWN) |
                     bit(ALERT_SCANS_FAIL) | bit(ALERT_UPLOADS_FAIL) | bit(ALERT_QUEUE_LENGTH) |
                     bit(ALERT_MESSAGE_HELD);

    registry_alerts(watch->parts.registry, &watch->settings);
    walk(watch);
    if (watch->age.is_known)
        known |= bit(ALERT_QUEUE_AGE);
    if (facts->is_known)
        known |= bit(ALERT_DISK_LOW) | bit(ALERT_CERTIFICATE);
    alerts_round(alerts);
    look_at_servers(watch);
    look_at_length(watch);
    look_at_age(watch);
    look_at_disk(watch, facts);
    look_at_certificate(watch, facts);
    look_at_held(watch);
    alerts_round_ends(alerts, known);
    if (watch->parts.post != NULL)
        alert_post_look(watch->parts.post);
    if (watch->parts.file != NULL)
        alert_file_look(watch->parts.file);
}

static void on_timer(void *arg)
{
    struct alert_watch *watch = arg;

    alert_watch_look(watch);
    loop_timer_set_ms(watch->timer, ALERT_WATCH_MS);
}

void alert_watch_configure(struct alert_watch *watch, const struct conf *conf)
{
    watch->keep_free = (uint64_t)conf->spool_keep_free;
    alert_files_set_certificate(watch->parts.files, conf->tls_certificate);
    alerts_set_repeat(watch->parts.alerts, (int64_t)conf->alerts_repeat * 1000);
    if (watch->parts.post != NULL)
        alert_post_set_gather(watch->parts.post, (int64_t)conf->alerts_gather * 1000);
}

struct alert_watch *alert_watch_new(const struct alert_watch_parts *parts, const struct conf *conf)
{
    struct alert_watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        return NULL;
    watch->parts = *parts;
    watch->timer = loop_timer_new(parts->loop, on_timer, watch);
    if (watch->timer == NULL) {
        alert_watch_free(&watch);
        return NULL;
    }
    alert_watch_configure(watch, conf);
    loop_timer_set_ms(watch->timer, ALERT_WATCH_MS);
    return watch;
}

void alert_watch_free(struct alert_watch **watch)
{
    if (*watch == NULL)
        return;
    loop_timer_free(&(*watch)->timer);
    free(*watch);
    *watch = NULL;
}
