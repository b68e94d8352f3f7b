/* Scans and uploads that are called back, out of time, without a lease or without room: in each
 * stage of a job (SP25, SP49, MQ06). */
#include "visit_stage.h"

#include "disk_fault.h"

TestSuite(delivery_visit, .init = visit_up, .fini = visit_down, .timeout = 60);

#define VAULT   "/vault_rest"
#define ALLOWED "{'process_info': {'progress_percentage': 100, 'result': 'Allowed'}}"
#define BLOCKED "{'process_info': {'progress_percentage': 100, 'result': 'Blocked'}}"

static struct ipc_mail_deliver begin(enum stage what, const char *more)
{
    visit_profile("core", 1, 0, 1, more);
    visit_profile("vault", 1, 0, 1, "");
    visit_rule("");
    return visit_order(stage_store_body(2, 0, VISIT_BODY), what);
}

static void is_well(void)
{
    web_on(webs[0], "POST /file", web_answer(webs[0], 200, "{'data_id': 'id1'}"), -1);
    web_on(webs[0], "/file/id1", web_answer(webs[0], 200, ALLOWED), -1);
    web_on(webs[0], "GET " VAULT "/transfer", web_answer(webs[0], 200, "{'group_id': 'g1'}"), -1);
    web_on(webs[0], "GET " VAULT "/transfer_file", web_answer(webs[0], 200, "{'file_id': 'f1'}"),
           -1);
}

/* As if it had never been here. */
static void expect_back(const struct ipc_mail_deliver *order)
{
    const struct ipc_mail_outcome *said = &stage.outcomes[stage.outcome_count - 1].said;

    cr_assert_eq(said->job, order->job);
    cr_assert_eq(said->outcome, IPC_OUTCOME_NO_ROOM);
    cr_assert_eq(said->attempts, order->attempts);
    cr_assert_eq(said->failed, 0u);
    cr_assert_eq(said->tried, order->tried);
    cr_assert_eq(stage_last_cell()->attempts, 0u);
    cr_assert_eq(stage_last_cell()->flags, 0u);
    cr_assert_eq(stage.failure_count, 0u);
    expect_nothing_left();
}

/* An attempt that has led to nothing. */
static void expect_cut(const struct ipc_mail_deliver *order)
{
    const struct ipc_mail_outcome *said = &stage.outcomes[stage.outcome_count - 1].said;

    cr_assert_eq(said->job, order->job);
    cr_assert_eq(said->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_neq(said->flags & IPC_OUTCOME_CUT, 0);
    cr_assert_eq(said->attempts, 1u);
    cr_assert_eq(stage_last_cell()->attempts, 1u);
    cr_assert_eq(stage_last_cell()->flags, 0u);
    cr_assert_eq(stage.failure_count, 0u, "nobody is to blame");
    expect_nothing_left();
}

/* ---- how it comes to each stage ---- */

static void while_parting(const struct ipc_mail_deliver *order)
{
    delivery_start(stage.delivery, order);
    cr_assert_eq(visit_job()->stage, JOB_PARTING);
}

/* The only lease is not to be had. */
static void while_walking(const struct ipc_mail_deliver *order)
{
    stage.leases = stage.lease_limit = 1;
    delivery_start(stage.delivery, order);
    VISIT_UNTIL(JOB_WALKING);
    stage.leases = 0; /* it was somebody else's */
}

static void while_visiting(const struct ipc_mail_deliver *order)
{
    web_forget(webs[0]);
    web_on(webs[0], "POST /file", "", -1);
    web_on(webs[0], "GET " VAULT "/transfer", "", -1);
    delivery_start(stage.delivery, order);
    UNTIL(stage.loop, webs[0]->requests == 1);
    cr_assert_eq(visit_job()->stage, JOB_VISITING);
}

static void while_saving(const struct ipc_mail_deliver *order)
{
    delivery_start(stage.delivery, order);
    VISIT_UNTIL(JOB_SAVING);
}

typedef void come_to(const struct ipc_mail_deliver *order);

static void call_back(come_to *come, enum stage what)
{
    struct ipc_mail_deliver order = begin(what, "");

    is_well();
    come(&order);
    delivery_cancel(stage.delivery, order.job);
    UNTIL(stage.loop, stage.outcome_count == 1);
    expect_back(&order);
}

Test(delivery_visit, MQ06_called_back_while_it_is_taken_apart)
{
    call_back(while_parting, STAGE_SCAN);
    cr_assert_eq(webs[0]->connections, 0u);
}

Test(delivery_visit, MQ06_called_back_while_it_waits_for_a_lease)
{
    call_back(while_walking, STAGE_SCAN);
    cr_assert_eq(webs[0]->connections, 0u);
}

Test(delivery_visit, MQ06_called_back_at_a_Core)
{
    call_back(while_visiting, STAGE_SCAN);
}

Test(delivery_visit, MQ06_called_back_at_a_Vault)
{
    call_back(while_visiting, STAGE_UPLOAD);
}

Test(delivery_visit, MQ06_called_back_while_what_was_begun_is_written)
{
    call_back(while_saving, STAGE_UPLOAD);
    cr_assert_null(strstr(webs[0]->log, "PATCH"), "it goes no further");
    cr_assert_eq(stage.noted_count, 1u, "but is kept");
    cr_assert_neq(stage_last_cell()->note.segment, 0u);
}

Test(delivery_visit, OP02_drained_in_the_middle)
{
    static come_to *const stages[] = { while_parting, while_visiting, while_saving };
    const struct ipc_mail_deliver order = begin(STAGE_UPLOAD, "");
    const struct ipc_place places[] = { order.place, stage_store_body(1, 0, VISIT_BODY),
                                        stage_store_body(1, 0, VISIT_BODY) };

    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        const struct ipc_mail_deliver each = visit_order(places[i], STAGE_UPLOAD);

        web_forget(webs[0]);
        is_well();
        stages[i](&each);
        delivery_drain(stage.delivery, stage_on_drained, NULL);
        UNTIL(stage.loop, stage.drained == i + 1 && stage.outcome_count == i + 1);
        expect_back(&each);
        stage.delivery->is_draining = false;
    }
}

/* ---- out of time ---- */

Test(delivery_visit, SP25_out_of_time_while_it_waits_for_a_lease)
{
    struct ipc_mail_deliver order = begin(STAGE_SCAN, "");

    while_walking(&order);
    loop_timer_set_ms(visit_job()->deadline, 0);
    (void)stage_wait();
    expect_cut(&order);
    cr_assert_eq(webs[0]->connections, 0u);
}

Test(delivery_visit, SP25_out_of_time_at_a_server)
{
    struct ipc_mail_deliver order = begin(STAGE_SCAN, "");

    while_visiting(&order);
    loop_timer_set_ms(visit_job()->deadline, 0);
    (void)stage_wait();
    expect_cut(&order);
}

Test(delivery_visit, SP25_out_of_time_while_what_was_begun_is_written)
{
    struct ipc_mail_deliver order = begin(STAGE_UPLOAD, "");

    is_well();
    while_saving(&order);
    loop_timer_set_ms(visit_job()->deadline, 0);
    (void)stage_wait();
    expect_cut(&order);
    cr_assert_null(strstr(webs[0]->log, "PATCH"));
    cr_assert_str_eq(visit_files(order.place, "upload", "id"), "f1,", "and is kept");
}

/* ---- leases ---- */

Test(delivery_visit, SP49_never_more_connections_than_leases)
{
    const struct ipc_mail_deliver first = begin(STAGE_SCAN, "");

    is_well();
    stage.lease_limit = 1;
    delivery_start(stage.delivery, &first);
    for (unsigned i = 0; i < 3; i++) {
        const struct ipc_mail_deliver order =
            visit_order(stage_store_body(1, 0, VISIT_BODY), STAGE_SCAN);

        delivery_start(stage.delivery, &order);
    }
    UNTIL(stage.loop, stage.outcome_count == 4);
    for (unsigned i = 0; i < 4; i++)
        cr_expect_eq(stage.outcomes[i].said.outcome, IPC_OUTCOME_ADVANCED);
    cr_expect_eq(webs[0]->connections, 4u, "each job has its own");
    cr_expect_eq(webs[0]->most_open, 1u);
    expect_nothing_left();
}

Test(delivery_visit, SP49_who_is_refused_one_comes_again)
{
    struct ipc_mail_deliver order = begin(STAGE_SCAN, "");

    order.attempts = 4;
    stage.is_refusing = true;
    delivery_start(stage.delivery, &order);
    cr_assert_eq(stage_wait()->flags & IPC_OUTCOME_BUSY, IPC_OUTCOME_BUSY);
    expect_back(&order);
    cr_assert_eq(webs[0]->connections, 0u);
}

Test(delivery_visit, SP49_the_one_that_came_with_it_is_used)
{
    struct ipc_mail_deliver order = begin(STAGE_SCAN, "");
    struct worker_profile *version = directory_hold(stage.directory, VISIT_CORE);

    is_well();
    order.leased = server_uri_identity(version->profile->servers[0].text);
    directory_release(version);
    stage.leases = 1;
    stage.is_refusing = true;
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_ADVANCED);
    expect_nothing_left();
}

/* ---- what changes meanwhile ---- */

Test(delivery_visit, SP54_a_profile_and_a_rule_that_are_replaced_in_the_middle)
{
    struct ipc_mail_deliver order = begin(STAGE_SCAN, "");

    while_visiting(&order);
    visit_profile("core", 2, 1, 1, "");
    visit_rule(", 'scan': {'workflow': 'other', 'on_blocked': 'reject'}");
    web_forget(webs[0]);
    web_on(webs[0], "POST /file", web_answer(webs[0], 200, "{'data_id': 'id1'}"), -1);
    web_on(webs[0], "/file/id1", web_answer(webs[0], 200, BLOCKED), -1);
    web_say_all(webs[0], web_answer(webs[0], 200, "{'data_id': 'id1'}"));
    cr_assert_eq(stage_wait()->outcome, IPC_OUTCOME_FAILED, "by the rule that holds now");
    cr_assert_eq(stage.outcomes[0].said.version, 1u, "at the servers that it came for");
    cr_assert_eq(webs[1]->connections, 0u);
    expect_nothing_left();
}

/* Nobody hears of it; what is being written then is let go with its note. */
Test(delivery_visit, a_worker_that_ends_in_each_stage)
{
    struct ipc_mail_deliver order = begin(STAGE_UPLOAD, "");

    is_well();
    while_saving(&order);
}

Test(delivery_visit, a_worker_that_ends_at_a_server)
{
    struct ipc_mail_deliver order = begin(STAGE_UPLOAD, "");

    while_visiting(&order);
}

Test(delivery_visit, a_worker_that_ends_while_it_takes_a_message_apart)
{
    struct ipc_mail_deliver order = begin(STAGE_UPLOAD, "");

    while_parting(&order);
}

/* ---- notes ---- */

#if POSTERN_HOOKS

Test(delivery_visit, SR05_a_verdict_that_cannot_be_kept_is_none_and_its_server_is_asked_again)
{
    struct ipc_mail_deliver order = begin(STAGE_SCAN, "");
    const struct ipc_mail_outcome *said;

    order.attempts = 2;
    is_well();
    while_parting(&order);
    set_fault(DISK_CALL_WRITE, ".seg");
    said = stage_wait();
    cr_assert_eq(said->outcome, IPC_OUTCOME_NO_ROOM);
    cr_assert_eq(said->tried, 0u, "else nobody would be left next time");
    cr_assert_eq(said->attempts, 2u);
    cr_assert_eq(stage_last_cell()->flags, 0u);
    disk_set_fault(NULL);
    expect_nothing_left();
}

Test(delivery_visit, VA03_nothing_is_uploaded_of_what_cannot_be_kept)
{
    struct ipc_mail_deliver order = begin(STAGE_UPLOAD, "");
    const struct ipc_mail_outcome *said;

    is_well();
    while_parting(&order);
    set_fault(DISK_CALL_WRITE, ".seg");
    said = stage_wait();
    disk_set_fault(NULL);
    cr_assert_eq(said->outcome, IPC_OUTCOME_NO_ROOM);
    cr_assert_null(strstr(webs[0]->log, "PATCH"), "it would be sent each time");
    expect_back(&order);
}

#endif

/* A message with so many attachments of long names. */
static char *large_message(unsigned files)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    fputs(VISIT_HEAD, out);
    for (unsigned i = 0; i < files; i++)
        fprintf(out, "--x\r\nContent-Disposition: attachment; filename=%0200u.bin\r\n\r\n%u\r\n", i,
                i);
    fputs("--x--\r\n", out);
    fclose(out);
    return text;
}

Test(delivery_visit, SR05_what_is_known_of_a_thousand_files_has_room_in_a_note)
{
    char result[400], *body = large_message(900);
    struct ipc_mail_deliver order = begin(STAGE_SCAN, "");
    json_t *note;

    (void)snprintf(result, sizeof(result),
                   "{'process_info': {'progress_percentage': 100, 'result': 'Blocked',"
                   " 'blocked_reason': '%0200u'}}",
                   0);
    web_on(webs[0], "POST /file", web_answer(webs[0], 200, "{'data_id': 'id1'}"), -1);
    web_on(webs[0], "/file/id1", web_answer(webs[0], 200, result), -1);
    order = visit_order(stage_store_body(1, 0, body), STAGE_SCAN);
    delivery_start(stage.delivery, &order);
    WORLD_WAIT(stage.world, stage.outcome_count == 1);
    cr_assert_eq(stage.outcomes[0].said.outcome, IPC_OUTCOME_QUARANTINED);
    note = stage_note(&order.place);
    cr_assert_eq(json_array_size(json_object_get(json_object_get(note, "scan"), "files")), 900u);
    json_decref(note);
    cr_assert_str_eq(visit_told(order.place, "scan", "verdict"), "blocked");
    cr_assert_eq(strncmp(visit_files(order.place, "scan", "id"), "id1,id1,", 8), 0);
    free(body);
}
