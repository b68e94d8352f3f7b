/* Recipients, groups, and the trace line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/cell.h"
#include "common/id.h"
#include "worker/ingress/received.h"
#include "worker/ingress/transaction.h"

static struct transaction tx;

static void setup(void)
{
    transaction_init(&tx);
}

static void teardown(void)
{
    transaction_done(&tx);
}

TestSuite(transaction, .init = setup, .fini = teardown);

static int add(const char *address, uint32_t rule, uint32_t profile)
{
    return transaction_add(&tx, address, strlen(address), rule, profile);
}

Test(transaction, SR04_recipients_are_grouped_by_rule)
{
    struct envelope envelope = { 0 };

    cr_assert_eq(transaction_set_sender(&tx, "s@x", 3), 0);
    cr_assert_eq(add("a@one", 1, 11), 0);
    cr_assert_eq(add("a@two", 2, 12), 0);
    cr_assert_eq(add("b@one", 1, 11), 0);
    cr_assert_eq(add("c@one", 1, 11), 0);
    cr_assert_eq(add("b@two", 2, 12), 0);
    cr_assert_eq(transaction_envelope(&tx, &envelope), 0);
    cr_assert_str_eq(envelope.sender, "s@x");
    cr_assert_eq(envelope.group_count, 2);
    cr_assert_eq(envelope.recipient_count, 5);
    cr_assert_eq(envelope.groups[0].rule, 1);
    cr_assert_eq(envelope.groups[0].profile, 11);
    cr_assert_eq(envelope.groups[0].first, 0);
    cr_assert_eq(envelope.groups[0].count, 3);
    cr_assert_eq(envelope.groups[1].rule, 2);
    cr_assert_eq(envelope.groups[1].first, 3);
    cr_assert_eq(envelope.groups[1].count, 2);
    cr_assert_str_eq(envelope.recipients[0].address, "a@one");
    cr_assert_str_eq(envelope.recipients[1].address, "b@one");
    cr_assert_str_eq(envelope.recipients[2].address, "c@one");
    cr_assert_str_eq(envelope.recipients[3].address, "a@two");
    cr_assert_str_eq(envelope.recipients[4].address, "b@two");
    free(envelope.groups);
}

Test(transaction, MQ03_a_group_has_no_more_recipients_than_a_cell_has_room_for)
{
    struct envelope envelope = { 0 };
    char address[32];

    cr_assert_eq(transaction_set_sender(&tx, "s@x", 3), 0);
    for (unsigned i = 0; i < 2 * CELL_RECIPIENTS + 1; i++) {
        snprintf(address, sizeof(address), "user%u@one", i);
        cr_assert_eq(add(address, 1, 11), 0);
        if (i == CELL_RECIPIENTS)
            cr_assert_eq(add("user@two", 2, 12), 0);
    }
    cr_assert_eq(transaction_envelope(&tx, &envelope), 0);
    cr_assert_eq(envelope.group_count, 4);
    cr_assert_eq(envelope.groups[0].count, CELL_RECIPIENTS);
    cr_assert_eq(envelope.groups[1].count, CELL_RECIPIENTS);
    cr_assert_eq(envelope.groups[2].rule, 2);
    cr_assert_eq(envelope.groups[2].count, 1);
    cr_assert_eq(envelope.groups[3].count, 1);
    for (unsigned g = 0; g < 4; g++)
        cr_assert_eq(envelope.groups[g].rule, g == 2 ? 2 : 1);
    cr_assert_str_eq(envelope.recipients[CELL_RECIPIENTS - 1].address, "user127@one");
    cr_assert_str_eq(envelope.recipients[CELL_RECIPIENTS].address, "user128@one");
    cr_assert_str_eq(envelope.recipients[envelope.groups[3].first].address, "user256@one");
    cr_assert_geq(envelope_packed_bytes(&envelope), 1);
    free(envelope.groups);
}

Test(transaction, a_recipient_is_kept_once)
{
    cr_assert_eq(transaction_set_sender(&tx, "", 0), 0);
    cr_assert_eq(add("a@example.net", 1, 1), 0);
    cr_assert_eq(add("a@Example.NET", 1, 1), 0);
    cr_assert_eq(tx.recipient_count, 1);
    cr_assert_eq(add("A@example.net", 1, 1), 0);
    cr_assert_eq(tx.recipient_count, 2, "local parts are their domain's business");
    cr_assert_eq(add("postmaster", 0, 1), 0);
    cr_assert_eq(add("postmaster", 0, 1), 0);
    cr_assert_eq(tx.recipient_count, 3);
}

Test(transaction, grows_to_its_limit_and_forgets)
{
    char address[32];

    cr_assert_eq(transaction_set_sender(&tx, "s@x", 3), 0);
    for (unsigned i = 0; i < ENVELOPE_MAX_RECIPIENTS; i++) {
        snprintf(address, sizeof(address), "user%u@x", i);
        cr_assert_eq(add(address, i % 3, 1), 0);
    }
    cr_assert_eq(add("one@more", 1, 1), -E2BIG);
    cr_assert_eq(tx.recipient_count, ENVELOPE_MAX_RECIPIENTS);
    cr_assert_str_eq(transaction_recipient(&tx, 9999), "user9999@x");
    cr_assert_str_eq(transaction_sender(&tx), "s@x");
    transaction_reset(&tx);
    cr_assert_eq(tx.recipient_count, 0);
    cr_assert_eq(tx.text, tx.own_text, "what had grown is given back");
    cr_assert_str_eq(transaction_sender(&tx), "");
}

Test(transaction, groups_have_a_limit_too)
{
    char address[32];

    cr_assert_eq(transaction_set_sender(&tx, "s@x", 3), 0);
    for (unsigned i = 0; i < ENVELOPE_MAX_GROUPS; i++) {
        snprintf(address, sizeof(address), "user%u@x", i);
        cr_assert_eq(add(address, i, 1), 0);
    }
    cr_assert_eq(add("one@more", ENVELOPE_MAX_GROUPS, 1), -E2BIG);
    cr_assert_eq(add("one@more", 5, 1), 0);
}

/* ---- the trace line ---- */

static const char *write_line(const struct received *received)
{
    static char out[RECEIVED_MAX + 1];
    size_t bytes = received_write(received, out);

    out[bytes] = '\0';
    return out;
}

Test(received, one_recipient_over_ipv4)
{
    struct received received = { .helo = "mail.example.org",
                                 .client = "192.0.2.1",
                                 .hostname = "gw1.example.net",
                                 .recipient = "a@b.example",
                                 .is_esmtp = true,
                                 .id = 12345,
                                 .wall_ms = 1795475645000 };
    char want[512], id[ID_TEXT_SIZE];

    snprintf(want, sizeof(want),
             "Received: from mail.example.org ([192.0.2.1])\r\n"
             "\tby gw1.example.net (Postern) with ESMTP id %s\r\n"
             "\tfor <a@b.example>;\r\n"
             "\tMon, 23 Nov 2026 23:14:05 +0000\r\n",
             id_text(12345, id));
    cr_assert_str_eq(write_line(&received), want);
}

Test(received, many_recipients_over_ipv6_by_helo)
{
    struct received received = {
        .helo = "pc", .client = "2001:db8::1", .hostname = "gw", .id = 1, .wall_ms = 1795475645000
    };
    char want[512], id[ID_TEXT_SIZE];

    snprintf(want, sizeof(want),
             "Received: from pc ([IPv6:2001:db8::1])\r\n"
             "\tby gw (Postern) with SMTP id %s;\r\n"
             "\tMon, 23 Nov 2026 23:14:05 +0000\r\n",
             id_text(1, id));
    cr_assert_str_eq(write_line(&received), want);
}
