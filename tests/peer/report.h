/* tests/peer/report.h: what a scripted peer saw, as JSON.
 *
 *   connections   accepted, ended, open, most_open (and most_open_at_ms), turned_away, idle,
 *                 most_idle (and most_idle_at_ms), by_end: each ended one under one of quit,
 * client, client_reset, server; quits: how many said QUIT, whoever ended them messages      taken,
 * distinct (Message-ID, else Subject), repeated (taken again for a recipient that had it already),
 * unnamed (neither header), refused, unanswered, recipients, octets commands      how often each
 * was read; END is the end of data per_connection  {"transactions": {"0": 2, "7": 11}, "messages":
 * {...}}: so many connections with so many times_ms      first_connection, last_connection,
 * last_end, first_message, last_message, now rules         line and use of each rule of the script
 * in force rows          if asked for: of each connection, in order, accepted_ms, ended_ms (null:
 * open), end, quit, transactions, messages, longest_idle_ms (null: never)
 *
 * Times are ms since the peer began. tally.h says what is counted when. */
#ifndef TESTS_PEER_REPORT_H
#define TESTS_PEER_REPORT_H

#include <stdbool.h>

struct host;

/* Replaces the file as a whole. 0 or a negative errno. */
int report_write(struct host *host, const char *path, bool with_rows);

/* A line on standard error: what there is and what has come since the last. */
void report_say(struct host *host);

#endif
