/* worker/probe_rest.c: REQUEST: a Core or a Vault is asked with the profile's key, as uploads and
 * scans will ask it. */
#include "common/ipc.h"
#include "common/profile.h"
#include "worker/probe_advice.h"
#include "worker/probe_private.h"
#include "worker/rest/ask.h"
#include "worker/stream.h"

static void on_found(const struct rest_found *found, void *arg)
{
    struct ladder *ladder = arg;
    const struct profile *profile = ladder->probe->profile;
    char text[sizeof(((struct ipc_probe_step *)NULL)->text)];

    ladder->question = NULL;
    if (found->word == REST_OK) {
        ladder_tell(ladder, PROBE_REQUEST, PROBE_OK, "%s", found->text);
    } else {
        probe_advise_rest(ladder->server, profile->type, profile->secrets[SECRET_API_KEY] != NULL,
                          found, text, sizeof(text));
        ladder_tell(ladder, PROBE_REQUEST, PROBE_FAILED, "%s", text);
    }
    ladder_end(ladder);
}

/* The connection so far has shown all that it can, and ends before the next one begins (SP49). */
void ladder_ask_rest(struct ladder *ladder)
{
    const struct probe *probe = ladder->probe;
    struct reason why = { "" };

    stream_free(&ladder->stream);
    if (rest_ask(probe->prober->http, probe->profile, ladder->index, on_found, ladder,
                 &ladder->question, &why) == 0)
        return;
    ladder_tell(ladder, PROBE_REQUEST, PROBE_FAILED, "%s", why.text);
    ladder_end(ladder);
}
