/* master/control/control.c: the life of the control API. */
#include "master/control/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/ladder.h"
#include "master/control/routes.h"
#include "master/control/unix_socket.h"

/* A profile with its CA has up to 300 KiB; an import has many of them. */
static const struct http_limits limits = {
    .max_connections = 64, .max_header_bytes = 16384, .max_body_bytes = 8U << 20, .idle_s = 60
};

#define QUIET_MS 10000 /* between two lines about strangers */

static int admit(int fd, uid_t *ret_uid, void *arg)
{
    struct control *control = arg;
    int err = peer_check(fd, &control->policy, ret_uid);

    if (err == -EACCES) {
        int64_t now_ms = loop_now_ms(control->loop);

        control->strangers++;
        if (now_ms < control->quiet_until_ms)
            return err; /* whoever knocks does not fill the log */
        control->quiet_until_ms = now_ms + QUIET_MS;
        log_warning("control", "stranger turned away", LOG_INT("uid", (int64_t)*ret_uid),
                    LOG_INT("so_far", control->strangers));
    }
    return err;
}

static void on_request(struct http_request *request, void *arg)
{
    routes_serve(arg, request);
}

static int open_socket(struct control *control, const struct conf *conf, struct reason *reterr_why)
{
    int fd;

    if (asprintf(&control->path, "%s/control.sock", conf->top_run_dir) < 0) {
        control->path = NULL;
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    }
    fd = unix_socket_listen(control->path, control->policy.has_group, control->policy.group,
                            reterr_why);
    if (fd < 0) {
        free(control->path); /* it is not ours to unlink */
        control->path = NULL;
        return fd;
    }
    control->server = http_server_new(control->loop, fd, &limits, admit, on_request, control);
    if (!control->server) {
        close(fd);
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    }
    return 0;
}

static void set_own_address(struct control *control, const struct conf *conf)
{
    (void)snprintf(control->own_address, sizeof(control->own_address), "postmaster@%s",
                   conf->top_hostname);
}

int control_new(struct loop *loop, const struct conf *conf, struct registry *registry,
                const struct control_backend *backend, struct control **ret_control,
                struct reason *reterr_why)
{
    struct control *control = calloc(1, sizeof(*control));
    int err;

    if (!control)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    control->loop = loop;
    control->registry = registry;
    control->backend = *backend;
    control->started_ms = clock_wall_ms();
    LIST_INIT(&control->calls);
    LIST_INIT(&control->ladders);
    control->last_tests = json_object();
    peer_policy_init(&control->policy, conf->top_control_group);
    set_own_address(control, conf);
    err = open_socket(control, conf, reterr_why);
    if (err < 0) {
        control_free(&control);
        return err;
    }
    *ret_control = control;
    return 0;
}

void control_reload(struct control *control, const struct conf *conf)
{
    peer_policy_init(&control->policy, conf->top_control_group);
    set_own_address(control, conf);
}

void control_stop(struct control *control)
{
    if (control->path) {
        (void)unlink(control->path); /* while it is still ours: nobody else can have it */
        free(control->path);
        control->path = NULL;
    }
    if (control->server)
        http_server_stop(control->server);
    ladder_cancel_all(control);
}

void control_free(struct control **control)
{
    struct control *old = *control;

    if (!old)
        return;
    *control = NULL;
    control_stop(old);
    while (!LIST_EMPTY(&old->calls))
        call_refuse(LIST_FIRST(&old->calls), 503, "stopping", "the daemon is stopping");
    http_server_free(&old->server);
    json_decref(old->last_tests);
    free(old);
}
