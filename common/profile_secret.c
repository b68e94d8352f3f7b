#include "common/profile_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_server(const struct profile *profile, const struct server_uri *uri)
{
    for (size_t i = 0; i < profile->server_count; i++) {
        const struct server_uri *s = &profile->servers[i];

        if (s->scheme == uri->scheme && s->port == uri->port && strcmp(s->host, uri->host) == 0)
            return true;
    }
    return false;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* SP60: a kept secret is bound to where it was entered for. Returns what would send it elsewhere,
 * or less protected, than whoever entered it had in mind; NULL when nothing does. */
static const char *find_binding_change(const struct profile *old, const struct profile *fresh,
                                       char out[SERVER_URI_MAX + 64])
{
    for (size_t i = 0; i < fresh->server_count; i++) {
        if (!has_server(old, &fresh->servers[i])) {
            (void)snprintf(out, SERVER_URI_MAX + 64, "the server %s is new",
                           fresh->servers[i].text);
            return out;
        }
    }
    if (!is_same_text(old->ca, fresh->ca))
        return "ca changes";
    if (!is_same_text(old->oauth.token_url, fresh->oauth.token_url))
        return "oauth.token_url changes";
    if (fresh->encryption < old->encryption)
        return "encryption is lowered";
    if (old->verify_certificate && !fresh->verify_certificate)
        return "verify_certificate is turned off";
    return NULL;
}

static void keep(const struct profile_reading *r, const struct property *row, int index,
                 const char *change)
{
    const char *clear = r->stored->secrets[index];

    if (change != NULL) {
        if (!r->is_import)
            problem_add(r->problems, row->name, NULL, "the secret again, or null to remove it",
                        "must be given again, because %s", change);
        return;
    }
    r->profile->secret_set[index] = true;
    if (clear == NULL)
        return;
    r->profile->secrets[index] = strdup(clear);
    if (r->profile->secrets[index] == NULL)
        r->problems->out_of_memory = true;
}

void profile_read_secrets(const struct profile_reading *r)
{
    char text[SERVER_URI_MAX + 64];
    const char *change =
        r->stored != NULL ? find_binding_change(r->stored, r->profile, text) : NULL;

    for (size_t i = 0; i < profile_properties.count; i++) {
        const struct property *row = &profile_properties.rows[i];
        const json_t *value = property_value(r->input, row->name);
        int index = profile_secret_index(row);

        if (index < 0 || (row->types & PROFILE_TYPE_BIT(r->profile->type)) == 0)
            continue;
        if (value == NULL) {
            if (r->stored != NULL && r->stored->secret_set[index])
                keep(r, row, index, change);
        } else if (!json_is_null(value)) {
            r->profile->secrets[index] = property_read_text(row, value, r->problems);
            /* Set even when it is refused: it was given, so it is not missing as well. */
            r->profile->secret_set[index] = true;
        }
    }
}
