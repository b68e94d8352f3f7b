/* What the master does about what a console says: also one that was taken over. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/console.h"
#include "common/log.h"
#include "common/loop.h"
#include "master/console_host_private.h"

#define WAIT_MS 5000
#define WANTS   (3 * CONSOLE_MAX_REQUESTS)

static struct loop *loop;
static struct console_host host;
static struct conf conf;
static char word[] = "info";
static int console; /* its end of the link */

static const char *no_path(void *arg)
{
    (void)arg;
    return NULL;
}

/* The next packet; a descriptor that came along is closed. False: there is none yet. */
static bool hear(struct console_packet *ret_packet)
{
    return recv(console, ret_packet, sizeof(*ret_packet), 0) == sizeof(*ret_packet);
}

static void set_up(void)
{
    const int room = 4 << 20;
    struct console_packet packet;
    int pair[2];

    log_open("test", 2);
    loop = loop_new();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    console = pair[1];
    for (int i = 0; i < 2; i++)
        (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
    conf.console_plain_http = true;
    conf.log_level = conf.log_format = word;
    host = (struct console_host){
        .loop = loop, .conf = &conf, .path = no_path, .listen_fd = -1, .link_fd = pair[0]
    };
    cr_assert_eq(console_talk_begin(&host), 0, "%s", host.why.text);
    cr_assert(hear(&packet) && packet.kind == CONSOLE_SETTINGS);
    cr_assert(hear(&packet) && packet.kind == CONSOLE_LISTENER);
}

static void tear_down(void)
{
    console_talk_end(&host);
    close(console);
    loop_turn(loop, 0);
    loop_free(loop);
}

TestSuite(console_talk, .init = set_up, .fini = tear_down);

Test(console_talk, OP04_a_console_that_asks_without_end_leaves_the_loop_to_others)
{
    struct console_packet packet = { .kind = CONSOLE_WANT };
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    unsigned heard = 0, most = 0, sent = 0;

    if (geteuid() != 0)
        cr_skip("needs root for so large a socket buffer");
    while (sent < WANTS) {
        packet.number = ++sent;
        cr_assert_eq(send(console, &packet, sizeof(packet), 0), sizeof(packet));
    }
    while (heard < WANTS) {
        unsigned before = heard;

        cr_assert_lt(clock_mono_ms(), until_ms, "it stopped after %u answers", heard);
        loop_turn(loop, 100);
        while (hear(&packet)) {
            cr_assert_eq(packet.kind, CONSOLE_CONNECTION);
            cr_assert_eq(packet.number, ++heard);
            cr_assert_lt(packet.err, 0, "there is nowhere to connect to");
        }
        if (heard - before > most)
            most = heard - before;
    }
    cr_assert_leq(most, CONSOLE_MAX_REQUESTS, "%u in one turn", most);
}

Test(console_talk, OP04_one_that_talks_nonsense_is_not_listened_to_any_more)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    struct console_packet packet = { .kind = 99 };

    host.pid = fork(); /* what is killed */
    if (host.pid == 0) {
        pause();
        _exit(0);
    }
    cr_assert_eq(send(console, &packet, sizeof(packet), 0), sizeof(packet));
    while (host.link_fd >= 0) {
        cr_assert_lt(clock_mono_ms(), until_ms, "it is still heard");
        loop_turn(loop, 100);
    }
}
