/* OAuth tokens in a worker: what is asked of a token server and of the master, who waits, and who
 * is told what (SP34). */
#include "http_stage.h"
#include "tls_helper.h"

#include "common/channel.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "profile_helper.h"
#include "worker/directory.h"
#include "worker/token_fetch.h"
#include "worker/tokens.h"

#define GIVEN(body) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body "!close"

#define REFUSED(body) "HTTP/1.1 400 No\r\nConnection: close\r\n\r\n" body "!close"

static struct tls_paper *ca, *good;
static struct directory *directory;
static struct profile *profile;
static struct tokens *tokens;
static struct channel *channel, *master;

static struct { /* what the master heard */
    unsigned wants, fetched;
    struct ipc_token_want want;
    struct ipc_token_fetched last;
    char text[400];
} heard;

static void on_want(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    heard.want = *(const struct ipc_token_want *)payload;
    heard.wants++;
}

static void read_text(int fd, char out[400])
{
    char *text = NULL;
    size_t bytes;

    cr_assert_eq(memfd_read(fd, &text, &bytes), 0);
    (void)snprintf(out, 400, "%s", text);
    free(text);
    close(fd);
}

static void on_fetched(void *owner, const void *payload, int fd)
{
    (void)owner;
    heard.last = *(const struct ipc_token_fetched *)payload;
    read_text(fd, heard.text);
    heard.fetched++;
}

static void on_token(void *owner, const void *payload, int fd)
{
    (void)owner;
    tokens_take(tokens, payload, fd);
    close(fd);
}

static void on_fetch(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    tokens_fetch(tokens, payload);
}

static void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static struct profile *make_profile(uint64_t version)
{
    char more[600];
    struct profile *made;

    (void)snprintf(more, sizeof(more),
                   "'encryption': 'none', 'oauth': {'grant': 'refresh_token', 'client_id': 'id&1',"
                   "'client_secret': 'tell-nobody=1', 'refresh_token': 'tell nobody/2',"
                   "'token_url': 'https://web.test:%u/token', 'user': 'u'}",
                   web->port);
    made = accept_profile(input_of("smtp", more), NULL, NULL);
    made->id = 7;
    made->version = version;
    return made;
}

static void put(const struct profile *one)
{
    json_t *json = profile_to_json(one, PROFILE_FORM_WORKER);
    char *text = json_dumps(json, 0);
    struct reason why = { "" };

    cr_assert_eq(directory_put_profile(directory, text, strlen(text), &why), 0, "%s", why.text);
    free(text);
    json_decref(json);
}

static void open_channel(void)
{
    static channel_handler *const from_worker[IPC_KIND_COUNT] = {
        [IPC_TOKEN_WANT] = on_want, [IPC_TOKEN_FETCHED] = on_fetched
    };
    static channel_handler *const from_master[IPC_KIND_COUNT] = {
        [IPC_TOKEN] = on_token, [IPC_TOKEN_FETCH] = on_fetch
    };
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    channel = channel_new(loop, ends[0], IPC_WORKER, from_master, on_end, NULL);
    master = channel_new(loop, ends[1], IPC_MASTER, from_worker, on_end, NULL);
}

static void setup(void)
{
    struct tls_context *context = NULL;
    struct reason why = { "" };

    ca = tls_issue("ca", NULL, NULL, true, 30);
    good = tls_issue("good", "DNS:web.test", ca, false, 20);
    http_stage_begin(ca->certificate_file);
    cr_assert_eq(tls_server_new(&(struct tls_identity){ good->certificate_file, good->key_file },
                                &context, &why),
                 0, "%s", why.text);
    web = web_new(loop, context);
    tls_release(context);
    open_channel();
    directory = directory_new();
    profile = make_profile(3);
    put(profile);
    tokens = tokens_new(loop, channel, directory, http);
    cr_assert_not_null(tokens);
}

static void teardown(void)
{
    tokens_free(&tokens);
    profile_free(&profile);
    directory_free(&directory);
    channel_free(&channel);
    channel_free(&master);
    http_stage_end();
    tls_paper_free(&good);
    tls_paper_free(&ca);
}

TestSuite(tokens, .init = setup, .fini = teardown, .timeout = 60);

/* ---- who waits ---- */

struct wisher {
    struct token_wish wish; /* first */
    unsigned told;
    char text[64], why[400];
    uint64_t serial;
};

static void on_granted(struct token_wish *wish, const struct token *token, const char *why)
{
    struct wisher *wisher = (struct wisher *)wish;

    wisher->told++;
    wisher->text[0] = wisher->why[0] = '\0';
    if (token != NULL) {
        (void)snprintf(wisher->text, sizeof(wisher->text), "%s", token->text);
        wisher->serial = token->serial;
    } else {
        (void)snprintf(wisher->why, sizeof(wisher->why), "%s", why);
    }
}

/* True: it is at hand. */
static bool wish_for(struct wisher *wisher, bool is_own, uint64_t refused)
{
    struct token token;

    wisher->wish.done = on_granted;
    if (!tokens_get(tokens, profile, is_own, refused, &wisher->wish, &token))
        return false;
    (void)snprintf(wisher->text, sizeof(wisher->text), "%s", token.text);
    return true;
}

static void say(uint64_t serial, const char *text, bool is_failed, unsigned fresh_ms,
                unsigned lives_ms)
{
    const struct ipc_token said = { .version = 3,
                                    .serial = serial,
                                    .profile = 7,
                                    .is_failed = is_failed,
                                    .lives_ms = lives_ms,
                                    .fresh_ms = fresh_ms };

    channel_send_fd(master, IPC_TOKEN, &said, memfd_seal("token", text, strlen(text)));
}

Test(tokens, SP34_the_master_is_asked_once_for_all_who_wait)
{
    struct wisher one = { 0 }, two = { 0 }, left = { 0 }, late = { 0 };

    cr_assert_not(wish_for(&one, false, 0));
    cr_assert_not(wish_for(&left, false, 0));
    cr_assert_not(wish_for(&two, false, 0));
    tokens_cancel(&left.wish);
    UNTIL(heard.wants == 1);
    cr_assert_eq(heard.want.profile, 7u);
    cr_assert_eq(heard.want.version, 3u);
    say(5, "abc", false, 60000, 90000);
    UNTIL(one.told == 1 && two.told == 1);
    cr_assert_str_eq(two.text, "abc");
    cr_assert_eq(two.serial, 5u);
    cr_assert(wish_for(&late, false, 0));
    cr_assert_str_eq(late.text, "abc");
    cr_assert_eq(left.told + late.told, 0u);
    cr_assert_eq(heard.wants, 1u);
}

Test(tokens, SP34_one_that_is_no_longer_fresh_serves_while_the_next_is_asked_for)
{
    struct wisher one = { 0 };

    cr_assert_not(wish_for(&one, false, 0));
    say(5, "old", false, 0, 90000);
    UNTIL(one.told == 1);
    cr_assert(wish_for(&one, false, 0));
    cr_assert_str_eq(one.text, "old");
    loop_turn(loop, 20);
    cr_assert_eq(heard.wants, 1u, "not again at once: the master has just answered");
}

Test(tokens, SP34_one_that_has_ended_or_was_refused_does_not_serve)
{
    struct wisher one = { 0 };

    cr_assert_not(wish_for(&one, false, 0));
    say(5, "ended", false, 0, 0);
    UNTIL(one.told == 1);
    cr_assert_not(wish_for(&one, false, 0));
    UNTIL(heard.wants == 2);
    say(6, "refused", false, 60000, 90000);
    UNTIL(one.told == 2);
    cr_assert_not(wish_for(&one, false, 6));
    UNTIL(heard.wants == 3);
    cr_assert_eq(heard.want.refused, 6u);
    tokens_cancel(&one.wish);
}

Test(tokens, SP34_that_there_is_none_is_told_with_its_reason)
{
    struct wisher one = { 0 };

    cr_assert_not(wish_for(&one, false, 0));
    say(0, "the token server answered 401", true, 0, 0);
    UNTIL(one.told == 1);
    cr_assert_str_eq(one.why, "the token server answered 401");
}

Test(tokens, SP34_an_answer_that_does_not_come_is_asked_for_again)
{
    struct wisher one = { 0 }, two = { 0 }, three = { 0 };

    cr_assert_not(wish_for(&one, false, 0));
    cr_assert_not(wish_for(&two, false, 0));
    tokens_cancel(&one.wish); /* its deadline has passed */
    tokens_set_patience_ms(tokens, 0);
    cr_assert_not(wish_for(&three, false, 0));
    UNTIL(heard.wants == 2);
    say(5, "abc", false, 60000, 90000);
    UNTIL(two.told == 1 && three.told == 1);
}

Test(tokens, SP34_a_profile_that_changes_ends_the_wait)
{
    struct wisher one = { 0 };

    cr_assert_not(wish_for(&one, false, 0));
    tokens_forget(tokens, 7);
    cr_assert_eq(one.told, 0u, "never from inside");
    UNTIL(one.told == 1);
    cr_assert_str_eq(one.why, "the profile has changed meanwhile");
    say(5, "of old", false, 60000, 90000);
    cr_assert_not(wish_for(&one, false, 0));
    tokens_cancel(&one.wish);
}

/* ---- fetching ---- */

Test(tokens, SP34_SP51_a_test_has_one_of_its_own)
{
    struct wisher one = { 0 };

    web_on(web, "/token", GIVEN("{\"access_token\":\"mine\",\"expires_in\":3600}"), 1);
    cr_assert_not(wish_for(&one, true, 0));
    UNTIL(one.told == 1);
    cr_assert_str_eq(one.text, "mine");
    cr_assert_eq(one.serial, 0u);
    cr_assert_eq(heard.wants, 0u, "the master does not know");
    cr_assert_str_eq(web->body, "grant_type=refresh_token&client_id=id%261"
                                "&client_secret=tell-nobody%3D1&refresh_token=tell%20nobody%2F2");
}

static void order(uint64_t version)
{
    const struct ipc_token_fetch what = { .version = version, .profile = 7 };
    unsigned before = heard.fetched;

    channel_send(master, IPC_TOKEN_FETCH, &what);
    UNTIL(heard.fetched == before + 1);
    cr_assert_eq(heard.last.version, version);
    cr_assert_eq(heard.last.profile, 7u);
}

Test(tokens, SP34_what_the_master_wants_is_fetched)
{
    web_on(web, "/token", GIVEN("{\"access_token\":\"shared\",\"expires_in\":\"1200\"}"), 1);
    order(3);
    cr_assert_eq(heard.last.is_failed, 0u);
    cr_assert_str_eq(heard.text, "shared");
    cr_assert_eq(heard.last.lives_s, 1200u);
    order(2);
    cr_assert_eq(heard.last.is_failed, 1u);
    cr_assert_str_eq(heard.text, "the profile has changed meanwhile");
}

static const struct {
    const char *say;
    bool is_failed;
    const char *text;
    unsigned lives_s;
} answers[] = {
    { GIVEN("{\"access_token\":\"t\"}"), false, "t", TOKEN_LIFE_UNSAID_S },
    { GIVEN("{\"access_token\":\"t\",\"expires_in\":999999999}"), false, "t", TOKEN_LIFE_MAX_S },
    { GIVEN("{\"access_token\":\"t\",\"expires_in\":-5}"), false, "t", 1 },
    { GIVEN("{\"access_token\":\"a b\"}"), true,
      "the token server's access_token is no token: 1 to 8192 visible characters would be", 0 },
    { GIVEN("[]"), true, "the token server answered 200 without an access_token", 0 },
    { REFUSED("{\"error\":\"invalid\\u0007one\"}"), true,
      "the token server answered 400: invalid one", 0 },
    { REFUSED("{\"error\":\"no\\tsuch one\" }"), true, "the token server answered 400: no such one",
      0 },
    { REFUSED("{\"error\":\"you said tell-nobody=1\"}"), true, "the token server answered 400", 0 },
    { "!reset", true, "the token server: ", 0 },
};

Test(tokens, SP34_each_answer_is_told_in_words_without_a_secret)
{
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        web_on(web, "/token", answers[i].say, 1);
        order(3);
        cr_expect_eq(heard.last.is_failed, answers[i].is_failed, "row %zu: %s", i, heard.text);
        cr_expect_eq(strncmp(heard.text, answers[i].text, strlen(answers[i].text)), 0,
                     "row %zu: %s", i, heard.text);
        cr_expect_eq(heard.last.lives_s, answers[i].lives_s, "row %zu", i);
        cr_expect_null(strstr(heard.text, "tell"), "row %zu: %s", i, heard.text);
    }
}
