/* Which deliveries may have arrived twice: counted, and the last ones listed (SP22). */
#include "health_stage.h"

#include "master/ledger.h"

TestSuite(ledger, .init = set_up_health, .fini = tear_down, .timeout = 60);

static json_t *shown(size_t limit)
{
    json_t *list = ledger_shown(dispatch_ledger(dispatch), queue, limit);

    cr_assert_not_null(list);
    return list;
}

static const char *text_at(const json_t *list, size_t at, const char *key)
{
    return json_string_value(json_object_get(json_array_get(list, at), key));
}

static json_int_t number_at(const json_t *list, size_t at, const char *key)
{
    return json_integer_value(json_object_get(json_array_get(list, at), key));
}

/* The last job comes back: lost after the end of data at the server that it started with. */
static void lose(unsigned attempts)
{
    const struct ipc_mail_deliver *job = last_job();
    struct ipc_mail_outcome said = outcome_of(job, IPC_OUTCOME_DEFERRED, job->start);

    said.flags = IPC_OUTCOME_LOST;
    said.attempts = (uint16_t)attempts;
    said.next_attempt_s = clock_to_epoch_s(clock_wall_ms()) + 600;
    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
}

Test(ledger, SP22_a_loss_is_listed_with_its_server_and_what_became_of_it)
{
    char id[ID_TEXT_SIZE];
    json_t *list;

    set_servers(2, 100);
    queue_mail(1, 0, 1, 0);
    turns();
    lose(3);
    list = shown(10);
    cr_assert_eq(json_array_size(list), 1u);
    cr_expect_str_eq(text_at(list, 0, "id"), id_text(last_job()->place.id, id));
    cr_expect_eq(number_at(list, 0, "group"), last_job()->place.group);
    cr_expect_eq(number_at(list, 0, "attempt"), 3);
    cr_expect_str_eq(text_at(list, 0, "server"), "smtp://a:25");
    cr_expect_str_eq(text_at(list, 0, "profile"), route()->name);
    cr_expect_str_eq(text_at(list, 0, "state"), "deferred");
    cr_expect_not_null(text_at(list, 0, "time"));
    json_decref(list);
    cr_expect_eq(ledger_count(dispatch_ledger(dispatch)), 1u);
}

Test(ledger, SP22_no_other_outcome_is_listed)
{
    set_servers(2, 100);
    fail_one(0, 1);
    fail_one(0, -1);
    cr_assert_eq(ledger_count(dispatch_ledger(dispatch)), 0u);
}

Test(ledger, the_last_are_kept_newest_first_and_all_are_counted)
{
    struct ledger *ledger = dispatch_ledger(dispatch);
    json_t *list;

    for (unsigned i = 1; i <= LEDGER_MAX + 5; i++)
        ledger_add(ledger, &(struct ledger_loss){ .id = i, .attempt = i, .profile = "p" });
    cr_expect_eq(ledger_count(ledger), LEDGER_MAX + 5u);
    list = shown(SIZE_MAX);
    cr_expect_eq(json_array_size(list), LEDGER_MAX);
    cr_expect_eq(number_at(list, 0, "attempt"), LEDGER_MAX + 5);
    cr_expect_eq(number_at(list, LEDGER_MAX - 1, "attempt"), 6);
    cr_expect(json_is_null(json_object_get(json_array_get(list, 0), "state")), "it has left");
    cr_expect(json_is_null(json_object_get(json_array_get(list, 0), "server")));
    json_decref(list);
    list = shown(2);
    cr_expect_eq(json_array_size(list), 2u);
    json_decref(list);
}
