#include "worker/mime/words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "worker/mime/reader.h"

/* "=?charset?B?text?=" */
struct word {
    const char *at, *text, *end; /* end: behind it */
};

static bool is_word_char(char c)
{
    return c > ' ' && c < 127 && c != '?';
}

static bool find_word(const char *from, struct word *ret_word)
{
    for (const char *p = from; (p = strstr(p, "=?")) != NULL; p += 2) {
        const char *mark = p + 2;

        while (is_word_char(*mark))
            mark++;
        if (mark == p + 2 || mark[0] != '?' || (mark[1] != 'B' && mark[1] != 'b') || mark[2] != '?')
            continue;
        ret_word->at = p;
        ret_word->text = mark + 3;
        ret_word->end = strstr(ret_word->text, "?=");
        if (ret_word->end == NULL)
            return false;
        if (memchr(ret_word->text, '?', (size_t)(ret_word->end - ret_word->text)) != NULL)
            continue;
        ret_word->end += 2;
        return true;
    }
    return false;
}

static size_t put_quoted(char *out, const struct word *word)
{
    static const char hex[] = "0123456789ABCDEF";
    const struct mime_part part = { .encoding = MIME_BASE64,
                                    .bytes = (size_t)(word->end - 2 - word->text) };
    size_t used = (size_t)(word->text - word->at), n;
    struct mime_reader reader;
    char piece[300];

    memcpy(out, word->at, used);
    out[used - 2] = 'Q';
    mime_reader_init(&reader, &part, word->text);
    while ((n = mime_reader_read(&reader, piece, sizeof(piece))) > 0) {
        for (size_t i = 0; i < n; i++) {
            const unsigned char c = (unsigned char)piece[i];

            out[used++] = '=';
            out[used++] = hex[c >> 4];
            out[used++] = hex[c & 15];
        }
    }
    out[used++] = '?';
    out[used++] = '=';
    return used;
}

char *mime_words_quoted(const char *text)
{
    /* Four digits make three bytes, and these nine characters. */
    char *out = malloc(3 * strlen(text) + 1);
    struct word word;
    size_t used = 0;

    if (out == NULL)
        return NULL;
    while (find_word(text, &word)) {
        const size_t before = (size_t)(word.at - text);

        memcpy(out + used, text, before);
        used += before + put_quoted(out + used + before, &word);
        text = word.end;
    }
    memcpy(out + used, text, strlen(text) + 1);
    return out;
}
