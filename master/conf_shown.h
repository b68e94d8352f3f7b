/* master/conf_shown.h: what of the configuration file an operator wants to see in the console.
 *
 * What is in force, and what was found on the disk: paths, limits and until when the digital ID is
 * good. No content of a file, and nothing that is secret. */
#ifndef MASTER_CONF_SHOWN_H
#define MASTER_CONF_SHOWN_H

#include <jansson.h>

#include "common/conf.h"
#include "master/alert_files.h"

/* `path`: of the file, NULL: there is none. A new object; NULL: no memory. */
json_t *conf_shown(const struct conf *conf, const char *path, const struct alert_file_facts *facts);

#endif
