/* worker/mime/words.h: encoded words (RFC 2047) made ready for GMime.
 *
 * GMime takes several words of base64 in a row for one piece of base64, which ends at the first
 * padding: of "=?utf-8?B?w6Q=?= =?utf-8?B?w7Y=?=" it reads half. Words in quoted-printable it joins
 * well, also where a character was cut in two. */
#ifndef WORKER_MIME_WORDS_H
#define WORKER_MIME_WORDS_H

/* The same text with every word of base64 written in quoted-printable. free(). NULL: no memory. */
char *mime_words_quoted(const char *text);

#endif
