/* common/console.h: what the master and its console say to each other, and what the console lets
 * in.
 *
 * The console is started by the master with one end of a SOCK_SEQPACKET pair at CONSOLE_LINK_FD.
 * Over it come its settings, its listening socket and, one for each request that it passes on, a
 * connection to console.sock: it may open none itself.
 *
 *   console -> master   READY (once; number: CONSOLE_VERSION)
 *                       ALIVE (every CONSOLE_ALIVE_MS; number: its longest turn since, in us)
 *                       WANT (number: any; asks for a connection)
 *   master -> console   SETTINGS (descriptor: memfd with JSON), then
 *                       LISTENER (descriptor)
 *                       CONNECTION (number: the WANT's; descriptor, or err < 0)
 *
 * SETTINGS: {"plain": bool, "certificate": PEM chain, "key": PEM, "is_own": bool (the operator's,
 * not self-signed), "log_level": text, "log_format": text}; certificate and key are null when
 * plain. */
#ifndef COMMON_CONSOLE_H
#define COMMON_CONSOLE_H

#include <stdint.h>

#define CONSOLE_LINK_FD  3
#define CONSOLE_VERSION  1
#define CONSOLE_ALIVE_MS 5000

/* A profile with its CA has up to 300 KiB. */
#define CONSOLE_MAX_CONNECTIONS 256U
#define CONSOLE_MAX_REQUESTS    128U /* passed on at a time */
#define CONSOLE_MAX_HEADER      16384U
#define CONSOLE_MAX_BODY        (1U << 20)

enum console_kind {
    CONSOLE_READY = 1,
    CONSOLE_ALIVE,
    CONSOLE_WANT,
    CONSOLE_SETTINGS,
    CONSOLE_LISTENER,
    CONSOLE_CONNECTION,
};

struct console_packet {
    uint32_t kind; /* enum console_kind */
    int32_t err;
    uint64_t number;
};

#endif
