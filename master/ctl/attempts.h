/* master/ctl/attempts.h: the attempts at a message for people, one line per server:
 *
 *   attempt 2 at 2026-11-26T00:40:12.000Z: deferred after 1.2 s; next 2026-11-26T01:00:12.000Z
 *     smtp://10.0.0.1:25  passed over: down
 *     smtp://10.0.0.2:25  deferred: 450 4.2.1 busy (31 ms; an idle connection; envelope 4 ms)
 *
 * The members are those of docs/openapi.yaml's Attempt; what is told of a server and not known here
 * is shown as it is. */
#ifndef MASTER_CTL_ATTEMPTS_H
#define MASTER_CTL_ATTEMPTS_H

#include <stdio.h>

#include <jansson.h>

void attempts_show(FILE *out, const json_t *attempts, unsigned indent);

#endif
