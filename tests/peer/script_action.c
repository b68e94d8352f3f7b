/* A rule's sequence of actions, read from its text. */
#include "script_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "script_words.h"

#define HUGE_BYTES  (1U << 20)
#define FLOOD_BYTES (64U << 20)
#define SEPARATOR   " then "

void *script_must(void *made)
{
    if (made == NULL)
        abort();
    return made;
}

struct script_action *script_action_new(enum script_verb verb)
{
    struct script_action *action = script_must(calloc(1, sizeof(*action)));

    action->verb = verb;
    return action;
}

void script_actions_free(struct script_action *action)
{
    while (action != NULL) {
        struct script_action *next = action->next;

        free(action->text);
        free(action);
        action = next;
    }
}

/* "CODE TEXT", of one or more lines, as it is sent. */
int script_action_set_reply(struct script_action *action, const char *text, struct reason *why)
{
    AUTO(free) char *raw = NULL;
    size_t bytes, lines = 1;
    char *out;

    if (strspn(text, "0123456789") != 3 || (text[3] != ' ' && text[3] != '\0'))
        return reason_set(why, -EINVAL, "a reply begins with a code of three digits: \"%s\"", text);
    action->code = (unsigned)strtoul(text, NULL, 10);
    raw = words_unescape(text[3] == ' ' ? text + 4 : "", &bytes);
    if (raw == NULL)
        return reason_set(why, -EINVAL, "unknown escape in \"%s\"", text);
    for (size_t i = 0; i < bytes; i++)
        lines += raw[i] == '\n';
    out = action->text = script_must(malloc(bytes + lines * 6 + 1));
    for (const char *line = raw, *end = raw + bytes; line != NULL;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((next != NULL ? next : end) - line);

        out += sprintf(out, "%03u%c", action->code, next != NULL ? '-' : ' ');
        memcpy(out, line, length);
        out += length;
        *out++ = '\r';
        *out++ = '\n';
        line = next != NULL ? next + 1 : NULL;
    }
    action->text_bytes = (size_t)(out - action->text);
    return 0;
}

/* Words that stand alone or take a number. */
static const struct plain {
    const char *word;
    enum script_verb verb;
    bool may_count, must_count;
    unsigned usual;
} plain[] = {
    { "usual", DO_USUAL, false, false, 0 },       { "delay", DO_DELAY, true, true, 0 },
    { "half", DO_HALF, false, false, 0 },         { "early", DO_EARLY, false, false, 0 },
    { "huge", DO_HUGE, true, false, HUGE_BYTES }, { "flood", DO_FLOOD, true, false, FLOOD_BYTES },
    { "stall", DO_STALL, false, false, 0 },       { "deaf", DO_DEAF, false, false, 0 },
    { "drop", DO_DROP, false, false, 0 },         { "reset", DO_RESET, false, false, 0 },
};

static int parse_plain(const char *word, struct words *words, struct script_action **ret,
                       struct reason *why)
{
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        if (strcmp(word, plain[i].word) != 0)
            continue;
        *ret = script_action_new(plain[i].verb);
        (*ret)->number = plain[i].usual;
        if (plain[i].may_count && !words_take_number(words, &(*ret)->number) && plain[i].must_count)
            return reason_set(why, -EINVAL, "\"%s\" wants a number", word);
        if (!words_are_over(words))
            return reason_set(why, -EINVAL, "what is \"%s\" after \"%s\"?", words_rest(words),
                              word);
        return 0;
    }
    return reason_set(why, -EINVAL, "\"%s\" is no action", word);
}

/* One action; `close` makes two. What was made is in `ret` also after an error. */
static int parse_action(char *text, struct script_action **ret, struct reason *why)
{
    struct words words = { text };
    const char *word = words_next(&words);
    const char *rest;

    if (word == NULL)
        return reason_set(why, -EINVAL, "an action is missing");
    if (strcmp(word, "reply") == 0) {
        *ret = script_action_new(DO_REPLY);
        return script_action_set_reply(*ret, words_rest(&words), why);
    }
    if (strcmp(word, "close") == 0) {
        *ret = script_action_new(DO_REPLY);
        (*ret)->next = script_action_new(DO_DROP);
        rest = words_rest(&words);
        return script_action_set_reply(*ret, *rest != '\0' ? rest : "421 4.3.2 closing", why);
    }
    if (strcmp(word, "raw") == 0 || strcmp(word, "garbage") == 0) {
        rest = words_rest(&words);
        if (*word == 'g' && *rest != '\0')
            return reason_set(why, -EINVAL, "what is \"%s\" after \"garbage\"?", rest);
        *ret = script_action_new(DO_RAW);
        (*ret)->text =
            words_unescape(*word == 'g' ? "\\0\\xff\\x80 hello?\\r\\n" : rest, &(*ret)->text_bytes);
        if ((*ret)->text == NULL)
            return reason_set(why, -EINVAL, "unknown escape in \"%s\"", rest);
        return 0;
    }
    return parse_plain(word, &words, ret, why);
}

static bool is_last_word(enum script_verb verb)
{
    return verb == DO_HALF || verb >= DO_FLOOD;
}

int script_actions_parse(char *text, enum script_point point, struct script_action **ret,
                         struct reason *why)
{
    struct script_action **last = ret;
    bool is_enough = point >= AT_CONTENT, is_over = false;

    while (text != NULL) {
        char *next = strstr(text, SEPARATOR);
        int err;

        if (next != NULL) {
            *next = '\0';
            next += strlen(SEPARATOR);
        }
        err = parse_action(text, last, why);
        if (err < 0)
            return err;
        for (; *last != NULL; last = &(*last)->next) {
            enum script_verb verb = (*last)->verb;

            is_enough |= verb != DO_DELAY;
            is_over |= is_last_word(verb);
            if (point >= AT_CONTENT && (verb == DO_USUAL || verb == DO_HALF || verb == DO_EARLY))
                return reason_set(why, -EINVAL, "no reply is usual at \"%s\"",
                                  script_point_name(point));
        }
        if (next != NULL && is_over)
            return reason_set(why, -EINVAL, "nothing comes after \"%s\"", text);
        text = next;
    }
    if (!is_enough)
        *last = script_action_new(DO_USUAL);
    return 0;
}
