/* master/ctl/ctl.h: one run of posternctl.
 *
 * A command is a row of the table in command.c; it gets its arguments checked for their number and
 * returns the exit code. It speaks to the daemon only through ctl_call(). */
#ifndef MASTER_CTL_CTL_H
#define MASTER_CTL_CTL_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "master/ctl/transport.h"

enum ctl_exit {
    CTL_DONE = 0,
    CTL_REFUSED = 1,     /* with the reason */
    CTL_USAGE = 2,       /* nothing was asked of the daemon */
    CTL_UNREACHABLE = 3, /* no daemon, or no answer */
};

enum ctl_option { /* besides --socket, --json, --help and --version, which are everywhere */
                  CTL_NO_TEST = 1 << 0,
                  CTL_WHICH = 1 << 1,  /* --client --from --to */
                  CTL_FILTER = 1 << 2, /* --state --profile --rule */
                  CTL_LIMIT = 1 << 3,  /* --limit --after */
                  CTL_GROUP = 1 << 4,  /* --group */
                  CTL_WATCH = 1 << 5,  /* --watch */
                  CTL_ROLE = 1 << 6,   /* --role */
};

struct ctl {
    FILE *out;
    FILE *err;
    struct transport *transport;
    bool json;
    bool no_test;
    bool watch;
    const char *client, *from, *to;
    const char *state, *profile, *rule;
    const char *limit, *after, *group;
    const char *role;
};

/* The whole program: reads the arguments, runs the command, returns the exit code. */
int ctl_main(int argc, char **argv, FILE *out, FILE *err);

/* Asks the daemon. CTL_DONE: it did, `reply` is to be given back with ctl_reply_done(). Otherwise
 * the reason was printed (as a problem document with --json) and there is nothing to give back. */
int ctl_call(struct ctl *ctl, const struct transport_request *request,
             struct transport_reply *ret_reply);
int ctl_get(struct ctl *ctl, const char *target, struct transport_reply *ret_reply);
void ctl_reply_done(struct transport_reply *reply);

/* Finds one thing by its name in a list of the API ("profiles", "rules"); json_decref(). */
int ctl_find(struct ctl *ctl, const char *list, const char *name, json_t **ret_object);

/* With --json prints `body` and returns true: there is nothing more to say. */
bool ctl_print_json(struct ctl *ctl, const json_t *body);

/* Prints the warnings that stand beside a result. */
void ctl_print_warnings(struct ctl *ctl, const json_t *body);

/* "posternctl: ..." */
int ctl_refuse(struct ctl *ctl, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads a JSON object from a file, "-" is the standard input; CTL_REFUSED with file and line. */
int ctl_read_file(struct ctl *ctl, const char *file, json_t **ret_object);

#endif
