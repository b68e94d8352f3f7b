#include "master/account.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/clock.h"
#include "common/names.h"
#include "common/secret.h"

static const char *const role_names[ACCOUNT_ROLE_COUNT] = {
    [ACCOUNT_VIEWER] = "viewer", [ACCOUNT_ADMIN] = "admin"
};

const char *account_role_name(enum account_role role)
{
    return role_names[role];
}

bool account_role_parse(const char *name, enum account_role *ret_role)
{
    for (unsigned i = 0; i < ACCOUNT_ROLE_COUNT; i++) {
        if (strcmp(role_names[i], name) == 0) {
            *ret_role = (enum account_role)i;
            return true;
        }
    }
    return false;
}

/* ---- the value ---- */

struct account *account_new(const char *name, enum account_role role, const char *hash)
{
    struct account *account = calloc(1, sizeof(*account));

    if (account == NULL)
        return NULL;
    account->role = role;
    account->name = strdup(name);
    account->key = names_key(name);
    account->hash = strdup(hash);
    if (account->name == NULL || account->key == NULL || account->hash == NULL)
        account_free(&account);
    return account;
}

struct account *account_copy(const struct account *account)
{
    struct account *copy = account_new(account->name, account->role, account->hash);

    if (copy == NULL)
        return NULL;
    copy->id = account->id;
    copy->version = account->version;
    copy->created_ms = account->created_ms;
    copy->changed_ms = account->changed_ms;
    copy->last_login_ms = account->last_login_ms;
    return copy;
}

void account_free(struct account **account)
{
    struct account *a = *account;

    if (a == NULL)
        return;
    free(a->name);
    free(a->key);
    secret_free(&a->hash);
    free(a);
    *account = NULL;
}

json_t *account_to_json(const struct account *account)
{
    char created[CLOCK_TEXT_SIZE], changed[CLOCK_TEXT_SIZE], last[CLOCK_TEXT_SIZE];

    return json_pack("{sI sI ss ss ss ss ss?}", "id", (json_int_t)account->id, "version",
                     (json_int_t)account->version, "name", account->name, "role",
                     account_role_name(account->role), "created",
                     clock_text(account->created_ms, created), "changed",
                     clock_text(account->changed_ms, changed), "last_login",
                     account->last_login_ms != 0 ? clock_text(account->last_login_ms, last) : NULL);
}

json_t *account_to_record(const struct account *account, int format)
{
    return json_pack("{si sI sI ss ss ss sI sI sI}", "v", format, "id", (json_int_t)account->id,
                     "version", (json_int_t)account->version, "name", account->name, "role",
                     account_role_name(account->role), "hash", account->hash, "created",
                     (json_int_t)account->created_ms, "changed", (json_int_t)account->changed_ms,
                     "last_login", (json_int_t)account->last_login_ms);
}

int account_from_record(const json_t *record, struct account **ret_account,
                        struct reason *reterr_why)
{
    json_int_t id, version, created, changed, last;
    const char *name, *role_name, *hash;
    enum account_role role;
    struct account *account;
    int format;

    if (json_unpack((json_t *)record, "{s:i s:I s:I s:s s:s s:s s:I s:I s:I!}", "v", &format, "id",
                    &id, "version", &version, "name", &name, "role", &role_name, "hash", &hash,
                    "created", &created, "changed", &changed, "last_login", &last) != 0 ||
        id <= 0 || id > UINT32_MAX || version <= 0 || !account_role_parse(role_name, &role))
        return reason_set(reterr_why, -EBADMSG, "is not complete");
    account = account_new(name, role, hash);
    if (account == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    account->id = (uint32_t)id;
    account->version = (uint64_t)version;
    account->created_ms = created;
    account->changed_ms = changed;
    account->last_login_ms = last;
    *ret_account = account;
    return 0;
}

/* ---- an editor's ---- */

static size_t count_chars(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

char *account_read_name(const json_t *input, struct problems *problems)
{
    static const char allowed[] = "1 to 64 characters, none of them a control character";
    const json_t *value = json_object_get(input, "name");
    const char *text = json_string_value(value);
    struct reason why = { "must be a text" };
    char *name = text != NULL ? names_clean(text, &why) : NULL;

    if (value == NULL)
        (void)reason_set(&why, -EINVAL, "is missing");
    if (name != NULL && count_chars(name) <= ACCOUNT_NAME_CHARS)
        return name;
    if (name != NULL)
        (void)reason_set(&why, -EINVAL, "has %zu characters", count_chars(name));
    problem_add(problems, "name", value, allowed, "%s", why.text);
    free(name);
    return NULL;
}

bool account_read_role(const json_t *input, enum account_role *ret_role, struct problems *problems)
{
    const json_t *value = json_object_get(input, "role");
    const char *text = json_string_value(value);

    if (text != NULL && account_role_parse(text, ret_role))
        return true;
    problem_add(problems, "role", value, "viewer, admin",
                value == NULL ? "is missing" : "is not a role");
    return false;
}

void account_refuse_unknown(const json_t *input, const char *const *names,
                            struct problems *problems)
{
    const char *member;
    const json_t *value;

    json_object_foreach ((json_t *)input, member, value) {
        const char *const *name = names;

        while (*name != NULL && strcmp(*name, member) != 0)
            name++;
        if (*name == NULL) /* its value may be a password under a wrong name */
            problem_add(problems, member, NULL, NULL, "is not known");
    }
}

/* ---- passwords ---- */

#define LEAST_LEFT 6 /* characters that are in no obvious piece */

/* As long as each differs from the one before by the same 0, 1 or -1: "aaaa", "1234", "fedc". */
static size_t length_of_run(const char *text)
{
    int step = text[1] - text[0];
    size_t length = 2;

    if (text[1] == '\0' || step < -1 || step > 1)
        return 0;
    while (text[length] != '\0' && text[length] - text[length - 1] == step)
        length++;
    return length >= 3 ? length : 0;
}

static size_t length_of_word(const char *text, const char *name)
{
    static const char *const words[] = { "password", "passwort",   "administrator", "admin",
                                         "postern",  "welcome",    "letmein",       "changeme",
                                         "secret",   "qwertyuiop", "qwertzuiop",    "qwerty",
                                         "qwertz",   "asdfghjkl",  "gateway",       "console",
                                         "iloveyou", "login",      "root",          "mail" };
    size_t length = strlen(name);

    if (length >= 3 && strncmp(text, name, length) == 0)
        return length;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        length = strlen(words[i]);
        if (strncmp(text, words[i], length) == 0)
            return length;
    }
    return length_of_run(text);
}

/* What is hardly more than the account's name, such words and such runs, one behind the other. */
static bool is_obvious(const char *password, const char *name)
{
    char folded[3 * ACCOUNT_PASSWORD_SIZE]; /* as much as case folding can make of it */
    char *name_key = names_key(name != NULL ? name : "");
    size_t left = 0;

    if (name_key == NULL || names_compose(password, true, folded, sizeof(folded)) < 0)
        left = LEAST_LEFT; /* memory is short, which will be said elsewhere */
    for (const char *p = folded; left < LEAST_LEFT && *p != '\0';) {
        size_t known = length_of_word(p, name_key);

        left += known == 0 && ((unsigned char)*p & 0xc0) != 0x80;
        p += known > 0 ? known : 1;
    }
    secret_wipe(folded, sizeof(folded));
    free(name_key);
    return left < LEAST_LEFT;
}

bool account_read_password(const json_t *input, const char *property, const char *name,
                           char out[ACCOUNT_PASSWORD_SIZE], struct problems *problems)
{
    static const char allowed[] = "at least 12 characters, at most 511 bytes; any characters";
    const json_t *value = json_object_get(input, property);
    const char *text = json_string_value(value);
    int count = text != NULL ? names_compose(text, false, out, ACCOUNT_PASSWORD_SIZE) : -EINVAL;
    const char *problem = NULL;

    if (value == NULL)
        problem = "is missing";
    else if (text == NULL)
        problem = "must be a text";
    else if (count < 0)
        problem = count == -E2BIG ? "is too long" : "is not UTF-8";
    else if (count < ACCOUNT_PASSWORD_LEAST)
        problem = "is too short";
    else if (is_obvious(out, name))
        problem = "is easily guessed: the account's name, a common word or a row of characters";
    if (problem != NULL)
        problem_add(problems, property, NULL, allowed, "%s", problem);
    return problem == NULL;
}
