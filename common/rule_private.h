/* common/rule_private.h: how the rule module is cut.
 *
 *   rule_network.c   client networks: text, containment, "is this everybody?"
 *   rule_pattern.c   address patterns: text and back
 *   rule_input.c     an editor's JSON becomes a rule
 *   rule_json.c      a rule as record or as shown, and a record becomes a rule
 *   rule_set.c       the ordered list that workers get
 *   rule_match.c     which rule a recipient comes under
 *   rule.c           the table of properties and the rest of common/rule.h */
#ifndef COMMON_RULE_PRIVATE_H
#define COMMON_RULE_PRIVATE_H

#include <netinet/in.h>

#include "common/property.h"
#include "common/rule.h"

#define RULE_TEXT_SIZE 1200 /* a pattern as text: local part, quoted, and domain */

extern const struct property_table rule_properties;

/* "10.0.0.0/8", "2001:db8::/32", or an address alone. */
int rule_network_parse(const char *text, struct rule_network *ret_network,
                       struct reason *reterr_why);
const char *rule_network_text(const struct rule_network *network, char out[RULE_TEXT_SIZE]);
bool rule_network_has(const struct rule_network *network, const unsigned char address[16],
                      bool is_ipv4);
/* Together they hold every IPv4 address, or every IPv6 address. */
bool rule_networks_are_everybody(const struct rule_network *networks, size_t count);

/* `for_senders`: "<>" is allowed. The texts in the result are the caller's. */
int rule_pattern_parse(const char *text, bool for_senders, struct rule_pattern *ret_pattern,
                       struct reason *reterr_why);
const char *rule_pattern_text(const struct rule_pattern *pattern, char out[RULE_TEXT_SIZE]);
void rule_pattern_done(struct rule_pattern *pattern);

/* Takes quotes and backslashes off a local part: `"a\b"` is the mailbox ab. Returns the length, or
 * -EINVAL when it is not well formed or too long for `out`. */
int rule_unquote(const char *local, size_t length, char *out, size_t size);

#endif
