/* worker/ingress/ingress.c: the SMTP server as a whole: its sessions, its limits, its end. */
#include "worker/ingress/ingress.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/loop.h"
#include "worker/ingress/clients.h"
#include "worker/ingress/ingress_private.h"
#include "worker/ingress/listeners.h"
#include "worker/spooler.h"
#include "worker/stream.h"
#include "worker/tls.h"

#define CREDIT_LINE_EVERY_MS 60000

static void update_listeners(struct ingress *ingress)
{
    bool is_full = ingress->figures.connections >= (uint64_t)ingress->conf->smtp_max_connections;

    listeners_pause(ingress->listeners,
                    is_full || ingress->is_out_of_credit || ingress->is_draining);
}

/* Without credit a session would only be told 451: who is not here yet waits in the backlog. It may
 * come and go by the turn: one line a minute is enough. */
static void on_credit_changed(bool has_credit, void *arg)
{
    struct ingress *ingress = arg;
    const int64_t now_ms = loop_now_ms(ingress->loop);

    ingress->is_out_of_credit = !has_credit;
    update_listeners(ingress);
    if (has_credit || now_ms < ingress->credit_line_ms)
        return;
    ingress->credit_line_ms = now_ms + CREDIT_LINE_EVERY_MS;
    log_warning("ingress", "the master does not follow, no connections are accepted meanwhile",
                LOG_INT("credit", IPC_QUEUED_CREDIT));
}

/* ---- sessions ---- */

static void on_greet(void *arg)
{
    struct ingress *ingress = arg;

    while (!TAILQ_EMPTY(&ingress->fresh))
        session_greet(TAILQ_FIRST(&ingress->fresh));
}

void ingress_adopt(struct ingress *ingress, int fd)
{
    struct session *s = session_new(ingress, fd);

    if (s == NULL)
        return;
    ingress->figures.sessions++;
    ingress->figures.connections++;
    update_listeners(ingress);
    if (ingress->is_draining) {
        session_dismiss(s, INGRESS_SHUTTING_DOWN);
        return;
    }
    if (ingress->conf->smtp_max_connections_per_client > 0 &&
        !clients_enter(ingress->clients, stream_peer(s->stream),
                       (unsigned)ingress->conf->smtp_max_connections_per_client, &s->client)) {
        ingress->figures.put_off++;
        session_dismiss(s, "421 4.7.0 Too many connections from your address");
        return;
    }
    /* In the next turn: by then it is seen whether the client has spoken already. */
    if (!loop_timer_is_set(ingress->greet_timer))
        loop_timer_set_ms(ingress->greet_timer, 0);
}

static void on_accepted(int fd, void *arg)
{
    ingress_adopt(arg, fd);
}

void ingress_session_closed(struct ingress *ingress, struct session *s)
{
    clients_leave(ingress->clients, s->client);
    s->client = NULL;
    ingress->figures.connections--;
    update_listeners(ingress);
    if (ingress->is_draining && ingress->figures.connections == 0)
        loop_timer_set_ms(ingress->drained_timer, 0);
}

/* ---- the end ---- */

static void on_drained(void *arg)
{
    struct ingress *ingress = arg;
    ingress_drained_cb *drained = ingress->drained;

    ingress->drained = NULL;
    if (drained != NULL && ingress->figures.connections == 0)
        drained(ingress->drained_arg);
}

static void send_away(struct ingress *ingress)
{
    struct session *s = LIST_FIRST(&ingress->sessions), *next;

    ingress->is_draining = true;
    update_listeners(ingress);
    for (; s != NULL; s = next) {
        next = LIST_NEXT(s, all);
        session_dismiss(s, INGRESS_SHUTTING_DOWN);
    }
}

void ingress_drain(struct ingress *ingress, ingress_drained_cb *done, void *arg)
{
    ingress->drained = done;
    ingress->drained_arg = arg;
    send_away(ingress);
    if (ingress->figures.connections == 0)
        loop_timer_set_ms(ingress->drained_timer, 0);
}

void ingress_master_gone(struct ingress *ingress)
{
    ingress->is_master_gone = true;
    send_away(ingress);
}

/* ---- life ---- */

static char *make_ehlo_reply(const struct conf *conf)
{
    char *text = NULL;

    if (asprintf(&text,
                 "250-%s\r\n"
                 "250-PIPELINING\r\n"
                 "250-SIZE %" PRId64 "\r\n"
                 "250-8BITMIME",
                 conf->top_hostname, conf->smtp_max_message_size) < 0)
        return NULL;
    return text;
}

struct ingress *ingress_new(struct loop *loop, const struct conf *conf,
                            const struct directory *directory, struct spooler *spooler)
{
    struct ingress *ingress = calloc(1, sizeof(*ingress));

    if (ingress == NULL)
        return NULL;
    ingress->loop = loop;
    ingress->conf = conf;
    ingress->directory = directory;
    ingress->spooler = spooler;
    LIST_INIT(&ingress->sessions);
    TAILQ_INIT(&ingress->fresh);
    ingress->ehlo_reply = make_ehlo_reply(conf);
    ingress->watch_timer = loop_timer_new(loop, ingress_watch_identity, ingress);
    ingress->clients = clients_new();
    ingress->listeners = listeners_new(loop, on_accepted, ingress);
    ingress->greet_timer = loop_timer_new(loop, on_greet, ingress);
    ingress->drained_timer = loop_timer_new(loop, on_drained, ingress);
    if (ingress->ehlo_reply == NULL || ingress->clients == NULL || ingress->listeners == NULL ||
        ingress->watch_timer == NULL || ingress->greet_timer == NULL ||
        ingress->drained_timer == NULL) {
        ingress_free(&ingress);
        return NULL;
    }
    ingress_load_identity(ingress, conf);
    spooler_watch_credit(spooler, on_credit_changed, ingress);
    return ingress;
}

void ingress_free(struct ingress **ingress)
{
    struct ingress *in = *ingress;
    struct session *s, *next;

    *ingress = NULL;
    if (in == NULL)
        return;
    spooler_watch_credit(in->spooler, NULL, NULL);
    in->is_draining = true;
    for (s = LIST_FIRST(&in->sessions); s != NULL; s = next) {
        next = LIST_NEXT(s, all);
        session_cut(s);
    }
    /* What is left waits for the spooler's word, and looks after itself. */
    while (!LIST_EMPTY(&in->sessions)) {
        s = LIST_FIRST(&in->sessions);
        LIST_REMOVE(s, all);
        s->ingress = NULL;
    }
    listeners_free(&in->listeners);
    clients_free(&in->clients);
    if (in->greet_timer != NULL)
        loop_timer_free(&in->greet_timer);
    if (in->drained_timer != NULL)
        loop_timer_free(&in->drained_timer);
    if (in->watch_timer != NULL)
        loop_timer_free(&in->watch_timer);
    tls_release(in->tls);
    free(in->ehlo_reply);
    free(in);
}

int ingress_configure(struct ingress *ingress, const struct conf *conf)
{
    char *reply = make_ehlo_reply(conf);

    if (reply == NULL)
        return -ENOMEM;
    free(ingress->ehlo_reply);
    ingress->ehlo_reply = reply;
    ingress->conf = conf;
    ingress_load_identity(ingress, conf);
    update_listeners(ingress);
    return 0;
}

int ingress_add_listener(struct ingress *ingress, uint32_t index, int fd)
{
    return listeners_add(ingress->listeners, index, fd);
}

void ingress_close_listener(struct ingress *ingress, uint32_t index)
{
    listeners_remove(ingress->listeners, index);
}

void ingress_figures(const struct ingress *ingress, struct ingress_figures *ret_figures)
{
    *ret_figures = ingress->figures;
    ret_figures->listeners_left = listeners_left(ingress->listeners);
}
