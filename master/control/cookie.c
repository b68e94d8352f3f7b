#include "master/control/cookie.h"

#include <stdio.h>
#include <string.h>

static const char *name_of(bool is_plain)
{
    return is_plain ? "postern" : "__Host-postern";
}

/* Takes the token out of "name=token", if it is ours. */
static bool take_token(const char *pair, size_t length, const char *name, char *out_token)
{
    size_t named = strlen(name);

    if (length <= named || strncmp(pair, name, named) != 0 || pair[named] != '=')
        return false;
    pair += named + 1;
    length -= named + 1;
    *out_token = '\0'; /* ours, but no token */
    if (length == RANDOM_TOKEN_SIZE - 1) {
        memcpy(out_token, pair, length);
        out_token[length] = '\0';
    }
    return true;
}

bool cookie_token(const char *header, bool is_plain, char out_token[RANDOM_TOKEN_SIZE])
{
    unsigned found = 0;

    *out_token = '\0';
    while (header != NULL && *header != '\0') {
        size_t length;

        header += strspn(header, "; \t");
        length = strcspn(header, ";");
        found += take_token(header, length, name_of(is_plain), out_token);
        header += length;
    }
    return found == 1 && *out_token != '\0';
}

void cookie_text(const char *token, bool is_plain, char out[COOKIE_SIZE])
{
    (void)snprintf(out, COOKIE_SIZE, "%s=%s; Path=/; %sHttpOnly; SameSite=Strict%s",
                   name_of(is_plain), token != NULL ? token : "", is_plain ? "" : "Secure; ",
                   token != NULL ? "" : "; Max-Age=0");
}
