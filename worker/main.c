/* postern-worker: all network I/O and all parsing of foreign bytes.
 *
 * Started by posternd only, with its channel at descriptor IPC_CHANNEL_FD. Everything else it needs
 * to know comes through that channel. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/process.h"
#include "common/secret.h"
#include "worker/worker.h"

static bool has_channel(void)
{
    int type = 0;
    socklen_t bytes = sizeof(type);

    return getsockopt(IPC_CHANNEL_FD, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 &&
           type == SOCK_SEQPACKET;
}

int main(void)
{
    struct reason why = { "" };
    struct loop *loop;
    int status;

    if (!has_channel()) {
        fprintf(stderr, "postern-worker: started by posternd only, not by hand\n");
        return 2;
    }
    (void)fcntl(IPC_CHANNEL_FD, F_SETFD, FD_CLOEXEC);
    log_open("worker", 2);
    if (process_harden(&why) < 0) {
        log_error("worker", "cannot harden the process", LOG_STR("reason", why.text));
        return 1;
    }
    secret_guard_json(); /* profiles come with their secrets in clear */
    loop = loop_new();
    if (loop == NULL) {
        log_error("worker", "cannot make the event loop", LOG_INT("errno", errno));
        return 1;
    }
    status = worker_run(loop, IPC_CHANNEL_FD);
    loop_free(loop);
    log_flush();
    return status;
}
