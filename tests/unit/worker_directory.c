/* The profiles and rules a worker runs with: versions that come, go and are held. */
#include <errno.h>

#include "rule_helper.h"

#include "worker/directory.h"

static struct directory *directory;

static struct { /* what the watcher heard */
    unsigned retired;
    struct worker_profile *profile;
    uint64_t retired_version, version_found; /* by directory_hold(), when it was told */
} heard;

static void on_retired(struct worker_profile *profile, void *arg)
{
    struct worker_profile *found =
        directory != NULL ? directory_hold(directory, profile->profile->id) : NULL;

    cr_assert_eq(arg, (void *)&heard);
    cr_assert(profile->is_retired);
    heard.retired++;
    heard.profile = profile;
    heard.retired_version = profile->profile->version;
    heard.version_found = found != NULL ? found->profile->version : 0;
    directory_release(found);
}

static char *text_of(uint32_t id, uint64_t version, const char *more)
{
    struct profile *profile = accept_profile(input_of("smtp", more), NULL, NULL);
    json_t *json;
    char *text;

    profile->id = id;
    profile->version = version;
    json = profile_to_json(profile, PROFILE_FORM_WORKER);
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    profile_free(&profile);
    return text;
}

static void put(uint32_t id, uint64_t version)
{
    char *text = text_of(id, version, "");
    struct reason why = { "" };

    cr_assert_eq(directory_put_profile(directory, text, strlen(text), &why), 0, "%s", why.text);
    free(text);
}

/* 0: the directory does not know it. */
static uint64_t version_of(uint32_t id)
{
    struct worker_profile *held = directory_hold(directory, id);
    uint64_t version = held != NULL ? held->profile->version : 0;

    directory_release(held);
    return version;
}

static void setup(void)
{
    directory = directory_new();
    directory_watch(directory, on_retired, &heard);
}

static void teardown(void)
{
    directory_free(&directory);
}

TestSuite(directory, .init = setup, .fini = teardown, .timeout = 30);

/* ---- profiles ---- */

Test(directory, what_was_put_can_be_held)
{
    struct worker_profile *held;
    char *text = text_of(7, 3, "'username': 'u', 'password': 'in clear here'");

    cr_assert_eq(directory_put_profile(directory, text, strlen(text), NULL), 0);
    memset(text, 'x', strlen(text)); /* nothing is borrowed */
    held = directory_hold(directory, 7);
    cr_assert_not_null(held);
    cr_assert_eq(held->profile->id, 7u);
    cr_assert_eq(held->profile->version, 3u);
    cr_assert_str_eq(held->profile->secrets[SECRET_PASSWORD], "in clear here");
    cr_assert_not(held->is_retired);
    cr_assert_eq(heard.retired, 0u);
    directory_release(held);
    free(text);
}

Test(directory, what_nobody_put_is_not_known)
{
    cr_assert_null(directory_hold(directory, 7));
    put(7, 1);
    cr_assert_null(directory_hold(directory, 8));
    cr_assert_null(directory_hold(directory, 0));
    directory_release(NULL);
}

Test(directory, only_so_many_bytes_are_read)
{
    char *text = text_of(7, 1, "");
    size_t bytes = strlen(text);
    char *longer = malloc(bytes + 3);

    memcpy(longer, text, bytes);
    memcpy(longer + bytes, "}}}", 3); /* and no NUL */
    cr_assert_eq(directory_put_profile(directory, longer, bytes, NULL), 0);
    cr_assert_eq(version_of(7), 1u);
    free(longer);
    free(text);
}

Test(directory, SP54_the_newest_version_is_found_and_the_older_lives_on_while_held)
{
    struct worker_profile *old, *fresh;

    put(7, 1);
    old = directory_hold(directory, 7);
    put(7, 2);
    fresh = directory_hold(directory, 7);
    cr_assert_neq(fresh, old);
    cr_assert_eq(fresh->profile->version, 2u);
    cr_assert_not(fresh->is_retired);

    cr_assert_eq(old->profile->version, 1u);
    cr_assert_str_eq(old->profile->name, "p");
    cr_assert(old->is_retired);
    cr_assert_eq(old->holders, 1u, "only this test's");
    directory_release(old);
    directory_release(fresh);
}

/* The pool lets go of the old version's connections before anybody can ask for the new one's. */
Test(directory, SP47_a_version_is_retired_before_the_new_one_is_known)
{
    put(7, 1);
    put(8, 1);
    put(7, 2);
    cr_assert_eq(heard.retired, 1u);
    cr_assert_eq(heard.retired_version, 1u);
    cr_assert_eq(heard.version_found, 1u, "the new one was known already");
    cr_assert_eq(version_of(7), 2u);
    cr_assert_eq(version_of(8), 1u);
}

Test(directory, every_holder_counts)
{
    struct worker_profile *first, *second, *shared;

    put(7, 1);
    first = directory_hold(directory, 7);
    second = directory_hold(directory, 7);
    shared = directory_share(first);
    cr_assert_eq(first, second);
    cr_assert_eq(first, shared);
    directory_drop_profile(directory, 7);
    directory_release(first);
    directory_release(second);
    cr_assert_eq(shared->holders, 1u);
    cr_assert_str_eq(shared->profile->name, "p"); /* the sanitizer watches over what is freed */
    directory_release(shared);
}

Test(directory, a_dropped_one_is_retired_and_not_known_any_more)
{
    struct worker_profile *held;

    put(7, 1);
    held = directory_hold(directory, 7);
    directory_drop_profile(directory, 7);
    cr_assert_eq(heard.retired, 1u);
    cr_assert_eq(heard.profile, held);
    cr_assert_eq(version_of(7), 0u);
    directory_drop_profile(directory, 7);
    directory_drop_profile(directory, 99);
    cr_assert_eq(heard.retired, 1u, "only what is there can go");
    directory_release(held);

    put(7, 4);
    cr_assert_eq(version_of(7), 4u);
}

Test(directory, many_are_told_apart_whichever_goes_first)
{
    for (uint32_t id = 1; id <= 100; id++)
        put(id, id + 1000);
    for (uint32_t id = 1; id <= 100; id += 3)
        directory_drop_profile(directory, id);
    for (uint32_t id = 2; id <= 100; id += 3)
        put(id, id + 2000);
    for (uint32_t id = 1; id <= 100; id++)
        cr_assert_eq(version_of(id), id % 3 == 1 ? 0 : id % 3 == 2 ? id + 2000 : id + 1000);
    cr_assert_eq(heard.retired, 67u);
}

Test(directory, the_end_of_the_directory_retires_all_and_frees_what_nobody_holds)
{
    struct worker_profile *held;

    put(7, 1);
    put(8, 1);
    held = directory_hold(directory, 7);
    directory_watch(directory, NULL, NULL); /* the watcher looks into the directory */
    directory_free(&directory);
    cr_assert_null(directory);
    directory_free(&directory);
    cr_assert(held->is_retired);
    cr_assert_eq(held->holders, 1u);
    cr_assert_str_eq(held->profile->name, "p");
    directory_release(held);
}

Test(directory, the_end_of_the_directory_is_heard_by_its_watcher)
{
    put(7, 1);
    put(8, 1);
    directory_free(&directory);
    cr_assert_eq(heard.retired, 2u);
}

Test(directory, nobody_needs_to_watch)
{
    directory_watch(directory, NULL, NULL);
    put(7, 1);
    put(7, 2);
    directory_drop_profile(directory, 7);
    cr_assert_eq(version_of(7), 0u);
    cr_assert_eq(heard.retired, 0u);
}

/* ---- what cannot be read ---- */

static char *replaced(const char *text, const char *what, const char *by)
{
    const char *at = strstr(text, what);
    char *out = malloc(strlen(text) + strlen(by) + 1);

    cr_assert_not_null(at, "%s has no %s", text, what);
    sprintf(out, "%.*s%s%s", (int)(at - text), text, by, at + strlen(what));
    return out;
}

/* Breaks the JSON of version 2 by one replacement: version 1 stays in force. */
static void check_broken(const char *what, const char *by, const char *reason)
{
    char *text = text_of(7, 2, ""), *broken = replaced(text, what, by);
    struct reason why = { "" };
    int err = directory_put_profile(directory, broken, strlen(broken), &why);
    struct worker_profile *held = directory_hold(directory, 7);

    cr_expect_eq(err, -EBADMSG, "%s: %d", by, err);
    cr_expect_not_null(strstr(why.text, reason), "%s: %s", by, why.text);
    cr_expect_eq(held->profile->version, 1u, "%s", by);
    cr_expect_not(held->is_retired);
    cr_expect_eq(heard.retired, 0u);
    directory_release(held);
    free(broken);
    free(text);
}

Test(directory, SP54_a_profile_that_cannot_be_read_keeps_the_old_version)
{
    put(7, 1);
    check_broken("{", "", "not JSON");
    check_broken("\"name\":\"p\"", "\"name\":\"p\",\"name\":\"q\"", "not JSON");
    check_broken("\"v\":1", "\"v\":2", "version");
    check_broken("\"v\":1", "\"from_the_future\":1,\"v\":1", "from_the_future");
    check_broken("\"type\":\"smtp\"", "\"type\":\"pigeon\"", "type");
    check_broken("smtp://10.0.0.1:25", "pigeon://10.0.0.1", "servers[0]");
    check_broken("\"expiry\":180", "\"expiry\":0", "pool.expiry");
    check_broken("\"expiry\":180", "\"expiry2\":180", "expiry");
}

Test(directory, a_profile_of_no_bytes_or_of_none_of_ours_is_refused)
{
    static const char *const texts[] = { "", "[]", "{}", "null", "42", "\"profile\"" };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct reason why = { "" };

        cr_expect_eq(directory_put_profile(directory, texts[i], strlen(texts[i]), &why), -EBADMSG,
                     "%s", texts[i]);
        cr_expect_neq(why.text[0], '\0', "%s", texts[i]);
        cr_expect_eq(directory_put_profile(directory, texts[i], strlen(texts[i]), NULL), -EBADMSG);
    }
}

/* The reason goes into the log. */
#define SECRET_TEXT "tell-nobody-4711"

static void check_reason(const char *json, size_t bytes)
{
    struct reason why = { "" };

    cr_assert_eq(directory_put_profile(directory, json, bytes, &why), -EBADMSG);
    cr_assert_null(strstr(why.text, "tell"), "%zu bytes: %s", bytes, why.text);
    cr_assert_null(strstr(why.text, "4711"), "%zu bytes: %s", bytes, why.text);
}

Test(directory, SP60_the_reason_holds_no_secret)
{
    char *text = text_of(7, 1, "'username': 'u', 'password': '" SECRET_TEXT "'");
    char *newline = replaced(text, SECRET_TEXT, "tell\n-nobody-4711");
    char *number = replaced(text, "\"" SECRET_TEXT "\"", "4711");
    char *misspelt = replaced(text, "\"password\"", "\"passwort\"");

    for (size_t bytes = 0; bytes < strlen(text); bytes++)
        check_reason(text, bytes);
    check_reason(newline, strlen(newline));
    check_reason(number, strlen(number));
    check_reason(misspelt, strlen(misspelt));
    free(misspelt);
    free(number);
    free(newline);
    free(text);
}

/* ---- rules ---- */

static int put_rules(uint64_t version, const uint32_t *ids, size_t count, struct reason *why)
{
    struct rule *rules[8];
    struct rule_set set = { .version = version, .rules = rules, .count = count };
    json_t *json;
    char *text;
    int err;

    for (size_t i = 0; i < count; i++) {
        rules[i] = accept_rule(rule_input(ids[i] % 2 == 0 ? "'enabled': false" : ""), NULL);
        rules[i]->id = ids[i];
        rules[i]->version = version;
    }
    json = rule_set_to_json(&set);
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    err = directory_put_rules(directory, text, strlen(text), why);
    free(text);
    for (size_t i = 0; i < count; i++)
        rule_free(&rules[i]);
    return err;
}

Test(directory, before_the_first_rules_there_are_none)
{
    cr_assert_not_null(directory_rules(directory));
    cr_assert_eq(directory_rules(directory)->count, 0u);
    cr_assert_null(directory_rule(directory, 0));
    cr_assert_null(directory_rule(directory, 1));
}

Test(directory, SR01_rules_are_kept_in_their_order_and_found_by_id)
{
    static const uint32_t ids[] = { 5, 3, 4 };
    const struct rule_set *set;

    cr_assert_eq(put_rules(11, ids, 3, NULL), 0);
    set = directory_rules(directory);
    cr_assert_eq(set->version, 11u);
    cr_assert_eq(set->count, 3u);
    cr_assert_eq(set->enabled_count, 2u);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(set->rules[i]->id, ids[i]);
        cr_assert_eq(directory_rule(directory, ids[i]), set->rules[i],
                     "one that is switched off, too: mail may still need it");
    }
    cr_assert_null(directory_rule(directory, 6));
}

Test(directory, SP54_new_rules_take_the_place_of_all_old_ones)
{
    static const uint32_t before[] = { 5, 3 }, after[] = { 3, 9 };

    cr_assert_eq(put_rules(1, before, 2, NULL), 0);
    cr_assert_eq(put_rules(2, after, 2, NULL), 0);
    cr_assert_null(directory_rule(directory, 5));
    cr_assert_eq(directory_rule(directory, 3)->version, 2u);
    cr_assert_not_null(directory_rule(directory, 9));
    cr_assert_eq(put_rules(3, NULL, 0, NULL), 0);
    cr_assert_eq(directory_rules(directory)->count, 0u);
    cr_assert_eq(directory_rules(directory)->version, 3u);
}

Test(directory, SP54_rules_that_cannot_be_read_keep_the_old_ones)
{
    static const uint32_t ids[] = { 5 };
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"v\":2,\"version\":8,\"rules\":[],\"settings\":{}}",
        "{\"v\":1,\"version\":8,\"rules\":[{}],\"settings\":{}}",
        "{\"v\":1,\"version\":8,\"version\":9,\"rules\":[],\"settings\":{}}",
        "{\"v\":1,\"version\":8,\"rules\":[],\"settings\":{}} x",
    };

    cr_assert_eq(put_rules(1, ids, 1, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct reason why = { "" };

        cr_expect_eq(directory_put_rules(directory, texts[i], strlen(texts[i]), &why), -EBADMSG,
                     "%s", texts[i]);
        cr_expect_neq(why.text[0], '\0', "%s", texts[i]);
        cr_expect_eq(directory_rules(directory)->version, 1u, "%s", texts[i]);
        cr_expect_not_null(directory_rule(directory, 5));
    }
}
