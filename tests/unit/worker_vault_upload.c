/* Uploads to a Vault: each call as it leaves, and what comes of each answer (VA01, VA02). */
#include "vault_stage.h"

#define FORM " Content-Type=application/x-www-form-urlencoded" /* of a POST without a body */

TestSuite(vault_upload, .init = vault_setup, .fini = vault_teardown, .timeout = 60);

Test(vault_upload, VA01_the_five_calls_as_they_are_documented)
{
    add_file("a.txt", "0123456789", 4);
    plan.expires = "30:00:00:00";
    plan.share_with = "ann,bob@example.net";
    vault_is_well();
    vault_run();
    expect_ended(REST_OK, 200, "");
    expect_seen("GET " VAULT "/transfer share_with=ann,bob@example.net\n"
                "GET " VAULT "/transfer_file transfer_method=Chunk group_id=g1 file_size=10 "
                "file_name=a.txt\n"
                "keep g1 f1\n"
                "PATCH " VAULT "/transfer_file group_id=g1 file_id=f1 chunk_offset=0 "
                "chunk_checksum=00000000000000000000000000000000 [0123]\n"
                "PATCH " VAULT "/transfer_file group_id=g1 file_id=f1 chunk_offset=4 "
                "chunk_checksum=11111111111111111111111111111111 [4567]\n"
                "PATCH " VAULT "/transfer_file group_id=g1 file_id=f1 chunk_offset=8 "
                "chunk_checksum=22222222222222222222222222222222 [89]\n"
                "POST " VAULT "/transfer_file group_id=g1 file_id=f1" FORM "\n"
                "keep g1 f1 closing\n"
                "POST " VAULT "/transfer group_id=g1 expires_after=30:00:00:00" FORM "\n");
    cr_expect_eq(web->connections, 1u, "all over one connection");
}

Test(vault_upload, VA01_several_files_one_after_the_other_empty_ones_too)
{
    add_file("one", "abcd", 4);
    add_file("none", "", 4);
    add_file("two", "efghi", 0);
    web_on(web, "GET " VAULT "/transfer_file", answer(200, "{'file_id': 'f1'}"), 1);
    web_on(web, "GET " VAULT "/transfer_file", answer(200, "{'file_id': 2}"), 1);
    web_on(web, "GET " VAULT "/transfer_file", answer(200, "{'file_id': 'f-3_x.Y'}"), 1);
    vault_is_well();
    vault_run();
    expect_ended(REST_OK, 200, "");
    expect_seen("GET " VAULT "/transfer\n"
                "GET " VAULT "/transfer_file transfer_method=Chunk group_id=g1 file_size=4 "
                "file_name=one\n"
                "keep g1 \n"
                "PATCH " VAULT "/transfer_file group_id=g1 file_id=f1 chunk_offset=0 "
                "chunk_checksum=00000000000000000000000000000000 [abcd]\n"
                "POST " VAULT "/transfer_file group_id=g1 file_id=f1" FORM "\n"
                "GET " VAULT "/transfer_file transfer_method=Chunk group_id=g1 file_size=0 "
                "file_name=none\n"
                "keep g1 \n"
                "POST " VAULT "/transfer_file group_id=g1 file_id=2" FORM "\n"
                "GET " VAULT "/transfer_file transfer_method=Chunk group_id=g1 file_size=5 "
                "file_name=two\n"
                "keep g1 f-3_x.Y\n"
                "PATCH " VAULT "/transfer_file group_id=g1 file_id=f-3_x.Y chunk_offset=0 [efgh]\n"
                "PATCH " VAULT "/transfer_file group_id=g1 file_id=f-3_x.Y chunk_offset=4 [i]\n"
                "POST " VAULT "/transfer_file group_id=g1 file_id=f-3_x.Y" FORM "\n"
                "keep g1 f-3_x.Y closing\n"
                "POST " VAULT "/transfer group_id=g1" FORM "\n");
    cr_expect_str_eq(files[1].id, "2");
    for (unsigned i = 0; i < 3; i++)
        cr_expect(files[i].is_whole);
}

Test(vault_upload, VA01_a_name_is_percent_encoded_UTF_8)
{
    add_file("Gr\xc3\xbc\xc3\x9f"
             "e & 100%.txt",
             "", 0);
    add_file("a%20b c.txt", "", 0);
    vault_is_well();
    vault_run();
    cr_expect_not_null(strstr(seen, "file_name=Gr%C3%BC%C3%9Fe%20%26%20100%25.txt\n"), "%s", seen);
    cr_expect_not_null(strstr(seen, "file_name=a%2520b%20c.txt\n"), "%s", seen);
}

Test(vault_upload, VA02_a_chunk_is_read_again_for_another_connection)
{
    add_file("a", "01234567", 4);
    web_on(web, "PATCH " VAULT "/transfer_file", answer(200, "{}"), 1);
    web_on(web, "PATCH " VAULT "/transfer_file", "!close", 1);
    vault_is_well();
    vault_run();
    expect_ended(REST_OK, 200, "");
    cr_expect_not_null(strstr(seen, "chunk_offset=4 chunk_checksum=1111111111111111111111111111111"
                                    "1 [4567]\nPATCH " VAULT
                                    "/transfer_file group_id=g1 file_id=f1 chunk_offset=4 "
                                    "chunk_checksum=11111111111111111111111111111111 [4567]\n"),
                       "%s", seen);
    cr_expect_eq(web->connections, 2u);
    cr_expect_eq(web->most_open, 1u, "one at a time (SP49)");
}

Test(vault_upload, VA03_nothing_of_a_file_leaves_before_its_id_is_kept)
{
    add_file("a", "0123", 4);
    vault_is_well();
    vault_begin();
    told.is_held = true;
    UNTIL(told.begun == 1);
    for (unsigned i = 0; i < 20; i++)
        loop_turn(loop, 0);
    cr_expect_str_eq(web->log, "GET " VAULT "/transfer|GET " VAULT "/transfer_file|");
    cr_expect_str_eq(plan.group, "g1");
    cr_expect_str_eq(files[0].id, "f1");
    vault_upload_free(&upload); /* in the middle */
}

Test(vault_upload, links_are_taken_by_their_file_s_id_and_no_others)
{
    char *huge = malloc(VAULT_URL_SIZE + 200), *text = malloc(VAULT_URL_SIZE + 600);

    memset(huge, 'x', VAULT_URL_SIZE + 199);
    huge[VAULT_URL_SIZE + 199] = '\0';
    (void)snprintf(text, VAULT_URL_SIZE + 600,
                   "{'files': [7, {'file_url': 'http://v/none'}, {'file_id': 'f1'},"
                   " {'file_id': 'other', 'file_url': 'http://v/other'},"
                   " {'file_id': 'f2', 'file_url': 'http://v/2'},"
                   " {'file_id': 3, 'file_url': 'http://v/%s'}]}",
                   huge);
    for (unsigned i = 0; i < 3; i++)
        add_file("a", "", 0);
    web_on(web, "GET " VAULT "/transfer_file", answer(200, "{'file_id': 'f1'}"), 1);
    web_on(web, "GET " VAULT "/transfer_file", answer(200, "{'file_id': 'f2'}"), 1);
    web_on(web, "GET " VAULT "/transfer_file", answer(200, "{'file_id': 3}"), 1);
    web_on(web, "POST " VAULT "/transfer", answer(200, text), -1);
    vault_is_well();
    vault_run();
    expect_ended(REST_OK, 200, "");
    cr_expect_str_eq(files[0].url, "");
    cr_expect_str_eq(files[1].url, "http://v/2");
    cr_expect_str_eq(files[2].url, "", "one that is too long is none");
    free(huge);
    free(text);
}

/* ---- refusals ---- */

static const char *const calls[] = { "GET " VAULT "/transfer", "GET " VAULT "/transfer_file",
                                     "PATCH " VAULT "/transfer_file",
                                     "POST " VAULT "/transfer_file", "POST " VAULT "/transfer" };
static const char *const call_words[] = { "a new group", "a new file", "a file's content",
                                          "the end of a file", "the end of the group" };

static const struct {
    int status;
    enum rest_word word;
} statuses[] = {
    { 301, REST_FAILED }, { 400, REST_NO },     { 401, REST_REFUSED }, { 403, REST_REFUSED },
    { 404, REST_NO },     { 408, REST_BUSY },   { 413, REST_NO },      { 429, REST_BUSY },
    { 500, REST_FAILED }, { 502, REST_FAILED }, { 503, REST_BUSY },
};

static void begin_again(void)
{
    memset(&plan, 0, sizeof(plan));
    memset(files, 0, sizeof(files));
    web_forget(web);
    seen[0] = '\0';
}

Test(vault_upload, VA03_a_no_to_any_call_ends_it_with_the_reason_and_nothing_is_asked_any_more)
{
    add_file("a", "0123", 4);
    for (size_t i = 0; i < ARRAY_LEN(calls) * ARRAY_LEN(statuses); i++) {
        const int status = statuses[i % ARRAY_LEN(statuses)].status;
        const char *call = calls[i / ARRAY_LEN(statuses)];
        const char *last;
        char why[128];

        begin_again();
        web_on(web, call,
               answer(status, "{'message': 'what " REST_KEY " is', 'ui_message_key': 'X'}"), -1);
        vault_is_well();
        vault_run();
        (void)snprintf(why, sizeof(why), "%s: it answered %d", call_words[i / ARRAY_LEN(statuses)],
                       status);
        expect_ended(statuses[i % ARRAY_LEN(statuses)].word, status, why);
        last = web->log + strlen(web->log) - strlen(call) - 1;
        cr_expect_eq(strncmp(last, call, strlen(call)), 0, "%s: %s", call, web->log);
    }
}

Test(vault_upload, the_vault_s_own_words_are_shown)
{
    add_file("a", "", 0);
    web_on(web, "GET " VAULT "/transfer",
           answer(400, "[{'message': 'The file uploader group is required'}]"), -1);
    vault_run();
    expect_ended(REST_NO, 400, "a new group: it answered 400: The file uploader group is required");
}

static const char *const odd_answers[] = {
    "",
    "[]",
    "{}",
    "{'ID': null}",
    "{'ID': ''}",
    "{'ID': true}",
    "{'ID': {}}",
    "{'ID': '../x'}",
    "{'ID': '..'}",
    "{'ID': '.'}",
    "{'ID': 'a b'}",
    "{'ID': 'a\\r\\nX: y'}",
    "{'ID': 'a\\u0000b'}",
    "{'ID': 'gr\xc3\xbcn'}",
    "{'ID': 'a?b=c'}",
    "{'ID': "
    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'}",
};

static const char *with_id(const char *text, const char *name, char out[512])
{
    const char *at = strstr(text, "ID");

    if (at == NULL)
        return text;
    (void)snprintf(out, 512, "%.*s%s%s", (int)(at - text), text, name, at + 2);
    return out;
}

Test(vault_upload, an_answer_without_an_id_that_can_be_used_is_a_failure)
{
    char text[512];

    add_file("a", "0123", 4);
    for (size_t i = 0; i < ARRAY_LEN(odd_answers); i++) {
        begin_again();
        web_on(web, calls[0], answer(200, with_id(odd_answers[i], "group_id", text)), -1);
        vault_run();
        expect_ended(REST_FAILED, 0, "a new group: the answer has no group_id");
        cr_expect_str_eq(plan.group, "", "%s", odd_answers[i]);

        begin_again();
        web_on(web, calls[1], answer(200, with_id(odd_answers[i], "file_id", text)), -1);
        vault_is_well();
        vault_run();
        expect_ended(REST_FAILED, 0, "a new file: the answer has no file_id");
        cr_expect_str_eq(files[0].id, "", "%s", odd_answers[i]);
        cr_expect_eq(told.begun, 0u);
    }
}

Test(vault_upload, VA03_a_page_for_people_is_no_yes_to_any_call)
{
    char why[128];

    add_file("a", "0123", 4);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        begin_again();
        web_on(web, calls[i], answer(200, "\r\n <html><title>Log in</title>"), -1);
        vault_is_well();
        vault_run();
        (void)snprintf(why, sizeof(why), "%s: it answered with a page", call_words[i]);
        expect_ended(REST_FAILED, 200, why);
        cr_expect_eq(files[0].is_whole, i == 4, "%s", calls[i]);
    }
}

Test(vault_upload, VA03_a_file_is_complete_only_with_success)
{
    static const char *const results[] = { "{'result': 'failed'}", "{'result': ''}" };

    add_file("a", "0123", 4);
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        begin_again();
        web_on(web, calls[3], answer(200, results[i]), -1);
        vault_is_well();
        vault_run();
        expect_ended(REST_FAILED, 0, "the end of a file: its result is no success");
        cr_expect_not(files[0].is_whole);
    }
}

Test(vault_upload, VA03_the_end_of_a_group_is_believed_to_a_Vault_only)
{
    static const char *const others[] = { "", "[]", "ok", "true" };

    add_file("a", "0123", 4);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        begin_again();
        web_on(web, calls[4], answer(200, others[i]), -1);
        vault_is_well();
        vault_run();
        expect_ended(REST_FAILED, 0, "the end of the group: the answer tells of no files");
        cr_expect(plan.is_closing, "it may be closed");
    }
}

Test(vault_upload, VA03_a_connection_that_is_cut_at_any_call_is_a_failure)
{
    add_file("a", "0123", 4);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        begin_again();
        web_on(web, calls[i], "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{!reset", -1);
        vault_is_well();
        vault_run();
        expect_ended(REST_FAILED, 0, call_words[i]);
        cr_expect_eq(files[0].is_whole, i == 4);
        cr_expect_eq(plan.is_closing, i == 4, "it may be closed: %s", calls[i]);
    }
}
