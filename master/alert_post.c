#include "master/alert_post.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/log.h"
#include "common/loop.h"
#include "master/alert_text.h"
#include "master/alerts.h"
#include "master/group.h"
#include "master/registry.h"
#include "master/route.h"

#define GATHER_MS 5000

struct alert_post {
    struct alert_post_parts parts;
    char *hostname;
    int64_t gather_ms;
    int64_t first_ms; /* there is news since then, -1: none; monotonic, as the next */
    int64_t not_before_ms;
    bool is_sending;
};

struct alert_post *alert_post_new(const struct alert_post_parts *parts, const char *hostname)
{
    struct alert_post *post = calloc(1, sizeof(*post));

    if (post == NULL)
        return NULL;
    *post = (struct alert_post){
        .parts = *parts, .hostname = strdup(hostname), .gather_ms = GATHER_MS, .first_ms = -1
    };
    if (post->hostname == NULL)
        alert_post_free(&post);
    return post;
}

void alert_post_free(struct alert_post **post)
{
    if (*post == NULL)
        return;
    free((*post)->hostname);
    free(*post);
    *post = NULL;
}

void alert_post_set_gather(struct alert_post *post, int64_t gather_ms)
{
    post->gather_ms = gather_ms;
}

static int send(struct alert_post *post, const struct alert_settings *settings, const char *subject,
                const char *text, composer_done_cb *done, void *arg)
{
    const struct composer_mail mail = { .sender = "", /* nobody reports that it did not arrive */
                                        .from = settings->from,
                                        .recipients = settings->to,
                                        .recipient_count = settings->to_count,
                                        .profile = settings->profile,
                                        .subject = subject,
                                        .text = text };

    return composer_send(post->parts.composer, &mail, done, arg);
}

static void end_mail(struct alert_post *post, int err)
{
    post->is_sending = false;
    post->first_ms = -1;
    if (err < 0) {
        log_warning("alerts", "alerts could not be sent: they are tried again",
                    LOG_STR("reason", strerror(-err)));
        post->not_before_ms = loop_now_ms(post->parts.loop) + ALERT_POST_RETRY_MS;
    }
    alert_text_ended(post->parts.alerts, err == 0);
}

static void on_sent(int err, uint64_t id, void *arg)
{
    struct alert_post *post = arg;

    if (err == 0)
        log_info("alerts", "alerts are sent", LOG_ID(id));
    end_mail(post, err);
}

static void send_news(struct alert_post *post, const struct alert_settings *settings)
{
    AUTO(free) char *subject = NULL;
    AUTO(free) char *text = NULL;
    int err = alert_text_write(post->parts.alerts, post->hostname, &subject, &text);

    post->is_sending = true;
    if (err == 0)
        err = send(post, settings, subject, text, on_sent, post);
    if (err < 0)
        end_mail(post, err);
}

static bool can_leave(const struct alert_post *post, uint32_t profile)
{
    const struct lane *lane = queue_lane_known(post->parts.queue, profile);

    return lane != NULL && lane->route != NULL && route_up(lane->route) != 0;
}

void alert_post_look(struct alert_post *post)
{
    const int64_t now_ms = loop_now_ms(post->parts.loop);
    struct alert_settings settings;

    registry_alerts(post->parts.registry, &settings);
    if (settings.profile == 0) {
        alerts_forget_news(post->parts.alerts);
        return;
    }
    if (post->is_sending || now_ms < post->not_before_ms)
        return;
    if (alert_text_count(post->parts.alerts) == 0) {
        post->first_ms = -1;
        return;
    }
    if (post->first_ms < 0)
        post->first_ms = now_ms;
    if (now_ms - post->first_ms >= post->gather_ms && can_leave(post, settings.profile))
        send_news(post, &settings);
}

int alert_post_test(struct alert_post *post, composer_done_cb *done, void *arg)
{
    AUTO(free) char *subject = NULL;
    AUTO(free) char *text = NULL;
    struct alert_settings settings;

    registry_alerts(post->parts.registry, &settings);
    if (settings.profile == 0)
        return -ENOENT;
    if (asprintf(&subject, "[%s] test: alerts arrive", post->hostname) < 0)
        subject = NULL;
    if (asprintf(&text,
                 "Postern on %s was asked to send this, to show that its alerts arrive.\n"
                 "Nothing is wrong.\n",
                 post->hostname) < 0)
        text = NULL;
    if (subject == NULL || text == NULL)
        return -ENOMEM;
    return send(post, &settings, subject, text, done, arg);
}
