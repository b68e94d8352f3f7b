#include "master/composer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "common/auto.h"
#include "common/channel.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "master/worker.h"

struct order {
    uint64_t token; /* 0: free */
    const struct worker *worker;
    struct loop_timer *limit;
    composer_done_cb *done;
    void *arg;
    int err;
};

struct composer {
    struct loop *loop;
    struct workers *workers;
    uint64_t last_token;
    struct order orders[COMPOSER_MAX];
};

struct composer *composer_new(struct loop *loop, struct workers *workers)
{
    struct composer *composer = calloc(1, sizeof(*composer));

    if (composer != NULL)
        *composer = (struct composer){ .loop = loop, .workers = workers };
    return composer;
}

static void finish(struct order *order, int err, uint64_t id)
{
    composer_done_cb *done = order->done;
    void *arg = order->arg;

    loop_timer_free(&order->limit);
    *order = (struct order){ 0 };
    done(err, id, arg);
}

void composer_free(struct composer **composer)
{
    if (*composer == NULL)
        return;
    for (size_t i = 0; i < COMPOSER_MAX; i++) {
        if ((*composer)->orders[i].token != 0)
            finish(&(*composer)->orders[i], -ECANCELED, 0);
    }
    free(*composer);
    *composer = NULL;
}

static void on_limit(void *arg)
{
    struct order *order = arg;

    finish(order, order->err, 0);
}

static struct order *find(struct composer *composer, uint64_t token)
{
    for (size_t i = 0; i < COMPOSER_MAX; i++) {
        if (composer->orders[i].token == token)
            return &composer->orders[i];
    }
    return NULL;
}

/* A sealed memfd, or a negative errno. */
static int seal(const struct composer_mail *mail)
{
    AUTO(json) json_t *json = NULL;
    json_t *recipients = json_array();
    AUTO(free) char *text = NULL;

    for (size_t i = 0; i < mail->recipient_count; i++)
        (void)json_array_append_new(recipients, json_string(mail->recipients[i]));
    json = json_pack("{ss ss so sI sI ss ss}", "sender", mail->sender, "from", mail->from,
                     "recipients", recipients, "profile", (json_int_t)mail->profile, "rule",
                     (json_int_t)mail->rule, "subject", mail->subject, "text", mail->text);
    if (json == NULL)
        return -EINVAL;
    if (mail->file_text != NULL && json_object_set_new(json, "file",
                                                       json_pack("{ss ss}", "name", mail->file_name,
                                                                 "text", mail->file_text)) != 0)
        return -EINVAL;
    text = json_dumps(json, JSON_COMPACT);
    return text != NULL ? memfd_seal("mail", text, strlen(text)) : -ENOMEM;
}

int composer_send(struct composer *composer, const struct composer_mail *mail,
                  composer_done_cb *done, void *arg)
{
    struct worker *worker = workers_least_loaded(composer->workers);
    struct order *order = find(composer, 0);
    struct ipc_compose message = { .token = 0 };
    int fd;

    if (worker == NULL)
        return -EAGAIN;
    if (order == NULL)
        return -EBUSY;
    fd = seal(mail);
    if (fd < 0)
        return fd;
    order->limit = loop_timer_new(composer->loop, on_limit, order);
    if (order->limit == NULL) {
        close(fd);
        return -ENOMEM;
    }
    order->token = ++composer->last_token;
    order->worker = worker;
    order->done = done;
    order->arg = arg;
    order->err = -ETIMEDOUT;
    message.token = order->token;
    if (mail->attached != NULL)
        message.attached = *mail->attached;
    channel_send_fd(worker->channel, IPC_COMPOSE, &message, fd);
    loop_timer_set_ms(order->limit, COMPOSER_LIMIT_MS);
    return 0;
}

void composer_composed(struct composer *composer, const struct worker *worker,
                       const struct ipc_composed *answer)
{
    struct order *order = answer->token != 0 ? find(composer, answer->token) : NULL;

    if (order == NULL || order->worker != worker)
        return; /* late */
    finish(order, answer->err <= 0 ? answer->err : -EBADMSG, answer->id);
}

void composer_worker_gone(struct composer *composer, const struct worker *worker)
{
    for (size_t i = 0; i < COMPOSER_MAX; i++) {
        struct order *order = &composer->orders[i];

        if (order->token == 0 || order->worker != worker)
            continue;
        order->worker = NULL;
        order->err = -EPIPE;
        loop_timer_set_ms(order->limit, 0);
    }
}
