/* tests/peer/script_words.h: the words of a line of a script. */
#ifndef TESTS_PEER_SCRIPT_WORDS_H
#define TESTS_PEER_SCRIPT_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct script_range;

/* What is left of a line; words are separated by blanks. */
struct words {
    char *rest;
};

/* The next word, cut out of the line; NULL at its end. */
char *words_next(struct words *words);
bool words_take(struct words *words, const char *wanted); /* only if it is the next */
char *words_rest(struct words *words);                    /* all that is left, "" at the end */
bool words_are_over(const struct words *words);

/* A decimal number that stands next; false, and nothing taken, if none does. */
bool words_take_number(struct words *words, unsigned *ret_number);
/* N, N.. or N..M, as above. */
bool words_take_range(struct words *words, struct script_range *ret_range);

/* Octets of a text with escapes; NULL if one is not understood. The caller frees. */
char *words_unescape(const char *text, size_t *ret_bytes);

#endif
