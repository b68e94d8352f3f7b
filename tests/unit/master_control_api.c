/* What holds for every request of the control API: paths, bodies, versions, pages; and its file. */
#include "tests/unit/control_fixture.h"

#include "master/control/routes.h"

TestSuite(control_api, .init = start, .fini = stop, .timeout = 60);

Test(control_api, unknown_paths_methods_and_parameters)
{
    ASSERT_STATUS(ask("GET", "/nothing", NULL), 404);
    ASSERT_STATUS(ask("GET", "/profiles/", NULL), 404);
    ASSERT_STATUS(ask("GET", "/profiles/1/2", NULL), 404);
    ASSERT_STATUS(ask("GET", "/../../etc/passwd", NULL), 404);
    ASSERT_STATUS(ask("DELETE", "/profiles", NULL), 405);
    cr_assert(strstr(last.head, "Allow: GET, POST"), "%s", last.head);
    ASSERT_STATUS(ask("PATCH", "/profiles", "{}"), 405);
    ASSERT_STATUS(ask("GET", "/profiles?nmae=x", NULL), 400);
    client_ask(&client, "GET", "/elsewhere", "", NULL);
    take_reply(&client);
    ASSERT_STATUS(last.status, 404);
}

Test(control_api, bodies_that_are_no_json_object)
{
    ASSERT_STATUS(ask("POST", "/profiles", "{\n\"name\": oops}"), 400);
    cr_assert(strstr(text_at("detail"), "line 2"), "%s", text_at("detail"));
    cr_assert_null(strstr(text_at("detail"), "oops"), "it might be a password");
    ASSERT_STATUS(ask("POST", "/profiles", ""), 400);
    ASSERT_STATUS(ask("POST", "/profiles", "[]"), 400);
    ASSERT_STATUS(ask("POST", "/profiles", "{\"a\":1,\"a\":2}"), 400);
    ASSERT_STATUS(ask_with("POST", "/profiles", "Content-Type: text/plain\r\n", EXCHANGE), 415);
    ASSERT_STATUS(ask_with("POST", "/profiles", "Content-Type: application/json; charset=utf-8\r\n",
                           EXCHANGE),
                  201);
}

Test(control_api, OP03_every_route_is_described_and_every_description_is_a_route)
{
    char file[512], line[1024], described[80] = "";
    const char *const methods[] = { "get", "post", "put", "delete" };
    unsigned found = 0, routes = 0;
    FILE *in;

    snprintf(file, sizeof(file), "%s", __FILE__);
    *strstr(file, "tests/unit/") = '\0';
    strcat(file, "docs/openapi.yaml");
    in = fopen(file, "r");
    cr_assert(in, "%s", file);
    while (fgets(line, sizeof(line), in)) {
        char word[64];

        if (sscanf(line, "  /%62[^: ]:", word) == 1 && strncmp(line, "  /", 3) == 0) {
            snprintf(described, sizeof(described), "/%s", word);
            continue;
        }
        if (strncmp(line, "    ", 4) != 0 || line[4] == ' ' || !*described ||
            sscanf(line, "    %62[a-z]:", word) != 1)
            continue;
        for (unsigned m = 0; m < 4; m++) {
            bool is_route = false;
            size_t routes_seen = 0;

            if (strcmp(word, methods[m]) != 0)
                continue;
            for (const struct route *route; (route = routes_at(routes_seen)); routes_seen++)
                is_route = is_route || (route->method == m && strcmp(route->path, described) == 0);
            cr_assert(is_route, "%s %s is described but no route", word, described);
            found++;
        }
    }
    fclose(in);
    while (routes_at(routes))
        routes++;
    cr_assert_eq(found, routes, "%u described, %u routes", found, routes);
}

Test(control_api, settings_have_versions)
{
    char *etag, header[64];

    put_profile(EXCHANGE);
    ASSERT_STATUS(ask("GET", "/settings", NULL), 200);
    etag = strstr(last.head, "ETag: ");
    cr_assert(etag);
    snprintf(header, sizeof(header), "If-Match: %.*s\r\n", (int)strcspn(etag + 6, "\r"), etag + 6);
    const char *body =
        "{\"postmaster\":{\"mailbox\":\"admin@example.net\",\"profile\":\"Exchange\"}}";

    ASSERT_STATUS(ask("PUT", "/settings", body), 428);
    ASSERT_STATUS(ask_with("PUT", "/settings", header, body), 200);
    ASSERT_AT("postmaster.mailbox", "admin@example.net");
    ASSERT_STATUS(ask_with("PUT", "/settings", header, body), 412);
    ASSERT_STATUS(ask("GET", "/rules/which?client=10.1.2.3&from=&to=postmaster", NULL), 200);
    ASSERT_AT("verdict", "postmaster");
    ASSERT_AT("profile", "Exchange");
}

Test(control_api, audit_pages_and_names_who)
{
    char by[32];

    for (int i = 0; i < 3; i++)
        put_profile(EXCHANGE);
    ASSERT_STATUS(ask("GET", "/audit?limit=2", NULL), 200);
    cr_assert_eq(json_array_size(at("entries")), 2);
    snprintf(by, sizeof(by), "uid=%u", getuid());
    cr_assert(strstr(last.body, by), "%s", last.body);
    ASSERT_STATUS(ask("GET", "/audit?limit=0", NULL), 400);
    ASSERT_STATUS(ask("GET", "/audit?before=x", NULL), 400);
}
