/* master/ctl/account.c: posternctl account ... */
#include "master/ctl/commands.h"
#include "master/ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "master/ctl/password.h"
#include "master/ctl/show.h"
#include "master/ctl/table.h"
#include "master/ctl/text.h"

/* ---- list ---- */

int account_list(struct ctl *ctl, char **arguments)
{
    static const char *const headings[] = { "NAME", "ROLE", "CREATED", "LAST LOG-IN" };
    struct transport_reply reply;
    struct table *table;
    const json_t *row;
    size_t i;
    int code = ctl_get(ctl, "/accounts", &reply);

    (void)arguments;
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        table = table_new(ARRAY_LEN(headings));
        for (i = 0; i < ARRAY_LEN(headings); i++)
            table_add(table, headings[i]);
        json_array_foreach (json_object_get(reply.body, "accounts"), i, row) {
            table_add(table, show_text(row, "name"));
            table_add(table, show_text(row, "role"));
            table_add(table, show_text(row, "created"));
            table_add(table, show_text(row, "last_login"));
        }
        table_print(table, ctl->out, 0);
        table_free(&table);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

/* ---- orders ---- */

/* `said` with the account's name; `body` NULL: it is no UTF-8. */
static int order(struct ctl *ctl, const struct transport_request *request, const char *name,
                 const char *said)
{
    struct transport_reply reply;
    int code = ctl_call(ctl, request, &reply);

    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        AUTO(free) char *clean = text_clean(name);

        fprintf(ctl->out, "account \"%s\": %s\n", clean, said);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

/* To what is behind an account's own path. */
static int order_for(struct ctl *ctl, const char *method, const json_t *account, const char *behind,
                     const json_t *body, const char *said)
{
    AUTO(free)
    char *target = text_format("/accounts/%" JSON_INTEGER_FORMAT "%s",
                               json_integer_value(json_object_get(account, "id")), behind);
    struct transport_request request = { .method = method, .target = target, .body = body };

    return order(ctl, &request, show_text(account, "name"), said);
}

/* {"password": ...} beside what is in `body`. */
static int add_password(struct ctl *ctl, json_t *body)
{
    char password[PASSWORD_SIZE];
    int code = password_read(ctl, password);

    if (code == CTL_DONE && json_object_set_new(body, "password", json_string(password)) < 0)
        code = ctl_refuse(ctl, CTL_REFUSED, "a password is UTF-8");
    explicit_bzero(password, sizeof(password));
    return code;
}

int account_add(struct ctl *ctl, char **arguments)
{
    const char *role = ctl->role ? ctl->role : "viewer";
    AUTO(json) json_t *body = json_pack("{s:s, s:s}", "name", arguments[0], "role", role);
    struct transport_request request = { .method = "POST", .target = "/accounts", .body = body };
    AUTO(free) char *said = text_format("added, role %s", role);
    int code;

    if (!body)
        return ctl_refuse(ctl, CTL_USAGE, "%s: a name is UTF-8", arguments[0]);
    code = add_password(ctl, body);
    return code == CTL_DONE ? order(ctl, &request, arguments[0], said) : code;
}

int account_passwd(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *account = NULL;
    AUTO(json) json_t *body = json_object();
    int code = ctl_find(ctl, "accounts", arguments[0], &account);

    if (code == CTL_DONE)
        code = add_password(ctl, body);
    if (code != CTL_DONE)
        return code;
    return order_for(ctl, "POST", account, "/password", body,
                     "password changed; its sessions have ended");
}

int account_role(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *account = NULL;
    AUTO(free) char *said = text_format("role %s", arguments[1]);
    int code = ctl_find(ctl, "accounts", arguments[0], &account);

    if (code != CTL_DONE)
        return code;
    if (json_object_set_new(account, "role", json_string(arguments[1])) < 0)
        return ctl_refuse(ctl, CTL_USAGE, "%s: a role is viewer or admin", arguments[1]);
    return order_for(ctl, "PUT", account, "", account, said);
}

int account_delete(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *account = NULL;
    int code = ctl_find(ctl, "accounts", arguments[0], &account);

    if (code != CTL_DONE)
        return code;
    return order_for(ctl, "DELETE", account, "", NULL, "deleted; its sessions have ended");
}
