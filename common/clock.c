#include "common/clock.h"

#include <string.h>
#include <time.h>

static int64_t read_us(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

uint32_t clock_to_epoch_s(int64_t wall_ms)
{
    int64_t s = wall_ms / 1000 - CLOCK_EPOCH_S;

    if (s < 0)
        return 0;
    return s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

int64_t clock_from_epoch_s(uint32_t epoch_s)
{
    return ((int64_t)epoch_s + CLOCK_EPOCH_S) * 1000;
}

static struct tm split_utc(int64_t wall_ms)
{
    time_t s = (time_t)(wall_ms / 1000);
    struct tm parts = { 0 };

    (void)gmtime_r(&s, &parts);
    return parts;
}

const char *clock_text(int64_t wall_ms, char *out)
{
    /* Every log line asks for the present time: its seconds are made once. */
    static _Thread_local int64_t last_s = -1;
    static _Thread_local char last[CLOCK_TEXT_SIZE];
    int64_t s = wall_ms / 1000;
    unsigned ms = (unsigned)(wall_ms - s * 1000);

    if (s != last_s) {
        struct tm t = split_utc(wall_ms);

        (void)strftime(last, sizeof(last), "%Y-%m-%dT%H:%M:%S.000Z", &t);
        last_s = s;
    }
    memcpy(out, last, sizeof(last));
    out[20] = (char)('0' + ms / 100 % 10);
    out[21] = (char)('0' + ms / 10 % 10);
    out[22] = (char)('0' + ms % 10);
    return out;
}

const char *clock_text_mail(int64_t wall_ms, char *out)
{
    /* strftime's names follow the locale; mail's do not. */
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct tm t = split_utc(wall_ms);
    size_t used = strftime(out, CLOCK_TEXT_SIZE, "xxx, %d xxx %Y %H:%M:%S +0000", &t);

    if (used > 11) {
        for (unsigned i = 0; i < 3; i++) {
            out[i] = days[t.tm_wday % 7][i];
            out[8 + i] = months[t.tm_mon % 12][i];
        }
    }
    return out;
}
