#include "worker/ingress/received.h"

#include <string.h>

#include "common/clock.h"
#include "common/id.h"

/* The date is the same for all messages of a second, and dear to make. */
static const char *date_text(int64_t wall_ms)
{
    static char text[CLOCK_TEXT_SIZE];
    static int64_t made_for_s = -1;

    if (wall_ms / 1000 != made_for_s) {
        clock_text_mail(wall_ms, text);
        made_for_s = wall_ms / 1000;
    }
    return text;
}

static char *append(char *out, const char *text)
{
    return mempcpy(out, text, strnlen(text, RECEIVED_PART_MAX));
}

/* By hand: this is written for every message, and formatting costs more than all of its parts. */
size_t received_write(const struct received *r, char *out)
{
    char id[ID_TEXT_SIZE], *p = out;

    p = append(p, "Received: from ");
    p = append(p, r->helo);
    p = append(p, strchr(r->client, ':') != NULL ? " ([IPv6:" : " ([");
    p = append(p, r->client);
    p = append(p, "])\r\n\tby ");
    p = append(p, r->hostname);
    p = append(p, r->is_esmtp ? " (Postern) with ESMTP" : " (Postern) with SMTP");
    p = append(p, r->is_secured && r->is_esmtp ? "S id " : " id "); /* RFC 3848 */
    p = append(p, id_text(r->id, id));
    if (r->recipient != NULL) {
        p = append(p, "\r\n\tfor <");
        p = append(p, r->recipient);
        p = append(p, ">");
    }
    p = append(p, ";\r\n\t");
    p = append(p, date_text(r->wall_ms));
    p = append(p, "\r\n");
    return (size_t)(p - out);
}
