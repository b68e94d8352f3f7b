#include "common/server_order.h"

int server_order_next(size_t count, size_t start, uint64_t out)
{
    for (size_t i = 0; i < count; i++) {
        size_t server = (start + i) % count;

        if ((out & (UINT64_C(1) << server)) == 0)
            return (int)server;
    }
    return -1;
}
