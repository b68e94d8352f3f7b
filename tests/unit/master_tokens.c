/* OAuth tokens at the master: fetched once for all, renewed, refused, and what workers that die or
 * profiles that change make of it (SP34). */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "master/tokens.h"
#include "master/worker.h"

#define WORKERS 3

static struct loop *loop;
static struct workers workers;
static struct tokens *tokens;

static struct heard {
    struct channel *end;
    unsigned fetches, answers;
    struct ipc_token_fetch fetch;
    struct ipc_token last;
    char text[64];
} heard[WORKERS];

static void on_fetch(void *owner, const void *payload, int fd)
{
    struct heard *h = owner;

    (void)fd;
    h->fetch = *(const struct ipc_token_fetch *)payload;
    h->fetches++;
}

static void on_token(void *owner, const void *payload, int fd)
{
    struct heard *h = owner;
    char *text = NULL;
    size_t bytes;

    h->last = *(const struct ipc_token *)payload;
    h->answers++;
    cr_assert_eq(memfd_read(fd, &text, &bytes), 0);
    cr_assert_lt(bytes, sizeof(h->text));
    strcpy(h->text, text);
    free(text);
    close(fd);
}

static void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static void set_up(void)
{
    static channel_handler *const from_master[IPC_KIND_COUNT] = {
        [IPC_TOKEN_FETCH] = on_fetch, [IPC_TOKEN] = on_token
    };
    static channel_handler *const from_worker[IPC_KIND_COUNT];

    loop = workers.loop = loop_new();
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        struct worker *worker = workers_add(&workers, slot);
        int fds[2];

        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        worker->channel = channel_new(loop, fds[0], IPC_MASTER, from_worker, on_end, worker);
        worker->state = WORKER_RUNNING;
        heard[slot].end = channel_new(loop, fds[1], IPC_WORKER, from_master, on_end, &heard[slot]);
    }
    tokens = tokens_new(loop, &workers);
    cr_assert_not_null(tokens);
}

static void tear_down(void)
{
    tokens_free(&tokens);
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        worker_free(&workers.slots[slot]);
        channel_free(&heard[slot].end);
    }
    loop_free(loop);
}

TestSuite(tokens, .init = set_up, .fini = tear_down, .timeout = 30);

static void turns(void)
{
    for (int i = 0; i < 6; i++)
        loop_turn(loop, 1);
}

static void want(unsigned slot, uint64_t version, uint64_t has, uint64_t refused)
{
    const struct ipc_token_want want = {
        .profile = 7, .version = version, .has = has, .refused = refused
    };

    cr_assert_eq(tokens_want(tokens, workers.slots[slot], &want), 0);
    turns();
}

static int say(unsigned slot, uint64_t version, const char *text, bool is_failed, unsigned lives_s)
{
    const struct ipc_token_fetched fetched = {
        .profile = 7, .version = version, .is_failed = is_failed, .lives_s = lives_s
    };
    int fd = memfd_seal("token", text, strlen(text));
    int err = tokens_fetched(tokens, workers.slots[slot], &fetched, fd);

    close(fd);
    turns();
    return err;
}

static void fetched(unsigned slot, const char *text, unsigned lives_s)
{
    cr_assert_eq(say(slot, 1, text, false, lives_s), 0);
}

Test(tokens, SP34_one_fetches_for_all)
{
    want(1, 1, 0, 0);
    want(0, 1, 0, 0);
    cr_assert_eq(heard[1].fetches, 1);
    cr_assert_eq(heard[1].fetch.profile, 7);
    cr_assert_eq(heard[0].fetches, 0);
    cr_assert_eq(heard[0].answers + heard[1].answers, 0);
    fetched(1, "abc", 3600);
    cr_assert_str_eq(heard[0].text, "abc");
    cr_assert_str_eq(heard[1].text, "abc");
    cr_assert_neq(heard[0].last.serial, 0);
    cr_assert_geq(heard[0].last.lives_ms, 3590000u);
    cr_assert_leq(heard[0].last.fresh_ms, 3540000u);
    want(2, 1, 0, 0);
    cr_assert_str_eq(heard[2].text, "abc", "it is at hand");
    cr_assert_eq(heard[0].fetches + heard[1].fetches + heard[2].fetches, 1);
}

/* So short a life is hardly begun when a new one is fetched: while the old one serves. */
Test(tokens, SP34_an_old_one_serves_until_there_is_a_new_one)
{
    want(0, 1, 0, 0);
    fetched(0, "first", 1);
    for (int64_t until_ms = loop_now_ms(loop) + 850; loop_now_ms(loop) < until_ms;)
        loop_turn(loop, 10);
    want(1, 1, 0, 0);
    cr_assert_str_eq(heard[1].text, "first", "another worker gets what there is");
    want(0, 1, heard[0].last.serial, 0);
    cr_assert_eq(heard[0].answers, 1, "and whoever has it waits for the new one");
    cr_assert_eq(heard[0].fetches, 2);
    fetched(0, "second", 3600);
    cr_assert_str_eq(heard[0].text, "second");
    cr_assert_eq(heard[1].answers, 1, "it did not ask");
}

Test(tokens, SP34_one_that_a_server_refused_is_replaced_once)
{
    uint64_t serial;

    want(0, 1, 0, 0);
    fetched(0, "first", 3600);
    want(1, 1, 0, 0);
    serial = heard[0].last.serial;
    want(0, 1, 0, serial);
    cr_assert_eq(heard[0].fetches, 2);
    want(1, 1, 0, serial);
    cr_assert_eq(heard[1].fetches, 0);
    fetched(0, "second", 3600);
    cr_assert_str_eq(heard[1].text, "second");
    want(2, 1, 0, serial);
    cr_assert_str_eq(heard[2].text, "second", "that one is not it any more");
}

Test(tokens, SP34_that_there_is_none_is_told_to_all_and_kept_for_a_while)
{
    want(0, 1, 0, 0);
    want(1, 1, 0, 0);
    cr_assert_eq(say(0, 1, "no such client", true, 0), 0);
    cr_assert_eq(heard[1].last.is_failed, 1);
    cr_assert_str_eq(heard[1].text, "no such client");
    want(2, 1, 0, 0);
    cr_assert_str_eq(heard[2].text, "no such client");
    cr_assert_eq(heard[2].fetches, 0);
}

Test(tokens, SP34_another_fetches_for_one_that_died)
{
    want(0, 1, 0, 0);
    want(2, 1, 0, 0);
    tokens_worker_gone(tokens, workers.slots[0]);
    turns();
    cr_assert_eq(heard[2].fetches, 1);
    fetched(0, "too late", 10);
    cr_assert_eq(heard[2].answers, 0);
    fetched(2, "in time", 10);
    cr_assert_str_eq(heard[2].text, "in time");
    cr_assert_eq(heard[0].answers, 0);
}

/* It lives, but had no descriptor for its answer. */
Test(tokens, SP34_the_next_fetches_for_one_that_does_not_answer)
{
    want(0, 1, 0, 0);
    want(1, 1, 0, 0);
    cr_assert_eq(heard[1].fetches, 0, "it has its time");
    tokens_set_patience_ms(tokens, 0);
    want(2, 1, 0, 0);
    cr_assert_eq(heard[2].fetches, 1);
    fetched(2, "abc", 60);
    cr_assert_str_eq(heard[0].text, "abc");
    cr_assert_str_eq(heard[1].text, "abc");
}

Test(tokens, SP34_a_new_version_has_another)
{
    want(0, 1, 0, 0);
    tokens_forget(tokens, 7);
    turns();
    cr_assert_eq(heard[0].last.is_failed, 1);
    fetched(0, "of old", 3600);
    want(0, 1, 0, 0); /* it has not heard of the new version yet */
    want(1, 2, 0, 0);
    cr_assert_eq(heard[1].fetch.version, 2);
    want(0, 1, 0, 0);
    cr_assert_eq(heard[0].last.is_failed, 1);
    cr_assert_eq(say(1, 2, "new", false, 3600), 0);
    cr_assert_str_eq(heard[1].text, "new");
}

Test(tokens, nonsense_is_held_against_who_says_it)
{
    const struct ipc_token_want nobody = { .version = 1 }, nothing = { .profile = 7 };

    cr_assert_eq(tokens_want(tokens, workers.slots[0], &nobody), -EBADMSG);
    cr_assert_eq(tokens_want(tokens, workers.slots[0], &nothing), -EBADMSG);
    want(0, 1, 0, 0);
    cr_assert_eq(say(0, 1, "", false, 1), -EBADMSG);
    cr_assert_eq(say(0, 1, "abc", false, 0), -EBADMSG, "it lives for no time");
    cr_assert_eq(say(1, 1, "abc", false, 1), 0, "that one was not asked: of no interest");
    cr_assert_eq(heard[0].answers, 0);
}
