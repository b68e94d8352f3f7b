#include "common/reason.h"

#include <stdarg.h>
#include <stdio.h>

int reason_set(struct reason *why, int err, const char *format, ...)
{
    va_list args;

    if (why == NULL)
        return err;
    va_start(args, format);
    (void)vsnprintf(why->text, sizeof(why->text), format, args);
    va_end(args);
    return err;
}
