/* Small parts of the master: cursor file, alerts, hash and slab. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/profile.h"
#include "master/alerts.h"
#include "master/cursor.h"
#include "master/cursor_file.h"
#include "master/dispatch.h"
#include "master/hash_index.h"
#include "master/io_thread.h"
#include "master/queue.h"
#include "master/segments.h"
#include "master/slab.h"
#include "master/worker.h"

/* ---- cursor file ---- */

static char dir[64];
static struct loop *loop;
static struct io_thread *io;
static struct workers workers;
static struct segments *segments;
static struct queue *queue;
static struct dispatch *dispatch;
static struct cursor_file *file;

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *ftw)
{
    (void)about;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void open_all(void)
{
    loop = loop_new();
    io = io_thread_new(loop);
    workers.loop = loop;
    segments = segments_new(&workers);
    queue = queue_new(loop, segments);
    dispatch = dispatch_new(loop, queue, &workers, NULL);
    file = cursor_file_new(loop, io, dir);
    cr_assert(dispatch != NULL && file != NULL);
}

static void close_all(void)
{
    io_thread_free(&io);
    cursor_file_free(&file);
    dispatch_free(&dispatch);
    queue_free(&queue);
    segments_free(&segments);
    loop_free(loop);
}

static void set_up(void)
{
    strcpy(dir, "/tmp/postern-cursor-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    open_all();
}

static void tear_down(void)
{
    close_all();
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(cursor_file, .init = set_up, .fini = tear_down);

static void open_profile(uint32_t id)
{
    struct server_uri servers[3] = { { .text = "smtp://a:25" },
                                     { .text = "smtp://b:25" },
                                     { .text = "smtp://c:25" } };
    const struct profile profile = { .id = id,
                                     .version = 1,
                                     .type = PROFILE_SMTP,
                                     .servers = servers,
                                     .server_count = 3,
                                     .preference = PREFERENCE_ROUND_ROBIN,
                                     .max_in_flight = 10 };

    cr_assert_eq(dispatch_set_profile(dispatch, &profile, cursor_file_saved(file, id)), 0);
}

static void put_file(const char *text)
{
    char path[128];
    FILE *out;

    snprintf(path, sizeof(path), "%s/cursors", dir);
    out = fopen(path, "w");
    fputs(text, out);
    fclose(out);
}

static void put_line(uint32_t profile, unsigned turns)
{
    const char *const uris[] = { "smtp://a:25", "smtp://b:25", "smtp://c:25" };
    struct cursor cursor = { 0 };
    uint64_t identities[3];
    char line[CURSOR_TEXT_MAX], text[CURSOR_TEXT_MAX + 128];

    for (int i = 0; i < 3; i++)
        identities[i] = server_uri_identity(uris[i]);
    cursor_set_servers(&cursor, identities, 3);
    while (turns-- > 0)
        cursor_take(&cursor, CURSOR_ALL);
    cursor_print(&cursor, line, sizeof(line));
    snprintf(text, sizeof(text), "postern cursors 1\nnot a line\n%u %s\n", profile, line);
    put_file(text);
}

Test(cursor_file, SP21_survives_a_stop_exactly)
{
    close_all();
    put_line(4, 2);
    open_all();
    open_profile(4);
    cr_assert_eq(dispatch_next_start(dispatch, 4), 2, "and a damaged line costs only itself");
    cursor_file_sync(file, dispatch);
    close_all();
    open_all();
    open_profile(4);
    cr_assert_eq(dispatch_next_start(dispatch, 4), 2);
}

Test(cursor_file, SP21_is_written_within_about_a_second)
{
    char path[128];

    close_all();
    put_line(4, 1);
    open_all();
    open_profile(4);
    snprintf(path, sizeof(path), "%s/cursors", dir);
    cr_assert_eq(unlink(path), 0);
    cursor_file_touch(file, dispatch);
    cursor_file_touch(file, dispatch);
    for (int i = 0; i < 500 && access(path, R_OK) != 0; i++)
        loop_turn(loop, 20);
    cr_assert_eq(access(path, R_OK), 0);
    close_all();
    open_all();
    cr_assert_not_null(cursor_file_saved(file, 4));
    cr_assert_null(cursor_file_saved(file, 5));
}

static const char *const damaged[] = {
    "",
    "postern",
    "postern cursors 2\n4 0000000000000065 0\n",
    "postern cursors 1\n4 rubbish\n",
    "postern cursors 1\n0 0000000000000065 0\n",
};

Test(cursor_file, a_damaged_file_costs_the_turns_alone)
{
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        close_all();
        put_file(damaged[i]);
        open_all();
        cr_assert_null(cursor_file_saved(file, 4), "%zu", i);
        open_profile(4);
        cr_assert_eq(dispatch_next_start(dispatch, 4), 0);
    }
}

/* ---- alerts ---- */

static const char *alert_text(const json_t *shown, size_t index, const char *key)
{
    return json_string_value(json_object_get(json_array_get(shown, index), key));
}

Test(alerts, OP08_are_kept_newest_first_and_once_each)
{
    struct alerts *alerts;
    json_t *shown;

    log_open("test", open("/dev/null", O_WRONLY | O_CLOEXEC));
    alerts = alerts_new();
    log_alert("here", "first", LOG_INT("n", 1));
    log_alert("here", "second", LOG_INT("n", 2));
    log_warning("here", "no alert", LOG_INT("n", 3));
    shown = alerts_shown(alerts);
    cr_assert_eq(json_array_size(shown), 2);
    cr_assert_str_eq(alert_text(shown, 0, "text"), "second n=2");
    cr_assert_str_eq(alert_text(shown, 0, "process"), "master");
    json_decref(shown);
    log_alert("here", "first", LOG_INT("n", 1)); /* again */
    shown = alerts_shown(alerts);
    cr_assert_eq(json_array_size(shown), 2);
    cr_assert_str_eq(alert_text(shown, 0, "text"), "first n=1");
    cr_assert_eq(json_integer_value(json_object_get(json_array_get(shown, 0), "count")), 2);
    json_decref(shown);
    alerts_free(&alerts);
}

Test(alerts, OP08_those_of_workers_are_kept_too_whatever_they_say)
{
    struct alerts *alerts = alerts_new();
    char endless[2000];
    json_t *shown;

    memset(endless, 'x', sizeof(endless) - 1);
    memcpy(endless + 510, "\xc3\xa4", 2); /* where it is cut */
    endless[sizeof(endless) - 1] = '\0';
    alerts_take(alerts, "worker[0]", "spooler", "disk");
    alerts_take(alerts, "worker[1]", "spooler", "disk");
    alerts_take(alerts, "worker[1]", "spooler", "\xff is no UTF-8");
    alerts_take(alerts, "worker[1]", "spooler", endless);
    alerts_take(NULL, "worker[1]", "spooler", "nobody keeps it");
    shown = alerts_shown(alerts);
    cr_assert_eq(json_array_size(shown), 4);
    cr_assert_eq(strlen(alert_text(shown, 0, "text")), 511);
    cr_assert_str_eq(alert_text(shown, 1, "text"), "? is no UTF-8");
    cr_assert_str_eq(alert_text(shown, 3, "process"), "worker[0]");
    json_decref(shown);
    alerts_free(&alerts);
}

Test(alerts, OP08_the_oldest_go_when_there_are_too_many)
{
    struct alerts *alerts;
    json_t *shown, *oldest;

    log_open("test", open("/dev/null", O_WRONLY | O_CLOEXEC));
    alerts = alerts_new();
    for (int i = 0; i < ALERTS_MAX + 50; i++)
        log_alert("here", "many", LOG_INT("n", i));
    shown = alerts_shown(alerts);
    cr_assert_eq(json_array_size(shown), ALERTS_MAX);
    oldest = json_array_get(shown, ALERTS_MAX - 1);
    cr_assert_eq(json_integer_value(json_object_get(oldest, "number")), 51);
    json_decref(shown);
    alerts_free(&alerts);
}

/* ---- hash and slab against the obvious ---- */

struct thing {
    struct hash_node node;
    uint32_t number;
    bool is_in;
};

Test(hash_index, finds_what_is_in_and_nothing_else)
{
    enum { THINGS = 20000 };
    static struct thing things[THINGS];
    struct hash_index index = { 0 };
    size_t in = 0;

    srandom(3);
    for (int step = 0; step < 200000; step++) {
        struct thing *thing = &things[random() % THINGS];
        uint64_t key = hash_mix((uint64_t)(thing - things), 7);

        if (thing->is_in)
            hash_index_remove(&index, &thing->node);
        else
            cr_assert_eq(hash_index_insert(&index, &thing->node, key), 0);
        thing->is_in = !thing->is_in;
        in += thing->is_in ? 1 : (size_t)-1;
        cr_assert_eq(index.count, in);
    }
    for (size_t i = 0; i < THINGS; i++) {
        struct hash_node *node = hash_index_first(&index, hash_mix(i, 7));

        cr_assert_eq(node == &things[i].node, things[i].is_in, "%zu", i);
    }
    hash_index_done(&index);
}

Test(hash_index, keeps_equal_keys_apart)
{
    struct thing a = { .number = 1 }, b = { .number = 2 };
    struct hash_index index = { 0 };
    unsigned seen = 0;

    cr_assert_null(hash_index_first(&index, 5));
    cr_assert_eq(hash_index_insert(&index, &a.node, 5), 0);
    cr_assert_eq(hash_index_insert(&index, &b.node, 5), 0);
    for (struct hash_node *n = hash_index_first(&index, 5); n != NULL; n = hash_index_next(n))
        seen += ((struct thing *)n)->number;
    cr_assert_eq(seen, 3);
    hash_index_done(&index);
}

Test(slab, numbers_find_objects_and_places_are_used_again)
{
    struct slab *slab = slab_new(24, 5000);
    uint32_t number = 0, again;
    unsigned taken = 0;
    void *object, *last = NULL;

    while ((object = slab_take(slab, &number)) != NULL) {
        cr_assert_eq(slab_at(slab, number), object);
        cr_assert_eq((uintptr_t)object % 16, 0);
        memset(object, 0xff, 24);
        last = object;
        taken++;
    }
    cr_assert_geq(taken, 5000);
    cr_assert_leq(taken, 6000);
    slab_give(slab, 7);
    cr_assert_null(slab_at(slab, 7));
    cr_assert_eq(slab_at(slab, taken - 1), last, "others do not move");
    object = slab_take(slab, &again);
    cr_assert_eq(again, 7);
    cr_assert_eq(*(unsigned char *)object, 0, "zeroed");
    cr_assert_null(slab_at(slab, UINT32_MAX));
    slab_free(&slab);
}
