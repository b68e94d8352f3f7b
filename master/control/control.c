/* master/control/control.c: the life of the control API. */
#include "master/control/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/console.h"
#include "common/log.h"
#include "common/loop.h"
#include "master/control/access.h"
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/ladder.h"
#include "master/control/routes.h"
#include "master/control/unix_socket.h"

#define QUIET_MS 10000 /* between two lines about strangers */

/* A profile with its CA has up to 300 KiB; an import has many of them. */
static const struct http_limits control_limits = {
    .max_connections = 64, .max_header_bytes = 16384, .max_body_bytes = 8U << 20, .idle_s = 60
};
/* One request a connection, as many as the console lets in. */
static const struct http_limits console_limits = { .max_connections = CONSOLE_MAX_REQUESTS,
                                                   .max_header_bytes = 2 * CONSOLE_MAX_HEADER,
                                                   .max_body_bytes = CONSOLE_MAX_BODY,
                                                   .idle_s = 60 };

static const struct {
    const char *name;
    const struct http_limits *limits;
} places[CONTROL_DOOR_COUNT] = {
    [DOOR_CONTROL] = { "control.sock", &control_limits },
    [DOOR_CONSOLE] = { "console.sock", &console_limits },
};

static int admit(int fd, uid_t *ret_uid, void *arg)
{
    struct door *door = arg;
    struct control *control = door->control;
    int err = peer_check(fd, &door->policy, ret_uid);

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
    struct door *door = arg;

    routes_serve(door->control, request, door->kind);
}

static int open_door(struct control *control, enum control_door kind, const struct conf *conf,
                     struct reason *reterr_why)
{
    struct door *door = &control->doors[kind];
    const struct http_hooks hooks = { .admit = admit, .handler = on_request, .arg = door };
    int fd;

    door->control = control;
    door->kind = kind;
    if (asprintf(&door->path, "%s/%s", conf->top_run_dir, places[kind].name) < 0) {
        door->path = NULL;
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    }
    fd = unix_socket_listen(door->path, door->policy.has_group, door->policy.group, reterr_why);
    if (fd < 0) {
        free(door->path); /* it is not ours to unlink */
        door->path = NULL;
        return fd;
    }
    door->server = http_server_new(control->loop, fd, places[kind].limits, &hooks);
    if (!door->server) {
        close(fd);
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    }
    return 0;
}

static void close_door(struct door *door)
{
    if (door->path) {
        (void)unlink(door->path); /* while it is still ours: nobody else can have it */
        free(door->path);
        door->path = NULL;
    }
    if (door->server)
        http_server_stop(door->server);
}

/* The group's members are administrators by control.sock; console.sock is for the daemon alone. */
static void set_policies(struct control *control, const struct conf *conf)
{
    peer_policy_init(&control->doors[DOOR_CONTROL].policy, conf->top_control_group);
    peer_policy_init(&control->doors[DOOR_CONSOLE].policy, NULL);
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
    set_policies(control, conf);
    set_own_address(control, conf);
    err = access_new(loop, registry, conf, &control->access);
    if (err < 0)
        (void)reason_set(reterr_why, err, "out of memory");
    else
        err = open_door(control, DOOR_CONTROL, conf, reterr_why);
    if (err == 0)
        err = open_door(control, DOOR_CONSOLE, conf, reterr_why);
    if (err < 0) {
        control_free(&control);
        return err;
    }
    *ret_control = control;
    return 0;
}

void control_reload(struct control *control, const struct conf *conf)
{
    set_policies(control, conf);
    set_own_address(control, conf);
    access_reload(control->access, conf);
}

const char *control_console_path(const struct control *control)
{
    return control->doors[DOOR_CONSOLE].path;
}

void control_stop(struct control *control)
{
    for (unsigned kind = 0; kind < CONTROL_DOOR_COUNT; kind++)
        close_door(&control->doors[kind]);
    ladder_cancel_all(control);
    if (control->access)
        access_stop(control->access);
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
    for (unsigned kind = 0; kind < CONTROL_DOOR_COUNT; kind++)
        http_server_free(&old->doors[kind].server);
    access_free(&old->access);
    json_decref(old->last_tests);
    free(old);
}
