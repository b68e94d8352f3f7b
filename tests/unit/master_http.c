/* The HTTP server: what it hands over, and answers at once, late, in pieces, or to who is gone. */
#include "tests/unit/http_server_stage.h"

TestSuite(http, .init = start, .fini = stop, .timeout = 60);

Test(http, hands_over_method_path_query_body_and_uid)
{
    struct unix_reply reply = ask("PUT", "/a/b?name=Ex%20change&x=1", "{\"k\":1}");
    char want[128];

    snprintf(want, sizeof(want), "%d /a/b name=Ex change uid=%u body={\"k\":1}", HTTP_METHOD_PUT,
             getuid());
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply.body, want);
    cr_assert(strstr(reply.head, "ETag: \"7\""));
    cr_assert_not(strcasestr(reply.head, "X-Injected"));
    reply_free(&reply);
}

Test(http, several_requests_on_one_connection)
{
    struct unix_client client;

    client_open(&client, loop, path);
    for (int i = 0; i < 3; i++) {
        struct unix_reply reply;

        client_ask(&client, "GET", "/x", "", NULL);
        reply = client_wait_reply(&client);
        cr_assert_eq(reply.status, 200);
        reply_free(&reply);
    }
    client_close(&client);
    cr_assert_eq(asked, 3);
}

Test(http, unknown_methods_reach_the_handler_as_other)
{
    struct unix_reply reply = ask("PATCH", "/x", "{}");

    cr_assert_eq(atoi(reply.body), HTTP_METHOD_OTHER);
    reply_free(&reply);
}

Test(http, too_large_a_body_never_reaches_the_handler)
{
    char *big = malloc(100002);
    struct unix_reply reply;

    memset(big, 'a', 100001);
    big[100001] = '\0';
    reply = ask("POST", "/x", big);
    cr_assert_eq(reply.status, 413, "got %d", reply.status);
    cr_assert_eq(asked, 0);
    reply_free(&reply);
    free(big);
}

Test(http, too_large_a_header_never_reaches_the_handler)
{
    struct unix_client client;
    struct unix_reply reply;
    char *headers = malloc(10000);
    char head[256];

    client_open(&client, loop, path);
    strcpy(head, "GET /x HTTP/1.1\r\nX-Long: ");
    client_send(&client, head, strlen(head));
    memset(headers, 'h', 9999);
    headers[9999] = '\0';
    client_send(&client, headers, 9999);
    client_send(&client, "\r\n\r\n", 4);
    reply = client_wait_reply(&client);
    cr_assert_neq(reply.status, 200);
    cr_assert_eq(asked, 0);
    reply_free(&reply);
    client_close(&client);
    free(headers);
}

Test(http, garbage_ends_its_own_connection_only)
{
    static const char *const garbage[] = {
        "GET\r\n\r\n",
        "\r\n\r\n",
        "GET /x HTTP/9.9\r\n\r\n",
        "GET /x HTTP/1.1\r\nno colon\r\n\r\n",
        "GET %%% HTTP/1.1\r\n\r\n",
        "GET http://[ HTTP/1.1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\n\r\n",
        "POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST /x HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n",
        "POST /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 999999\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    };
    struct unix_reply reply;

    for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++) {
        struct unix_client client;

        client_open(&client, loop, path);
        client_send(&client, garbage[i], strlen(garbage[i]));
        for (int turn = 0; turn < 5; turn++)
            loop_turn(loop, 1);
        client_close(&client);
        reply = ask("GET", "/x", NULL);
        cr_assert_eq(reply.status, 200, "after garbage %zu", i);
        reply_free(&reply);
    }
}

Test(http, answers_later)
{
    struct unix_client client;
    struct unix_reply reply;

    client_open(&client, loop, path);
    client_ask(&client, "GET", "/later", "", NULL);
    wait_held();
    cr_assert_eq(http_server_open_requests(server), 1);
    http_request_answer(held, 201, "text/plain", "done", 4);
    cr_assert_eq(http_server_open_requests(server), 0);
    reply = client_wait_reply(&client);
    cr_assert_eq(reply.status, 201);
    cr_assert_str_eq(reply.body, "done");
    reply_free(&reply);
    client_close(&client);
}

/* A client that is gone must be answered like any other. */
static void hang_up_while(const char *target)
{
    struct unix_client client;

    client_open(&client, loop, path);
    client_ask(&client, "GET", target, "", NULL);
    wait_held();
    client_close(&client);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 1);
}

Test(http, client_gone_before_a_late_answer)
{
    struct unix_reply reply;

    hang_up_while("/later");
    http_request_answer(held, 200, "text/plain", "done", 4);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 1);
    reply = ask("GET", "/x", NULL);
    cr_assert_eq(reply.status, 200);
    reply_free(&reply);
}

Test(http, client_gone_in_the_middle_of_a_stream)
{
    struct unix_reply reply;

    hang_up_while("/stream");
    for (int i = 0; i < 20; i++) {
        http_request_stream(held, "application/x-ndjson", "{}\n", 3);
        loop_turn(loop, 1);
    }
    http_request_stream_end(held);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 1);
    reply = ask("GET", "/x", NULL);
    cr_assert_eq(reply.status, 200);
    reply_free(&reply);
}

Test(http, a_piece_of_a_stream_arrives_before_the_next_is_there)
{
    struct unix_client client;
    struct unix_reply reply;

    client_open(&client, loop, path);
    client_ask(&client, "GET", "/stream", "", NULL);
    wait_held();
    cr_assert_not(http_request_is_streaming(held));
    http_request_stream(held, "application/x-ndjson", "{\"n\":1}\n", 8);
    cr_assert(client_wait_text(&client, "{\"n\":1}\n"));
    http_request_stream(held, "application/x-ndjson", "{\"n\":2}\n", 8);
    http_request_stream_end(held);
    reply = client_wait_reply(&client);
    cr_assert_str_eq(reply.body, "{\"n\":1}\n{\"n\":2}\n");
    cr_assert(strstr(reply.head, "application/x-ndjson"));
    reply_free(&reply);
    client_close(&client);
}

Test(http, stopped_refuses_on_open_connections_and_takes_no_new_ones)
{
    struct unix_client client;
    struct unix_reply reply;

    client_open(&client, loop, path);
    client_ask(&client, "GET", "/x", "", NULL);
    reply = client_wait_reply(&client);
    reply_free(&reply);
    http_server_stop(server);
    client_ask(&client, "GET", "/x", "", NULL);
    reply = client_wait_reply(&client);
    cr_assert_eq(reply.status, 503);
    reply_free(&reply);
    client_close(&client);
    loop_turn(loop, 0);
    cr_assert_eq(client_connect(path), -ECONNREFUSED);
}
