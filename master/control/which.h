/* master/control/which.h: which rule would take this mail, and why (SR06). */
#ifndef MASTER_CONTROL_WHICH_H
#define MASTER_CONTROL_WHICH_H

#include <sys/socket.h>

#include <jansson.h>

struct control;

struct which {
    const struct sockaddr *client;
    const char *sender; /* "": the null sender */
    const char *recipient;
};

/* What GET /rules/which answers. */
json_t *which_answer(const struct control *control, const struct which *which);

#endif
