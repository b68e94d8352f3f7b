/* tests/unit/registry_helper.h: a registry in a directory of its own, and calls that wait for their
 * answer. */
#ifndef TESTS_REGISTRY_HELPER_H
#define TESTS_REGISTRY_HELPER_H

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "master/io_thread.h"
#include "master/registry.h"

static char directory[64], key_path[128];
static struct conf *conf;
static struct loop *loop;
static struct io_thread *io;
static struct registry *registry;
static const struct registry_actor actor = { "uid=7" };

static inline int try_open(struct reason *why)
{
    return registry_open(loop, io, conf, &registry, why);
}

static inline void open_registry(void)
{
    struct reason why = { "" };

    cr_assert_eq(try_open(&why), 0, "%s", why.text);
}

static inline void close_registry(void)
{
    if (registry != NULL)
        registry_stop(registry);
    io_thread_free(&io);
    registry_free(&registry);
    io = io_thread_new(loop);
}

static inline void reopen_registry(void)
{
    close_registry();
    open_registry();
}

static inline void start_registry(void)
{
    char text[512];
    struct reason why = { "" };

    strcpy(directory, "/tmp/postern-registry-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    (void)snprintf(key_path, sizeof(key_path), "%s/store.key", directory);
    (void)snprintf(text, sizeof(text), "state_dir = \"%s/state\"\nkey_file = \"%s\"\n", directory,
                   key_path);
    cr_assert_eq(conf_parse(text, "test", &conf, &why), 0, "%s", why.text);
    loop = loop_new();
    io = io_thread_new(loop);
    open_registry();
}

static inline void stop_registry(void)
{
    char command[128];

    close_registry();
    io_thread_free(&io);
    loop_free(loop);
    conf_free(&conf);
    (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
    cr_assert_eq(system(command), 0);
}

/* ---- JSON ---- */

/* {'a': 'b'} reads better in C than {\"a\": \"b\"}. */
__attribute__((format(printf, 1, 2))) static inline json_t *json_of(const char *format, ...)
{
    char *text = NULL;
    json_error_t error;
    json_t *json;
    va_list args;

    va_start(args, format);
    cr_assert_gt(vasprintf(&text, format, args), 0);
    va_end(args);
    for (char *p = text; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(json, "%s: %s", text, error.text);
    free(text);
    return json;
}

static inline bool json_has_text(const json_t *json, const char *text)
{
    char *dump = json_dumps(json, JSON_ENCODE_ANY);
    bool has = dump != NULL && strstr(dump, text) != NULL;

    free(dump);
    return has;
}

/* ---- calls that wait ---- */

struct told {
    bool is_there;
    enum registry_result result;
    uint32_t id;
    uint64_t version;
    char errors[4096], warnings[4096], why[384];
    struct registry_import *import; /* of a check: the test's */
};

static inline void print_list(const json_t *list, char *out, size_t size)
{
    char *text = json_dumps(list, 0);

    (void)snprintf(out, size, "%s", text != NULL ? text : "");
    free(text);
}

static inline void on_told(struct registry_answer *answer, void *arg)
{
    struct told *told = arg;

    cr_assert_not(told->is_there, "answered twice");
    told->is_there = true;
    told->result = answer->result;
    told->id = answer->id;
    told->version = answer->version;
    (void)snprintf(told->why, sizeof(told->why), "%s", answer->why.text);
    print_list(answer->problems.errors, told->errors, sizeof(told->errors));
    print_list(answer->problems.warnings, told->warnings, sizeof(told->warnings));
    told->import = answer->import;
    answer->import = NULL;
}

static inline void wait_for(struct told *told)
{
    int64_t limit = clock_mono_ms() + 20000;

    cr_assert_not(told->is_there, "never from inside the call");
    while (!told->is_there && clock_mono_ms() < limit)
        loop_turn(loop, 100);
    cr_assert(told->is_there, "no answer");
}

#define TURN_UNTIL(condition)                                                             \
    do {                                                                                  \
        for (int64_t limit_ = clock_mono_ms() + 20000; !(condition); loop_turn(loop, 10)) \
            cr_assert_lt(clock_mono_ms(), limit_, "in vain: %s", #condition);             \
    } while (0)

#define EXPECT(told, wanted) \
    cr_assert_eq((told).result, wanted, "%d: %s %s", (int)(told).result, (told).errors, (told).why)

/* Takes `input` over. NULL: refused; the errors are in `errors` (if not NULL). */
static inline struct profile *check_profile(json_t *input, uint32_t id, char *errors, size_t size)
{
    struct problems problems;
    struct profile *profile;

    cr_assert_eq(problems_init(&problems), 0);
    profile = registry_profile_check(registry, input, id, &problems);
    cr_assert_eq(profile == NULL, problems_any(&problems));
    if (errors != NULL)
        print_list(problems.errors, errors, size);
    problems_done(&problems);
    json_decref(input);
    return profile;
}

static inline struct told store_profile(struct profile *profile, uint64_t if_match)
{
    struct told told = { 0 };

    registry_profile_put(registry, profile, if_match, "not tested", &actor, on_told, &told);
    wait_for(&told);
    return told;
}

/* Checked and stored; INVALID with the errors if it does not pass the check. */
static inline struct told put_profile(json_t *input, uint64_t if_match)
{
    struct told told = { .is_there = true, .result = REGISTRY_INVALID };
    struct profile *profile = check_profile(input, 0, told.errors, sizeof(told.errors));

    return profile != NULL ? store_profile(profile, if_match) : told;
}

static inline uint32_t have_profile(json_t *input)
{
    struct told told = put_profile(input, 0);

    EXPECT(told, REGISTRY_OK);
    return told.id;
}

/* The smallest profile. */
static inline uint32_t have_smtp(const char *name)
{
    return have_profile(json_of("{'name': '%s', 'type': 'smtp', 'servers': ['10.0.0.1']}", name));
}

static inline struct told delete_profile(uint32_t id, uint64_t if_match)
{
    struct told told = { 0 };

    registry_profile_delete(registry, id, if_match, &actor, on_told, &told);
    wait_for(&told);
    return told;
}

static inline struct told put_rule(json_t *input, uint32_t id, uint64_t if_match)
{
    struct told told = { 0 };

    registry_rule_put(registry, input, id, if_match, &actor, on_told, &told);
    json_decref(input);
    wait_for(&told);
    return told;
}

static inline uint32_t have_rule(const char *name, const char *relay)
{
    struct told told = put_rule(json_of("{'name': '%s', 'relay': '%s', "
                                        "'match': {'recipients': ['*@example.net']}}",
                                        name, relay),
                                0, 0);

    EXPECT(told, REGISTRY_OK);
    return told.id;
}

static inline struct told delete_rule(uint32_t id, uint64_t if_match)
{
    struct told told = { 0 };

    registry_rule_delete(registry, id, if_match, &actor, on_told, &told);
    wait_for(&told);
    return told;
}

static inline struct told move_rule(uint32_t id, unsigned position)
{
    struct told told = { 0 };

    registry_rule_move(registry, id, position, &actor, on_told, &told);
    wait_for(&told);
    return told;
}

static inline struct told put_settings(json_t *input, uint64_t if_match)
{
    struct told told = { 0 };

    registry_settings_put(registry, input, if_match, &actor, on_told, &told);
    json_decref(input);
    wait_for(&told);
    return told;
}

/* Takes `input` over. */
static inline struct told check_import(json_t *input)
{
    struct told told = { 0 };

    registry_import_check(registry, input, on_told, &told);
    json_decref(input);
    wait_for(&told);
    cr_assert_eq(told.result == REGISTRY_OK, told.import != NULL);
    return told;
}

static inline struct told store_import(struct registry_import *import)
{
    struct told told = { 0 };

    registry_import_store(registry, import, "not tested", &actor, on_told, &told);
    wait_for(&told);
    return told;
}

static inline struct told take_in(json_t *input)
{
    struct told told = check_import(input);

    return told.import != NULL ? store_import(told.import) : told;
}

static inline struct told rotate_key(void)
{
    struct told told = { 0 };

    registry_key_rotate(registry, &actor, on_told, &told);
    wait_for(&told);
    return told;
}

static inline void expect_rules(const char *names)
{
    const struct rule_set *set = registry_rules(registry);
    char text[1024] = "";

    for (size_t i = 0; i < set->count; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i > 0 ? " " : "",
                       set->rules[i]->name);
    cr_assert_str_eq(text, names);
}

static inline json_t *read_memfd(int fd)
{
    char *text;
    size_t bytes;
    json_t *json;

    cr_assert_geq(fd, 0);
    cr_assert_eq(memfd_read(fd, &text, &bytes), 0);
    close(fd);
    json = json_loadb(text, bytes, 0, NULL);
    free(text);
    cr_assert_not_null(json);
    return json;
}

/* A secret as the worker gets it. */
static inline void expect_secret(uint32_t id, const char *member, const char *wanted)
{
    json_t *json = read_memfd(registry_profile_memfd(registry, id));
    const char *clear = json_string_value(json_object_get(json, member));

    if (wanted == NULL)
        cr_assert_null(clear);
    else
        cr_assert_str_eq(clear != NULL ? clear : "(none)", wanted);
    json_decref(json);
}

/* ---- files ---- */

/* The whole content, free(). */
static inline char *read_whole(const char *path, size_t *ret_bytes)
{
    struct stat facts;
    char *data;
    int fd = open(path, O_RDONLY);

    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(fstat(fd, &facts), 0);
    data = malloc((size_t)facts.st_size + 1);
    cr_assert_eq(read(fd, data, (size_t)facts.st_size), facts.st_size);
    data[facts.st_size] = '\0';
    close(fd);
    *ret_bytes = (size_t)facts.st_size;
    return data;
}

static inline void write_whole(const char *path, const char *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, data, bytes), (ssize_t)bytes);
    close(fd);
}

static inline char *read_store(size_t *ret_bytes)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/state/store/data.mdb", directory);
    return read_whole(path, ret_bytes);
}

#endif
