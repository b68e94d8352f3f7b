/* Packed envelopes: what is accepted packs again into the very same bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct envelope *envelope;
    size_t bytes;
    void *again;

    if (envelope_unpack(data, size, &envelope) != 0)
        return 0;
    bytes = envelope_packed_bytes(envelope);
    again = malloc(size);
    if (again == NULL)
        abort();
    if (bytes != size)
        abort();
    envelope_pack(envelope, again);
    if (memcmp(again, data, size) != 0)
        abort();
    free(again);
    free(envelope);
    return 0;
}
