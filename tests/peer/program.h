/* tests/peer/program.h: what the small programs beside the tests have in common. */
#ifndef TESTS_PEER_PROGRAM_H
#define TESTS_PEER_PROGRAM_H

#include <stdint.h>

/* As many descriptors as this process may have. */
void program_take_descriptors(void);

/* A number up to `most`, a port: or the end of the program. */
unsigned program_number(const char *text, unsigned most);
uint16_t program_port(const char *text);

/* CPU time of all threads, also of those that have ended. */
double program_cpu_seconds(void);

/* A line on standard output, at once: the answer to whoever started this and sends it signals. */
void program_answer(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "program: ..." on standard error, and exit 2. */
_Noreturn void program_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
