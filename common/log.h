/* common/log.h: one line per event, for the person on call.
 *
 *   worker[3] info delivery id=06AB... peer=10.0.0.10:25 code=250 msg="delivered"
 *
 * As logfmt (above) or JSON. Lines of level warning and worse leave at once; others are gathered
 * and leave at the end of the loop turn (log_flush) or when 32 KiB are waiting. A value is quoted
 * and escaped where needed and cut at 1,000 bytes; no secret is ever handed to this module. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_ALERT, /* somebody must act; also kept as an entry of `status` by the master */
    LOG_LEVEL_COUNT
};

enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

struct log_field {
    const char *key;
    enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_ID } type;
    union {
        const char *str; /* NULL: the field is left out */
        int64_t num;
        uint64_t id;
    };
};

#define LOG_STR(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_STR, .str = (v) })
#define LOG_INT(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_INT, .num = (v) })
#define LOG_ID(v)     ((struct log_field){ .key = "id", .type = LOG_FIELD_ID, .id = (v) })

/* `tag` names the process ("master", "worker[3]"); it is copied. Lines go to `fd`. */
void log_open(const char *tag, int fd);
void log_set_level(enum log_level level);
void log_set_format(enum log_format format);
bool log_level_parse(const char *name, enum log_level *ret_level);
bool log_wants(enum log_level level);

/* Each alert of this process is told here too: `text` is the message, then the fields as logfmt,
 * without what differs from time to time. Not from inside an alert. */
typedef void log_alert_cb(const char *module, const char *text, void *arg);
void log_on_alert(log_alert_cb *cb, void *arg); /* NULL: nobody */

void log_write(enum log_level level, const char *module, const char *msg,
               const struct log_field *fields, unsigned count);
void log_flush(void);

#define LOG_EVENT(level, module, msg, ...)                                                \
    do {                                                                                  \
        if (log_wants(level)) {                                                           \
            const struct log_field fields_[] = { __VA_ARGS__ };                           \
            log_write(level, module, msg, fields_, sizeof(fields_) / sizeof(fields_[0])); \
        }                                                                                 \
    } while (0)

/* log_info("supervisor", "worker started", LOG_INT("slot", 3)): at least one field. */
#define log_debug(module, msg, ...)   LOG_EVENT(LOG_LEVEL_DEBUG, module, msg, __VA_ARGS__)
#define log_info(module, msg, ...)    LOG_EVENT(LOG_LEVEL_INFO, module, msg, __VA_ARGS__)
#define log_warning(module, msg, ...) LOG_EVENT(LOG_LEVEL_WARNING, module, msg, __VA_ARGS__)
#define log_error(module, msg, ...)   LOG_EVENT(LOG_LEVEL_ERROR, module, msg, __VA_ARGS__)
#define log_alert(module, msg, ...)   LOG_EVENT(LOG_LEVEL_ALERT, module, msg, __VA_ARGS__)

#endif
