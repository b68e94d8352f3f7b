/* The time-outs of a profile reach the timers: what is armed while the server keeps us waiting, in
 * each phase of a session, with a profile that names none (the defaults) and with one that names
 * all. From the profile as the master sends it to the timer of the stream: the linker puts the two
 * functions below in the place of what they are named after (CMakeLists.txt). */
#include "pool_world.h"

#include "common/conf.h"
#include "worker/tls_keeper.h"

#define BIG (64U << 20) /* more than the sockets take */

/* ---- what is armed ---- */

static int64_t armed_ms; /* by the last who had a word on it; 0: nothing */
static bool is_deadline; /* it is a stream's */

void __real_loop_timer_set_ms(struct loop_timer *timer, int64_t from_now_ms);
void __real_stream_deadline_ms(struct stream *stream, int64_t from_now_ms);

void __wrap_loop_timer_set_ms(struct loop_timer *timer, int64_t from_now_ms)
{
    if (is_deadline)
        armed_ms = from_now_ms;
    __real_loop_timer_set_ms(timer, from_now_ms);
}

void __wrap_stream_deadline_ms(struct stream *stream, int64_t from_now_ms)
{
    armed_ms = 0;
    is_deadline = true;
    __real_stream_deadline_ms(stream, from_now_ms);
    is_deadline = false;
}

/* ---- the profile ---- */

static struct worker_profile *version;
static struct wish wish;
static char *big;
static struct conf *conf;
static struct tls_keeper *keeper;

/* The world's pool speaks no TLS. */
static void setup(void)
{
    struct reason why = { "" };

    world_setup();
    cr_assert_eq(conf_parse("hostname = \"gw.test\"\n", "test", &conf, &why), 0, "%s", why.text);
    keeper = tls_keeper_new(conf);
    smtp_pool_free(&pool);
    pool = smtp_pool_new(loop, channel, keeper);
}

static void teardown(void)
{
    world_teardown();
    tls_keeper_free(&keeper);
    conf_free(&conf);
    free(big);
}

TestSuite(timeouts, .init = setup, .fini = teardown, .timeout = 60);

#define SMTP     "smtp", "none"
#define STARTTLS "smtp", "starttls_required"
#define SMTPS    "smtps", "none"

/* `timeouts` is JSON, or NULL: not a word on them. */
static void put(const char *timeouts, const char *scheme, const char *encryption)
{
    char input[512];
    struct reason why = { "" };
    struct profile *profile;
    json_t *json;
    char *text;

    (void)snprintf(input, sizeof(input),
                   "'servers': ['%s://127.0.0.1:%u'], 'encryption': '%s' %s %s", scheme,
                   peers[0]->port, encryption, timeouts != NULL ? ", 'timeouts':" : "",
                   timeouts != NULL ? timeouts : "");
    profile = accept_profile(input_of("smtp", input), NULL, NULL);
    profile->id = PROFILE;
    profile->version = 1;
    json = profile_to_json(profile, PROFILE_FORM_WORKER);
    text = json_dumps(json, JSON_COMPACT);
    cr_assert_eq(directory_put_profile(directory, text, strlen(text), &why), 0, "%s", why.text);
    free(text);
    json_decref(json);
    profile_free(&profile);
    version = directory_hold(directory, PROFILE);
    directory_release(version);
}

/* ---- phases: each ends while the server keeps us waiting in it ---- */

static void hears(const char *text)
{
    UNTIL(loop, strstr(peers[0]->log, text) != NULL);
    turn_a_while();
}

static void open_until(const char *silent_at, const char *heard)
{
    peer_on(peers[0], silent_at, "", -1);
    ask(&wish, version, 0);
    hears(heard);
}

static void open_it(void)
{
    get(&wish, version, 0);
}

static void send_until(const char *silent_at, const char *heard)
{
    peer_on(peers[0], silent_at, "", -1);
    open_it();
    begin_to_send(&wish);
    hears(heard);
}

static void without_pipelining(void)
{
    peers[0]->extensions = "250 SIZE 10485760\r\n";
}

static void connecting(void)
{
    ask(&wish, version, 0); /* the loop has not turned since */
}

static void greeting(void)
{
    peer_on(peers[0], "greeting", "", -1);
    ask(&wish, version, 0);
    UNTIL(loop, peers[0]->connections == 1);
    turn_a_while();
}

static void ehlo(void)
{
    open_until("EHLO", "EHLO");
}

static void helo(void)
{
    peer_on(peers[0], "EHLO", "502 5.5.1 not here", -1);
    open_until("HELO", "HELO");
}

static void ready(void)
{
    open_it();
    turn_a_while();
}

static void starttls(void)
{
    peers[0]->extensions = "250-STARTTLS\r\n250 SIZE 10485760\r\n";
    open_until("STARTTLS", "STARTTLS");
}

static void on_starttls(struct peer *peer, const char *line)
{
    peer->is_deaf |= strcmp(line, "STARTTLS") == 0;
}

/* The server is ready to begin with TLS, and does not. */
static void securing(void)
{
    peers[0]->extensions = "250-STARTTLS\r\n250 SIZE 10485760\r\n";
    peers[0]->on_line = on_starttls;
    peer_on(peers[0], "STARTTLS", "220 2.0.0 go ahead", -1);
    ask(&wish, version, 0);
    hears("STARTTLS");
}

static void securing_at_once(void)
{
    greeting();
}

static void mail(void)
{
    without_pipelining();
    send_until("MAIL", "MAIL");
}

static void rcpt(void)
{
    without_pipelining();
    send_until("RCPT", "RCPT");
}

static void data(void)
{
    without_pipelining();
    send_until("DATA", "DATA");
}

/* The transaction before left an RSET to be said. */
static void rset(void)
{
    without_pipelining();
    peer_on(peers[0], "RCPT", "550 5.1.1 no such user", 1);
    peer_on(peers[0], "RSET", "", -1);
    open_it();
    begin_to_send(&wish);
    UNTIL(loop, wish.sent == 1);
    begin_to_send(&wish);
    hears("RSET");
}

/* All of it was said in one go, and no word of it is answered. */
static void pipelined(void)
{
    peer_on(peers[0], "MAIL", "", -1);
    peer_on(peers[0], "RCPT", "", -1);
    send_until("DATA", "DATA");
}

static void on_line(struct peer *peer, const char *line)
{
    peer->is_deaf |= strcmp(line, "DATA") == 0;
}

/* The server says 354, and reads no more. */
static void content(void)
{
    big = malloc(BIG);
    cr_assert_not_null(big);
    memset(big, 'x', BIG);
    peers[0]->on_line = on_line;
    open_it();
    begin_to_send_bytes(&wish, big, BIG);
    UNTIL(loop, peers[0]->is_deaf);
    turn_a_while();
}

static void end_of_data(void)
{
    send_until(".", "(7)");
}

/* Nobody was accepted, and DATA all the same, which had been said ahead. */
static void empty_content(void)
{
    peer_on(peers[0], "RCPT", "550 5.1.1 no such user", -1);
    send_until(".", "(0)");
}

static void quitting(void)
{
    peer_on(peers[0], "QUIT", "", -1);
    open_it();
    smtp_connection_quit(wish.connection);
    hears("QUIT");
}

/* ---- the tests ---- */

/* phase, the default, and what it is changed to, in ms */
#define PHASES(X)                            \
    X(connecting, 30000, 11000, SMTP)        \
    X(greeting, 60000, 12000, SMTP)          \
    X(ehlo, 60000, 13000, SMTP)              \
    X(helo, 60000, 13000, SMTP)              \
    X(starttls, 60000, 13000, STARTTLS)      \
    X(securing, 60000, 13000, STARTTLS)      \
    X(securing_at_once, 60000, 13000, SMTPS) \
    X(mail, 300000, 14000, SMTP)             \
    X(rcpt, 300000, 14000, SMTP)             \
    X(data, 300000, 14000, SMTP)             \
    X(rset, 300000, 14000, SMTP)             \
    X(pipelined, 300000, 14000, SMTP)        \
    X(content, 180000, 15000, SMTP)          \
    X(end_of_data, 600000, 16000, SMTP)      \
    X(empty_content, 600000, 16000, SMTP)    \
    X(ready, 0, 0, SMTP)                     \
    X(quitting, 2000, 2000, SMTP)

#define X(phase, by_default, changed, server)                                 \
    Test(timeouts, SP11_SP22_##phase##_by_default)                            \
    {                                                                         \
        put(NULL, server);                                                    \
        phase();                                                              \
        cr_assert_eq(armed_ms, (by_default), "%ld ms", (long)armed_ms);       \
    }                                                                         \
    Test(timeouts, SP11_SP22_##phase##_as_the_profile_says)                   \
    {                                                                         \
        put("{'connect': 11, 'greeting': 12, 'handshake': 13, 'command': 14," \
            " 'data_block': 15, 'end_of_data': 16}",                          \
            server);                                                          \
        phase();                                                              \
        cr_assert_eq(armed_ms, (changed), "%ld ms", (long)armed_ms);          \
    }
PHASES(X)
#undef X
