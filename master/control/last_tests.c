#include "master/control/last_tests.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/auto.h"
#include "common/clock.h"

/* Steps of which also the words are compared; those of the others hold times and ids. */
static bool has_lasting_words(const char *step)
{
    static const char *const names[] = { "tls", "starttls", "certificate", "ehlo" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(step, names[i]) == 0)
            return true;
    }
    return false;
}

static const char *text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text != NULL ? text : "";
}

/* The step of this name that is the `count`th of it: EHLO comes twice. */
static const json_t *find(const json_t *steps, const char *name, size_t count)
{
    const json_t *step;
    size_t i;

    json_array_foreach ((json_t *)steps, i, step) {
        if (strcmp(text_of(step, "step"), name) == 0 && count-- == 0)
            return step;
    }
    return NULL;
}

static size_t count_before(const json_t *steps, size_t end, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < end; i++)
        count += strcmp(text_of(json_array_get(steps, i), "step"), name) == 0;
    return count;
}

static bool is_same(const json_t *step, const json_t *was)
{
    return strcmp(text_of(step, "result"), text_of(was, "result")) == 0 &&
           (!has_lasting_words(text_of(step, "step")) ||
            strcmp(text_of(step, "text"), text_of(was, "text")) == 0);
}

static void compare(json_t *server, const json_t *before)
{
    const json_t *steps = json_object_get(server, "steps"), *old = json_object_get(before, "steps"),
                 *step;
    json_t *changes = json_array();
    size_t i;

    json_array_foreach ((json_t *)steps, i, step) {
        const char *name = text_of(step, "step");
        const json_t *was = find(old, name, count_before(steps, i, name));

        if (was == NULL)
            (void)json_array_append_new(changes, json_pack("{s:s, s:n}", "step", name, "was"));
        else if (!is_same(step, was))
            (void)json_array_append_new(changes, json_pack("{s:s, s:s, s:s}", "step", name, "was",
                                                           text_of(was, "result"), "was_text",
                                                           text_of(was, "text")));
    }
    (void)json_object_set_new(server, "changes", changes);
    (void)json_object_set_new(server, "last",
                              json_pack("{s:O, s:O}", "time", json_object_get(before, "time"),
                                        "passed", json_object_get(before, "passed")));
}

/* The order of an object is that in which its members came. */
static void trim(json_t *kept)
{
    while (json_object_size(kept) > LAST_TESTS_MAX)
        (void)json_object_del(kept, json_object_iter_key(json_object_iter(kept)));
}

void last_tests_take(json_t *kept, uint32_t profile, json_t *server, int64_t now_ms)
{
    char key[1200], time[CLOCK_TEXT_SIZE];
    AUTO(json) json_t *now = NULL;
    const json_t *before;

    (void)snprintf(key, sizeof(key), "%u %s", profile, text_of(server, "server"));
    now = json_pack("{s:s, s:O, s:o}", "time", clock_text(now_ms, time), "passed",
                    json_object_get(server, "passed"), "steps",
                    json_deep_copy(json_object_get(server, "steps")));
    before = json_object_get(kept, key);
    if (before != NULL)
        compare(server, before);
    if (now == NULL)
        return;
    (void)json_object_del(kept, key); /* to the end of the line */
    (void)json_object_set(kept, key, now);
    trim(kept);
}
