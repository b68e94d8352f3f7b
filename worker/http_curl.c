/* worker/http_curl.c: libcurl's multi handles on the loop, one for each session.
 *
 * libcurl says which sockets to watch and when to wake it, and is called for nothing else. In its
 * callbacks nothing is removed and nobody is told: what has finished is collected after each call,
 * and told when the callback of the loop is left.
 *
 * Its sockets are made and closed here: a watch is gone before its descriptor is, whatever libcurl
 * says or forgets to say about it. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/secret.h"
#include "worker/http_private.h"

struct http_socket {
    LIST_ENTRY(http_socket) link;
    struct loop_watch *watch;
    int fd;
};

/* ---- memory: what libcurl frees held passwords and tokens ---- */

bool http_memory_failed;

static void *note(void *block)
{
    http_memory_failed = http_memory_failed || block == NULL;
    return block;
}

static void *block_new(size_t bytes)
{
    return note(secret_block_new(bytes));
}

static void *block_resize(void *block, size_t bytes)
{
    return note(secret_block_resize(block, bytes));
}

static void *block_zeroed(size_t count, size_t bytes)
{
    void *block = bytes == 0 || count <= SIZE_MAX / bytes ? block_new(count * bytes) : NULL;

    if (block != NULL)
        memset(block, 0, count * bytes);
    return block;
}

static char *block_of_text(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *block = block_new(bytes);

    if (block != NULL)
        memcpy(block, text, bytes);
    return block;
}

/* ---- what has finished ---- */

static void collect(struct http_session *session)
{
    const CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(session->multi, &left)) != NULL) {
        struct http_job *job = NULL;

        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &job) == CURLE_OK)
            http_end_transfer(job, message->data.result);
    }
}

/* ---- sockets ---- */

static void drop_socket(struct http_socket *s)
{
    LIST_REMOVE(s, link);
    loop_watch_free(&s->watch);
    free(s);
}

static struct http_socket *find_socket(struct http_session *session, int fd)
{
    struct http_socket *s;

    LIST_FOREACH(s, &session->sockets, link)
    {
        if (s->fd == fd)
            return s;
    }
    return NULL;
}

static void end_multi(struct http_session *session)
{
    if (session->multi != NULL)
        (void)curl_multi_cleanup(session->multi); /* what it kept is closed by http_curl_close() */
    session->multi = NULL;
    loop_timer_clear(session->timer);
    while (!LIST_EMPTY(&session->sockets))
        drop_socket(LIST_FIRST(&session->sockets));
}

/* After a failure the multi handle is not to be trusted: nothing of it goes on. The next request
 * finds a new one. */
static void give_up(struct http_session *session)
{
    struct http_job *job, *next;

    for (job = TAILQ_FIRST(&session->http->under_way); job != NULL; job = next) {
        next = TAILQ_NEXT(job, link);
        if (job->session == session && job->curl != NULL)
            http_end(job, HTTP_SHORT, "out of memory");
    }
    end_multi(session);
}

static void act(struct http_session *session, curl_socket_t fd, int what)
{
    int running;

    http_memory_failed = false;
    if (curl_multi_socket_action(session->multi, fd, what, &running) == CURLM_OK)
        collect(session);
    else
        give_up(session);
}

/* What has come since the loop looked is read before more is sent: an answer that says no may have
 * the end of its connection close behind, and then sending fails and the answer would be lost. */
static unsigned look_again(int fd, unsigned what)
{
    struct pollfd now = { .fd = fd, .events = POLLIN };

    if (what != LOOP_WRITE || poll(&now, 1, 0) <= 0)
        return what;
    return LOOP_READ | LOOP_WRITE;
}

static void on_ready(int fd, unsigned what, void *arg)
{
    struct http_session *session = arg;
    struct http *http = session->http;

    what = look_again(fd, what);
    act(session, fd,
        ((what & LOOP_READ) != 0 ? CURL_CSELECT_IN : 0) |
            ((what & LOOP_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
    http_leave(http);
}

static int on_socket(CURL *curl, curl_socket_t fd, int what, void *arg, void *assigned)
{
    struct http_session *session = arg;
    struct http_socket *s = find_socket(session, fd);
    struct http_job *job = NULL;

    (void)assigned;
    if (curl_easy_getinfo(curl, CURLINFO_PRIVATE, &job) == CURLE_OK && job != NULL)
        job->fd = what != CURL_POLL_REMOVE ? fd : -1;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL)
            drop_socket(s);
        return 0;
    }
    if (s == NULL) {
        s = calloc(1, sizeof(*s));
        if (s != NULL)
            s->watch = loop_watch_new(session->http->loop, fd, on_ready, session);
        if (s == NULL || s->watch == NULL) {
            free(s);
            return -1;
        }
        s->fd = fd;
        LIST_INSERT_HEAD(&session->sockets, s, link);
    }
    loop_watch_set(s->watch, ((what & CURL_POLL_IN) != 0 ? LOOP_READ : 0U) |
                                 ((what & CURL_POLL_OUT) != 0 ? LOOP_WRITE : 0U));
    return 0;
}

/* Whoever has a session of their own answers for each connection: libcurl tries a server's other
 * address while the first one keeps it waiting, which would make two. */
curl_socket_t http_curl_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_job *job = arg;
    struct http_session *session = job->session;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    address->protocol);

    (void)purpose;
    if (fd < 0)
        job->socket_errno = errno;
    if (!http_is_shared(session) && session->last_fd >= 0)
        (void)shutdown(session->last_fd, SHUT_RDWR);
    session->last_fd = fd;
    return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

int http_curl_close(void *arg, curl_socket_t fd)
{
    struct http_session *session = arg;
    struct http_socket *s = find_socket(session, fd);

    if (s != NULL)
        drop_socket(s);
    if (session->last_fd == fd)
        session->last_fd = -1;
    return close(fd);
}

/* ---- the timer ---- */

static void on_due(void *arg)
{
    struct http_session *session = arg;
    struct http *http = session->http;

    if (session->multi != NULL)
        act(session, CURL_SOCKET_TIMEOUT, 0);
    http_leave(http);
}

/* Comes from inside almost any call of libcurl: it may not be called back here. */
static int on_timer(CURLM *multi, long wait_ms, void *arg)
{
    struct http_session *session = arg;

    (void)multi;
    if (wait_ms < 0)
        loop_timer_clear(session->timer);
    else
        loop_timer_set_ms(session->timer, wait_ms);
    return 0;
}

/* ---- sessions ---- */

/* The shared one's connections are limited by the line in which its requests wait. */
static bool make_multi(struct http_session *session)
{
    CURLM *multi = curl_multi_init();

    if (multi == NULL)
        return false;
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, session);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, session);
    (void)curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    if (http_is_shared(session))
        (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)HTTP_KEPT_MAX);
    else
        (void)curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 1L);
    session->multi = multi;
    return true;
}

struct http_session *http_session_new(struct http *http)
{
    struct http_session *session = calloc(1, sizeof(*session));

    if (session == NULL)
        return NULL;
    session->http = http;
    session->last_fd = -1;
    LIST_INIT(&session->sockets);
    session->timer = loop_timer_new(http->loop, on_due, session);
    if (session->timer == NULL) {
        free(session);
        return NULL;
    }
    return session;
}

void http_session_free(struct http_session **session)
{
    struct http_session *gone = *session;

    *session = NULL;
    if (gone == NULL)
        return;
    end_multi(gone);
    loop_timer_free(&gone->timer);
    free(gone);
}

/* ---- transfers ---- */

void http_curl_add(struct http_job *job)
{
    struct http_session *session = job->session;

    if ((session->multi == NULL && !make_multi(session)) ||
        curl_multi_add_handle(session->multi, job->curl) != CURLM_OK)
        http_end(job, HTTP_SHORT, "out of memory");
    else
        http_stall_begin(job);
}

void http_curl_remove(struct http_job *job)
{
    (void)curl_multi_remove_handle(job->session->multi, job->curl);
}

int http_curl_begin(struct http *http)
{
    (void)unsetenv("SSLKEYLOGFILE"); /* libcurl would write down the keys of each session */
    http->shared = http_session_new(http);
    if (http->shared == NULL ||
        curl_global_init_mem(CURL_GLOBAL_DEFAULT, block_new, secret_block_free, block_resize,
                             block_of_text, block_zeroed) != CURLE_OK) {
        http_session_free(&http->shared);
        return -ENOMEM;
    }
    return 0;
}

void http_curl_end(struct http *http)
{
    http_session_free(&http->shared);
    curl_global_cleanup();
}
