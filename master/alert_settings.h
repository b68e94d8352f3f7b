/* master/alert_settings.h: who is told of alerts, and from where on something is one.
 *
 * The member `alerts` of the settings; a threshold that is left out has its default, 0 switches its
 * alert off. */
#ifndef MASTER_ALERT_SETTINGS_H
#define MASTER_ALERT_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#define ALERT_MAX_TO 20U

#define ALERT_THRESHOLDS(X)                                              \
    /* name             default  max */                                  \
    X(queue_length, 1000, 10000000) /* groups that wait or are out */    \
    X(queue_age, 3600, 2592000)     /* seconds, of the oldest of them */ \
    X(disk_free_percent, 10, 90)    /* of the spool's file system */     \
    X(certificate_days, 30, 365)    /* until the digital ID's end */

struct alert_settings { /* texts are the registry's, good until the next turn of the loop */
    uint32_t profile;   /* by which alerts are sent; 0: nobody is told */
    const char *from;
    const char *to[ALERT_MAX_TO];
    size_t to_count;
#define X(name, fallback, max) unsigned name;
    ALERT_THRESHOLDS(X)
#undef X
};

#endif
