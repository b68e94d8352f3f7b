/* tests/unit/control_fixture.h: the control API with a real registry in a temporary directory, a
 * real socket, and the backend of control_backend.h; and how it is asked. */
#ifndef TESTS_UNIT_CONTROL_FIXTURE_H
#define TESTS_UNIT_CONTROL_FIXTURE_H

#include "tests/unit/unix_client.h"

#include <ftw.h>
#include <signal.h>

#include <jansson.h>

#include "common/conf.h"
#include "common/id.h"
#include "master/io_thread.h"
#include "master/registry.h"
#include "tests/unit/control_backend.h"

static struct conf *conf;
static struct io_thread *io;
static struct registry *registry;
static struct control *control;
static struct unix_client client;
static char dir[64], path[96];

/* ---- life ---- */

static void open_all(void)
{
    struct reason why = { "" };

    loop = loop_new();
    io = io_thread_new(loop);
    cr_assert_eq(registry_open(loop, io, conf, &registry, &why), 0, "%s", why.text);
    cr_assert_eq(control_new(loop, conf, registry, &fake_backend, &control, &why), 0, "%s",
                 why.text);
    client_open(&client, loop, path);
}

static void start(void)
{
    char text[512];
    struct reason why = { "" };

    signal(SIGPIPE, SIG_IGN); /* as every process of Postern does */
    strcpy(dir, "/tmp/postern-control-XXXXXX");
    cr_assert(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/control.sock", dir);
    snprintf(text, sizeof(text),
             "state_dir = \"%s\"\nrun_dir = \"%s\"\nkey_file = \"%s/key\"\ncontrol_group = \"\"\n",
             dir, dir, dir);
    cr_assert_eq(conf_parse(text, "test", &conf, &why), 0, "%s", why.text);
    open_all();
}

static void close_all(void)
{
    client_close(&client);
    if (control)
        control_stop(control);
    io_thread_free(&io);
    control_free(&control);
    registry_free(&registry);
    loop_turn(loop, 0);
    loop_free(loop);
}

static int remove_one(const char *name, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(name);
}

static void stop(void)
{
    close_all();
    json_decref(fake.rows);
    conf_free(&conf);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- asking ---- */

struct answer {
    int status;
    json_t *json; /* the last line of a stream */
    char *head;
    char *body;
};

static struct answer last;

static void forget_last(void)
{
    json_decref(last.json);
    free(last.head);
    free(last.body);
    last = (struct answer){ 0 };
}

static void take_reply(struct unix_client *from)
{
    struct unix_reply reply = client_wait_reply(from);
    char *line;

    forget_last();
    last = (struct answer){ .status = reply.status, .head = reply.head, .body = reply.body };
    line = last.body;
    for (char *at = line; at && *at; at++)
        if (*at == '\n' && at[1])
            line = at + 1;
    last.json = line && *line ? json_loads(line, 0, NULL) : NULL;
}

__attribute__((unused)) static int ask_with(const char *method, const char *target,
                                            const char *headers, const char *body)
{
    char full[512];

    snprintf(full, sizeof(full), "/api/v1%s", target);
    client_ask(&client, method, full, headers, body);
    take_reply(&client);
    return last.status;
}

static int ask(const char *method, const char *target, const char *body)
{
    return ask_with(method, target, "", body);
}

/* A member of the last answer, by "a.b.0.c". */
static const json_t *at(const char *way)
{
    const json_t *value = last.json;
    char name[64];

    while (*way && value) {
        size_t length = strcspn(way, ".");

        snprintf(name, sizeof(name), "%.*s", (int)length, way);
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(name))
                                     : json_object_get(value, name);
        way += length + (way[length] == '.');
    }
    return value;
}

__attribute__((unused)) static const char *text_at(const char *way)
{
    const char *text = json_string_value(at(way));

    return text ? text : "(none)";
}

__attribute__((unused)) static long long number_at(const char *way)
{
    return json_is_integer(at(way)) ? json_integer_value(at(way)) : -1;
}

#define ASSERT_STATUS(got, want)                                             \
    do {                                                                     \
        int got_ = (got);                                                    \
        cr_assert_eq(got_, (want), "status %d, wanted %d: %s", got_, (want), \
                     last.body ? last.body : "");                            \
    } while (0)

#define ASSERT_AT(way, want) \
    cr_assert_str_eq(text_at(way), (want), "%s is %s: %s", (way), text_at(way), last.body)

/* Turns until `condition` holds. */
#define TURN_UNTIL(condition)                                               \
    do {                                                                    \
        int64_t until_ = clock_mono_ms() + WAIT_MS;                         \
        while (!(condition)) {                                              \
            cr_assert_lt(clock_mono_ms(), until_, "never: %s", #condition); \
            loop_turn(loop, 10);                                            \
        }                                                                   \
    } while (0)

#define EXCHANGE                                                                    \
    "{\"name\":\"Exchange\",\"type\":\"smtp\",\"servers\":[\"smtp://10.0.0.1:25\"," \
    "\"smtp://10.0.0.2:25\"]}"

__attribute__((unused)) static long long put_profile(const char *json)
{
    int status = ask("POST", "/profiles?test=skip", json);

    cr_assert(status == 200 || status == 201, "%d: %s", status, last.body);
    return number_at("profile.id");
}

#endif
