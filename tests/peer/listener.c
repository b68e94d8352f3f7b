#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/loop.h"

#define BACKLOG   4096
#define PLUGS     4 /* more than fit into a backlog of 0 */
#define AT_A_TIME 64

struct listener {
    struct loop *loop;
    struct loop_watch *watch;
    listener_cb *cb;
    void *arg;
    enum listener_mood mood;
    uint16_t port;
    int fd;
    int plugs[PLUGS];
};

static struct sockaddr_in at_port(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int bound_to(uint16_t port)
{
    struct sockaddr_in in = at_port(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* A port that the kernel chose is given up with the first shutdown(); one that was asked for by its
 * number stays. */
static uint16_t free_port(void)
{
    struct sockaddr_in in = { 0 };
    socklen_t bytes = sizeof(in);
    int fd = bound_to(0);

    if (fd < 0 || getsockname(fd, (struct sockaddr *)&in, &bytes) < 0)
        abort();
    close(fd);
    return ntohs(in.sin_port);
}

static void on_connection(int fd, unsigned what, void *arg)
{
    struct listener *listener = arg;
    int on = 1;

    (void)what;
    for (unsigned i = 0; i < AT_A_TIME && listener->mood == LISTENER_OPEN; i++) {
        int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (accepted < 0)
            return;
        (void)setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        listener->cb(accepted, listener->arg);
    }
}

struct listener *listener_new(struct loop *loop, uint16_t port, listener_cb *cb, void *arg)
{
    struct listener *listener = calloc(1, sizeof(*listener));

    if (listener == NULL)
        abort();
    *listener = (struct listener){
        .loop = loop, .cb = cb, .arg = arg, .mood = LISTENER_REFUSES, .plugs = { -1, -1, -1, -1 }
    };
    listener->port = port != 0 ? port : free_port();
    listener->fd = bound_to(listener->port);
    if (listener->fd < 0) {
        free(listener);
        return NULL;
    }
    listener->watch = loop_watch_new(loop, listener->fd, on_connection, listener);
    if (listener->watch == NULL)
        abort();
    return listener;
}

static void pull_plugs(struct listener *listener)
{
    for (unsigned i = 0; i < PLUGS; i++) {
        if (listener->plugs[i] >= 0)
            close(listener->plugs[i]);
        listener->plugs[i] = -1;
    }
}

/* Connections of our own fill the backlog, and the kernel drops the SYN of who comes then. */
static void plug(struct listener *listener)
{
    struct sockaddr_in in = at_port(listener->port);

    for (unsigned i = 0; i < PLUGS; i++) {
        listener->plugs[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (listener->plugs[i] < 0 ||
            (connect(listener->plugs[i], (struct sockaddr *)&in, sizeof(in)) < 0 &&
             errno != EINPROGRESS))
            abort();
    }
}

void listener_be(struct listener *listener, enum listener_mood mood)
{
    if (mood == listener->mood)
        return;
    if (listener->mood != LISTENER_REFUSES) {
        loop_watch_set(listener->watch, 0);
        (void)shutdown(listener->fd, SHUT_RDWR); /* of a listening socket: no longer, but bound */
        pull_plugs(listener);
    }
    listener->mood = mood;
    if (mood != LISTENER_REFUSES && listen(listener->fd, mood == LISTENER_HOLE ? 0 : BACKLOG) < 0)
        abort();
    if (mood == LISTENER_HOLE)
        plug(listener);
    else if (mood == LISTENER_OPEN)
        loop_watch_set(listener->watch, LOOP_READ);
}

void listener_free(struct listener **listener)
{
    if (*listener == NULL)
        return;
    pull_plugs(*listener);
    loop_watch_free(&(*listener)->watch);
    close((*listener)->fd);
    free(*listener);
    *listener = NULL;
}

uint16_t listener_port(const struct listener *listener)
{
    return listener->port;
}
