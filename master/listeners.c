#include "master/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/address.h"
#include "common/channel.h"
#include "common/id.h"
#include "common/log.h"

#define DEFAULT_PORT 25
#define BACKLOG      4096

struct listeners {
    size_t count;
    struct address addresses[LISTENERS_MAX]; /* with the port that was given when 0 was asked */
    int fds[ID_SLOTS][LISTENERS_MAX];        /* -1: not open */
};

int listeners_new(const struct conf *conf, struct listeners **ret_listeners,
                  struct reason *reterr_why)
{
    const struct conf_list *wanted = &conf->smtp_listen;
    struct listeners *listeners;

    if (wanted->count > LISTENERS_MAX)
        return reason_set(reterr_why, -EINVAL, "smtp.listen: at most %d addresses", LISTENERS_MAX);
    listeners = calloc(1, sizeof(*listeners));
    if (listeners == NULL)
        return reason_set(reterr_why, -ENOMEM, "no memory for listeners");
    memset(listeners->fds, -1, sizeof(listeners->fds));
    for (size_t i = 0; i < wanted->count; i++) {
        if (address_parse(wanted->items[i], DEFAULT_PORT, &listeners->addresses[i]) != 0) {
            listeners_free(&listeners);
            return reason_set(reterr_why, -EINVAL,
                              "smtp.listen: \"%s\" is not an address like 0.0.0.0:25 or [::]:25",
                              wanted->items[i]);
        }
    }
    listeners->count = wanted->count;
    *ret_listeners = listeners;
    return 0;
}

int listeners_check(const struct conf *conf, struct reason *reterr_why)
{
    struct listeners *listeners = NULL;
    int err = listeners_new(conf, &listeners, reterr_why);

    listeners_free(&listeners);
    return err;
}

void listeners_free(struct listeners **listeners)
{
    if (*listeners == NULL)
        return;
    for (unsigned slot = 0; slot < ID_SLOTS; slot++)
        listeners_close(*listeners, slot);
    free(*listeners);
    *listeners = NULL;
}

size_t listeners_count(const struct listeners *listeners)
{
    return listeners->count;
}

/* ---- opening ---- */

static int open_socket(struct address *address, int *ret_fd)
{
    const int on = 1;
    int fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int err;

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        (address->sa.sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
        bind(fd, &address->sa, address->bytes) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, &address->sa, &address->bytes) != 0) {
        err = -errno;
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return 0;
}

int listeners_open(struct listeners *listeners, unsigned slot, struct reason *reterr_why)
{
    char text[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < listeners->count; i++) {
        struct address *address = &listeners->addresses[i];
        int err;

        if (listeners->fds[slot][i] >= 0)
            continue;
        err = open_socket(address, &listeners->fds[slot][i]);
        if (err != 0)
            return reason_set(reterr_why, err, "cannot listen on %s: %s",
                              address_text(&address->sa, text), strerror(-err));
        if (slot == 0)
            log_info("listeners", "listening",
                     LOG_STR("address", address_text(&address->sa, text)));
    }
    return 0;
}

void listeners_close(struct listeners *listeners, unsigned slot)
{
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        if (listeners->fds[slot][i] >= 0)
            close(listeners->fds[slot][i]);
        listeners->fds[slot][i] = -1;
    }
}

/* ---- leaving slots out ----
 *
 * The kernel numbers the sockets of a group in the order in which they began to listen, and puts
 * the last one in the place of one that closes. Slots are opened upwards and closed from the top,
 * so a socket's number is its slot's. The program picks a number below `first` by chance. */

static unsigned open_slots(const struct listeners *listeners)
{
    unsigned count = 0;

    while (count < ID_SLOTS && listeners->fds[count][0] >= 0)
        count++;
    return count;
}

int listeners_limit(struct listeners *listeners, unsigned first, struct reason *reterr_why)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_RANDOM)),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, first),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    const struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };
    const int none = 0;
    bool is_all = first >= open_slots(listeners);

    for (size_t i = 0; i < listeners->count; i++) {
        int fd = listeners->fds[0][i];
        int failed =
            is_all
                ? setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof(none))
                : setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));

        if (failed != 0 && !(is_all && errno == ENOENT))
            return reason_set(reterr_why, -errno, "cannot steer new connections: %s",
                              strerror(errno));
    }
    return 0;
}

/* ---- handing out ---- */

static struct ipc_listener name_of(unsigned slot, size_t i)
{
    return (struct ipc_listener){ .index = slot * LISTENERS_MAX + (uint32_t)i };
}

int listeners_give(const struct listeners *listeners, unsigned slot, struct channel *channel)
{
    for (size_t i = 0; i < listeners->count; i++) {
        const struct ipc_listener listener = name_of(slot, i);
        int fd = fcntl(listeners->fds[slot][i], F_DUPFD_CLOEXEC, 0);

        if (fd < 0)
            return -errno;
        channel_send_fd(channel, IPC_LISTENER, &listener, fd);
    }
    return 0;
}

void listeners_take_back(const struct listeners *listeners, unsigned slot, struct channel *channel)
{
    for (size_t i = 0; i < listeners->count; i++) {
        const struct ipc_listener listener = name_of(slot, i);

        channel_send(channel, IPC_LISTENER_CLOSE, &listener);
    }
}
