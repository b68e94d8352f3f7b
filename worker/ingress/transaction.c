#include "worker/ingress/transaction.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cell.h"

#define TEXT_MAX (ENVELOPE_MAX_RECIPIENTS * 256U)

void transaction_init(struct transaction *tx)
{
    *tx = (struct transaction){
        .recipient_room = TRANSACTION_OWN_RECIPIENTS,
        .group_room = TRANSACTION_OWN_RECIPIENTS,
        .text_room = TRANSACTION_OWN_TEXT,
    };
    tx->recipients = tx->own_recipients;
    tx->groups = tx->own_groups;
    tx->text = tx->own_text;
}

void transaction_done(struct transaction *tx)
{
    if (tx->recipients != tx->own_recipients)
        free(tx->recipients);
    if (tx->groups != tx->own_groups)
        free(tx->groups);
    if (tx->text != tx->own_text)
        free(tx->text);
}

void transaction_reset(struct transaction *tx)
{
    transaction_done(tx);
    tx->declared_bytes = 0;
    tx->recipient_count = tx->group_count = tx->text_bytes = 0;
    tx->recipient_room = tx->group_room = TRANSACTION_OWN_RECIPIENTS;
    tx->text_room = TRANSACTION_OWN_TEXT;
    tx->recipients = tx->own_recipients;
    tx->groups = tx->own_groups;
    tx->text = tx->own_text;
}

/* Makes room for `count` elements in an array that began inside the transaction. */
static int make_room(void **array, void *own, size_t size, uint32_t *room, uint32_t count,
                     uint32_t most)
{
    uint32_t wanted = *room;
    void *grown;

    if (count > most)
        return -E2BIG;
    if (count <= *room)
        return 0;
    while (wanted < count)
        wanted *= 2;
    grown = realloc(*array == own ? NULL : *array, wanted * size);
    if (grown == NULL)
        return -ENOMEM;
    if (*array == own)
        memcpy(grown, own, *room * size);
    *array = grown;
    *room = wanted;
    return 0;
}

static int add_text(struct transaction *tx, const char *text, size_t bytes, uint32_t *ret_at)
{
    void *array = tx->text;
    int err = bytes >= ENVELOPE_MAX_ADDRESS
                  ? -E2BIG
                  : make_room(&array, tx->own_text, 1, &tx->text_room,
                              tx->text_bytes + (uint32_t)bytes + 1, TEXT_MAX);

    if (err != 0)
        return err;
    tx->text = array;
    *ret_at = tx->text_bytes;
    memcpy(tx->text + tx->text_bytes, text, bytes);
    tx->text[tx->text_bytes + bytes] = '\0';
    tx->text_bytes += (uint32_t)bytes + 1;
    return 0;
}

int transaction_set_sender(struct transaction *tx, const char *sender, size_t bytes)
{
    uint32_t at;

    transaction_reset(tx);
    return add_text(tx, sender, bytes, &at);
}

/* ---- recipients ---- */

static size_t local_bytes(const char *address, size_t bytes)
{
    const char *at = memrchr(address, '@', bytes);

    return at != NULL ? (size_t)(at - address) : bytes;
}

/* FNV-1a over the address with its domain in lower case (its letters are ASCII). */
static uint32_t hash_address(const char *address, size_t bytes)
{
    size_t local = local_bytes(address, bytes);
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)address[i];

        if (i > local && c >= 'A' && c <= 'Z')
            c = (unsigned char)(c + ('a' - 'A'));
        hash = (hash ^ c) * 16777619U;
    }
    return hash;
}

static bool is_there(const struct transaction *tx, const char *address, size_t bytes, uint32_t hash)
{
    size_t local = local_bytes(address, bytes);

    for (uint32_t i = 0; i < tx->recipient_count; i++) {
        const char *other = tx->text + tx->recipients[i].text;

        if (tx->recipients[i].hash == hash && strlen(other) == bytes &&
            memcmp(other, address, local) == 0 &&
            strncasecmp(other + local, address + local, bytes - local) == 0)
            return true;
    }
    return false;
}

/* The one of this rule that still has room in its cell, or a new one. */
static int find_group(struct transaction *tx, uint32_t rule, uint32_t profile, uint32_t *ret_group)
{
    void *array = tx->groups;
    uint32_t group = 0;
    int err;

    while (group < tx->group_count &&
           (tx->groups[group].rule != rule || tx->groups[group].profile != profile ||
            tx->groups[group].count == CELL_RECIPIENTS))
        group++;
    *ret_group = group;
    if (group < tx->group_count)
        return 0;
    err = make_room(&array, tx->own_groups, sizeof(*tx->groups), &tx->group_room,
                    tx->group_count + 1, ENVELOPE_MAX_GROUPS);
    if (err != 0)
        return err;
    tx->groups = array;
    tx->groups[tx->group_count++] = (struct transaction_group){ .rule = rule, .profile = profile };
    return 0;
}

int transaction_add(struct transaction *tx, const char *address, size_t bytes, uint32_t rule,
                    uint32_t profile)
{
    void *array = tx->recipients;
    struct transaction_recipient recipient = { .hash = hash_address(address, bytes) };
    int err;

    if (is_there(tx, address, bytes, recipient.hash))
        return 0;
    err = make_room(&array, tx->own_recipients, sizeof(*tx->recipients), &tx->recipient_room,
                    tx->recipient_count + 1, ENVELOPE_MAX_RECIPIENTS);
    tx->recipients = array;
    if (err == 0)
        err = add_text(tx, address, bytes, &recipient.text);
    if (err == 0)
        err = find_group(tx, rule, profile, &recipient.group);
    if (err != 0)
        return err;
    tx->groups[recipient.group].count++;
    tx->recipients[tx->recipient_count++] = recipient;
    return 0;
}

const char *transaction_sender(const struct transaction *tx)
{
    return tx->text_bytes > 0 ? tx->text : "";
}

const char *transaction_recipient(const struct transaction *tx, uint32_t index)
{
    return tx->text + tx->recipients[index].text;
}

int transaction_envelope(const struct transaction *tx, struct envelope *ret_envelope)
{
    size_t group_bytes = tx->group_count * sizeof(struct envelope_group);
    char *block =
        calloc(1, group_bytes + tx->recipient_count * sizeof(struct envelope_recipient) + 1);
    struct envelope_group *groups = (void *)block;
    struct envelope_recipient *recipients;
    uint32_t first = 0;

    if (block == NULL)
        return -ENOMEM;
    recipients = (void *)(block + group_bytes);
    for (uint32_t g = 0; g < tx->group_count; g++) {
        groups[g] = (struct envelope_group){
            .rule = tx->groups[g].rule,
            .profile = tx->groups[g].profile,
            .first = first,
        };
        first += tx->groups[g].count;
    }
    for (uint32_t i = 0; i < tx->recipient_count; i++) {
        struct envelope_group *group = &groups[tx->recipients[i].group];

        recipients[group->first + group->count++] =
            (struct envelope_recipient){ .address = transaction_recipient(tx, i) };
    }
    ret_envelope->sender = transaction_sender(tx);
    ret_envelope->groups = groups;
    ret_envelope->recipients = recipients;
    ret_envelope->group_count = tx->group_count;
    ret_envelope->recipient_count = tx->recipient_count;
    return 0;
}
