/* master/account.h: who may use the console: one account, and what may be in it.
 *
 * A value, no more: master/registry.h keeps accounts, master/hasher.h makes the hashes. A password
 * is checked as NIST SP 800-63B wants it: for its length, for what is obvious, and for nothing
 * else. */
#ifndef MASTER_ACCOUNT_H
#define MASTER_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/problem.h"
#include "common/reason.h"

#define ACCOUNT_NAME_CHARS     64
#define ACCOUNT_PASSWORD_LEAST 12  /* characters */
#define ACCOUNT_PASSWORD_SIZE  512 /* bytes in NFC, with the NUL: what crypt(3) takes */

/* The later may do all that the earlier may. */
enum account_role { ACCOUNT_VIEWER, ACCOUNT_ADMIN, ACCOUNT_ROLE_COUNT };

const char *account_role_name(enum account_role role);
bool account_role_parse(const char *name, enum account_role *ret_role);

struct account {
    uint32_t id;
    uint64_t version;
    enum account_role role;
    char *name;
    char *key;  /* the name as it is compared */
    char *hash; /* of the password */
    int64_t created_ms, changed_ms;
    int64_t last_login_ms; /* 0: never */
};

/* NULL: memory is short. What is given is copied. */
struct account *account_new(const char *name, enum account_role role, const char *hash);
struct account *account_copy(const struct account *account);
void account_free(struct account **account); /* NULL inside is allowed */

/* {"id", "version", "name", "role", "created", "changed", "last_login"}: as it is shown. */
json_t *account_to_json(const struct account *account);

/* As it is stored, with its hash; "v" is the store's. */
json_t *account_to_record(const struct account *account, int format);
int account_from_record(const json_t *record, struct account **ret_account,
                        struct reason *reterr_why);

/* "name" of an editor's input: trimmed and in NFC, free(). NULL: the problem was noted. */
char *account_read_name(const json_t *input, struct problems *problems);
/* "role" of it. False: the problem was noted. */
bool account_read_role(const json_t *input, enum account_role *ret_role, struct problems *problems);

/* A new password for the account of this name (NULL: its name is wrong, too), from the member
 * `property`, in NFC into `out`, which the caller wipes. False: the problem was noted, without the
 * password. */
bool account_read_password(const json_t *input, const char *property, const char *name,
                           char out[ACCOUNT_PASSWORD_SIZE], struct problems *problems);

/* Every member that is not among `names` (which ends with NULL) is a problem. */
void account_refuse_unknown(const json_t *input, const char *const *names,
                            struct problems *problems);

#endif
