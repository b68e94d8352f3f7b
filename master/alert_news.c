/* master/alert_news.c: what of a cause is to be told, and what was. */
#include "master/alerts_private.h"

#define OWED_MS 5000 /* what stood for less and could not be told then is not told later */

const struct alert_row alert_rows[ALERT_KIND_COUNT] = {
    [ALERT_LOG] = { "log", "alert", 0, false },
    [ALERT_SERVER_DOWN] = { "server_down", "server down", 0, true },
    [ALERT_LOGIN_REFUSED] = { "login_refused", "server refuses our login", 0, true },
    [ALERT_PROFILE_DOWN] = { "profile_down", "no server of a profile takes mail", 0, true },
    [ALERT_SCANS_FAIL] = { "scans_fail", "scans fail", 0, true },
    [ALERT_UPLOADS_FAIL] = { "uploads_fail", "uploads fail", 0, true },
    [ALERT_QUEUE_LENGTH] = { "queue_length", "queue too long", 30000, true }, /* no mere burst */
    [ALERT_QUEUE_AGE] = { "queue_age", "mail waits too long", 0, true },
    [ALERT_DISK_LOW] = { "disk_low", "disk nearly full", 0, true },
    [ALERT_CERTIFICATE] = { "certificate", "certificate near its end", 0,
                            false },                                     /* by its level */
    [ALERT_MESSAGE_HELD] = { "message_held", "message held", 0, false }, /* it is in the queue */
};

const char *alert_kind_name(enum alert_kind kind)
{
    return alert_rows[kind].name;
}

/* A clock that was set back must not make it silent for long. */
static bool is_rested(const struct alerts *alerts, const struct alert *alert, int64_t now_ms)
{
    return alert->mailed_ms == 0 || now_ms - alert->mailed_ms >= alerts->repeat_ms ||
           now_ms < alert->mailed_ms;
}

static enum alert_news news_of_standing(const struct alerts *alerts, const struct alert *alert,
                                        int64_t now_ms)
{
    const struct alert_row *row = &alert_rows[alert->kind];
    const bool may_be_told = is_rested(alerts, alert, now_ms);

    if (now_ms >= alert->since_ms && now_ms - alert->since_ms < row->settle_ms)
        return ALERT_NO_NEWS;
    if (alert->told_since != alert->since_ms)
        return may_be_told ? ALERT_NEW : ALERT_NO_NEWS;
    if (alert->level > alert->told_level)
        return ALERT_STILL;
    return row->repeats && may_be_told ? ALERT_STILL : ALERT_NO_NEWS;
}

enum alert_news alert_news(const struct alerts *alerts, const struct alert *alert)
{
    const int64_t now_ms = alerts->wall_ms();

    if (alert->kind == ALERT_LOG)
        return !alert->has_cause && alert->count > alert->told_count &&
                       is_rested(alerts, alert, now_ms)
                   ? ALERT_NEW
                   : ALERT_NO_NEWS;
    if (alert->ended_ms == 0)
        return news_of_standing(alerts, alert, now_ms);
    if (alert->told_since == alert->since_ms)
        return alert->is_end_told ? ALERT_NO_NEWS : ALERT_OVER;
    return alert->is_owed ? ALERT_WAS : ALERT_NO_NEWS;
}

void alert_end(const struct alerts *alerts, struct alert *alert)
{
    const int64_t now_ms = alerts->wall_ms();

    alert->is_owed = alert_news(alerts, alert) == ALERT_NEW && now_ms - alert->since_ms >= OWED_MS;
    alert->ended_ms = alert->last_ms = now_ms;
    alert->is_end_told = false;
    alert->is_remembered = false;
}

void alert_put_in_mail(struct alert *alert, enum alert_news news)
{
    alert->mail.news = news;
    alert->mail.since_ms = alert->since_ms;
    alert->mail.level = alert->level;
    alert->mail.count = alert->count;
}

void alert_mail_ended(const struct alerts *alerts, struct alert *alert, bool has_left)
{
    const enum alert_news news = alert->mail.news;

    alert->mail.news = ALERT_NO_NEWS;
    if (!has_left || news == ALERT_NO_NEWS)
        return;
    if (news != ALERT_OVER)
        alert->mailed_ms = alerts->wall_ms();
    alert->told_since = alert->mail.since_ms;
    alert->told_level = alert->mail.level;
    alert->told_count = alert->mail.count;
    if (news == ALERT_OVER || news == ALERT_WAS)
        alert->is_end_told = true;
    /* It may have begun again meanwhile, and then that is another story. */
    if (alert->since_ms == alert->mail.since_ms)
        alert->is_owed = false;
}
