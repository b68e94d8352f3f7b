/* posternctl account: what it asks of the daemon, and how it comes by a password. */
#include "tests/unit/scripted_api.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <termios.h>

#include "common/clock.h"

#define PASSWORD "correct horse battery"

static int kept_stdin;

static void start(void)
{
    kept_stdin = dup(STDIN_FILENO);
}

static void stop(void)
{
    dup2(kept_stdin, STDIN_FILENO);
    close(kept_stdin);
    ctl_forget();
}

TestSuite(ctl_account, .init = start, .fini = stop, .timeout = 30);

/* ---- from a pipe ---- */

static void type_in(const char *text)
{
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(write(fds[1], text, strlen(text)), (ssize_t)strlen(text));
    close(fds[1]);
    dup2(fds[0], STDIN_FILENO);
    close(fds[0]);
}

#define ALICE "{\"accounts\":[{\"id\":7,\"version\":3,\"name\":\"Alice\",\"role\":\"viewer\"}]}"

Test(ctl_account, OP04_add_reads_the_first_line_and_says_nothing_of_it)
{
    struct api_answer answers[] = { { .status = 201, .body = "{\"id\":7,\"name\":\"alice\"}" },
                                    { .status = 201, .body = "{\"id\":8}" } };

    api_start(2, answers);
    type_in(PASSWORD "\r\nand more\n");
    RUN(api.path, "account", "add", "alice", "--role", "admin");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(ran.out, "account \"alice\": added, role admin");
    ASSERT_LACKS(ran.out, "horse");
    ASSERT_HAS(api.requests[0], "POST /api/v1/accounts HTTP/1.1\r\n");
    ASSERT_HAS(api.requests[0], "\"name\":\"alice\"");
    ASSERT_HAS(api.requests[0], "\"role\":\"admin\"");
    ASSERT_HAS(api.requests[0], "\"password\":\"" PASSWORD "\"");
    type_in(PASSWORD); /* no end of line: that is one too */
    RUN(api.path, "account", "add", "bob");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[1], "\"role\":\"viewer\"");
    ASSERT_HAS(api.requests[1], "\"password\":\"" PASSWORD "\"");
    api_stop();
}

Test(ctl_account, OP04_without_a_password_nothing_is_asked)
{
    static char longer[2000];
    struct api_answer none = { .status = 500 };

    api_start(1, &none);
    type_in("");
    RUN(api.path, "account", "add", "alice");
    cr_assert_eq(ran.code, CTL_REFUSED);
    ASSERT_HAS(ran.err, "standard input");
    memset(longer, 'a', sizeof(longer) - 1);
    type_in(longer);
    RUN(api.path, "account", "add", "alice");
    cr_assert_eq(ran.code, CTL_REFUSED);
    type_in("not UTF-8: \xff\xff\xff\xff\n");
    RUN(api.path, "account", "add", "alice");
    cr_assert_eq(ran.code, CTL_REFUSED);
    ASSERT_HAS(ran.err, "UTF-8");
    cr_assert_eq(api.asked, 0);
    api_stop();
}

Test(ctl_account, OP04_passwd_role_and_delete_go_by_the_account_s_id)
{
    struct api_answer answers[] = {
        { .status = 200, .body = ALICE }, { .status = 204 },
        { .status = 200, .body = ALICE }, { .status = 200, .body = "{\"id\":7}" },
        { .status = 200, .body = ALICE }, { .status = 204 }
    };

    api_start(6, answers);
    type_in(PASSWORD "\n");
    RUN(api.path, "account", "passwd", "alice");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[0], "GET /api/v1/accounts?name=alice ");
    ASSERT_HAS(api.requests[1], "POST /api/v1/accounts/7/password ");
    ASSERT_HAS(api.requests[1], "{\"password\":\"" PASSWORD "\"}");
    RUN(api.path, "account", "role", "alice", "admin");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[3], "PUT /api/v1/accounts/7 ");
    ASSERT_HAS(api.requests[3], "\"version\":3");
    ASSERT_HAS(api.requests[3], "\"role\":\"admin\"");
    RUN(api.path, "account", "delete", "alice");
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(api.requests[5], "DELETE /api/v1/accounts/7 ");
    ASSERT_HAS(ran.out, "account \"Alice\": deleted");
    api_stop();
}

Test(ctl_account, OP04_list_and_who_is_not_there)
{
    struct api_answer answers[] = {
        { .status = 200,
          .body = "{\"accounts\":[{\"id\":7,\"name\":\"Al\\u001bice\",\"role\":\"viewer\","
                  "\"created\":\"2026-01-02T03:04:05.000Z\",\"last_login\":null}]}" },
        { .status = 200, .body = "{\"accounts\":[]}" },
    };

    api_start(2, answers);
    RUN(api.path, "account", "list");
    ASSERT_HAS(ran.out, "Al\\u{1B}ice");
    ASSERT_HAS(ran.out, "viewer");
    RUN(api.path, "account", "delete", "bob");
    cr_assert_eq(ran.code, CTL_REFUSED);
    ASSERT_HAS(ran.err, "there is no account \"bob\"");
    api_stop();
}

Test(ctl_account, usage)
{
    RUN("/nowhere", "account", "add");
    cr_assert_eq(ran.code, CTL_USAGE);
    RUN("/nowhere", "account", "add", "a", PASSWORD);
    cr_assert_eq(ran.code, CTL_USAGE, "a password is no argument");
    RUN("/nowhere", "account", "delete", "a", "--role", "admin");
    cr_assert_eq(ran.code, CTL_USAGE);
}

/* ---- from a terminal ---- */

static struct {
    int master, slave;
    const char *lines[2];
    bool interrupts;
    pthread_t thread, reader;
    char shown[512]; /* what the terminal has shown */
} terminal;

static bool is_mute(void)
{
    struct termios now;

    return tcgetattr(terminal.slave, &now) == 0 && !(now.c_lflag & ECHO);
}

/* Somebody who types when the terminal is mute: what is typed before is thrown away. */
static void *type_lines(void *arg)
{
    int64_t until = clock_mono_ms() + 10000;

    (void)arg;
    while (!is_mute() && clock_mono_ms() < until)
        usleep(1000);
    if (terminal.interrupts) {
        (void)pthread_kill(terminal.reader, SIGINT);
        return NULL;
    }
    for (unsigned i = 0; i < 2; i++)
        (void)!write(terminal.master, terminal.lines[i], strlen(terminal.lines[i]));
    return NULL;
}

static void open_terminal(const char *first, const char *second)
{
    memset(&terminal, 0, sizeof(terminal));
    terminal.master = posix_openpt(O_RDWR | O_NOCTTY);
    cr_assert_geq(terminal.master, 0);
    cr_assert_eq(grantpt(terminal.master), 0);
    cr_assert_eq(unlockpt(terminal.master), 0);
    terminal.slave = open(ptsname(terminal.master), O_RDWR | O_NOCTTY);
    cr_assert_geq(terminal.slave, 0);
    dup2(terminal.slave, STDIN_FILENO);
    terminal.lines[0] = first;
    terminal.lines[1] = second;
    terminal.interrupts = first == NULL;
    terminal.reader = pthread_self();
    cr_assert_eq(pthread_create(&terminal.thread, NULL, type_lines, NULL), 0);
}

static void close_terminal(void)
{
    pthread_join(terminal.thread, NULL);
    cr_assert_not(is_mute(), "the terminal has its echo back");
    fcntl(terminal.master, F_SETFL, O_NONBLOCK);
    (void)!read(terminal.master, terminal.shown, sizeof(terminal.shown) - 1);
    ASSERT_LACKS(terminal.shown, "horse");
    close(terminal.slave);
    close(terminal.master);
}

Test(ctl_account, OP04_a_terminal_is_asked_twice_and_shows_nothing)
{
    struct api_answer answer = { .status = 201, .body = "{\"id\":7}" };

    api_start(1, &answer);
    open_terminal(PASSWORD "\n", PASSWORD "\n");
    RUN(api.path, "account", "add", "alice");
    close_terminal();
    cr_assert_eq(ran.code, CTL_DONE, "%s", ran.err);
    ASSERT_HAS(ran.err, "Password: \nOnce more: \n");
    ASSERT_HAS(api.requests[0], "\"password\":\"" PASSWORD "\"");
    api_stop();
}

Test(ctl_account, OP04_two_different_ones_change_nothing)
{
    struct api_answer answer = { .status = 201, .body = "{\"id\":7}" };

    api_start(1, &answer);
    open_terminal(PASSWORD "\n", PASSWORD "x\n");
    RUN(api.path, "account", "add", "alice");
    close_terminal();
    cr_assert_eq(ran.code, CTL_REFUSED);
    ASSERT_HAS(ran.err, "two different ones");
    cr_assert_eq(api.asked, 0);
    api_stop();
}

Test(ctl_account, OP04_an_interrupt_gives_the_terminal_its_echo_back)
{
    struct api_answer answer = { .status = 201, .body = "{\"id\":7}" };
    struct sigaction before, now; /* whoever runs this may have it ignored */

    sigaction(SIGINT, NULL, &before);
    api_start(1, &answer);
    open_terminal(NULL, NULL);
    RUN(api.path, "account", "add", "alice");
    close_terminal();
    cr_assert_eq(ran.code, CTL_REFUSED);
    ASSERT_HAS(ran.err, "no password was entered");
    cr_assert_eq(api.asked, 0);
    sigaction(SIGINT, NULL, &now);
    cr_assert_eq(now.sa_handler, before.sa_handler);
    api_stop();
}
