/* Who gets in at the HTTP server: the socket's file, who connects, and nobody in clear by mistake.
 */
#include "tests/unit/http_server_stage.h"

#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- the socket file ---- */

Test(unix_socket, born_closed_and_replaced_when_stale)
{
    char name[] = "/tmp/postern-sock-XXXXXX", file[64];
    struct reason why;
    struct stat info;
    int fd;

    cr_assert(mkdtemp(name));
    snprintf(file, sizeof(file), "%s/s", name);
    fd = unix_socket_listen(file, false, 0, &why);
    cr_assert_geq(fd, 0, "%s", why.text);
    cr_assert_eq(stat(file, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
    cr_assert_eq(unix_socket_listen(file, false, 0, &why), -EADDRINUSE, "a live one is refused");
    cr_assert(strstr(why.text, file));
    close(fd);
    fd = unix_socket_listen(file, true, getgid(), &why);
    cr_assert_geq(fd, 0, "a stale one is replaced: %s", why.text);
    cr_assert_eq(stat(file, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0660);
    close(fd);
    unlink(file);
    rmdir(name);
}

Test(unix_socket, refuses_what_is_no_socket_and_what_is_too_long)
{
    char name[] = "/tmp/postern-sock-XXXXXX", file[64], longer[200];
    struct reason why;
    int fd;

    cr_assert(mkdtemp(name));
    snprintf(file, sizeof(file), "%s/s", name);
    fd = open(file, O_CREAT | O_WRONLY, 0600);
    close(fd);
    cr_assert_eq(unix_socket_listen(file, false, 0, &why), -EEXIST);
    cr_assert_eq(access(file, F_OK), 0, "it was left alone");
    memset(longer, 'a', sizeof(longer) - 1);
    longer[0] = '/';
    longer[sizeof(longer) - 1] = '\0';
    cr_assert_eq(unix_socket_listen(longer, false, 0, &why), -ENAMETOOLONG);
    unlink(file);
    rmdir(name);
}

/* ---- who may ---- */

TestSuite(http_peer, .init = start, .fini = stop, .timeout = 60);

/* Connects as another user, sends a request and exits with 1 when any answer came. */
static pid_t fork_stranger(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count)
{
    pid_t child;

    cr_assert_eq(chmod(dir, 0755), 0);
    cr_assert_eq(chmod(path, 0666), 0);
    child = fork();
    if (child != 0)
        return child;
    if (setgroups(group_count, groups) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
        _exit(2);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char answer[64];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        _exit(3);
    (void)!send(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 28, MSG_NOSIGNAL);
    _exit(recv(fd, answer, sizeof(answer), 0) > 0 ? 1 : 0);
}

static int wait_child(pid_t child)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    int status;

    while (waitpid(child, &status, WNOHANG) == 0) {
        cr_assert_lt(clock_mono_ms(), until, "the child never ended");
        loop_turn(loop, 10);
    }
    return WEXITSTATUS(status);
}

Test(http_peer, OP03_a_stranger_is_cut)
{
    if (getuid() != 0)
        cr_skip("needs root to become somebody else");
    cr_assert_eq(wait_child(fork_stranger(65534, 65534, NULL, 0)), 0);
    cr_assert_eq(asked, 0);
}

Test(http_peer, OP03_group_members_are_served)
{
    gid_t groups[] = { 4711, 4712 };

    if (getuid() != 0)
        cr_skip("needs root to become somebody else");
    policy.has_group = true;
    policy.group = 4712;
    cr_assert_eq(wait_child(fork_stranger(65534, 65534, groups, 2)), 1, "a supplementary group");
    cr_assert_eq(wait_child(fork_stranger(65534, 4712, NULL, 0)), 1, "the primary group");
    asked = 0;
    cr_assert_eq(wait_child(fork_stranger(65534, 65534, groups, 1)), 0, "another group");
    cr_assert_eq(asked, 0);
}

/* ---- the transport ---- */

static struct bufferevent *no_transport(struct event_base *base, void *arg)
{
    (void)base;
    (void)arg;
    return NULL;
}

static void start_without_transport(void)
{
    transport = no_transport;
    start_with((struct http_limits){ .max_connections = 4 });
}

TestSuite(http_transport, .init = start_without_transport, .fini = stop, .timeout = 60);

Test(http_transport, OP04_what_cannot_be_encrypted_is_cut_not_served_in_clear)
{
    struct unix_client client;
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    client_open(&client, loop, path);
    client_ask(&client, "GET", "/x", "", NULL);
    while (!client_is_cut(&client)) {
        cr_assert_lt(clock_mono_ms(), until_ms);
        loop_turn(loop, 10);
    }
    cr_assert_eq(asked, 0);
    cr_assert_eq(client.bytes, 0, "it said: %s", client.in);
    client_close(&client);
}
