#include "common/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/id.h"

enum { WAITING_MAX = 32 * 1024, LINE_MAX_BYTES = 8 * 1024, VALUE_MAX = 1000 };

struct line {
    char text[LINE_MAX_BYTES];
    size_t used;
};

static struct {
    char tag[32];
    int fd;
    enum log_level level;
    enum log_format format;
    log_alert_cb *on_alert;
    void *on_alert_arg;
    char waiting[WAITING_MAX];
    size_t used;
} sink = { .tag = "postern", .fd = STDERR_FILENO, .level = LOG_LEVEL_INFO };

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug", [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_ALERT] = "alert",
};
_Static_assert(sizeof(level_names) / sizeof(level_names[0]) == LOG_LEVEL_COUNT, "a name each");

void log_open(const char *tag, int fd)
{
    (void)snprintf(sink.tag, sizeof(sink.tag), "%s", tag);
    sink.fd = fd;
}

void log_set_level(enum log_level level)
{
    sink.level = level;
}

void log_set_format(enum log_format format)
{
    sink.format = format;
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    for (unsigned i = 0; i < LOG_LEVEL_COUNT; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_wants(enum log_level level)
{
    return level >= sink.level;
}

void log_on_alert(log_alert_cb *cb, void *arg)
{
    sink.on_alert = cb;
    sink.on_alert_arg = arg;
}

static void put_bytes(struct line *line, const char *bytes, size_t count)
{
    /* Room for the closing quote, brace and line end is kept. */
    if (line->used + count > sizeof(line->text) - 8)
        return;
    memcpy(line->text + line->used, bytes, count);
    line->used += count;
}

static void put_text(struct line *line, const char *text)
{
    put_bytes(line, text, strlen(text));
}

static void put_quoted(struct line *line, const char *value)
{
    size_t count = 0;

    put_bytes(line, "\"", 1);
    for (const unsigned char *p = (const unsigned char *)value; *p != '\0' && count < VALUE_MAX;
         p++, count++) {
        char escaped[8] = "";

        if (*p == '"' || *p == '\\')
            put_bytes(line, (const char[]){ '\\', (char)*p }, 2);
        else if (*p == '\n')
            put_bytes(line, "\\n", 2);
        else if (*p == '\r')
            put_bytes(line, "\\r", 2);
        else if (*p == '\t')
            put_bytes(line, "\\t", 2);
        else if (*p < 0x20 || *p == 0x7f)
            put_bytes(line, escaped, (size_t)snprintf(escaped, sizeof(escaped), "\\u%04x", *p));
        else
            put_bytes(line, (const char *)p, 1);
    }
    put_bytes(line, "\"", 1);
}

static bool is_plain(const char *value)
{
    size_t length = 0;

    for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++) {
        if (*p <= 0x20 || *p >= 0x7f || *p == '"' || *p == '\\' || *p == '=')
            return false;
        length++;
    }
    return length > 0 && length <= VALUE_MAX;
}

/* By hand: a line per message is written here, and printf is its dearest part. */
static void put_number(struct line *line, int64_t number)
{
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    char digits[24];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0)
        digits[--at] = '-';
    put_bytes(line, digits + at, sizeof(digits) - at);
}

static void put_value(struct line *line, const struct log_field *field, bool is_json)
{
    char text[32];

    switch (field->type) {
    case LOG_FIELD_STR:
        if (!is_json && is_plain(field->str))
            put_text(line, field->str);
        else
            put_quoted(line, field->str);
        break;
    case LOG_FIELD_INT: put_number(line, field->num); break;
    case LOG_FIELD_ID:
        id_text(field->id, text);
        if (is_json)
            put_quoted(line, text);
        else
            put_text(line, text);
        break;
    }
}

static void put_pair(struct line *line, const struct log_field *field, bool is_json)
{
    if (field->type == LOG_FIELD_STR && field->str == NULL)
        return;
    put_text(line, is_json ? ",\"" : " ");
    put_text(line, field->key);
    put_text(line, is_json ? "\":" : "=");
    put_value(line, field, is_json);
}

static void compose(struct line *line, enum log_level level, const char *module, const char *msg,
                    const struct log_field *fields, unsigned count)
{
    bool is_json = sink.format == LOG_FORMAT_JSON;
    char now[CLOCK_TEXT_SIZE];

    clock_text(clock_wall_ms(), now);
    if (is_json) {
        const struct log_field head[] = { LOG_STR("process", sink.tag),
                                          LOG_STR("level", level_names[level]),
                                          LOG_STR("module", module) };

        put_text(line, "{\"time\":");
        put_quoted(line, now);
        for (unsigned i = 0; i < 3; i++)
            put_pair(line, &head[i], true);
    } else {
        const char *const head[] = { now, " ", sink.tag, " ", level_names[level], " ", module };

        for (unsigned i = 0; i < sizeof(head) / sizeof(head[0]); i++)
            put_text(line, head[i]);
    }
    for (unsigned i = 0; i < count; i++)
        put_pair(line, &fields[i], is_json);
    put_pair(line, &LOG_STR("msg", msg), is_json);
}

static void tell_alert(const char *module, const char *msg, const struct log_field *fields,
                       unsigned count)
{
    struct line line = { .used = 0 };

    put_text(&line, msg);
    for (unsigned i = 0; i < count; i++)
        put_pair(&line, &fields[i], false);
    line.text[line.used] = '\0';
    sink.on_alert(module, line.text, sink.on_alert_arg);
}

void log_write(enum log_level level, const char *module, const char *msg,
               const struct log_field *fields, unsigned count)
{
    struct line line;

    if (level == LOG_LEVEL_ALERT && sink.on_alert != NULL)
        tell_alert(module, msg, fields, count);
    line.used = 0;
    compose(&line, level, module, msg, fields, count);
    if (sink.format == LOG_FORMAT_JSON)
        line.text[line.used++] = '}';
    line.text[line.used++] = '\n';

    if (sink.used + line.used > sizeof(sink.waiting))
        log_flush();
    memcpy(sink.waiting + sink.used, line.text, line.used);
    sink.used += line.used;
    if (level >= LOG_LEVEL_WARNING)
        log_flush();
}

void log_flush(void)
{
    size_t done = 0;

    /* What the target does not take is lost: logging never stops the mail. */
    while (done < sink.used) {
        ssize_t n = write(sink.fd, sink.waiting + done, sink.used - done);

        if (n <= 0)
            break;
        done += (size_t)n;
    }
    sink.used = 0;
}
