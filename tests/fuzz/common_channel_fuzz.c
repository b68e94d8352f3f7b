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

static void on_any(void *owner, const void *payload, int fd)
{
    /* Reading the whole payload lets the sanitizer see one that is too short. */
    unsigned kind = *(const unsigned *)owner;
    volatile unsigned char sum = 0;

    for (unsigned i = 0; i < ipc_declarations[kind].bytes; i++)
        sum = (unsigned char)(sum + ((const unsigned char *)payload)[i]);
    if (fd >= 0)
        close(fd);
}

static void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
    ended++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    channel_handler *handlers[IPC_KIND_COUNT];
    struct channel *channel;
    struct loop *loop = loop_new();
    unsigned kind = 0;
    int ends[2];

    if (loop == NULL || size < 1 || size > CHANNEL_FRAME_BYTES ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
        loop_free(loop);
        return 0;
    }
    for (unsigned i = 0; i < IPC_KIND_COUNT; i++)
        handlers[i] = on_any;
    if (size >= 3)
        kind = (unsigned)(data[1] | data[2] << 8);
    if (kind >= IPC_KIND_COUNT)
        kind = 0;
    channel = channel_new(loop, ends[0], (data[0] & 1) != 0 ? IPC_MASTER : IPC_WORKER, handlers,
                          on_end, &kind);
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
