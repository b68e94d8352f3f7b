/* Frames that a broken or hostile peer puts on the channel: first byte picks the side that reads,
 * the rest is one datagram. Whatever comes, payloads have their declared size, and the channel ends
 * at the first frame that is wrong. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/loop.h"

static unsigned ended;

/* Reading the whole payload lets the sanitizer see one that is too short. */
static void touch(const void *payload, size_t bytes, int fd)
{
    volatile unsigned char sum = 0;

    for (size_t i = 0; i < bytes; i++)
        sum = (unsigned char)(sum + ((const unsigned char *)payload)[i]);
    if (fd >= 0)
        close(fd);
}

#define X(name, from, to, with_fd, type)                            \
    static void on_##name(void *owner, const void *payload, int fd) \
    {                                                               \
        (void)owner;                                                \
        touch(payload, sizeof(type), fd);                           \
    }
IPC_MESSAGES(X)
#undef X

static channel_handler *const handlers[IPC_KIND_COUNT] = {
#define X(name, from, to, with_fd, type) [IPC_##name] = on_##name,
    IPC_MESSAGES(X)
#undef X
};

static void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
    ended++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct channel *channel;
    struct loop *loop = loop_new();
    int ends[2];

    if (loop == NULL || size < 1 || size > CHANNEL_FRAME_BYTES ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
        loop_free(loop);
        return 0;
    }
    channel = channel_new(loop, ends[0], (data[0] & 1) != 0 ? IPC_MASTER : IPC_WORKER, handlers,
                          on_end, NULL);
    if (channel == NULL || send(ends[1], data + 1, size - 1, MSG_NOSIGNAL) < 0)
        abort();
    ended = 0;
    loop_turn(loop, 0);
    close(ends[1]);
    for (unsigned i = 0; i < 100 && ended == 0; i++)
        loop_turn(loop, 1);
    if (ended != 1)
        abort(); /* the end must be told, once */
    channel_free(&channel);
    loop_free(loop);
    return 0;
}
