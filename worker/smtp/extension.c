#include "worker/smtp/extension.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "worker/smtp/auth.h"

static const struct {
    const char *keyword;
    enum smtp_extension flag;
} rows[] = {
    { "PIPELINING", SMTP_HAS_PIPELINING },
    { "SIZE", SMTP_HAS_SIZE },
    { "8BITMIME", SMTP_HAS_8BITMIME },
    { "ENHANCEDSTATUSCODES", SMTP_HAS_ENHANCED_CODES },
    { "CHUNKING", SMTP_HAS_CHUNKING },
    { "SMTPUTF8", SMTP_HAS_SMTPUTF8 },
    { "STARTTLS", SMTP_HAS_STARTTLS },
    { "LIMITS", SMTP_HAS_LIMITS },
    { "AUTH", SMTP_HAS_AUTH },
};
enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

/* The next word of a line that is not NUL-terminated; 0 bytes: there is none. */
static const char *next_word(const char **at, const char *end, size_t *ret_bytes)
{
    const char *word;

    while (*at < end && (**at == ' ' || **at == '\t'))
        (*at)++;
    word = *at;
    while (*at < end && **at != ' ' && **at != '\t')
        (*at)++;
    *ret_bytes = (size_t)(*at - word);
    return word;
}

/* 0 for what is no number, which for all of ours means: not said. */
static uint64_t read_number(const char *text, size_t bytes, uint64_t max)
{
    uint64_t number = 0;

    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        number = number * 10 + (uint64_t)(text[i] - '0');
        if (number > max)
            return max;
    }
    return number;
}

static void add_limit(struct smtp_extensions *extensions, const char *word, size_t bytes)
{
    static const char mail[] = "MAILMAX=", rcpt[] = "RCPTMAX=";
    size_t key = sizeof(mail) - 1;

    if (bytes <= key)
        return;
    if (strncasecmp(word, mail, key) == 0)
        extensions->mail_max = (uint32_t)read_number(word + key, bytes - key, UINT32_MAX);
    else if (strncasecmp(word, rcpt, key) == 0)
        extensions->rcpt_max = (uint32_t)read_number(word + key, bytes - key, UINT32_MAX);
}

static void add_mechanism(struct smtp_extensions *extensions, const char *word, size_t bytes)
{
    enum smtp_mechanism mechanism = smtp_mechanism_of(word, bytes);

    if (mechanism != SMTP_MECHANISM_COUNT)
        extensions->auth |= 1U << mechanism;
}

void smtp_extension_add(struct smtp_extensions *extensions, const char *line, size_t bytes)
{
    const char *at = line, *end = line + bytes, *word;
    size_t word_bytes;
    unsigned flag = 0;

    word = next_word(&at, end, &word_bytes);
    for (unsigned i = 0; i < ROW_COUNT && flag == 0; i++) {
        if (strlen(rows[i].keyword) == word_bytes &&
            strncasecmp(rows[i].keyword, word, word_bytes) == 0)
            flag = rows[i].flag;
    }
    extensions->flags |= flag;
    if (flag == SMTP_HAS_SIZE) {
        word = next_word(&at, end, &word_bytes);
        extensions->size_max = read_number(word, word_bytes, UINT64_MAX / 16);
    }
    while (flag == SMTP_HAS_LIMITS && (word = next_word(&at, end, &word_bytes)) != NULL &&
           word_bytes > 0)
        add_limit(extensions, word, word_bytes);
    while (flag == SMTP_HAS_AUTH && (word = next_word(&at, end, &word_bytes)) != NULL &&
           word_bytes > 0)
        add_mechanism(extensions, word, word_bytes);
}

const char *smtp_extension_text(const struct smtp_extensions *extensions,
                                char out[SMTP_EXTENSIONS_TEXT_SIZE])
{
    size_t used = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        if ((extensions->flags & rows[i].flag) == 0)
            continue;
        used += (size_t)snprintf(out + used, SMTP_EXTENSIONS_TEXT_SIZE - used, "%s%s",
                                 used > 0 ? " " : "", rows[i].keyword);
    }
    for (unsigned i = 0; i < SMTP_MECHANISM_COUNT; i++) {
        if ((extensions->auth >> i & 1) != 0)
            used += (size_t)snprintf(out + used, SMTP_EXTENSIONS_TEXT_SIZE - used, "%s%s",
                                     (extensions->auth & ((1U << i) - 1)) == 0 ? " (" : ", ",
                                     smtp_mechanism_name((enum smtp_mechanism)i));
    }
    if (extensions->auth != 0)
        (void)snprintf(out + used, SMTP_EXTENSIONS_TEXT_SIZE - used, ")");
    return out;
}
