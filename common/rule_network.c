#include "common/rule_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>

#define MAPPED_BITS 96U

static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool get_bit(const unsigned char *address, unsigned bit)
{
    return (address[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

static bool has_host_bits(const struct rule_network *n)
{
    for (unsigned bit = n->prefix; bit < 128; bit++) {
        if (get_bit(n->address, bit))
            return true;
    }
    return false;
}

static int parse_prefix(const char *text, unsigned max, unsigned *ret_prefix)
{
    unsigned prefix = 0;
    size_t length = strlen(text);

    if (length == 0 || length > 3 || strspn(text, "0123456789") != length)
        return -EINVAL;
    for (size_t i = 0; i < length; i++)
        prefix = prefix * 10 + (unsigned)(text[i] - '0');
    *ret_prefix = prefix;
    return prefix <= max ? 0 : -EINVAL;
}

int rule_network_parse(const char *text, struct rule_network *ret_network,
                       struct reason *reterr_why)
{
    struct rule_network n = { .is_ipv4 = true };
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    char address[INET6_ADDRSTRLEN], right[RULE_TEXT_SIZE];
    unsigned max = 32;

    if (length >= sizeof(address))
        return reason_set(reterr_why, -EINVAL, "is not an IP network");
    memcpy(address, text, length);
    address[length] = '\0';
    if (inet_pton(AF_INET, address, n.address + 12) == 1) {
        memcpy(n.address, mapped, sizeof(mapped));
    } else if (inet_pton(AF_INET6, address, n.address) == 1) {
        n.is_ipv4 = false;
        max = 128;
    } else {
        return reason_set(reterr_why, -EINVAL, "is not an IP network");
    }
    n.prefix = max;
    if (slash != NULL && parse_prefix(slash + 1, max, &n.prefix) < 0)
        return reason_set(reterr_why, -EINVAL, "the prefix length must be 0 to %u", max);
    if (n.is_ipv4)
        n.prefix += MAPPED_BITS;
    else if (n.prefix >= MAPPED_BITS && memcmp(n.address, mapped, sizeof(mapped)) == 0)
        n.is_ipv4 = true;
    if (has_host_bits(&n)) {
        for (unsigned bit = n.prefix; bit < 128; bit++)
            n.address[bit / 8] &= (unsigned char)~(1U << (7 - bit % 8));
        return reason_set(reterr_why, -EINVAL, "has bits behind its prefix: is %s meant?",
                          rule_network_text(&n, right));
    }
    *ret_network = n;
    return 0;
}

const char *rule_network_text(const struct rule_network *network, char out[RULE_TEXT_SIZE])
{
    char address[INET6_ADDRSTRLEN] = "";

    (void)inet_ntop(network->is_ipv4 ? AF_INET : AF_INET6,
                    network->address + (network->is_ipv4 ? sizeof(mapped) : 0), address,
                    sizeof(address));
    (void)snprintf(out, RULE_TEXT_SIZE, "%s/%u", address,
                   network->prefix - (network->is_ipv4 ? MAPPED_BITS : 0));
    return out;
}

bool rule_network_has(const struct rule_network *network, const unsigned char address[16],
                      bool is_ipv4)
{
    unsigned bytes = network->prefix / 8, bits = network->prefix % 8;

    if (network->is_ipv4 != is_ipv4 || memcmp(network->address, address, bytes) != 0)
        return false;
    return bits == 0 || ((network->address[bytes] ^ address[bytes]) >> (8 - bits)) == 0;
}

/* Whether the networks cover the block whose first `depth` bits are those of `address`. A block is
 * halved only while some network lies inside it, so that the work is bounded by their number. */
static bool is_covered(const struct rule_network *networks, size_t count, bool is_ipv4,
                       unsigned char address[16], unsigned depth)
{
    struct rule_network block = { .prefix = depth, .is_ipv4 = is_ipv4 };
    bool is_split = false, both;

    memcpy(block.address, address, sizeof(block.address));
    for (size_t i = 0; i < count; i++) {
        if (networks[i].prefix <= depth && rule_network_has(&networks[i], address, is_ipv4))
            return true;
        is_split = is_split || rule_network_has(&block, networks[i].address, networks[i].is_ipv4);
    }
    if (!is_split)
        return false;
    both = is_covered(networks, count, is_ipv4, address, depth + 1);
    address[depth / 8] |= (unsigned char)(1U << (7 - depth % 8));
    both = both && is_covered(networks, count, is_ipv4, address, depth + 1);
    address[depth / 8] &= (unsigned char)~(1U << (7 - depth % 8));
    return both;
}

bool rule_networks_are_everybody(const struct rule_network *networks, size_t count)
{
    unsigned char v4[16] = { 0 }, v6[16] = { 0 };

    memcpy(v4, mapped, sizeof(mapped));
    return is_covered(networks, count, true, v4, MAPPED_BITS) ||
           is_covered(networks, count, false, v6, 0);
}
