/* master/control/sign_in.h: what ways into the console have in common. */
#ifndef MASTER_CONTROL_SIGN_IN_H
#define MASTER_CONTROL_SIGN_IN_H

#include <stdbool.h>

#include <jansson.h>

struct account;
struct call;

/* True: this client, and this name (as compared; NULL: none), may try. False: refused (429). */
bool sign_in_may_try(struct call *call, const char *key);
/* It was not tried, or was no failure; `is_login` as login_limit_give_back() has it. */
void sign_in_give_back(struct call *call, const char *key, bool is_login);

/* What the hash helper did not do: refused (503). */
void sign_in_refuse_hash(struct call *call, int err);

/* Begins a session, in the place of the call's own if it has one, and answers 201 with its
 * cookie. */
void sign_in_answer(struct call *call, const struct account *account);

#endif
