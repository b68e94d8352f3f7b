/* worker/ingress/path.h: what stands after MAIL FROM: and RCPT TO: (RFC 5321, 4.1.2). Pure. */
#ifndef WORKER_INGRESS_PATH_H
#define WORKER_INGRESS_PATH_H

#include <stdbool.h>
#include <stddef.h>

enum path_verdict {
    PATH_OK,
    PATH_BAD,       /* not a path */
    PATH_NOT_ASCII, /* needs SMTPUTF8, which was not asked for */
    PATH_TOO_LONG,
    PATH_ROUTED, /* "%" or "!" in an unquoted local part: once, somebody else's routing (SR03) */
    PATH_TWICE,  /* more than one unquoted "@": the same */
};

struct path {
    const char *mailbox; /* a slice of the input, without <> and source route; "" for <> */
    size_t bytes;
    bool has_domain;
};

/* Reads a path at the beginning of the NUL-terminated `text`; *ret_rest is what follows it: the end
 * or a blank. The angle brackets may be missing, as with some devices. All
 * verdicts from PATH_TOO_LONG on come with a good *ret_path. */
enum path_verdict path_parse(const char *text, struct path *ret_path, const char **ret_rest);

/* The mailbox with a NUL; `out` holds ENVELOPE_MAX_ADDRESS bytes. Not for PATH_TOO_LONG. */
void path_copy(const struct path *path, char *out);

enum parameter_verdict {
    PARAMETER_NONE, /* the end */
    PARAMETER_OK,
    PARAMETER_BAD, /* not one */
};

struct parameter { /* "SIZE=1000": slices of the input */
    const char *name;
    size_t name_bytes;
    const char *value; /* NULL: no "=" */
    size_t value_bytes;
};

/* Takes the next ESMTP parameter off *rest. */
enum parameter_verdict parameter_next(const char **rest, struct parameter *ret_parameter);

/* In any case of letters. */
bool parameter_is(const struct parameter *parameter, const char *name);
bool parameter_value_is(const struct parameter *parameter, const char *value);

#endif
