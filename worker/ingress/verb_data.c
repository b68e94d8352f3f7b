/* worker/ingress/verb_data.c: DATA: the last command of a transaction. */
#include <event2/buffer.h>

#include "worker/ingress/ingress_private.h"
#include "worker/stream.h"

enum session_state do_data(struct session *s, const char *argument)
{
    /* DATA ends a group of pipelined commands (RFC 2920, 3.1). What stands behind it was written
     * without knowing whether it would be read as content or as commands: nobody shall choose. */
    if (evbuffer_get_length(stream_input(s->stream)) > 0) {
        session_refuse_mail(s, NULL,
                            "554 5.5.1 Protocol error: did not wait for the reply to DATA");
        return SESSION_CLOSED;
    }
    if (*argument != '\0') {
        session_refuse(s, argument, "501 5.5.4 DATA takes no argument");
        return s->state;
    }
    if (s->state == SESSION_MAIL) {
        session_refuse(s, NULL, "554 5.5.1 No valid recipients");
        return s->state;
    }
    if (!session_begin_content(s))
        return s->state;
    session_reply(s, "354 End data with <CR><LF>.<CR><LF>");
    return SESSION_BODY;
}
