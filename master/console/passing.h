/* master/console/passing.h: one request for the API, passed to the master and its answer back.
 *
 * Each has a connection to console.sock of its own, asked for over the link. To the master it is
 * HTTP/1.0, so that an answer ends with its connection. Only the headers that the API reads are
 * passed, and only those that it answers with come back; who asks is said by the console. A stream
 * (application/x-ndjson) is passed on piece by piece. */
#ifndef MASTER_CONSOLE_PASSING_H
#define MASTER_CONSOLE_PASSING_H

struct http_request;
struct link;
struct loop;
struct passings;

struct passings *passings_new(struct loop *loop, struct link *link);
void passings_free(struct passings **passings); /* what is under way is answered with 503 */

/* Answers the request, sooner or later. */
void passings_pass(struct passings *passings, struct http_request *request);

#endif
