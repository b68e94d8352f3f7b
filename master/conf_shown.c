#include "master/conf_shown.h"

#include "common/clock.h"

static json_t *list(const struct conf_list *items)
{
    json_t *shown = json_array();

    for (size_t i = 0; i < items->count; i++)
        (void)json_array_append_new(shown, json_string(items->items[i]));
    return shown;
}

/* What is not set is null. */
static json_t *text(const char *value)
{
    return value != NULL && *value != '\0' ? json_string(value) : json_null();
}

static json_t *when(int64_t seconds)
{
    char shown[CLOCK_TEXT_SIZE];

    return seconds != 0 ? json_string(clock_text(seconds * 1000, shown)) : json_null();
}

static json_t *disk(const struct conf *conf, const struct alert_file_facts *facts)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "limit", (json_int_t)conf->spool_limit, "keep_free",
                     (json_int_t)conf->spool_keep_free, "disk_bytes", (json_int_t)facts->disk_bytes,
                     "disk_free", (json_int_t)facts->disk_free);
}

json_t *conf_shown(const struct conf *conf, const char *path, const struct alert_file_facts *facts)
{
    return json_pack(
        "{s:o, s:s, s:s, s:s, s:{s:o, s:I}, s:o, s:{s:o, s:o, s:o, s:o}, s:{s:I}, "
        "s:{s:o, s:b, s:o, s:o, s:I, s:I}, s:{s:s, s:s}}",
        "file", text(path), "hostname", conf->top_hostname, "workers", conf->top_workers,
        "state_dir", conf->top_state_dir, "smtp", "listen", list(&conf->smtp_listen),
        "max_message_size", (json_int_t)conf->smtp_max_message_size, "spool", disk(conf, facts),
        "tls", "certificate", text(conf->tls_certificate), "key", text(conf->tls_key), "ca_file",
        text(conf->tls_ca_file), "certificate_ends", when(facts->certificate_end_s), "quarantine",
        "retention_s", (json_int_t)conf->quarantine_retention, "console", "listen",
        text(conf->console_listen), "plain_http", (int)conf->console_plain_http, "certificate",
        text(conf->console_certificate), "key", text(conf->console_key), "session_idle_s",
        (json_int_t)conf->console_session_idle, "session_max_s",
        (json_int_t)conf->console_session_max, "log", "target", conf->log_target, "level",
        conf->log_level);
}
