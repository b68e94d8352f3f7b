/* What a note tells of a group: every attempt with its servers, and the last word on each
 * recipient. */
#include "delivery_stage.h"

#include "worker/delivery_private.h"

static void setup(void)
{
    stage_up();
    stage_profile("");
}

TestSuite(delivery_note, .init = setup, .fini = stage_down, .timeout = 60);

static const json_t *attempt_at(const json_t *note, size_t index)
{
    const json_t *attempt = json_array_get(json_object_get(note, "attempts"), index);

    cr_assert_not_null(attempt);
    return attempt;
}

static const json_t *recipient_named(const json_t *note, const char *address)
{
    const json_t *entry;
    size_t i;

    json_array_foreach (json_object_get(note, "recipients"), i, entry) {
        if (strcmp(entry_text(entry, "address"), address) == 0)
            return entry;
    }
    return NULL;
}

static const char *uri_of(unsigned peer)
{
    static char text[40];

    snprintf(text, sizeof(text), "smtp://127.0.0.1:%u", stage.peers[peer]->port);
    return text;
}

static void expect_tried(const json_t *attempt, size_t index, unsigned peer, const char *result,
                         int code, const char *text)
{
    const json_t *entry = json_array_get(json_object_get(attempt, "tried"), index);

    cr_expect_str_eq(entry_text(entry, "server"), uri_of(peer));
    cr_expect_str_eq(entry_text(entry, "result"), result);
    cr_expect_eq(json_integer_value(json_object_get(entry, "code")), code);
    cr_expect_not_null(strstr(entry_text(entry, "text"), text), "%s", entry_text(entry, "text"));
    cr_expect(json_is_integer(json_object_get(entry, "ms")));
}

Test(delivery_note, what_is_simply_delivered_leaves_none)
{
    const struct ipc_place place = stage_store(2);

    cr_assert_eq(stage_deliver(place)->outcome, IPC_OUTCOME_DONE);
    cr_assert_eq(stage_last_cell()->note.segment, 0u);
    cr_assert_eq(stage.outcomes[0].said.note_segment, 0u);
}

Test(delivery_note, an_attempt_names_every_server_and_what_it_said)
{
    const struct ipc_place place = stage_store(3);
    const json_t *attempt, *entry;
    json_t *note;

    peer_on(stage.peers[0], "greeting", "554 5.3.2 not here", 1);
    peer_on(stage.peers[1], "MAIL", "451 4.3.0 trouble", 1);
    peer_on(stage.peers[2], "RCPT TO:<r1@", "550-5.1.1 nobody\r\n550 5.1.1 of that name", 1);
    peer_on(stage.peers[2], "RCPT TO:<r2@", "450 4.2.1 busy", 1);
    cr_assert_eq(stage_deliver(place)->outcome, IPC_OUTCOME_DEFERRED);
    note = stage_note(&place);
    cr_assert_eq(json_array_size(json_object_get(note, "attempts")), 1u);
    attempt = attempt_at(note, 0);
    cr_expect_eq(json_integer_value(json_object_get(attempt, "number")), 1);
    cr_expect_str_eq(entry_text(attempt, "outcome"), "deferred");
    cr_expect_str_eq(entry_text(attempt, "start"), uri_of(0));
    cr_expect_eq(strlen(entry_text(attempt, "time")), strlen("2026-01-01T00:00:00.000Z"));
    cr_expect_eq(strlen(entry_text(attempt, "next")), strlen("2026-01-01T00:00:00.000Z"));
    cr_assert_eq(json_array_size(json_object_get(attempt, "tried")), 3u);
    expect_tried(attempt, 0, 0, "server failed", 554, "5.3.2 not here");
    expect_tried(attempt, 1, 1, "server failed", 451, "4.3.0 trouble");
    expect_tried(attempt, 2, 2, "delivered", 250, "queued as 1");

    entry = recipient_named(note, "r1@example.net");
    cr_expect_str_eq(entry_text(entry, "state"), "refused");
    cr_expect_eq(json_integer_value(json_object_get(entry, "code")), 550);
    cr_expect_str_eq(entry_text(entry, "enhanced"), "5.1.1");
    cr_expect_str_eq(entry_text(entry, "text"), "5.1.1 nobody 5.1.1 of that name");
    cr_expect_str_eq(entry_text(entry, "server"), uri_of(2));
    entry = recipient_named(note, "r2@example.net");
    cr_expect_str_eq(entry_text(entry, "state"), "open");
    cr_expect_str_eq(entry_text(entry, "text"), "4.2.1 busy");
    entry = recipient_named(note, "r0@example.net");
    cr_expect_str_eq(entry_text(entry, "state"), "delivered");
    cr_expect_str_eq(entry_text(entry, "text"), "", "what is delivered needs no words");
    json_decref(note);
}

Test(delivery_note, who_no_reply_was_about_shares_what_happened_last)
{
    const struct ipc_place place = stage_store(1);
    const json_t *entry;
    json_t *note;

    for (unsigned i = 0; i < STAGE_PEERS; i++)
        peer_on(stage.peers[i], "greeting", "554 5.3.2 not here", 1);
    cr_assert_eq(stage_deliver(place)->outcome, IPC_OUTCOME_DEFERRED);
    note = stage_note(&place);
    entry = recipient_named(note, "r0@example.net");
    cr_expect_not_null(strstr(entry_text(entry, "text"), uri_of(2)));
    cr_expect_not_null(strstr(entry_text(entry, "text"), "5.3.2 not here"));
    cr_expect_str_eq(entry_text(entry, "server"), "", "no server has spoken of it");
    json_decref(note);
}

Test(delivery_note, SP22_lost_is_told_as_such)
{
    const struct ipc_place place = stage_store(1);
    json_t *note;

    peer_on(stage.peers[0], ".", "!close", 1);
    cr_assert_eq(stage_deliver(place)->outcome, IPC_OUTCOME_DEFERRED);
    note = stage_note(&place);
    expect_tried(attempt_at(note, 0), 0, 0, "lost after the end of data", 0, "end of data");
    cr_expect_not_null(strstr(entry_text(recipient_named(note, "r0@example.net"), "text"), "lost"));
    json_decref(note);
}

static struct ipc_mail_deliver next_attempt(struct ipc_place place, unsigned attempts)
{
    struct ipc_mail_deliver order = stage_order(place);

    order.attempts = (uint16_t)attempts;
    return order;
}

Test(delivery_note, the_last_attempts_are_kept_and_the_last_word_on_each_recipient)
{
    static char says[NOTE_ATTEMPTS_MAX + 3][40]; /* the peer keeps pointers */
    const struct ipc_place place = stage_store(2);
    json_t *note;

    peer_on(stage.peers[0], "RCPT TO:<r0@", "550 5.1.1 nobody", 1);
    for (unsigned i = 0; i < NOTE_ATTEMPTS_MAX + 3; i++) {
        const struct ipc_mail_deliver order = next_attempt(place, i);

        snprintf(says[i], sizeof(says[i]), "450 4.2.1 busy %u", i);
        peer_on(stage.peers[0], "RCPT TO:<r1@", says[i], 1);
        cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DEFERRED);
    }
    note = stage_note(&place);
    cr_assert_eq(json_array_size(json_object_get(note, "attempts")), NOTE_ATTEMPTS_MAX);
    cr_expect_eq(json_integer_value(json_object_get(attempt_at(note, 0), "number")), 4);
    cr_expect_eq(json_integer_value(json_object_get(attempt_at(note, 7), "number")), 11);
    cr_assert_eq(json_array_size(json_object_get(note, "recipients")), 2u);
    cr_expect_str_eq(entry_text(recipient_named(note, "r0@example.net"), "text"), "5.1.1 nobody",
                     "from the first attempt on");
    cr_expect_str_eq(entry_text(recipient_named(note, "r1@example.net"), "text"), "4.2.1 busy 10");
    json_decref(note);
}

/* In its text, where it lies. */
static void damage_note_of(const struct ipc_place *place)
{
    const struct cell cell = stage_cell(place);
    const off_t at = (off_t)cell.note.offset * SPOOL_ALIGN + (off_t)sizeof(struct spool_note) + 5;
    int fd = spool_open(stage.world->spool_dir, cell.note.slot, cell.note.segment,
                        SPOOL_FILE_SEGMENT, O_WRONLY);

    cr_assert_eq(pwrite(fd, "", 1, at), 1);
    close(fd);
}

Test(delivery_note, one_that_cannot_be_read_costs_its_words_and_nothing_else)
{
    const struct ipc_place place = stage_store(2);
    const struct ipc_mail_deliver order = next_attempt(place, 1);
    json_t *note;

    peer_on(stage.peers[0], "RCPT TO:<r0@", "550 5.1.1 nobody", 1);
    peer_on(stage.peers[0], "RCPT TO:<r1@", "450 4.2.1 busy", 2);
    cr_assert_eq(stage_deliver(place)->outcome, IPC_OUTCOME_DEFERRED);
    damage_note_of(&place);
    cr_assert_null(stage_note(&place));
    cr_assert_eq(stage_run(&order)->outcome, IPC_OUTCOME_DEFERRED);
    cr_assert_str_eq(stage_states(stage_last_cell(), 2), "Ro", "what was refused stays refused");
    note = stage_note(&place);
    cr_assert_eq(json_array_size(json_object_get(note, "attempts")), 1u);
    cr_assert_null(recipient_named(note, "r0@example.net"));
    json_decref(note);
}

Test(delivery_note, bytes_that_are_no_text_are_shown_so)
{
    const struct ipc_place place = stage_store(1);
    json_t *note;

    peer_on(stage.peers[0], "RCPT", "550 5.1.1 \xff\xfe\x01 unknown", 1);
    cr_assert_eq(stage_deliver(place)->outcome, IPC_OUTCOME_FAILED);
    note = stage_note(&place);
    cr_expect_str_eq(entry_text(recipient_named(note, "r0@example.net"), "text"),
                     "5.1.1 ??? unknown");
    json_decref(note);
}

/* ---- what the log says ---- */

static const char *logged(FILE *file, const char *msg)
{
    static char line[1024];

    log_flush();
    rewind(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strstr(line, msg) != NULL)
            return line;
    }
    return "";
}

Test(delivery_note, the_log_says_why_of_who_did_not_get_it_not_of_who_did)
{
    FILE *file = tmpfile();

    log_open("test", fileno(file));
    log_set_level(LOG_LEVEL_INFO);
    peer_on(stage.peers[0], "RCPT TO:<r1@", "450 4.2.1 busy", 1);
    peer_on(stage.peers[0], "RCPT TO:<r1@", "550 5.1.1 nobody", 1);
    for (unsigned i = 0; i < 2; i++)
        cr_assert_eq(stage_deliver(stage_store(2))->outcome,
                     i == 0 ? IPC_OUTCOME_DEFERRED : IPC_OUTCOME_FAILED);
    cr_expect_not_null(strstr(logged(file, "msg=deferred"), ": 450 4.2.1 busy\""), "%s",
                       logged(file, "msg=deferred"));
    cr_expect_not_null(strstr(logged(file, "kept and listed"), ": 550 5.1.1 nobody\""), "%s",
                       logged(file, "kept and listed"));
    log_open("test", STDERR_FILENO);
    fclose(file);
}

/* ---- what does not fit ---- */

static json_t *attempt_of_bytes(unsigned number, size_t bytes)
{
    char *text = malloc(bytes + 1);
    json_t *attempt;

    memset(text, 'x', bytes);
    text[bytes] = '\0';
    attempt = json_pack("{si ss}", "number", number, "tried", text);
    free(text);
    return attempt;
}

Test(delivery_note, what_does_not_fit_is_left_out_the_oldest_attempts_first)
{
    struct delivery delivery = { .loop = stage.loop };
    struct recipient recipients[CELL_RECIPIENTS];
    struct job job = { .delivery = &delivery,
                       .recipients = recipients,
                       .count = CELL_RECIPIENTS,
                       .note = json_pack("{s[]}", "attempts") };
    char address[ENVELOPE_MAX_ADDRESS + 1], *text;
    json_t *note;

    memset(address, 'a', ENVELOPE_MAX_ADDRESS);
    address[ENVELOPE_MAX_ADDRESS] = '\0';
    for (unsigned i = 0; i < CELL_RECIPIENTS; i++)
        recipients[i] = (struct recipient){ .address = address, .server = -1, .has_news = true };
    for (unsigned i = 0; i < 7; i++)
        json_array_append_new(json_object_get(job.note, "attempts"), attempt_of_bytes(i, 50000));
    text = job_note_text(&job, "deferred");
    cr_assert_not_null(text);
    cr_assert_leq(strlen(text), SPOOL_NOTE_MAX);
    note = json_loads(text, 0, NULL);
    cr_assert_eq(json_array_size(json_object_get(note, "attempts")), 3u);
    cr_assert_eq(json_integer_value(json_object_get(attempt_at(note, 0), "number")), 5);
    cr_assert_str_eq(entry_text(attempt_at(note, 2), "outcome"), "deferred", "the newest stays");
    cr_assert_eq(json_array_size(json_object_get(note, "recipients")), CELL_RECIPIENTS);
    json_decref(note);
    json_decref(job.note);
    free(text);
}
