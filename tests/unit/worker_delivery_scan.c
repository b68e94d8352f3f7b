/* The stage of a Core: what a job does, says and leaves behind (CO01, SP24, SR05). */
#include "visit_stage.h"

TestSuite(delivery_scan, .init = visit_up, .fini = visit_down, .timeout = 60);

#define RESULT(word) "{'process_info': {'progress_percentage': 100, 'result': '" word "'}}"

/* It takes files as id1, id2, ... */
static void takes(unsigned web, unsigned count)
{
    char text[64];

    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(text, sizeof(text), "{'data_id': 'id%u'}", i + 1);
        web_on(webs[web], "POST /file", web_answer(webs[web], 200, text), 1);
    }
}

/* It says so of what it took as `target`, "/file/id1". */
static void finds(unsigned web, const char *target, int status, const char *result)
{
    web_on(webs[web], target, web_answer(webs[web], status, result), -1);
}

/* VISIT_BODY's three files, all allowed but perhaps for one. */
static void is_well(unsigned web, const char *third)
{
    takes(web, 3);
    finds(web, "/file/id1", 200, RESULT("Allowed"));
    finds(web, "/file/id2", 200, RESULT("Allowed"));
    finds(web, "/file/id3", 200, third);
}

static char content[256]; /* of the last file that was submitted */

static void keep_body(struct web *web, const char *line)
{
    if (strcmp(line, "POST /file") == 0)
        (void)snprintf(content, sizeof(content), "%s", web->body);
}

static struct ipc_place begin(unsigned servers, const char *rule)
{
    visit_profile("core", 1, 0, servers, "");
    visit_rule(rule);
    return stage_store_body(2, 0, VISIT_BODY);
}

/* ---- verdicts ---- */

Test(delivery_scan, CO01_what_is_allowed_goes_to_the_next_stage)
{
    const struct ipc_place place = begin(1, "");
    const struct ipc_mail_outcome *said;
    char server[64];

    is_well(0, RESULT("Allowed"));
    said = visit_run(place, STAGE_SCAN);
    cr_assert_eq(said->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_eq(said->stages, CELL_SCANNED);
    cr_assert_eq(said->attempts, 0u);
    cr_assert_eq(said->recipients, 2u);
    cr_assert_eq(said->served, 0);
    cr_assert_eq(stage_last_cell()->flags, CELL_SCANNED);
    cr_assert_str_eq(stage_states(stage_last_cell(), 2), "oo");
    cr_assert_str_eq(visit_told(place, "scan", "verdict"), "allowed");
    cr_assert_str_eq(visit_files(place, "scan", "verdict"), "allowed,allowed,allowed");
    cr_assert_str_eq(visit_files(place, "scan", "id"), "id1,id2,id3");
    (void)snprintf(server, sizeof(server), "http://127.0.0.1:%u", webs[0]->port);
    cr_assert_str_eq(visit_told(place, "scan", "server"), server);
    expect_nothing_left();
    cr_assert_eq(webs[0]->connections, 1u);
}

static const struct {
    const char *rule;
    enum ipc_outcome outcome;
    unsigned flags;
    const char *states;
} blocked[] = {
    { "", IPC_OUTCOME_QUARANTINED, CELL_SCANNED | CELL_QUARANTINED, "oo" },
    { ", 'scan': {'on_blocked': 'pass_with_header'}", IPC_OUTCOME_ADVANCED, CELL_SCANNED, "oo" },
    { ", 'scan': {'on_blocked': 'reject'}", IPC_OUTCOME_FAILED, 0, "RR" },
};

Test(delivery_scan, SR05_what_is_blocked_is_treated_as_its_rule_says)
{
    for (size_t i = 0; i < ARRAY_LEN(blocked); i++) {
        const struct ipc_place place = begin(1, blocked[i].rule);
        const struct ipc_mail_outcome *said;

        web_forget(webs[0]);
        is_well(0, RESULT("Blocked"));
        said = visit_run(place, STAGE_SCAN);
        cr_expect_eq(said->outcome, blocked[i].outcome, "row %zu", i);
        cr_expect_eq(stage_last_cell()->flags, blocked[i].flags, "row %zu", i);
        cr_expect_str_eq(stage_states(stage_last_cell(), 2), blocked[i].states, "row %zu", i);
        cr_expect_str_eq(visit_told(place, "scan", "verdict"), "blocked");
        cr_expect_str_eq(visit_told(place, "scan", "reason"), "b.txt: Blocked");
        cr_expect_eq(said->failed, 0u);
        expect_nothing_left();
    }
}

Test(delivery_scan, SR05_a_message_that_cannot_be_taken_apart_is_blocked_unseen)
{
    const struct ipc_place place = begin(1, "");

    stage.world->conf->mime_max_parts = 2;
    cr_assert_eq(visit_run(place, STAGE_SCAN)->outcome, IPC_OUTCOME_QUARANTINED);
    cr_assert_str_eq(visit_told(place, "scan", "verdict"), "blocked");
    cr_assert_neq(visit_told(place, "scan", "reason")[0], '\0');
    cr_assert_eq(webs[0]->connections, 0u);
}

Test(delivery_scan, CO01_a_message_of_nothing_needs_no_server)
{
    struct ipc_place place;

    (void)begin(1, "");
    place = stage_store_body(1, 0, "Subject: x\r\n\r\n");
    cr_assert_eq(visit_run(place, STAGE_SCAN)->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_eq(stage_last_cell()->flags, CELL_SCANNED);
    cr_assert_eq(webs[0]->connections, 0u);
}

Test(delivery_scan, CO01_what_others_may_read_otherwise_is_scanned_as_a_whole_too)
{
    struct ipc_place place;

    (void)begin(1, "");
    place = stage_store_body(1, 0,
                             "Content-Type: text/plain\r\nContent-Type: multipart/mixed; "
                             "boundary=x\r\n\r\n" VISIT_PART("a.txt", "one") "--x--\r\n");
    takes(0, 2);
    webs[0]->on_request = keep_body;
    finds(0, "/file/id1", 200, RESULT("Allowed"));
    finds(0, "/file/id2", 200, RESULT("Blocked"));
    cr_assert_eq(visit_run(place, STAGE_SCAN)->outcome, IPC_OUTCOME_QUARANTINED);
    cr_assert_str_eq(visit_files(place, "scan", "name"), "text-1.txt,message.eml");
    cr_assert_str_eq(visit_told(place, "scan", "reason"), "message.eml: Blocked");
    cr_assert_not_null(strstr(content, "Content-Type: text/plain\r\nContent-Type: multi"));
}

/* ---- servers that fail ---- */

Test(delivery_scan, SP24_what_one_server_knows_the_next_is_not_asked)
{
    const struct ipc_place place = begin(2, "");
    const struct ipc_mail_outcome *said;
    char servers[128];

    is_well(0, "{}");
    webs[0]->rule_count--;
    finds(0, "/file/id3", 500, "{}");
    takes(1, 1);
    webs[1]->on_request = keep_body;
    finds(1, "/file/id1", 200, RESULT("Allowed"));
    said = visit_run(place, STAGE_SCAN);
    cr_assert_eq(said->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_eq(said->failed, 1u);
    cr_assert_eq(said->served, 1);
    cr_assert_eq(stage.failure_count, 1u, "it is told once");
    cr_assert_eq(stage.failures[0].said.word, IPC_WORD_FAILED);
    cr_assert_str_eq(webs[1]->log, "POST /file|GET /file/id1|");
    cr_assert_str_eq(content, "four", "the one that was left");
    cr_assert_str_eq(visit_files(place, "scan", "verdict"), "allowed,allowed,allowed");
    cr_assert_str_eq(visit_files(place, "scan", "id"), "id1,id2,id1", "and where each was");
    (void)snprintf(servers, sizeof(servers),
                   "http://127.0.0.1:%u,http://127.0.0.1:%u,http://127.0.0.1:%u", webs[0]->port,
                   webs[0]->port, webs[1]->port);
    cr_assert_str_eq(visit_files(place, "scan", "server"), servers);
    expect_nothing_left();
}

Test(delivery_scan, SR05_what_is_known_to_be_blocked_is_so_whatever_fails_then)
{
    const struct ipc_place place = begin(2, ", 'scan': {'on_unavailable': 'pass_with_header'}");

    takes(0, 3);
    finds(0, "/file/id1", 200, RESULT("Blocked"));
    finds(0, "/file/id2", 500, "{}");
    web_on(webs[1], "(connected)", "!reset", -1);
    cr_assert_eq(visit_run(place, STAGE_SCAN)->outcome, IPC_OUTCOME_QUARANTINED);
    cr_assert_str_eq(visit_told(place, "scan", "verdict"), "blocked");
}

Test(delivery_scan, SR05_also_when_an_earlier_attempt_had_learnt_it)
{
    const struct ipc_place place = begin(1, "");
    struct ipc_mail_deliver order = visit_order(place, STAGE_SCAN);

    takes(0, 3);
    finds(0, "/file/id1", 200, RESULT("Blocked"));
    web_on(webs[0], "/file/id2", "", -1);
    order.deadline_ms = 300;
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_str_eq(visit_files(place, "scan", "verdict"), "blocked,,");
    web_forget(webs[0]);
    cr_assert_eq(visit_run(place, STAGE_SCAN)->outcome, IPC_OUTCOME_QUARANTINED);
    cr_assert_str_eq(webs[0]->log, "", "it is known");
}

/* Somebody wants it scanned once more. */
static void take_out(const struct ipc_place *place)
{
    struct cell cell = stage_cell(place);

    cell.flags &= ~(unsigned)(CELL_QUARANTINED | CELL_STAGES);
    stage_set_cell(place, &cell);
}

Test(delivery_scan, SR05_what_is_in_the_quarantine_goes_nowhere_whatever_the_master_says)
{
    static const enum stage stages[] = { STAGE_SCAN, STAGE_UPLOAD, STAGE_RELAY };
    const struct ipc_place place = begin(1, "");

    is_well(0, RESULT("Blocked"));
    cr_assert_eq(visit_run(place, STAGE_SCAN)->outcome, IPC_OUTCOME_QUARANTINED);
    stage_profile("");
    web_forget(webs[0]);
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        struct ipc_mail_deliver order = visit_order(place, stages[i]);
        const struct ipc_mail_outcome *said;

        if (stages[i] == STAGE_RELAY)
            order = stage_order(place);
        order.rule = VISIT_RULE;
        said = stage_run(&order);
        cr_expect_eq(said->outcome, IPC_OUTCOME_QUARANTINED, "stage %zu", i);
        cr_expect_eq(said->recipients, 2u);
        cr_expect_eq(said->stages, CELL_SCANNED);
    }
    cr_assert_str_eq(webs[0]->log, "");
    cr_assert_str_eq(stage.visits, "");
}

Test(delivery_scan, SR05_what_was_blocked_does_not_go_on_unseen)
{
    const struct ipc_place place = begin(1, ", 'scan': {'on_unavailable': 'pass_with_header'}");

    is_well(0, RESULT("Blocked"));
    cr_assert_eq(visit_run(place, STAGE_SCAN)->outcome, IPC_OUTCOME_QUARANTINED);
    take_out(&place);
    web_forget(webs[0]);
    web_on(webs[0], "(connected)", "!reset", -1);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(visit_run(place, STAGE_SCAN)->outcome, IPC_OUTCOME_DEFERRED, "%u", i);
        cr_assert_str_eq(visit_told(place, "scan", "was_blocked"), "true");
    }
    web_forget(webs[0]);
    is_well(0, RESULT("Allowed"));
    cr_assert_eq(visit_run(place, STAGE_SCAN)->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_str_eq(visit_told(place, "scan", "verdict"), "allowed");
    cr_assert_str_eq(visit_told(place, "scan", "was_blocked"), "");
}

Test(delivery_scan, SP25_a_server_that_never_judges_leaves_time_for_the_next)
{
    const struct ipc_place place = begin(2, "");
    struct ipc_mail_deliver order = visit_order(place, STAGE_SCAN);
    const struct ipc_mail_outcome *said;

    takes(0, 3);
    finds(0, "/file/id1", 200, RESULT("Processing"));
    finds(0, "/file/id2", 200, RESULT("Processing"));
    finds(0, "/file/id3", 200, RESULT("Processing"));
    is_well(1, RESULT("Allowed"));
    order.deadline_ms = 300;
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_eq(webs[1]->connections, 0u, "it may be slow");
    order = visit_order(place, STAGE_SCAN);
    order.attempts = 1;
    order.deadline_ms = 2000;
    said = stage_run(&order);
    cr_assert_eq(webs[0]->connections, 2u, "it is asked once more first");
    cr_assert_eq(said->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_eq(said->served, 1);
    cr_assert_eq(said->failed, 1u);
    cr_assert_not_null(strstr(stage.failures[0].said.text, "timeouts.result"));
    expect_nothing_left();
}

Test(delivery_scan, SP23_a_key_that_is_refused_is_told_as_that)
{
    const struct ipc_place place = begin(1, "");
    const struct ipc_mail_outcome *said;

    web_on(webs[0], "POST /file", web_answer(webs[0], 403, "{'err': 'no the-key here'}"), -1);
    said = visit_run(place, STAGE_SCAN);
    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_eq(said->attempts, 1u);
    cr_assert_eq(stage_last_cell()->attempts, 1u);
    cr_assert_eq(stage_last_cell()->flags, 0u);
    cr_assert_eq(stage.failure_count, 1u);
    cr_assert_eq(stage.failures[0].said.word, IPC_WORD_REFUSES_LOGIN);
    cr_assert_eq(stage.failures[0].outcomes, 0u, "before the job is over");
    cr_assert_null(strstr(stage.failures[0].said.text, "the-key"));
    expect_nothing_left();
}

Test(delivery_scan, SR05_without_a_scan_if_the_rule_lets_it)
{
    const struct ipc_place place = begin(2, ", 'scan': {'on_unavailable': 'pass_with_header'}");
    const struct ipc_mail_outcome *said;

    web_on(webs[0], "(connected)", "!reset", -1);
    web_on(webs[1], "POST /file", web_answer(webs[1], 503, "{}"), -1);
    said = visit_run(place, STAGE_SCAN);
    cr_assert_eq(said->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_eq(said->failed, 3u);
    cr_assert_eq(stage.failure_count, 2u);
    cr_assert_eq(stage_last_cell()->flags, CELL_SCANNED);
    cr_assert_str_eq(visit_told(place, "scan", "verdict"), "unavailable");
    cr_assert_not_null(strstr(visit_told(place, "scan", "reason"), "it answered 503"));
}

/* ---- again ---- */

Test(delivery_scan, SP24_what_was_taken_is_polled_for_by_the_next_attempt)
{
    const struct ipc_place place = begin(1, "");
    struct ipc_mail_deliver order = visit_order(place, STAGE_SCAN);

    takes(0, 3);
    web_on(webs[0], "/file/id1", "", -1);
    order.deadline_ms = 300;
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_str_eq(visit_files(place, "scan", "id"), "id1,id2,id3");
    web_forget(webs[0]);
    is_well(0, RESULT("Allowed"));
    cr_assert_eq(visit_run(place, STAGE_SCAN)->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_str_eq(webs[0]->log, "GET /file/id1|GET /file/id2|GET /file/id3|");
    cr_assert_eq(stage_last_cell()->attempts, 0u, "each stage has its own");

    web_forget(webs[0]);
    is_well(0, RESULT("Allowed"));
    cr_assert_eq(visit_run(place, STAGE_SCAN)->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_eq(webs[0]->requests, 6u, "one that was finished is begun anew when it is wanted");
}

Test(delivery_scan, SP24_not_at_another_server_nor_of_other_files)
{
    const struct ipc_place place = begin(1, "");
    struct ipc_mail_deliver order = visit_order(place, STAGE_SCAN);

    takes(0, 3);
    web_on(webs[0], "/file/id1", "", -1);
    order.deadline_ms = 300;
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DEFERRED);
    visit_profile("core", 2, 1, 1, "");
    is_well(1, RESULT("Allowed"));
    order = visit_order(place, STAGE_SCAN);
    order.version = 2;
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_ADVANCED);
    cr_assert_eq(webs[1]->requests, 6u);
}
