#include "master/querier.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/channel.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "master/worker.h"

struct question {
    uint64_t token; /* 0: free */
    const struct worker *worker;
    size_t rows; /* that its answer has */
    struct loop_timer *limit;
    querier_done_cb *done;
    void *arg;
    int err;
};

struct querier {
    struct loop *loop;
    struct workers *workers;
    uint64_t last_token;
    struct question questions[QUERIER_MAX];
};

struct querier *querier_new(struct loop *loop, struct workers *workers)
{
    struct querier *querier = calloc(1, sizeof(*querier));

    if (querier != NULL)
        *querier = (struct querier){ .loop = loop, .workers = workers };
    return querier;
}

static void finish(struct question *question, int err, const json_t *rows)
{
    querier_done_cb *done = question->done;
    void *arg = question->arg;

    loop_timer_free(&question->limit);
    *question = (struct question){ 0 };
    done(err, rows, arg);
}

void querier_free(struct querier **querier)
{
    if (*querier == NULL)
        return;
    for (size_t i = 0; i < QUERIER_MAX; i++) {
        if ((*querier)->questions[i].token != 0)
            finish(&(*querier)->questions[i], -ECANCELED, NULL);
    }
    free(*querier);
    *querier = NULL;
}

static void on_limit(void *arg)
{
    struct question *question = arg;

    finish(question, question->err, NULL);
}

static struct question *find(struct querier *querier, uint64_t token)
{
    for (size_t i = 0; i < QUERIER_MAX; i++) {
        if (querier->questions[i].token == token)
            return &querier->questions[i];
    }
    return NULL;
}

int querier_ask(struct querier *querier, const struct ipc_place *places, size_t count, bool detail,
                querier_done_cb *done, void *arg)
{
    struct worker *worker = workers_least_loaded(querier->workers);
    struct question *question = find(querier, 0);
    struct ipc_query message;
    int fd;

    if (count == 0 || count > QUERIER_MAX_PLACES)
        return -EINVAL;
    if (worker == NULL)
        return -EAGAIN;
    if (question == NULL)
        return -EBUSY;
    fd = memfd_seal("query", places, count * sizeof(*places));
    if (fd < 0)
        return fd;
    question->limit = loop_timer_new(querier->loop, on_limit, question);
    if (question->limit == NULL) {
        close(fd);
        return -ENOMEM;
    }
    question->token = ++querier->last_token;
    question->worker = worker;
    question->rows = count + (detail ? 1 : 0);
    question->done = done;
    question->arg = arg;
    question->err = -ETIMEDOUT;
    message = (struct ipc_query){ .token = question->token,
                                  .count = (uint32_t)count,
                                  .detail = detail ? 1 : 0 };
    channel_send_fd(worker->channel, IPC_QUERY, &message, fd);
    loop_timer_set_ms(question->limit, QUERIER_LIMIT_MS);
    return 0;
}

void querier_rows(struct querier *querier, const struct worker *worker,
                  const struct ipc_query_rows *answer, int fd)
{
    struct question *question = answer->token != 0 ? find(querier, answer->token) : NULL;
    AUTO(free) char *text = NULL;
    AUTO(json) json_t *rows = NULL;
    size_t bytes;

    if (question == NULL || question->worker != worker)
        return; /* late */
    if (memfd_read(fd, &text, &bytes) == 0)
        rows = json_loadb(text, bytes, 0, NULL);
    if (rows == NULL || !json_is_array(rows) || json_array_size(rows) != question->rows)
        finish(question, -EBADMSG, NULL);
    else
        finish(question, 0, rows);
}

void querier_worker_gone(struct querier *querier, const struct worker *worker)
{
    for (size_t i = 0; i < QUERIER_MAX; i++) {
        struct question *question = &querier->questions[i];

        if (question->token == 0 || question->worker != worker)
            continue;
        question->worker = NULL;
        question->err = -EPIPE;
        loop_timer_set_ms(question->limit, 0);
    }
}
