/* master/ctl/client.c: asking the daemon, and saying what it refused. */
#include "master/ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/problem.h"
#include "master/ctl/show.h"
#include "master/ctl/text.h"

#define MAX_FILE_BYTES (8U << 20) /* what the daemon takes */

int ctl_refuse(struct ctl *ctl, int code, const char *format, ...)
{
    AUTO(free) char *text = NULL;
    AUTO(free) char *clean = NULL;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        text = NULL;
        return code;
    }
    clean = text_clean(text);
    fprintf(ctl->err, "posternctl: %s\n", clean);
    return code;
}

bool ctl_print_json(struct ctl *ctl, const json_t *body)
{
    if (!ctl->json)
        return false;
    if (body && json_dumpf(body, ctl->out, JSON_INDENT(2) | JSON_ENSURE_ASCII) == 0)
        fputc('\n', ctl->out);
    return true;
}

/* ---- mistakes and warnings ---- */

/* One {property, value, problem, allowed}. */
static void print_mistake(FILE *out, const char *before, const json_t *mistake)
{
    const json_t *value = json_object_get(mistake, "value");
    const char *property = show_text(mistake, "property");
    const char *problem = show_text(mistake, "problem");
    const char *allowed = show_text(mistake, "allowed");
    AUTO(free) char *shown = value ? show_value(value) : NULL;
    AUTO(free)
    char *line = text_format(
        "%s%s%s%s%s%s%s%s%s", property ? property : "", property && *property ? ": " : "",
        problem ? problem : "", shown ? " (given: " : "", shown ? shown : "", shown ? ")" : "",
        allowed ? " (allowed: " : "", allowed ? allowed : "", allowed ? ")" : "");
    AUTO(free) char *clean = text_clean(line);

    fprintf(out, "%s%s\n", before, clean);
}

static void print_mistakes(FILE *out, const char *before, const json_t *list)
{
    const json_t *mistake;
    size_t i;

    json_array_foreach (list, i, mistake)
        print_mistake(out, before, mistake);
}

void ctl_print_warnings(struct ctl *ctl, const json_t *body)
{
    print_mistakes(ctl->err, "warning: ", json_object_get(body, "warnings"));
}

static int print_problem(struct ctl *ctl, const struct transport_reply *reply)
{
    const char *detail = show_text(reply->body, "detail");
    const char *title = show_text(reply->body, "title");

    if (reply->body && ctl_print_json(ctl, reply->body))
        return CTL_REFUSED;
    if (detail || title)
        ctl_refuse(ctl, CTL_REFUSED, "%s", detail ? detail : title);
    else
        ctl_refuse(ctl, CTL_REFUSED, "the daemon answered %d", reply->status);
    print_mistakes(ctl->err, "  ", json_object_get(reply->body, "errors"));
    ctl_print_warnings(ctl, reply->body);
    return CTL_REFUSED;
}

/* ---- calls ---- */

int ctl_call(struct ctl *ctl, const struct transport_request *request,
             struct transport_reply *ret_reply)
{
    struct reason why;
    int code;

    if (transport_call(ctl->transport, request, ret_reply, &why) < 0) {
        ctl_reply_done(ret_reply);
        return ctl_refuse(ctl, CTL_UNREACHABLE, "%s", why.text);
    }
    if (ret_reply->status >= 200 && ret_reply->status <= 299)
        return CTL_DONE;
    code = print_problem(ctl, ret_reply);
    ctl_reply_done(ret_reply);
    return code;
}

int ctl_get(struct ctl *ctl, const char *target, struct transport_reply *ret_reply)
{
    struct transport_request request = { .method = "GET", .target = target };

    return ctl_call(ctl, &request, ret_reply);
}

void ctl_reply_done(struct transport_reply *reply)
{
    json_decref(reply->body);
    reply->body = NULL;
}

int ctl_find(struct ctl *ctl, const char *list, const char *name, json_t **ret_object)
{
    AUTO(free) char *query = text_query(name);
    AUTO(free) char *target = text_format("/%s?name=%s", list, query);
    struct transport_reply reply;
    int code = ctl_get(ctl, target, &reply);

    if (code != CTL_DONE)
        return code;
    *ret_object = json_incref(json_array_get(json_object_get(reply.body, list), 0));
    ctl_reply_done(&reply);
    if (!*ret_object)
        return ctl_refuse(ctl, CTL_REFUSED, "there is no %.*s \"%s\"", (int)strlen(list) - 1, list,
                          name);
    return CTL_DONE;
}

/* ---- files ---- */

static char *read_all(FILE *in, size_t *ret_bytes)
{
    char *data = text_alloc(NULL, MAX_FILE_BYTES + 1);

    *ret_bytes = fread(data, 1, MAX_FILE_BYTES + 1, in);
    return data;
}

int ctl_read_file(struct ctl *ctl, const char *file, json_t **ret_object)
{
    bool is_stdin = strcmp(file, "-") == 0;
    FILE *in = is_stdin ? stdin : fopen(file, "re");
    const char *shown = is_stdin ? "standard input" : file;
    AUTO(free) char *data = NULL;
    json_error_t error;
    size_t bytes;
    int code = CTL_DONE;

    if (!in)
        return ctl_refuse(ctl, CTL_REFUSED, "%s: %s", shown, strerror(errno));
    data = read_all(in, &bytes);
    if (ferror(in))
        code = ctl_refuse(ctl, CTL_REFUSED, "%s: %s", shown, strerror(errno));
    if (!is_stdin)
        fclose(in);
    if (code != CTL_DONE)
        return code;
    if (bytes > MAX_FILE_BYTES)
        return ctl_refuse(ctl, CTL_REFUSED, "%s: larger than %u bytes", shown, MAX_FILE_BYTES);
    *ret_object = json_loadb(data, bytes, JSON_REJECT_DUPLICATES, &error);
    explicit_bzero(data, bytes); /* it may hold a password */
    if (!*ret_object)
        return ctl_refuse(ctl, CTL_REFUSED, "%s:%d: %s", shown, error.line,
                          problem_of_json(&error));
    if (!json_is_object(*ret_object)) {
        json_decref(*ret_object);
        *ret_object = NULL;
        return ctl_refuse(ctl, CTL_REFUSED, "%s: a JSON object is expected", shown);
    }
    return CTL_DONE;
}
