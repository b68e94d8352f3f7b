#include "common/ipc.h"

#define X(name_, from_, to_, fd_, payload_) \
    _Static_assert(sizeof(payload_) % 4 == 0 && sizeof(payload_) <= 4096, #name_);
IPC_MESSAGES(X)
#undef X

const struct ipc_declaration ipc_declarations[IPC_KIND_COUNT] = {
#define X(name_, from_, to_, fd_, payload_) \
    [IPC_##name_] = { .name = #name_,       \
                      .from = IPC_##from_,  \
                      .to = IPC_##to_,      \
                      .fd = (fd_),          \
                      .bytes = sizeof(payload_) },
    IPC_MESSAGES(X)
#undef X
};
