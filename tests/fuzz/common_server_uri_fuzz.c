/* The first byte chooses the type. What parses must parse again to the very same thing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/server_uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct server_uri uri, again;
    const char *component = NULL;
    struct reason why;
    char text[2048], shown[SERVER_URI_MAX];
    enum profile_type type;

    if (size < 1 || size > sizeof(text))
        return 0;
    type = (enum profile_type)(data[0] % PROFILE_TYPE_COUNT);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    (void)server_uri_check_web(text, (data[0] & 8) != 0, (data[0] & 16) != 0, &why);
    if (server_uri_parse(text, type, &uri, &component, &why) < 0) {
        if (component == NULL || why.text[0] == '\0')
            abort(); /* a refusal without a name is of no use to anybody */
        return 0;
    }
    if (server_uri_parse(uri.text, type, &again, &component, &why) < 0 ||
        strcmp(uri.text, again.text) != 0 || again.port != uri.port || uri.port == 0)
        abort();
    if (server_uri_parse(server_uri_shown(&uri, shown), type, &again, &component, &why) < 0 ||
        strcmp(uri.text, again.text) != 0)
        abort();
    (void)server_uri_is_local(&uri);
    return 0;
}
