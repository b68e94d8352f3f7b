/* postern-console: the web console's server.
 *
 * Started by posternd only, with its link at descriptor CONSOLE_LINK_FD. Everything else it needs
 * to know comes over that link. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/console.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/process.h"
#include "common/secret.h"
#include "master/console/console.h"

static int has_link(void)
{
    int type = 0;
    socklen_t bytes = sizeof(type);

    return getsockopt(CONSOLE_LINK_FD, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 &&
           type == SOCK_SEQPACKET;
}

int main(void)
{
    struct reason why = { "" };
    struct loop *loop;
    int status;

    if (!has_link()) {
        fprintf(stderr, "postern-console: started by posternd only, not by hand\n");
        return 2;
    }
    (void)fcntl(CONSOLE_LINK_FD, F_SETFD, FD_CLOEXEC);
    log_open("console", 2);
    if (process_harden(&why) < 0) {
        log_error("console", "cannot harden the process", LOG_STR("reason", why.text));
        return 1;
    }
    loop_guard_memory(); /* passwords pass through */
    secret_guard_json(); /* settings come with a key */
    loop = loop_new();
    if (loop == NULL) {
        log_error("console", "cannot make the event loop", LOG_INT("errno", errno));
        return 1;
    }
    status = console_run(loop, CONSOLE_LINK_FD);
    loop_free(loop);
    log_flush();
    _exit(status); /* what a library does at the exit of a process is not in the sandbox's list */
}
