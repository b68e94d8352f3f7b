/* What the master asks a worker to write: once answered, whatever becomes of the worker. */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "common/channel.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "master/composer.h"
#include "master/worker.h"

static struct loop *loop;
static struct workers workers;
static struct composer *composer;
static struct channel *far_end;

static struct ipc_compose orders[COMPOSER_MAX];
static char *texts[COMPOSER_MAX];
static unsigned order_count;
static unsigned done_count;
static int last_err;
static uint64_t last_id;

static void on_compose(void *owner, const void *payload, int fd)
{
    size_t bytes;

    (void)owner;
    orders[order_count] = *(const struct ipc_compose *)payload;
    cr_assert_eq(memfd_read(fd, &texts[order_count], &bytes), 0);
    order_count++;
    close(fd);
}

static void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static void setup(void)
{
    static channel_handler *const from_master[IPC_KIND_COUNT] = { [IPC_COMPOSE] = on_compose };
    static channel_handler *const from_worker[IPC_KIND_COUNT];
    struct worker *worker;
    int fds[2];

    loop = workers.loop = loop_new();
    worker = workers_add(&workers, 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    worker->channel = channel_new(loop, fds[0], IPC_MASTER, from_worker, on_end, worker);
    worker->state = WORKER_RUNNING;
    far_end = channel_new(loop, fds[1], IPC_WORKER, from_master, on_end, NULL);
    composer = composer_new(loop, &workers);
}

static void teardown(void)
{
    composer_free(&composer);
    for (unsigned i = 0; i < order_count; i++)
        free(texts[i]);
    worker_free(&workers.slots[0]);
    channel_free(&far_end);
    loop_free(loop);
}

TestSuite(composer, .init = setup, .fini = teardown, .timeout = 30);

static void note_done(int err, uint64_t id, void *arg)
{
    (void)arg;
    done_count++;
    last_err = err;
    last_id = id;
}

static const char *const recipients[] = { "a@x.example", "b@x.example" };
static struct composer_mail mail = { .sender = "",
                                     .from = "postern@gw.example",
                                     .recipients = recipients,
                                     .recipient_count = 2,
                                     .profile = 3,
                                     .subject = "s",
                                     .text = "t\n" };

static int ask(void)
{
    int err = composer_send(composer, &mail, note_done, NULL);

    for (unsigned i = 0; i < 4; i++)
        loop_turn(loop, 1);
    return err;
}

Test(composer, an_order_says_all_and_is_answered_once)
{
    const struct ipc_place place = { .id = 9, .segment = 2 };
    struct ipc_composed answer = { .id = 77 };
    json_t *json;

    mail.attached = &place;
    cr_assert_eq(ask(), 0);
    cr_assert_eq(order_count, 1u);
    cr_assert_eq(memcmp(&orders[0].attached, &place, sizeof(place)), 0);
    json = json_loads(texts[0], 0, NULL);
    cr_assert_str_eq(json_string_value(json_object_get(json, "from")), "postern@gw.example");
    cr_assert_eq(json_array_size(json_object_get(json, "recipients")), 2u);
    cr_assert_eq(json_integer_value(json_object_get(json, "profile")), 3);
    json_decref(json);
    cr_assert_eq(done_count, 0u);
    answer.token = orders[0].token;
    composer_composed(composer, workers.slots[0], &answer);
    composer_composed(composer, workers.slots[0], &answer);
    cr_assert_eq(done_count, 1u);
    cr_assert_eq(last_err, 0);
    cr_assert_eq(last_id, 77u);
}

Test(composer, a_rule_and_a_file_are_said_as_well)
{
    json_t *json, *file;

    cr_assert_eq(ask(), 0);
    mail.rule = 8;
    mail.file_name = "f.txt";
    mail.file_text = "inside\n";
    cr_assert_eq(ask(), 0);
    cr_assert_eq(order_count, 2u);
    json = json_loads(texts[0], 0, NULL);
    cr_assert_eq(json_integer_value(json_object_get(json, "rule")), 0);
    cr_assert_null(json_object_get(json, "file"));
    json_decref(json);
    json = json_loads(texts[1], 0, NULL);
    file = json_object_get(json, "file");
    cr_assert_eq(json_integer_value(json_object_get(json, "rule")), 8);
    cr_assert_str_eq(json_string_value(json_object_get(file, "name")), "f.txt");
    cr_assert_str_eq(json_string_value(json_object_get(file, "text")), "inside\n");
    json_decref(json);
    mail.file_text = "\xff";
    cr_assert_eq(ask(), -EINVAL);
}

Test(composer, the_end_of_its_worker_is_an_answer)
{
    cr_assert_eq(ask(), 0);
    composer_worker_gone(composer, workers.slots[0]);
    cr_assert_eq(done_count, 0u, "never from inside");
    for (unsigned i = 0; i < 50 && done_count == 0; i++)
        loop_turn(loop, 10);
    cr_assert_eq(done_count, 1u);
    cr_assert_eq(last_err, -EPIPE);
}

Test(composer, an_answer_of_another_worker_is_none)
{
    struct ipc_composed answer = { .id = 77 };
    struct worker *other = workers_add(&workers, 1);

    cr_assert_eq(ask(), 0);
    answer.token = orders[0].token;
    composer_composed(composer, other, &answer);
    cr_assert_eq(done_count, 0u);
    worker_free(&workers.slots[1]);
}

Test(composer, without_a_worker_it_is_for_later)
{
    workers.slots[0]->state = WORKER_DOWN;
    cr_assert_eq(ask(), -EAGAIN);
    workers.slots[0]->state = WORKER_RUNNING;
    mail.subject = "\xff";
    cr_assert_eq(ask(), -EINVAL);
    cr_assert_eq(order_count, 0u);
}

Test(composer, so_many_at_a_time_and_the_end_answers_all)
{
    for (unsigned i = 0; i < COMPOSER_MAX; i++)
        cr_assert_eq(ask(), 0);
    cr_assert_eq(ask(), -EBUSY);
    composer_free(&composer);
    cr_assert_eq(done_count, (unsigned)COMPOSER_MAX);
    cr_assert_eq(last_err, -ECANCELED);
}
