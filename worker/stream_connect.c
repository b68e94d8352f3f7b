/* worker/stream_connect.c: how a stream begins, and who is at its other end. */
#include "worker/stream_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/address.h"

/* Every write is a whole thought (a turn's output), so waiting for more only costs time. */
static void set_no_delay(int fd)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void write_peer_text(struct stream *s)
{
    if (s->peer_bytes == 0)
        snprintf(s->peer_text, sizeof(s->peer_text), "unknown");
    else if (s->peer.ss_family == AF_UNIX)
        snprintf(s->peer_text, sizeof(s->peer_text), "local");
    else
        address_text((const struct sockaddr *)&s->peer, s->peer_text);
}

struct stream *stream_new(struct loop *loop, int fd, const struct stream_callbacks *callbacks,
                          void *owner)
{
    struct stream *s = stream_make(loop, fd, callbacks, owner);

    if (s == NULL)
        return NULL;
    s->peer_bytes = sizeof(s->peer);
    if (getpeername(fd, (struct sockaddr *)&s->peer, &s->peer_bytes) != 0)
        s->peer_bytes = 0; /* already gone: the first read will say so */
    write_peer_text(s);
    if (s->peer.ss_family != AF_UNIX)
        set_no_delay(fd);
    s->state = STREAM_OPEN;
    stream_update_watch(s);
    return s;
}

struct stream *stream_connect(struct loop *loop, const struct sockaddr *peer, unsigned peer_bytes,
                              const struct sockaddr *source, unsigned source_bytes,
                              const struct stream_callbacks *callbacks, void *owner)
{
    int fd = socket(peer->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct stream *s;
    int err = 0;

    if (fd < 0)
        return NULL;
    if (source != NULL && bind(fd, source, source_bytes) != 0)
        err = errno;
    else if (peer_bytes > sizeof(s->peer))
        err = EINVAL;
    s = err == 0 ? stream_make(loop, fd, callbacks, owner) : NULL;
    if (s == NULL) {
        close(fd);
        errno = err == 0 ? ENOMEM : err;
        return NULL;
    }
    memcpy(&s->peer, peer, peer_bytes);
    s->peer_bytes = peer_bytes;
    write_peer_text(s);
    if (peer->sa_family != AF_UNIX)
        set_no_delay(fd);
    s->state = STREAM_CONNECTING;
    if (connect(fd, peer, peer_bytes) != 0 && errno != EINPROGRESS)
        s->err = errno; /* on_end says it: to the owner all refusals are alike */
    stream_update_watch(s);
    return s;
}

int stream_connect_result(int fd)
{
    int err = 0;
    socklen_t bytes = sizeof(err);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &bytes) != 0)
        return errno;
    return err;
}

const char *stream_peer_text(const struct stream *stream)
{
    return stream->peer_text;
}

const struct sockaddr *stream_peer(const struct stream *stream)
{
    return (const struct sockaddr *)&stream->peer;
}
