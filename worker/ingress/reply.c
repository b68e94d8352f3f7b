/* worker/ingress/reply.c: every reply leaves through here; those that refuse are logged. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/ingress/ingress_private.h"
#include "worker/stream.h"

#define REPLY_MAX           512 /* RFC 5321, 4.5.3.1.5 */
#define REFUSALS_PER_SECOND 20  /* in the log */

void session_reply(struct session *s, const char *line)
{
    if (s->stream == NULL || s->state == SESSION_SECURING) /* no word in clear any more */
        return;
    stream_add(s->stream, line, strlen(line));
    stream_add(s->stream, "\r\n", 2);
    stream_kick(s->stream);
}

void session_replyf(struct session *s, const char *format, ...)
{
    char line[REPLY_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line) - 2, format, args);
    va_end(args);
    session_reply(s, line);
}

bool ingress_may_log(struct ingress *ingress)
{
    int64_t second = clock_mono_ms() / 1000;

    if (second != ingress->refusals_second) {
        if (ingress->refusals_unlogged > 0)
            log_info("ingress", "more refusals and losses than are logged one by one",
                     LOG_INT("count", ingress->refusals_unlogged));
        ingress->refusals_second = second;
        ingress->refusals_logged = ingress->refusals_unlogged = 0;
    }
    if (ingress->refusals_logged < REFUSALS_PER_SECOND) {
        ingress->refusals_logged++;
        return true;
    }
    ingress->refusals_unlogged++;
    return false;
}

void session_refuse(struct session *s, const char *subject, const char *line)
{
    if (line[0] == '5')
        s->errors++;
    if (s->ingress != NULL && ingress_may_log(s->ingress))
        log_info(
            "ingress", "refused", LOG_STR("client", s->client_text),
            LOG_STR("helo", s->helo[0] != '\0' ? s->helo : NULL),
            LOG_STR("from", s->state >= SESSION_MAIL ? transaction_sender(&s->transaction) : NULL),
            LOG_STR("about", subject), LOG_STR("reply", line));
    session_reply(s, line);
}

void session_refuse_mail(struct session *s, const char *subject, const char *line)
{
    if (s->ingress != NULL) {
        s->ingress->figures.refused += line[0] == '5';
        s->ingress->figures.put_off += line[0] == '4';
    }
    session_refuse(s, subject, line);
}
