#include "sluice/dpdk/acl.hpp"

#include <rte_acl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "sluice/base/words.hpp"

namespace sluice::dpdk {
namespace {

using policy::Box;
using policy::FirstPacket;
using policy::Range;
using policy::RuleNumber;

/// What the library reads of a packet: every field in network order, and after the first byte in groups of
/// four bytes.
template <unsigned Words>
struct KeyOf {
    std::uint8_t protocol;
    std::uint8_t unused[3];
    std::array<be32, Words> source, destination;
    be16 source_port, destination_port;
    be16 vlan, interface;

    explicit KeyOf(const FirstPacket& packet)
        : protocol(packet.protocol),
          unused{},
          source(words_of(packet.source)),
          destination(words_of(packet.destination)),
          source_port(packet.source_port),
          destination_port(packet.destination_port),
          vlan(packet.vlan),
          interface(packet.interface) {}

    /// The last so many of the address's four.
    static std::array<std::uint32_t, Words> host_words_of(const Address& address) {
        const std::array<std::uint64_t, 2> halves{address.high, address.low};
        std::array<std::uint32_t, Words> out;
        for (unsigned i = 0; i < Words; ++i) {
            const unsigned word = 4 - Words + i;
            out[i] = static_cast<std::uint32_t>(halves[word / 2] >> (word % 2 == 0 ? 32 : 0));
        }
        return out;
    }
    static std::array<be32, Words> words_of(const Address& address) {
        std::array<be32, Words> out;
        const auto words = host_words_of(address);
        for (unsigned i = 0; i < Words; ++i) out[i] = be32(words[i]);
        return out;
    }
};

struct Ipv4 {
    static constexpr bool ipv4 = true;
    static constexpr unsigned words = 1;
};
struct Ipv6 {
    static constexpr bool ipv4 = false;
    static constexpr unsigned words = 4;
};

/// Protocol, addresses, two ports; then VLAN and interface, left out where no rule looks at them.
template <class Family>
constexpr unsigned most_fields = 1 + 2 * Family::words + 2 + 2;

template <class Family>
struct AclRule {
    rte_acl_rule_data data;
    std::array<rte_acl_field, most_fields<Family>> field;
};
static_assert(sizeof(AclRule<Ipv4>) == RTE_ACL_RULE_SZ(most_fields<Ipv4>) &&
              sizeof(AclRule<Ipv6>) == RTE_ACL_RULE_SZ(most_fields<Ipv6>));

template <class Family>
void define_fields(rte_acl_config& config) {
    using Key = KeyOf<Family::words>;
    std::uint8_t index = 0, group = 0;
    const auto define = [&](std::uint8_t type, std::uint8_t size, std::size_t offset, bool begins_group) {
        if (begins_group) ++group;
        config.defs[index] = {type, size, index, group, static_cast<std::uint32_t>(offset)};
        ++index;
    };
    define(RTE_ACL_FIELD_TYPE_BITMASK, 1, offsetof(Key, protocol), false);
    for (const std::size_t base : {offsetof(Key, source), offsetof(Key, destination)})
        for (unsigned word = 0; word < Family::words; ++word)
            define(RTE_ACL_FIELD_TYPE_MASK, 4, base + 4 * word, true);
    define(RTE_ACL_FIELD_TYPE_RANGE, 2, offsetof(Key, source_port), true);
    define(RTE_ACL_FIELD_TYPE_RANGE, 2, offsetof(Key, destination_port), false);
    define(RTE_ACL_FIELD_TYPE_RANGE, 2, offsetof(Key, vlan), true);
    define(RTE_ACL_FIELD_TYPE_RANGE, 2, offsetof(Key, interface), false);
    config.num_fields = index;
}

template <class Family>
AclRule<Family> acl_rule(RuleNumber number, const Box& box) {
    AclRule<Family> out{};
    out.data.category_mask = 1;
    out.data.priority = RTE_ACL_MAX_PRIORITY - static_cast<std::int32_t>(number);
    out.data.userdata = number;
    unsigned index = 0;
    rte_acl_field& protocol = out.field[index++];
    protocol.value.u8 = box.any_protocol ? 0 : box.protocol;
    protocol.mask_range.u8 = box.any_protocol ? 0 : 0xff;
    for (const policy::Prefix& prefix : {box.source, box.destination}) {
        const auto words = KeyOf<Family::words>::host_words_of(prefix.address);
        const auto masks = KeyOf<Family::words>::host_words_of(prefix_mask(prefix.length));
        for (unsigned word = 0; word < Family::words; ++word) {
            rte_acl_field& field = out.field[index++];
            field.value.u32 = words[word];
            field.mask_range.u32 = static_cast<std::uint32_t>(std::popcount(masks[word]));
        }
    }
    for (const Range& range : {box.source_port, box.destination_port, box.vlan, box.interface}) {
        rte_acl_field& field = out.field[index++];
        field.value.u16 = range.first;
        field.mask_range.u16 = range.last;
    }
    return out;
}

/// What one family's compiled rules may take. Left to itself the library splits many rules into small tries
/// and walks them all; 10,000 arbitrary rules are found in a quarter to a third less time when it may make
/// them larger.
constexpr std::size_t most_bytes = std::size_t{1} << 30U;

std::string next_name() {
    static std::atomic<unsigned> number{0};
    return "sluice_acl_" + std::to_string(number++);
}

/// Null where no rule is about the family.
template <class Family>
Result<rte_acl_ctx*> compile(const std::vector<policy::RuleSet::NumberedBox>& boxes, int node) {
    std::vector<AclRule<Family>> rules;
    bool looks_at_ingress = false;
    for (const auto& [number, box] : boxes) {
        if (box.source.ipv4 != Family::ipv4) continue;
        rules.push_back(acl_rule<Family>(number, box));
        looks_at_ingress = looks_at_ingress || box.vlan != Range{} || box.interface != Range{};
    }
    if (rules.empty()) return static_cast<rte_acl_ctx*>(nullptr);
    const auto failed = [&](const char* step, int error) {
        return Error{
            joined("the rules for IPv", Family::ipv4 ? 4 : 6, " (", counted(rules.size(), "combination"),
                   ") cannot be ", step, ": ", std::strerror(error),
                   error == ENOMEM ? "; give DPDK more memory (daemon.memory_mb) or use fewer rules" : "")};
    };
    const std::string name = next_name();
    rte_acl_param parameters{};
    parameters.name = name.c_str();
    parameters.socket_id = node;
    parameters.rule_size = RTE_ACL_RULE_SZ(most_fields<Family>);
    parameters.max_rule_num = static_cast<std::uint32_t>(rules.size());
    rte_acl_ctx* const context = rte_acl_create(&parameters);
    if (context == nullptr) return failed("held", ENOMEM);
    rte_acl_config config{};
    config.num_categories = 1;
    define_fields<Family>(config);
    if (!looks_at_ingress) config.num_fields -= 2;
    int error = rte_acl_add_rules(context, reinterpret_cast<const rte_acl_rule*>(rules.data()),
                                  static_cast<std::uint32_t>(rules.size()));
    if (error == 0) {
        config.max_size = most_bytes;
        error = rte_acl_build(context, &config);
        if (error == -ENOMEM) {  // it may suffice for smaller tries
            config.max_size = 0;
            error = rte_acl_build(context, &config);
        }
    }
    if (error == 0) return context;
    rte_acl_free(context);
    return failed("compiled", -error);
}

}  // namespace

Result<std::unique_ptr<const policy::Matcher>> AclMatcher::build(const policy::RuleSet& rules, int node) {
    std::unique_ptr<AclMatcher> out(new AclMatcher());
    const auto boxes = rules.boxes();
    auto ipv4 = compile<Ipv4>(boxes, node);
    if (!ipv4) return Error{ipv4.error()};
    out->ipv4_ = *ipv4;
    auto ipv6 = compile<Ipv6>(boxes, node);
    if (!ipv6) return Error{ipv6.error()};
    out->ipv6_ = *ipv6;
    return std::unique_ptr<const policy::Matcher>(std::move(out));
}

AclMatcher::~AclMatcher() {
    rte_acl_free(ipv4_);
    rte_acl_free(ipv6_);
}

template <class Family>
void AclMatcher::match_family(std::span<const FirstPacket> packets, std::span<RuleNumber> out) const {
    constexpr std::size_t most = 32;
    using Key = KeyOf<Family::words>;
    const rte_acl_ctx* const context = Family::ipv4 ? ipv4_ : ipv6_;
    alignas(Key) std::array<std::byte, most * sizeof(Key)> keys;
    std::array<const std::uint8_t*, most> data;
    std::array<std::size_t, most> places;
    std::array<std::uint32_t, most> results;
    std::size_t count = 0;
    const auto classify = [&] {
        if (count != 0)
            rte_acl_classify(context, data.data(), results.data(), static_cast<std::uint32_t>(count), 1);
        for (std::size_t i = 0; i < count; ++i) out[places[i]] = static_cast<RuleNumber>(results[i]);
        count = 0;
    };
    for (std::size_t i = 0; i < packets.size(); ++i) {
        if (packets[i].ipv4 != Family::ipv4) continue;
        if (context == nullptr) {
            out[i] = policy::no_rule;
            continue;
        }
        data[count] =
            reinterpret_cast<const std::uint8_t*>(::new (&keys[count * sizeof(Key)]) Key(packets[i]));
        places[count++] = i;
        if (count == most) classify();
    }
    classify();
}

void AclMatcher::match(std::span<const FirstPacket> packets, std::span<RuleNumber> out) const {
    match_family<Ipv4>(packets, out);
    match_family<Ipv6>(packets, out);
}

}  // namespace sluice::dpdk
