/* The envelope's packed form: what goes in comes out, and nothing else gets in. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/envelope.h"

static struct envelope_group groups[] = { { .rule = 7, .profile = 3, .first = 0, .count = 2 },
                                          { .rule = 9, .profile = 4, .first = 2, .count = 1 } };
static struct envelope_recipient recipients[] = {
    { .address = "a@example.net" },
    { .address = "b@example.net", .orcpt = "rfc822;b@example.org", .notify = 6 },
    { .address = "\"x y\"@example.net", .notify = 1 },
};
static struct envelope sample = { .sender = "",
                                  .client = "192.0.2.1",
                                  .helo = "client.example",
                                  .envid = "id-1",
                                  .groups = groups,
                                  .recipients = recipients,
                                  .group_count = 2,
                                  .recipient_count = 3 };

static unsigned char *packed;
static size_t bytes;

static void pack(const struct envelope *envelope)
{
    bytes = envelope_packed_bytes(envelope);
    cr_assert_gt(bytes, 0);
    packed = malloc(bytes);
    envelope_pack(envelope, packed);
}

Test(envelope, what_was_packed_is_unpacked)
{
    struct envelope *back = NULL;

    pack(&sample);
    cr_assert_eq(envelope_unpack(packed, bytes, &back), 0);
    free(packed);
    cr_assert_str_eq(back->sender, "");
    cr_assert_str_eq(back->client, "192.0.2.1");
    cr_assert_str_eq(back->helo, "client.example");
    cr_assert_str_eq(back->envid, "id-1");
    cr_assert_eq(back->group_count, 2);
    cr_assert_eq(back->recipient_count, 3);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(back->groups[i].rule, groups[i].rule);
        cr_assert_eq(back->groups[i].profile, groups[i].profile);
        cr_assert_eq(back->groups[i].first, groups[i].first);
        cr_assert_eq(back->groups[i].count, groups[i].count);
    }
    cr_assert_str_eq(back->recipients[0].address, "a@example.net");
    cr_assert_null(back->recipients[0].orcpt);
    cr_assert_eq(back->recipients[0].notify, 0);
    cr_assert_str_eq(back->recipients[1].orcpt, "rfc822;b@example.org");
    cr_assert_eq(back->recipients[1].notify, 6);
    cr_assert_str_eq(back->recipients[2].address, "\"x y\"@example.net");
    free(back);
}

Test(envelope, every_shorter_and_longer_form_is_refused)
{
    struct envelope *back = NULL;
    unsigned char *longer;

    pack(&sample);
    for (size_t cut = 0; cut < bytes; cut++) {
        unsigned char *exact = malloc(cut + 1); /* so that a read beyond is seen by ASan */

        memcpy(exact, packed, cut);
        exact = realloc(exact, cut > 0 ? cut : 1);
        cr_assert_eq(envelope_unpack(exact, cut, &back), -EBADMSG, "cut at %zu", cut);
        free(exact);
    }
    longer = malloc(bytes + 1);
    memcpy(longer, packed, bytes);
    longer[bytes] = 0;
    cr_assert_eq(envelope_unpack(longer, bytes + 1, &back), -EBADMSG);
    free(longer);
    free(packed);
}

Test(envelope, counts_that_do_not_add_up_are_refused)
{
    struct envelope *back = NULL;

    pack(&sample);
    packed[4] = 1; /* one group of two recipients for three */
    cr_assert_eq(envelope_unpack(packed, bytes, &back), -EBADMSG);
    packed[4] = 0;
    cr_assert_eq(envelope_unpack(packed, bytes, &back), -EBADMSG);
    packed[4] = 2;
    memset(packed + 8, 0xff, 4);
    cr_assert_eq(envelope_unpack(packed, bytes, &back), -EBADMSG);
    memset(packed + 4, 0xff, 4);
    cr_assert_eq(envelope_unpack(packed, bytes, &back), -EBADMSG);
    free(packed);
}

Test(envelope, a_nul_inside_a_text_is_refused)
{
    struct envelope *back = NULL;
    unsigned char *at;

    pack(&sample);
    at = memmem(packed, bytes, "client.example", 14);
    cr_assert_not_null(at);
    at[6] = '\0';
    cr_assert_eq(envelope_unpack(packed, bytes, &back), -EBADMSG);
    free(packed);
}

Test(envelope, limits_hold_on_the_way_in)
{
    static char longest[ENVELOPE_MAX_ADDRESS + 2];
    struct envelope envelope = sample;
    struct envelope_recipient one = { .address = longest };
    struct envelope_group group = { .rule = 1, .profile = 1, .first = 0, .count = 1 };
    struct envelope *back = NULL;

    envelope.groups = &group;
    envelope.recipients = &one;
    envelope.group_count = envelope.recipient_count = 1;
    memset(longest, 'x', ENVELOPE_MAX_ADDRESS);
    pack(&envelope);
    cr_assert_eq(envelope_unpack(packed, bytes, &back), 0);
    free(back);
    free(packed);
    longest[ENVELOPE_MAX_ADDRESS] = 'x';
    cr_assert_eq(envelope_packed_bytes(&envelope), 0, "an address beyond the limit");
    one.address = "a@example.net";
    group.count = 2;
    cr_assert_eq(envelope_packed_bytes(&envelope), 0, "more recipients in groups than there are");
    group.count = 1;
    group.first = 1;
    cr_assert_eq(envelope_packed_bytes(&envelope), 0, "a group that does not begin at the front");
    group.first = 0;
    envelope.group_count = 0;
    envelope.recipient_count = 0;
    cr_assert_eq(envelope_packed_bytes(&envelope), 0, "no group");
}

Test(envelope, the_most_recipients_fit)
{
    struct envelope_recipient *many = calloc(ENVELOPE_MAX_RECIPIENTS, sizeof(*many));
    struct envelope_group group = { .rule = 1, .count = ENVELOPE_MAX_RECIPIENTS };
    struct envelope envelope = sample;
    struct envelope *back = NULL;

    for (unsigned i = 0; i < ENVELOPE_MAX_RECIPIENTS; i++)
        many[i].address = "someone@example.net";
    envelope.groups = &group;
    envelope.group_count = 1;
    envelope.recipients = many;
    envelope.recipient_count = ENVELOPE_MAX_RECIPIENTS;
    pack(&envelope);
    cr_assert_eq(envelope_unpack(packed, bytes, &back), 0);
    cr_assert_str_eq(back->recipients[ENVELOPE_MAX_RECIPIENTS - 1].address, "someone@example.net");
    free(back);
    free(packed);
    envelope.recipient_count = group.count = ENVELOPE_MAX_RECIPIENTS + 1;
    cr_assert_eq(envelope_packed_bytes(&envelope), 0);
    free(many);
}
