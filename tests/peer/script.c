#include "script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/auto.h"
#include "script_private.h"
#include "script_words.h"

static const char *const point_names[SCRIPT_POINTS] = {
    [AT_BANNER] = "banner",     [AT_EHLO] = "EHLO", [AT_HELO] = "HELO",   [AT_MAIL] = "MAIL",
    [AT_RCPT] = "RCPT",         [AT_DATA] = "DATA", [AT_END] = "END",     [AT_RSET] = "RSET",
    [AT_NOOP] = "NOOP",         [AT_QUIT] = "QUIT", [AT_OTHER] = "other", [AT_CONTENT] = "content",
    [AT_MESSAGES] = "messages", [AT_AGE] = "age",   [AT_IDLE] = "idle",
};

const char *script_point_name(enum script_point point)
{
    return point_names[point];
}

/* ---- rules ---- */

static int parse_who(struct words *words, struct script_range *ret_who, struct reason *why)
{
    *ret_who = (struct script_range){ 1, ~0U };
    if (words_take(words, "every"))
        return 0;
    if (!words_take(words, "connection"))
        return reason_set(why, -EINVAL,
                          "\"%s\" is neither a setting nor \"connection\" or \"every\"",
                          words_next(words));
    if (!words_take_range(words, ret_who))
        return reason_set(why, -EINVAL, "which connection? N, N.. or N..M");
    return 0;
}

/* What is measured has one number instead of a range. */
static int parse_measure(struct words *words, struct script_rule *rule, struct reason *why)
{
    unsigned number;

    if (!words_take_number(words, &number) || number == 0)
        return reason_set(why, -EINVAL, "a number is missing");
    rule->which = (struct script_range){ number, number };
    rule->is_between = rule->point == AT_AGE && words_take(words, "between");
    if (rule->point == AT_MESSAGES && !words_take(words, "messages"))
        return reason_set(why, -EINVAL, "after %u what? messages", number);
    return 0;
}

static int parse_point(struct words *words, struct script_rule *rule, struct reason *why)
{
    const char *word = words_next(words);

    if (word == NULL)
        return reason_set(why, -EINVAL, "where?");
    rule->which = (struct script_range){ 1, ~0U };
    if (strcmp(word, "after") == 0 || strcmp(word, "at") == 0) {
        if (*word != 'a' || word[1] == 't')
            rule->point = words_take(words, "age") ? AT_AGE : SCRIPT_POINTS;
        else
            rule->point = words_take(words, "idle") ? AT_IDLE : AT_MESSAGES;
        if (rule->point == SCRIPT_POINTS)
            return reason_set(why, -EINVAL, "at what? at age N");
        return parse_measure(words, rule, why);
    }
    if (strcmp(word, "content") == 0) {
        rule->point = AT_CONTENT;
        return parse_measure(words, rule, why);
    }
    if (strcmp(word, "accept") == 0)
        word = script_point_name(AT_BANNER);
    for (enum script_point point = 0; point < AT_CONTENT; point++) {
        if (strcasecmp(word, script_point_name(point)) != 0)
            continue;
        rule->point = point;
        if (words->rest[strspn(words->rest, " \t")] >= '0' &&
            words->rest[strspn(words->rest, " \t")] <= '9' &&
            !words_take_range(words, &rule->which))
            return reason_set(why, -EINVAL, "no range: \"%s\"", words_next(words));
        return 0;
    }
    return reason_set(why, -EINVAL, "\"%s\" is no point", word);
}

static int parse_rule(struct words *words, struct script_rule *rule, struct reason *why)
{
    int err = parse_who(words, &rule->who, why);

    if (err == 0)
        err = parse_point(words, rule, why);
    if (err < 0)
        return err;
    rule->times_left = ~0U;
    if (words_take(words, "once"))
        rule->times_left = 1;
    else if (words_take(words, "times") && !words_take_number(words, &rule->times_left))
        return reason_set(why, -EINVAL, "how many times?");
    return script_actions_parse(words_rest(words), rule->point, &rule->actions, why);
}

/* ---- settings ---- */

static void set_extensions(struct script *script, char *list)
{
    char *place = NULL, *out;
    size_t bytes = 1;

    for (const char *c = list; *c != '\0'; c++)
        bytes += *c == ',' ? 8 : 1;
    free(script->extensions);
    out = script->extensions = script_must(calloc(1, bytes + 8));
    for (char *word = strtok_r(list, ",", &place); word != NULL;) {
        char *next = strtok_r(NULL, ",", &place);

        out += sprintf(out, "250%c%s\r\n", next != NULL ? '-' : ' ', word + strspn(word, " \t"));
        word = next;
    }
}

static int set_limit(struct script *script, struct words *words, struct reason *why)
{
    const char *reply;

    if (!words_take_number(words, &script->limit) || script->limit == 0)
        return reason_set(why, -EINVAL, "limit to how many?");
    reply = words_rest(words);
    script_actions_free(script->limit_reply);
    script->limit_reply = script_action_new(DO_REPLY);
    script->limit_reply->next = script_action_new(DO_DROP);
    return script_action_set_reply(script->limit_reply,
                                   *reply != '\0' ? reply : "421 4.3.2 too many connections", why);
}

static int set_refuse(struct script *script, struct words *words, struct reason *why)
{
    script->refuse_after = 0;
    if (words_take(words, "after") && !words_take_number(words, &script->refuse_after))
        return reason_set(why, -EINVAL, "refuse after how many connections?");
    return 0;
}

/* 1: it is one; 0: it is not. */
static int parse_setting(struct script *script, struct words *words, struct reason *why)
{
    int err = 0;

    if (words_take(words, "name")) {
        free(script->name);
        script->name = script_must(strdup(words_rest(words)));
    } else if (words_take(words, "extensions")) {
        set_extensions(script, words_rest(words));
    } else if (words_take(words, "limit")) {
        err = set_limit(script, words, why);
    } else if (words_take(words, "refuse")) {
        err = set_refuse(script, words, why);
    } else if (words_take(words, "hole")) {
        script->is_hole = true;
    } else {
        return 0;
    }
    if (err == 0 && !words_are_over(words))
        err = reason_set(why, -EINVAL, "what is \"%s\"?", words_rest(words));
    return err < 0 ? err : 1;
}

/* ---- the whole ---- */

static int parse_line(struct script *script, char *line, unsigned number,
                      struct script_rule ***last, struct reason *why)
{
    struct words words = { line };
    int err;

    if (words_are_over(&words))
        return 0;
    err = parse_setting(script, &words, why);
    if (err != 0)
        return err;
    **last = script_must(calloc(1, sizeof(***last)));
    (**last)->line = number;
    err = parse_rule(&words, **last, why);
    *last = &(**last)->next;
    return err;
}

int script_parse(const char *text, struct script **ret_script, struct reason *reterr_why)
{
    char usual[] = "PIPELINING, SIZE 104857600, 8BITMIME, ENHANCEDSTATUSCODES";
    AUTO(free) char *copy = script_must(strdup(text));
    struct script *script = script_must(calloc(1, sizeof(*script)));
    struct script_rule **last = &script->rules;
    unsigned number = 0;

    script->name = script_must(strdup("peer.test"));
    script->refuse_after = ~0U;
    set_extensions(script, usual);
    for (char *line = copy, *next; line != NULL; line = next) {
        struct reason why;

        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        line[strcspn(line, "#\r")] = '\0';
        number++;
        if (parse_line(script, line, number, &last, &why) < 0) {
            script_free(&script);
            return reason_set(reterr_why, -EINVAL, "line %u: %s", number, why.text);
        }
    }
    *ret_script = script;
    return 0;
}

void script_free(struct script **script)
{
    if (*script == NULL)
        return;
    while ((*script)->rules != NULL) {
        struct script_rule *rule = (*script)->rules;

        (*script)->rules = rule->next;
        script_actions_free(rule->actions);
        free(rule);
    }
    script_actions_free((*script)->limit_reply);
    free((*script)->extensions);
    free((*script)->name);
    free(*script);
    *script = NULL;
}

static bool fits(const struct script_range *range, unsigned number)
{
    return number >= range->from && number <= range->to;
}

struct script_rule *script_find(const struct script *script, unsigned connection,
                                enum script_point point, unsigned nth)
{
    for (struct script_rule *rule = script->rules; rule != NULL; rule = rule->next) {
        if (rule->point == point && rule->times_left > 0 && fits(&rule->who, connection) &&
            (nth == 0 || fits(&rule->which, nth)))
            return rule;
    }
    return NULL;
}

struct script_rule *script_take(struct script *script, unsigned connection, enum script_point point,
                                unsigned nth)
{
    struct script_rule *rule = script_find(script, connection, point, nth);

    if (rule != NULL) {
        rule->used++;
        if (rule->times_left != ~0U)
            rule->times_left--;
    }
    return rule;
}
