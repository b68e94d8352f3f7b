/* worker/smtp/transaction_send.h: what a transaction writes. For transaction.c alone. */
#ifndef WORKER_SMTP_TRANSACTION_SEND_H
#define WORKER_SMTP_TRANSACTION_SEND_H

#include <stdbool.h>

struct smtp_transaction;

/* RSET if there is something to clear away, MAIL, every RCPT, DATA: one write. */
void smtp_send_ahead(struct smtp_transaction *transaction, bool with_rset);

void smtp_send_rset(struct smtp_transaction *transaction);
void smtp_send_mail(struct smtp_transaction *transaction);
void smtp_send_rcpt(struct smtp_transaction *transaction, unsigned index);
void smtp_send_data(struct smtp_transaction *transaction);

/* As much of the content as the stream takes, from body_at on: by reference, dots stuffed, ended by
 * the final dot. 1: all of it, 0: more after it has drained, -ENOMEM. */
int smtp_send_body(struct smtp_transaction *transaction);

/* The end of a message to nobody. */
void smtp_send_end(struct smtp_transaction *transaction);

#endif
