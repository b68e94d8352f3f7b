/* common/clock.h: the two clocks. Schedules in memory are monotonic, times on disk are wall time.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

/* 2026-01-01T00:00:00Z in Unix seconds: the epoch of message ids and of times in state cells. */
#define CLOCK_EPOCH_S 1767225600

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void); /* Unix time */

/* Seconds since CLOCK_EPOCH_S, 0 for any time before it. */
uint32_t clock_to_epoch_s(int64_t wall_ms);
int64_t clock_from_epoch_s(uint32_t epoch_s);

/* "2026-11-23T23:14:05.123Z"; `out` holds at least CLOCK_TEXT_SIZE bytes. */
#define CLOCK_TEXT_SIZE 32
const char *clock_text(int64_t wall_ms, char *out);

/* "Mon, 23 Nov 2026 23:14:05 +0000" (RFC 5322 date-time), same size. */
const char *clock_text_mail(int64_t wall_ms, char *out);

#endif
