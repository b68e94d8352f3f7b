/* common/oom.h: no memory for something without which the rest would go wrong.
 *
 * Where a request, a session or a delivery can be refused for want of memory, it is (451, 452, "no
 * room"). Where nothing can be refused (an event that would never be heard of, a message with a
 * hole, the end of a change), the process ends instead, with a line in the log that says over what:
 * its successor finds everything on disk. It exits and does not abort: no message is to be
 * suspected of having killed its worker (MQ09). */
#ifndef COMMON_OOM_H
#define COMMON_OOM_H

#define OOM_EXIT_STATUS 3

/* `what` is what there was no memory for: "a timer". */
_Noreturn void oom_exit(const char *module, const char *what);

#endif
