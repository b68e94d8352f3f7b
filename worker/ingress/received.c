#include "worker/ingress/received.h"

#include <stdio.h>
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

size_t received_write(const struct received *r, char *out)
{
    char id[ID_TEXT_SIZE];
    bool is_ipv6 = strchr(r->client, ':') != NULL;
    bool has_recipient = r->recipient != NULL;
    int bytes = snprintf(out, RECEIVED_MAX,
                         "Received: from %s ([%s%s])\r\n"
                         "\tby %s (Postern) with %s id %s%s%s%s;\r\n"
                         "\t%s\r\n",
                         r->helo, is_ipv6 ? "IPv6:" : "", r->client, r->hostname,
                         r->is_esmtp ? "ESMTP" : "SMTP", id_text(r->id, id),
                         has_recipient ? "\r\n\tfor <" : "", has_recipient ? r->recipient : "",
                         has_recipient ? ">" : "", date_text(r->wall_ms));

    return bytes > 0 && bytes < RECEIVED_MAX ? (size_t)bytes : 0;
}
