#include "common/rule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/feature.h"
#include "common/rule_private.h"

/* Vault's form: days up to 10675199, then hours, minutes and seconds within their clocks. */
static int check_expires(char **text, struct reason *reterr_why)
{
    static const unsigned max[] = { 10675199, 23, 59, 59 };
    const char *p = *text;
    unsigned long sum = 0;

    for (size_t i = 0; i < ARRAY_LEN(max); i++) {
        size_t digits = strspn(p, "0123456789");
        unsigned long number = digits > 0 && digits <= 8 ? strtoul(p, NULL, 10) : max[i] + 1UL;

        if (number > max[i] || p[digits] != (i + 1 < ARRAY_LEN(max) ? ':' : '\0'))
            return reason_set(reterr_why, -EINVAL, "is not days:hours:minutes:seconds");
        sum += number;
        p += digits + 1;
    }
    return sum > 0 ? 0 : reason_set(reterr_why, -EINVAL, "must be longer than nothing");
}

static const char *const on_blocked[] = { "quarantine", "reject", "pass_with_header", NULL };
static const char *const scan_unavailable[] = { "defer", "pass_with_header", NULL };
static const char *const upload_unavailable[] = { "defer", "skip", NULL };
static const char *const links[] = { "none", "header", "text_part", NULL };

#define AT(member) offsetof(struct rule, member)
#define ANY        PROPERTY_ALL_TYPES
#define NONE       FEATURE_COUNT

#define PLAIN(name, kind)                                   \
    {                                                       \
        name, ANY, kind, NONE, 0, 0, 0, 0, NULL, NULL, NULL \
    }
#define FLAG(name, feature, member, fallback)                                           \
    {                                                                                   \
        name, ANY, PROPERTY_FLAG, feature, AT(member), fallback, 0, 1, NULL, NULL, NULL \
    }
#define WORD(name, member, words)                                              \
    {                                                                          \
        name, ANY, PROPERTY_WORD, NONE, AT(member), 0, 0, 0, words, NULL, NULL \
    }
#define TEXT(name, member, check, allowed)                                          \
    {                                                                               \
        name, ANY, PROPERTY_TEXT, NONE, AT(member), 0, 1, 512, NULL, check, allowed \
    }

static const struct property rows[] = {
    PLAIN("id", PROPERTY_READ_ONLY),
    PLAIN("version", PROPERTY_READ_ONLY),
    PLAIN("not_in_effect", PROPERTY_READ_ONLY),
    PLAIN("name", PROPERTY_OWN),
    FLAG("enabled", NONE, enabled, true),
    PLAIN("match", PROPERTY_GROUP),
    PLAIN("match.clients", PROPERTY_OWN),
    PLAIN("match.senders", PROPERTY_OWN),
    PLAIN("match.recipients", PROPERTY_OWN),
    PLAIN("relay", PROPERTY_OWN),
    PLAIN("core", PROPERTY_OWN),
    PLAIN("vault", PROPERTY_OWN),
    FLAG("allow_open_relay", NONE, allow_open_relay, false),
    FLAG("verify_recipients", FEATURE_VERIFY_RECIPIENTS, verify_recipients, false),
    PLAIN("scan", PROPERTY_GROUP),
    WORD("scan.on_blocked", scan.on_blocked, on_blocked),
    WORD("scan.on_unavailable", scan.on_unavailable, scan_unavailable),
    FLAG("scan.add_headers", NONE, scan.add_headers, true),
    TEXT("scan.workflow", scan.workflow, NULL, NULL),
    PLAIN("upload", PROPERTY_GROUP),
    WORD("upload.on_unavailable", upload.on_unavailable, upload_unavailable),
    TEXT("upload.expires", upload.expires, check_expires,
         "days:hours:minutes:seconds, such as 30:00:00:00"),
    PLAIN("upload.share_with", PROPERTY_OWN),
    WORD("upload.links", upload.links, links),
};

const struct property_table rule_properties = {
    .rows = rows,
    .count = ARRAY_LEN(rows),
};

uint32_t rule_stage_profile(const struct rule *rule, enum stage stage)
{
    const uint32_t profiles[STAGE_COUNT] = {
        [STAGE_SCAN] = rule->core,
        [STAGE_UPLOAD] = rule->vault,
        [STAGE_RELAY] = rule->relay,
    };

    return profiles[stage];
}

bool rule_goes_without(const struct rule *rule, enum stage stage)
{
    return (stage == STAGE_SCAN &&
            rule->scan.on_unavailable == SCAN_UNAVAILABLE_PASS_WITH_HEADER) ||
           (stage == STAGE_UPLOAD && rule->upload.on_unavailable == UPLOAD_UNAVAILABLE_SKIP);
}

const char *rule_unbuilt_protection(const struct rule *rule)
{
    if (rule->core != 0 && !features[FEATURE_CORE].is_built)
        return "core";
    if (rule->vault != 0 && !features[FEATURE_VAULT].is_built)
        return "vault";
    return NULL;
}

void rule_free(struct rule **rule)
{
    struct rule *r = *rule;

    if (r == NULL)
        return;
    property_clear(&rule_properties, r);
    for (size_t i = 0; i < r->sender_count; i++)
        rule_pattern_done(&r->senders[i]);
    for (size_t i = 0; i < r->recipient_count; i++)
        rule_pattern_done(&r->recipients[i]);
    for (size_t i = 0; i < r->upload.share_with_count; i++)
        free(r->upload.share_with[i]);
    free(r->upload.share_with);
    free(r->clients);
    free(r->senders);
    free(r->recipients);
    free(r->name);
    free(r);
    *rule = NULL;
}
