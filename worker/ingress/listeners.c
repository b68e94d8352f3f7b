#include "worker/ingress/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/shortage.h"

/* A burst of connections must not make the sessions wait that are there already. */
#define ACCEPTS_PER_TURN 16
#define SHORTAGE_WAIT_MS 1000
/* A handshake under way when new connections were turned away ends in this socket. */
#define EMPTY_WAIT_MS 1000

struct listener {
    LIST_ENTRY(listener) all;
    struct listeners *listeners;
    struct loop_watch *watch;
    struct loop_timer *empty_timer; /* only of one that is being removed */
    uint32_t index;
    int fd;
    bool was_empty;
};

struct listeners {
    LIST_HEAD(, listener) all;
    unsigned left;
    struct loop *loop;
    struct loop_timer *shortage_timer;
    listeners_accepted_cb *accepted;
    void *arg;
    bool is_paused; /* by the owner */
    bool is_short;  /* of descriptors or memory */
};

static void update_watches(struct listeners *listeners)
{
    struct listener *listener;
    unsigned what = listeners->is_paused || listeners->is_short ? 0 : LOOP_READ;

    LIST_FOREACH(listener, &listeners->all, all)
    {
        loop_watch_set(listener->watch, what);
        if (what == 0)
            listener->was_empty = false;
    }
}

static void free_listener(struct listener *listener)
{
    LIST_REMOVE(listener, all);
    loop_watch_free(&listener->watch);
    loop_timer_free(&listener->empty_timer);
    close(listener->fd);
    free(listener);
}

static void on_shortage_over(void *arg)
{
    struct listeners *listeners = arg;

    listeners->is_short = false;
    update_watches(listeners);
}

static void begin_shortage(struct listeners *listeners, int err)
{
    log_warning("ingress", "cannot accept connections, trying again in a second",
                LOG_INT("errno", err));
    listeners->is_short = true;
    loop_timer_set_ms(listeners->shortage_timer, SHORTAGE_WAIT_MS);
    update_watches(listeners);
}

/* Returns how many were accepted, or a negative errno that speaks of the listener. */
static int accept_some(struct listener *listener)
{
    struct listeners *listeners = listener->listeners;
    int count = 0;

    while (count < ACCEPTS_PER_TURN && !listeners->is_paused && !listeners->is_short) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            count++;
            listeners->accepted(fd, listeners->arg);
        } else if (errno == EAGAIN) {
            return count;
        } else if (is_shortage(-errno)) {
            begin_shortage(listeners, errno);
        } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
            return -errno;
        } else {
            count++; /* one that was gone before it was taken, see accept(2) */
        }
    }
    return count;
}

static void on_connection(int fd, unsigned what, void *arg)
{
    struct listener *listener = arg;
    int count = accept_some(listener);

    (void)fd;
    (void)what;
    listener->was_empty = false;
    if (count < 0) {
        log_error("ingress", "a listening socket has failed", LOG_INT("errno", -count));
        loop_watch_set(listener->watch, 0);
    }
}

/* The socket is closed when nothing came in a whole interval in which it was watched. */
static void on_empty_check(void *arg)
{
    struct listener *listener = arg;
    struct listeners *listeners = listener->listeners;

    if (listener->was_empty) {
        listeners->left++;
        free_listener(listener);
        return;
    }
    listener->was_empty = !listeners->is_paused && !listeners->is_short;
    loop_timer_set_ms(listener->empty_timer, EMPTY_WAIT_MS);
}

struct listeners *listeners_new(struct loop *loop, listeners_accepted_cb *accepted, void *arg)
{
    struct listeners *listeners = calloc(1, sizeof(*listeners));

    if (listeners == NULL)
        return NULL;
    listeners->loop = loop;
    listeners->accepted = accepted;
    listeners->arg = arg;
    listeners->shortage_timer = loop_timer_new(loop, on_shortage_over, listeners);
    if (listeners->shortage_timer == NULL) {
        free(listeners);
        return NULL;
    }
    return listeners;
}

void listeners_free(struct listeners **listeners)
{
    struct listeners *l = *listeners;

    *listeners = NULL;
    if (l == NULL)
        return;
    while (!LIST_EMPTY(&l->all))
        free_listener(LIST_FIRST(&l->all));
    loop_timer_free(&l->shortage_timer);
    free(l);
}

int listeners_add(struct listeners *listeners, uint32_t index, int fd)
{
    struct listener *listener = calloc(1, sizeof(*listener));

    if (listener == NULL)
        return -ENOMEM;
    /* Whoever made it: a connection that is gone again must not make accept4() wait. */
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    listener->listeners = listeners;
    listener->index = index;
    listener->fd = fd;
    listener->watch = loop_watch_new(listeners->loop, fd, on_connection, listener);
    listener->empty_timer = loop_timer_new(listeners->loop, on_empty_check, listener);
    if (listener->watch == NULL || listener->empty_timer == NULL) {
        loop_watch_free(&listener->watch);
        loop_timer_free(&listener->empty_timer);
        free(listener);
        return -ENOMEM;
    }
    LIST_INSERT_HEAD(&listeners->all, listener, all);
    update_watches(listeners);
    return 0;
}

void listeners_remove(struct listeners *listeners, uint32_t index)
{
    struct listener *listener;

    LIST_FOREACH(listener, &listeners->all, all)
    {
        if (listener->index == index && !loop_timer_is_set(listener->empty_timer)) {
            listener->was_empty = !listeners->is_paused && !listeners->is_short;
            loop_timer_set_ms(listener->empty_timer, EMPTY_WAIT_MS);
        }
    }
}

unsigned listeners_left(const struct listeners *listeners)
{
    return listeners->left;
}

void listeners_pause(struct listeners *listeners, bool is_paused)
{
    if (listeners->is_paused == is_paused)
        return;
    listeners->is_paused = is_paused;
    update_watches(listeners);
}
