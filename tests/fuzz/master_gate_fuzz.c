/* What anybody may send to the console's door before he is anybody: headers, a name, a password, a
 * code. One text per line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "master/account.h"
#include "master/control/cookie.h"
#include "master/control/first_code.h"
#include "master/control/gate.h"
#include "master/control/login_limit.h"
#include "master/control/sessions.h"

#define LINES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

static void try_cookie(const char *header)
{
    char token[RANDOM_TOKEN_SIZE];

    for (unsigned plain = 0; plain < 2; plain++) {
        bool is_there = cookie_token(header, plain == 1, token);

        must(!is_there || strlen(token) == RANDOM_TOKEN_SIZE - 1, "a token has its length");
        must(!is_there || strstr(header, token) != NULL, "a token is what was sent");
    }
}

static void try_gate(char *const *lines)
{
    static const struct session session = { .csrf = "0123456789012345678901234567890123456789012" };
    struct gate_facts facts = { .door = DOOR_CONSOLE,
                                .body_bytes = 1,
                                .host = lines[0],
                                .origin = lines[1],
                                .fetch_site = lines[2],
                                .content_type = lines[3],
                                .csrf = lines[4] };

    for (unsigned who = GATE_OWN; who < GATE_WHO_COUNT; who++)
        must(gate_decide(&facts, who) != GATE_PASSED, "nobody passes without a session");
    facts.session = &session;
    must(gate_decide(&facts, GATE_OWN) != GATE_PASSED || strcmp(lines[4], session.csrf) == 0,
         "nothing passes without the token");
    must(gate_decide(&facts, GATE_ADMIN) != GATE_PASSED, "a viewer is no administrator");
}

static void try_account(const char *name, const char *password)
{
    char out[ACCOUNT_PASSWORD_SIZE], again[ACCOUNT_PASSWORD_SIZE];
    json_t *input = json_pack("{ss* ss*}", "name", name, "password", password);
    struct problems problems;
    char *clean;

    if (input == NULL)
        return; /* not UTF-8: jansson takes no such text from outside either */
    must(problems_init(&problems) == 0, "memory");
    clean = account_read_name(input, &problems);
    if (account_read_password(input, "password", clean, out, &problems)) {
        must(names_compose(out, false, again, sizeof(again)) >= ACCOUNT_PASSWORD_LEAST,
             "a password has its length");
        must(strcmp(out, again) == 0, "what is composed stays as it is");
    }
    if (clean != NULL)
        must(strlen(clean) <= 4 * ACCOUNT_NAME_CHARS, "a name fits where names are kept");
    free(clean);
    problems_done(&problems);
    json_decref(input);
}

static void try_limit(const char *client, const char *name)
{
    static struct login_limit *limit;
    const struct login_limit_rules rules = { 3, 1000 };
    unsigned retry_s = 1;

    if (limit == NULL)
        limit = login_limit_new(&rules);
    (void)login_limit_take(limit, client, name, 1, &retry_s);
    must(retry_s >= 1, "a refusal says for how long");
    login_limit_give_back(limit, client, name, true, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct first_code no_code;
    char *text = malloc(size + 1), *lines[LINES], *rest = text;

    memcpy(text, data, size);
    text[size] = '\0';
    for (unsigned i = 0; i < LINES; i++) {
        lines[i] = rest;
        rest += strcspn(rest, "\n");
        if (*rest != '\0')
            *rest++ = '\0';
    }
    try_gate(lines);
    try_cookie(lines[5]);
    must(!first_code_is(&no_code, lines[5]), "no code is nobody's");
    try_account(lines[6], lines[7]);
    try_limit(lines[5], lines[6]);
    free(text);
    return 0;
}
