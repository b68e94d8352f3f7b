/* worker/http_curl.c: libcurl's multi handle on the loop.
 *
 * libcurl says which sockets to watch and when to wake it, and is called for nothing else. In its
 * callbacks nothing is removed and nobody is told: what has finished is collected after each call,
 * and told when the callback of the loop is left.
 *
 * Its sockets are made and closed here: a watch is gone before its descriptor is, whatever libcurl
 * says or forgets to say about it. */
#include <errno.h>
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

static void collect(struct http *http)
{
    const CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
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

static struct http_socket *find_socket(struct http *http, int fd)
{
    struct http_socket *s;

    LIST_FOREACH(s, &http->sockets, link)
    {
        if (s->fd == fd)
            return s;
    }
    return NULL;
}

static void end_multi(struct http *http)
{
    if (http->multi != NULL)
        (void)curl_multi_cleanup(http->multi); /* what it kept is closed by http_curl_close() */
    http->multi = NULL;
    loop_timer_clear(http->multi_timer);
    while (!LIST_EMPTY(&http->sockets))
        drop_socket(LIST_FIRST(&http->sockets));
}

/* After a failure the multi handle is not to be trusted: nothing of it goes on. The next request
 * finds a new one. */
static void give_up(struct http *http)
{
    struct http_job *job, *next;

    for (job = TAILQ_FIRST(&http->under_way); job != NULL; job = next) {
        next = TAILQ_NEXT(job, link);
        if (job->curl != NULL)
            http_end(job, HTTP_SHORT, "out of memory");
    }
    end_multi(http);
}

static void act(struct http *http, curl_socket_t fd, int what)
{
    int running;

    http_memory_failed = false;
    if (curl_multi_socket_action(http->multi, fd, what, &running) == CURLM_OK)
        collect(http);
    else
        give_up(http);
}

static void on_ready(int fd, unsigned what, void *arg)
{
    struct http *http = arg;

    act(http, fd,
        ((what & LOOP_READ) != 0 ? CURL_CSELECT_IN : 0) |
            ((what & LOOP_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
    http_leave(http);
}

static int on_socket(CURL *curl, curl_socket_t fd, int what, void *arg, void *assigned)
{
    struct http *http = arg;
    struct http_socket *s = find_socket(http, fd);

    (void)curl;
    (void)assigned;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL)
            drop_socket(s);
        return 0;
    }
    if (s == NULL) {
        s = calloc(1, sizeof(*s));
        if (s != NULL)
            s->watch = loop_watch_new(http->loop, fd, on_ready, http);
        if (s == NULL || s->watch == NULL) {
            free(s);
            return -1;
        }
        s->fd = fd;
        LIST_INSERT_HEAD(&http->sockets, s, link);
    }
    loop_watch_set(s->watch, ((what & CURL_POLL_IN) != 0 ? LOOP_READ : 0U) |
                                 ((what & CURL_POLL_OUT) != 0 ? LOOP_WRITE : 0U));
    return 0;
}

curl_socket_t http_curl_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_job *job = arg;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    address->protocol);

    (void)purpose;
    if (fd < 0)
        job->socket_errno = errno;
    return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

int http_curl_close(void *arg, curl_socket_t fd)
{
    struct http_socket *s = find_socket(arg, fd);

    if (s != NULL)
        drop_socket(s);
    return close(fd);
}

/* ---- the timer ---- */

static void on_due(void *arg)
{
    struct http *http = arg;

    if (http->multi != NULL)
        act(http, CURL_SOCKET_TIMEOUT, 0);
    http_leave(http);
}

/* Comes from inside almost any call of libcurl: it may not be called back here. */
static int on_timer(CURLM *multi, long wait_ms, void *arg)
{
    struct http *http = arg;

    (void)multi;
    if (wait_ms < 0)
        loop_timer_clear(http->multi_timer);
    else
        loop_timer_set_ms(http->multi_timer, wait_ms);
    return 0;
}

/* ---- transfers ---- */

static bool make_multi(struct http *http)
{
    CURLM *multi = curl_multi_init();

    if (multi == NULL)
        return false;
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, http);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, http);
    (void)curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)HTTP_KEPT_MAX);
    http->multi = multi;
    return true;
}

void http_curl_add(struct http_job *job)
{
    struct http *http = job->http;

    if ((http->multi == NULL && !make_multi(http)) ||
        curl_multi_add_handle(http->multi, job->curl) != CURLM_OK)
        http_end(job, HTTP_SHORT, "out of memory");
}

void http_curl_remove(struct http_job *job)
{
    (void)curl_multi_remove_handle(job->http->multi, job->curl);
}

int http_curl_begin(struct http *http)
{
    LIST_INIT(&http->sockets);
    (void)unsetenv("SSLKEYLOGFILE"); /* libcurl would write down the keys of each session */
    http->multi_timer = loop_timer_new(http->loop, on_due, http);
    if (http->multi_timer == NULL ||
        curl_global_init_mem(CURL_GLOBAL_DEFAULT, block_new, secret_block_free, block_resize,
                             block_of_text, block_zeroed) != CURLE_OK) {
        loop_timer_free(&http->multi_timer);
        return -ENOMEM;
    }
    return 0;
}

void http_curl_end(struct http *http)
{
    end_multi(http);
    loop_timer_free(&http->multi_timer);
    curl_global_cleanup();
}
