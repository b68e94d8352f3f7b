/* tests/unit/visit_stage.h: a worker's delivery (delivery_stage.h) with two scripted servers that
 * are Cores or a Vault, and rule 7, which asks for both: whole jobs of the stages before the relay.
 */
#ifndef TESTS_UNIT_VISIT_STAGE_H
#define TESTS_UNIT_VISIT_STAGE_H

#include "delivery_stage.h"

#include <signal.h>

#include "common/stage.h"
#include "rule_helper.h"
#include "web_peer.h"
#include "worker/body_work.h"
#include "worker/delivery_private.h"
#include "worker/http.h"

#define VISIT_CORE  5
#define VISIT_VAULT 9
#define VISIT_RULE  7

#define VISIT_PART(name, text)                                                                  \
    "--x\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=" name "\r\n" \
    "\r\n" text "\r\n"
#define VISIT_HEAD \
    "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
/* A text and two attachments. */
#define VISIT_BODY                                               \
    VISIT_HEAD "--x\r\n\r\nhello\r\n" VISIT_PART("a.txt", "one") \
        VISIT_PART("b.txt", "four") "--x--\r\n"

static struct web *webs[2];
static struct http *visit_http;
static struct body_work *visit_work;

/* ---- up and down ---- */

static inline void visit_up(void)
{
    struct reason why = { "" };

    signal(SIGPIPE, SIG_IGN); /* as in every process of ours */
    stage_up();
    for (unsigned i = 0; i < ARRAY_LEN(webs); i++)
        webs[i] = web_new(stage.loop, NULL);
    cr_assert_eq(http_new(stage.loop, NULL, "", &visit_http, &why), 0, "%s", why.text);
    visit_work = body_work_new(stage.loop);
    delivery_free(&stage.delivery);
    stage.delivery = delivery_new(&(struct delivery_parts){ .loop = stage.loop,
                                                            .channel = stage.world->worker,
                                                            .conf = stage.world->conf,
                                                            .directory = stage.directory,
                                                            .cache = stage.cache,
                                                            .spooler = stage.world->spooler,
                                                            .pool = stage.pool,
                                                            .http = visit_http,
                                                            .body_work = visit_work });
    cr_assert_not_null(stage.delivery);
}

static inline void visit_down(void)
{
    delivery_free(&stage.delivery);
    http_free(&visit_http);
    body_work_free(&visit_work);
    for (unsigned i = 0; i < ARRAY_LEN(webs); i++)
        web_free(&webs[i]);
    stage_down();
}

/* ---- settings ---- */

/* `first` of the servers, and so many; `more` are other properties. */
static inline void visit_profile(const char *type, uint64_t version, unsigned first, unsigned count,
                                 const char *more)
{
    char input[1024];
    json_t *servers = json_array(), *all, *json;
    struct profile *profile;
    struct reason why = { "" };
    char *record;

    for (unsigned i = first; i < first + count; i++)
        json_array_append_new(servers, json_sprintf("http://127.0.0.1:%u", webs[i]->port));
    (void)snprintf(input, sizeof(input), "'api_key': 'the-key' %s", more);
    all = input_of(type, input);
    json_object_set_new(all, "servers", servers);
    profile = accept_profile(all, NULL, NULL);
    profile->id = strcmp(type, "core") == 0 ? VISIT_CORE : VISIT_VAULT;
    profile->version = version;
    json = profile_to_json(profile, PROFILE_FORM_WORKER);
    record = json_dumps(json, 0);
    cr_assert_eq(directory_put_profile(stage.directory, record, strlen(record), &why), 0, "%s",
                 why.text);
    free(record);
    json_decref(json);
    profile_free(&profile);
}

static inline void visit_rule(const char *more)
{
    char input[1024];
    struct rule *rule;
    struct rule_set set = { .version = 1, .rules = &rule, .count = 1 };
    struct reason why = { "" };
    json_t *json;
    char *text;

    (void)snprintf(input, sizeof(input), "'core': 'Scanner', 'vault': 'Archive' %s", more);
    rule = accept_rule(rule_input(input), NULL);
    rule->id = VISIT_RULE;
    json = rule_set_to_json(&set);
    text = json_dumps(json, 0);
    cr_assert_eq(directory_put_rules(stage.directory, text, strlen(text), &why), 0, "%s", why.text);
    free(text);
    json_decref(json);
    rule_free(&rule);
}

/* ---- orders ---- */

static inline struct ipc_mail_deliver visit_order(struct ipc_place place, enum stage what)
{
    struct ipc_mail_deliver order = stage_order(place);

    order.stage = what;
    order.profile = what == STAGE_SCAN ? VISIT_CORE : VISIT_VAULT;
    order.rule = VISIT_RULE;
    return order;
}

static inline const struct ipc_mail_outcome *visit_run(struct ipc_place place, enum stage what)
{
    const struct ipc_mail_deliver order = visit_order(place, what);

    return stage_run(&order);
}

static inline struct job *visit_job(void)
{
    return TAILQ_FIRST(&stage.delivery->jobs);
}

/* Until the only job has come that far. */
#define VISIT_UNTIL(what) UNTIL(stage.loop, visit_job() != NULL && visit_job()->stage == (what))

/* What nobody needs any more is closed, and its lease is given back. */
static inline void expect_nothing_left(void)
{
    UNTIL(stage.loop, stage.leases == 0 && webs[0]->open == 0 && webs[1]->open == 0);
    cr_assert_eq(stage_figures().connections, 0u);
    cr_assert_eq(stage_figures().jobs, 0u);
}

/* Of the message's note, "" if it has none: stage, then members. */
static inline const char *visit_told(struct ipc_place place, const char *what, const char *member)
{
    static char text[512];
    json_t *note = stage_note(&place);
    const json_t *value = json_object_get(json_object_get(note, what), member);

    (void)snprintf(text, sizeof(text), "%s",
                   json_is_true(value)                ? "true"
                   : json_string_value(value) != NULL ? json_string_value(value)
                                                      : "");
    json_decref(note);
    return text;
}

/* A member of each of its files, with commas. */
static inline const char *visit_files(struct ipc_place place, const char *what, const char *member)
{
    static char text[2048];
    json_t *note = stage_note(&place), *file;
    size_t i;

    text[0] = '\0';
    json_array_foreach (json_object_get(json_object_get(note, what), "files"), i, file) {
        const json_t *value = json_object_get(file, member);
        const char *said = json_is_true(value) ? "true" : json_string_value(value);
        const size_t used = strlen(text);

        (void)snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? "," : "",
                       said != NULL ? said : "");
    }
    json_decref(note);
    return text;
}

#endif
