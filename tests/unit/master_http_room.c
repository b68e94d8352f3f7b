/* How many connections the HTTP server keeps, and for how long those that ask for nothing. */
#include "tests/unit/http_server_stage.h"

TestSuite(http_limit, .init = start, .fini = stop, .timeout = 60);

Test(http_limit, accepting_pauses_at_the_limit_and_resumes)
{
    struct unix_client clients[4], fifth;
    struct unix_reply reply;

    for (int i = 0; i < 4; i++) {
        client_open(&clients[i], loop, path);
        client_ask(&clients[i], "GET", "/x", "", NULL);
        reply = client_wait_reply(&clients[i]);
        cr_assert_eq(reply.status, 200);
        reply_free(&reply);
    }
    asked = 0;
    client_open(&fifth, loop, path);
    client_ask(&fifth, "GET", "/x", "", NULL);
    for (int i = 0; i < 30; i++)
        loop_turn(loop, 10);
    cr_assert_eq(asked, 0, "the fifth was served beside four others");
    client_close(&clients[2]);
    reply = client_wait_reply(&fifth);
    cr_assert_eq(reply.status, 200);
    reply_free(&reply);
    client_close(&fifth);
    for (int i = 0; i < 4; i++)
        client_close(&clients[i]);
}

/* ---- where room is made ---- */

static void start_making_room(void)
{
    start_with((struct http_limits){
        .max_connections = 4, .first_request_s = 60, .next_request_s = 60, .makes_room = true });
}

/* So that the next one has waited less long. */
static void wait_next_ms(void)
{
    int64_t now_ms = loop_now_ms(loop);

    while (loop_now_ms(loop) == now_ms)
        loop_turn(loop, 1);
}

TestSuite(http_makes_room, .init = start_making_room, .fini = stop, .timeout = 60);

Test(http_makes_room, OP04_at_the_limit_the_one_that_waits_longest_makes_room)
{
    struct unix_client clients[4], fifth;
    struct unix_reply reply;

    for (int i = 0; i < 4; i++) {
        client_open(&clients[i], loop, path);
        client_ask(&clients[i], "GET", i == 0 ? "/later" : "/x", "", NULL);
        if (i > 0) {
            reply = client_wait_reply(&clients[i]);
            reply_free(&reply);
            wait_next_ms();
        }
    }
    client_open(&fifth, loop, path);
    client_ask(&fifth, "GET", "/x", "", NULL);
    reply = client_wait_reply(&fifth);
    cr_assert_eq(reply.status, 200, "the fifth was not served");
    reply_free(&reply);
    cr_assert(client_is_cut(&clients[1]), "the oldest that asks for nothing is still there");
    cr_assert_not(client_is_cut(&clients[3]));
    http_request_answer(held, 200, "text/plain", "kept", 4);
    reply = client_wait_reply(&clients[0]);
    cr_assert_str_eq(reply.body, "kept", "the one that is being answered was cut");
    reply_free(&reply);
    client_close(&fifth);
    for (int i = 0; i < 4; i++)
        client_close(&clients[i]);
}

/* ---- those who ask for nothing ---- */

static void start_impatient(void)
{
    start_with((struct http_limits){
        .max_connections = 4, .first_request_s = 1, .next_request_s = 2, .makes_room = true });
}

TestSuite(http_impatient, .init = start_impatient, .fini = stop, .timeout = 60);

/* How long after `began_ms`, which is before the server's clock for it started. */
static int64_t cut_after_ms(struct unix_client *client, int64_t began_ms, const char *drip)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    while (!client_is_cut(client)) {
        cr_assert_lt(clock_mono_ms(), until_ms, "it was never cut");
        client_send(client, drip, strlen(drip));
        loop_turn(loop, 50);
    }
    return clock_mono_ms() - began_ms;
}

Test(http_impatient, OP04_a_head_that_drips_has_an_end)
{
    struct unix_client client;
    int64_t began_ms = clock_mono_ms(), took_ms;

    client_open(&client, loop, path);
    client_send(&client, "GET /x HTTP/1.1\r\nX-Slow: ", 25);
    took_ms = cut_after_ms(&client, began_ms, "a");
    cr_assert_geq(took_ms, 900, "after %d ms", (int)took_ms);
    cr_assert_eq(asked, 0);
    client_close(&client);
}

Test(http_impatient, OP04_so_has_the_next_one_on_a_connection_that_was_answered)
{
    struct unix_client client;
    struct unix_reply reply;
    int64_t began_ms, took_ms;

    client_open(&client, loop, path);
    began_ms = clock_mono_ms();
    client_ask(&client, "GET", "/x", "", NULL);
    reply = client_wait_reply(&client);
    reply_free(&reply);
    client_send(&client, "GET /x HTTP/1.1\r\nX-Slow: ", 25);
    took_ms = cut_after_ms(&client, began_ms, "a");
    cr_assert_geq(took_ms, 1900, "after %d ms", (int)took_ms);
    cr_assert_eq(asked, 1);
    client_close(&client);
}

Test(http_impatient, OP04_an_answer_takes_the_time_it_takes)
{
    struct unix_client client;
    struct unix_reply reply;
    int64_t until_ms = clock_mono_ms() + 2500;

    client_open(&client, loop, path);
    client_ask(&client, "GET", "/later", "", NULL);
    while (clock_mono_ms() < until_ms)
        loop_turn(loop, 50);
    cr_assert(held);
    http_request_answer(held, 200, "text/plain", "late", 4);
    reply = client_wait_reply(&client);
    cr_assert_str_eq(reply.body, "late");
    reply_free(&reply);
    client_close(&client);
}
