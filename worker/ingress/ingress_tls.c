/* worker/ingress/ingress_tls.c: the digital ID at the door, and STARTTLS. */
#include <errno.h>
#include <time.h>

#include <event2/buffer.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/loop.h"
#include "worker/ingress/ingress_private.h"
#include "worker/stream.h"
#include "worker/tls.h"

#define DAY_S         86400
#define ENDS_SOON_S   (14 * DAY_S)
#define WATCH_AGAIN_S DAY_S

bool ingress_offers_tls(const struct ingress *ingress)
{
    return ingress->tls != NULL;
}

void ingress_watch_identity(void *arg)
{
    struct ingress *ingress = arg;
    const time_t ends_s = (time_t)(ingress->tls != NULL ? tls_ends_s(ingress->tls) : 0);
    const int64_t left_s = (int64_t)ends_s - clock_wall_ms() / 1000;
    char day[16] = "?";
    struct tm tm = { 0 };

    loop_timer_set_ms(ingress->watch_timer, (int64_t)WATCH_AGAIN_S * 1000);
    if (ends_s == 0 || left_s > ENDS_SOON_S)
        return;
    (void)gmtime_r(&ends_s, &tm);
    (void)strftime(day, sizeof(day), "%Y-%m-%d", &tm);
    log_alert("ingress",
              left_s > 0 ? "the digital ID ends soon: renew it, and reload"
                         : "the digital ID has ended: renew it, and reload",
              LOG_STR("file", ingress->conf->tls_certificate), LOG_STR("ends", day));
}

void ingress_load_identity(struct ingress *ingress, const struct conf *conf)
{
    const struct tls_identity identity = { .certificate = conf->tls_certificate,
                                           .key = conf->tls_key };
    struct tls_context *fresh = NULL;
    struct reason why = { "" };

    if (identity.certificate[0] != '\0' && tls_server_new(&identity, &fresh, &why) < 0) {
        log_alert("ingress",
                  ingress->tls != NULL ? "the digital ID cannot be used: the one from before stays"
                                       : "the digital ID cannot be used: STARTTLS is not offered",
                  LOG_STR("reason", why.text));
        return;
    }
    tls_release(ingress->tls);
    ingress->tls = fresh;
    ingress_watch_identity(ingress);
}

/* What is there already was said in clear, by whomever: it must not be taken for what the client
 * says in TLS. */
enum session_state do_starttls(struct session *s, const char *argument)
{
    if (!ingress_offers_tls(s->ingress)) {
        session_refuse(s, NULL, "502 5.5.1 Command not implemented");
        return s->state;
    }
    if (s->is_secured || *argument != '\0') {
        session_refuse(s, NULL,
                       s->is_secured ? "503 5.5.1 TLS is there already"
                                     : "501 5.5.4 STARTTLS takes no argument");
        return s->state;
    }
    if (evbuffer_get_length(stream_input(s->stream)) > 0) {
        session_refuse(s, NULL, "554 5.5.1 Protocol error: spoke before the handshake");
        return SESSION_CLOSED;
    }
    session_reply(s, "220 2.0.0 Go ahead");
    if (stream_secure(s->stream, s->ingress->tls, NULL) < 0)
        return SESSION_CLOSED;
    return SESSION_SECURING;
}
