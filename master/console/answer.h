/* master/console/answer.h: what every answer of the console has in common.
 *
 * Browsers are told to be strict: nothing but the console's own files may run or be shown, nobody
 * may frame it, and what it says is not kept. */
#ifndef MASTER_CONSOLE_ANSWER_H
#define MASTER_CONSOLE_ANSWER_H

#include <stdbool.h>

#include "common/address.h"

struct http_request;
struct page_file;

#define ANSWER_CLIENT_SIZE ADDRESS_TEXT_SIZE

enum answer_kind {
    ANSWER_PAGE, /* index.html and what it loads */
    ANSWER_DATA, /* the API's: nothing in it may run */
};

/* Once, at the start: with a certificate that browsers trust they are told never to come without
 * TLS (HSTS). */
void answer_set_is_trusted(bool is_trusted);

void answer_set_headers(struct http_request *request, enum answer_kind kind);

/* These answer. */
void answer_file(struct http_request *request, const struct page_file *file);
void answer_problem(struct http_request *request, int status, const char *code,
                    const char *detail); /* RFC 9457, as the API's */

/* The address of who asks, "-" if it is gone. Returns `out`. */
const char *answer_client(const struct http_request *request, char out[ANSWER_CLIENT_SIZE]);

#endif
