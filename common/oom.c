#include "common/oom.h"

#include <unistd.h>

#include "common/log.h"

void oom_exit(const char *module, const char *what)
{
    log_alert(module, "out of memory: this process ends", LOG_STR("for", what));
    log_flush();
    _exit(OOM_EXIT_STATUS);
}
