/* master/ctl/ladder.h: a connection test as it happens, one line per step. */
#ifndef MASTER_CTL_LADDER_H
#define MASTER_CTL_LADDER_H

#include <jansson.h>

/* A transport_line_cb; `arg` is the struct ctl. */
void ladder_print_step(const json_t *line, void *arg);

#endif
