#include "worker/rest/judge.h"

#include <string.h>

#include "common/auto.h"
#include "worker/http.h"

#define WORDS_MAX 200 /* of a server's own, shown to people */

static enum rest_word judge_status(long status)
{
    if (status / 100 == 2)
        return REST_OK;
    switch (status) {
    case 401:
    case 403: return REST_REFUSED;
    case 408:
    case 429:
    case 503: return REST_BUSY;
    default: return status / 100 == 4 ? REST_NO : REST_FAILED;
    }
}

enum rest_word rest_judge(const struct http_answer *answer)
{
    if (answer->event == HTTP_ANSWERED)
        return judge_status(answer->status);
    return answer->event == HTTP_SHORT ? REST_SHORT : REST_FAILED;
}

bool rest_is_page(const struct http_answer *answer)
{
    static const char mark[] = "\xef\xbb\xbf"; /* of UTF-8 */
    const char *at = answer->body;

    if (strncmp(at, mark, 3) == 0)
        at += 3;
    return at[strspn(at, " \t\r\n")] == '<';
}

/* ---- words ---- */

void rest_clean(const char *text, const char *secret, char *out, size_t bytes)
{
    size_t used = 0;

    if (secret != NULL && secret[0] != '\0' && strstr(text, secret) != NULL)
        text = "";
    for (; *text != '\0' && used + 1 < bytes; text++)
        out[used++] = *text >= ' ' && *text <= '~' ? *text : '?';
    out[used] = '\0';
}

static const char *words_of(const json_t *object)
{
    static const char *const members[] = { "err", "message", "error", "ui_message_key" };

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const char *words = json_string_value(json_object_get(object, members[i]));

        if (words != NULL && words[0] != '\0')
            return words;
    }
    return NULL;
}

/* Borrowed from `json`; NULL: there are none. */
static const char *find_words(const json_t *json)
{
    const char *words = words_of(json);

    for (size_t i = 0; words == NULL && i < json_array_size(json); i++)
        words = words_of(json_array_get(json, i));
    return words;
}

void rest_say(const struct http_answer *answer, const json_t *body, const char *secret,
              struct reason *out)
{
    const char *found = find_words(body);
    char words[WORDS_MAX + 1];

    if (answer->event != HTTP_ANSWERED) {
        rest_clean(answer->why, secret, out->text, sizeof(out->text));
        return;
    }
    rest_clean(found != NULL ? found : "", secret, words, sizeof(words));
    reason_format(out, "it answered %ld%s%s", answer->status, words[0] != '\0' ? ": " : "", words);
}
