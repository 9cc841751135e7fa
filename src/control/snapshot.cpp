#include "sluice/control/snapshot.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "sluice/base/endian.hpp"
#include "sluice/pipeline/settings.hpp"
#include "snapshot_checksum.hpp"

namespace sluice::control {
namespace {

using pipeline::SavedFlow;

constexpr std::string_view magic = "SLUICEFL";
constexpr std::uint32_t byte_order = 0x0102'0304;

/// Bits of a record's first byte.
enum Kind : std::uint8_t {
    of_ipv6 = 1,
    from_high = 2,
    with_account = 4,
    with_start = 8,
    with_pending_syn = 16,
    with_translation = 32,
    all_kinds = 63,
};

constexpr std::size_t head_bytes = 26;  // without the pairs
constexpr std::size_t least_record = 12 + sizeof(pipeline::FlowState) + sizeof(flow::Key4);
static_assert(12 + sizeof(pipeline::FlowState) + sizeof(flow::Key6) + sizeof(flow::Account) + 8 +
                  sizeof(tcp::PendingSyn) + sizeof(guard::Translation) <=
              max_snapshot_record);

template <class T>
void put(std::string& out, const T& value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Takes values off the front of bytes; once there were too few, nothing is taken any more.
class Taker {
  public:
    explicit Taker(std::string_view bytes) : bytes_(bytes) {}
    template <class T>
    void take(T& value) {
        if (bytes_.size() < sizeof value) return fail();
        std::memcpy(&value, bytes_.data(), sizeof value);
        bytes_.remove_prefix(sizeof value);
    }
    void take(std::string& text, std::size_t length) {
        if (bytes_.size() < length) return fail();
        text = bytes_.substr(0, length);
        bytes_.remove_prefix(length);
    }
    [[nodiscard]] bool whole() const { return whole_; }
    [[nodiscard]] std::string_view rest() const { return bytes_; }

  private:
    void fail() {
        whole_ = false;
        bytes_ = {};
    }
    std::string_view bytes_;
    bool whole_ = true;
};

bool is_zero(const flow::Account& account) {
    return (account.packets[0] | account.packets[1] | account.bytes[0] | account.bytes[1]) == 0;
}

/// Why bytes are no snapshot that this program reads; empty when their first ones are those of one.
std::string first_fault(std::string_view bytes) {
    if (bytes.size() < head_bytes + Snapshot::trailer_bytes) return "is cut short";
    if (bytes.substr(0, magic.size()) != magic) return "is no snapshot of flows";
    const auto order = load<std::uint32_t>(bytes.data() + 12);
    if (order != byte_order) return "comes from a machine with another order of bytes";
    const auto version = load<std::uint32_t>(bytes.data() + 8);
    if (version != snapshot_version)
        return "is of version " + std::to_string(version) + ", and this program reads version " +
               std::to_string(snapshot_version);
    return {};
}

}  // namespace

void append_head(std::string& out, const SnapshotHead& head) {
    out += magic;
    put(out, snapshot_version);
    put(out, byte_order);
    put(out, head.saved_nanoseconds);
    put(out, static_cast<std::uint8_t>(head.layout.vlan_in_key));
    put(out, static_cast<std::uint8_t>(head.layout.pairs.size()));
    for (const SnapshotLayout::Pair& pair : head.layout.pairs) {
        put(out, pair.zone);
        put(out, static_cast<std::uint8_t>(pair.name.size()));
        out += pair.name;
    }
}

std::optional<SnapshotHead> take_head(std::string_view& bytes) {
    Taker taker(bytes);
    std::string its_magic;
    std::uint32_t version = 0, order = 0;
    std::uint8_t vlans = 0, pairs = 0;
    SnapshotHead head;
    taker.take(its_magic, magic.size());
    taker.take(version);
    taker.take(order);
    taker.take(head.saved_nanoseconds);
    taker.take(vlans);
    taker.take(pairs);
    if (its_magic != magic || version != snapshot_version || order != byte_order || vlans > 1 ||
        pairs > pipeline::max_port_pairs)
        return std::nullopt;
    head.layout.vlan_in_key = vlans != 0;
    head.layout.pairs.resize(pairs);
    for (SnapshotLayout::Pair& pair : head.layout.pairs) {
        std::uint8_t length = 0;
        taker.take(pair.zone);
        taker.take(length);
        taker.take(pair.name, length);
    }
    if (!taker.whole()) return std::nullopt;
    bytes = taker.rest();
    return head;
}

void append_flow(std::string& out, const SavedFlow& flow) {
    const bool ipv6 = flow.family == packet::Family::ipv6;
    const bool account = !is_zero(flow.account), start = flow.start_nanoseconds != 0;
    unsigned kind = 0;
    if (ipv6) kind |= of_ipv6;
    if (flow.original_from_high) kind |= from_high;
    if (account) kind |= with_account;
    if (start) kind |= with_start;
    if (flow.has_pending_syn) kind |= with_pending_syn;
    if (flow.has_translation) kind |= with_translation;
    put(out, static_cast<std::uint8_t>(kind));
    put(out, flow.interface);
    put(out, flow.vlan);
    put(out, flow.left);
    put(out, flow.mark);
    put(out, flow.state);
    if (ipv6)
        put(out, flow.key6);
    else
        put(out, flow.key4);
    if (account) put(out, flow.account);
    if (start) put(out, flow.start_nanoseconds);
    if (flow.has_pending_syn) put(out, flow.pending_syn);
    if (flow.has_translation) put(out, flow.translation);
}

bool take_flow(std::string_view& bytes, SavedFlow& flow) {
    Taker taker(bytes);
    flow = SavedFlow{};
    std::uint8_t kind = 0;
    taker.take(kind);
    if (kind > all_kinds) return false;
    flow.family = (kind & of_ipv6) != 0 ? packet::Family::ipv6 : packet::Family::ipv4;
    flow.original_from_high = (kind & from_high) != 0;
    flow.has_pending_syn = (kind & with_pending_syn) != 0;
    flow.has_translation = (kind & with_translation) != 0;
    taker.take(flow.interface);
    taker.take(flow.vlan);
    taker.take(flow.left);
    taker.take(flow.mark);
    taker.take(flow.state);
    if (flow.family == packet::Family::ipv6)
        taker.take(flow.key6);
    else
        taker.take(flow.key4);
    if ((kind & with_account) != 0) taker.take(flow.account);
    if ((kind & with_start) != 0) taker.take(flow.start_nanoseconds);
    if (flow.has_pending_syn) taker.take(flow.pending_syn);
    if (flow.has_translation) taker.take(flow.translation);
    if (!taker.whole() || !pipeline::is_possible(flow)) return false;
    bytes = taker.rest();
    return true;
}

std::string to_snapshot(const SnapshotHead& head, std::string_view records, std::uint64_t flows) {
    std::string out;
    append_head(out, head);
    out += records;
    put(out, flows);
    SnapshotChecksum checksum;
    checksum.add(out);
    return out + checksum.value();
}

Result<Snapshot> Snapshot::read(std::string bytes) {
    if (std::string fault = first_fault(bytes); !fault.empty()) return Error{std::move(fault)};
    Snapshot out;
    out.bytes_ = std::move(bytes);
    const std::string_view all = out.bytes_;
    const std::size_t checksum_at = all.size() - SnapshotChecksum::bytes;
    SnapshotChecksum checksum;
    checksum.add(all.substr(0, checksum_at));
    if (checksum.value() != all.substr(checksum_at))
        return Error{"is damaged or cut short: its checksum is another than its content's"};

    std::string_view rest = all.substr(0, all.size() - trailer_bytes);
    auto head = take_head(rest);
    if (!head) return Error{"has a head that this program does not understand"};
    out.head_ = std::move(*head);
    out.records_at_ = all.size() - trailer_bytes - rest.size();
    SavedFlow flow;
    while (!rest.empty()) {
        if (!take_flow(rest, flow) ||
            flow.interface >= 2 * std::max<std::size_t>(1, out.head_.layout.pairs.size()))
            return Error{"holds a flow that cannot be: flow " + std::to_string(out.flows() + 1)};
        ++out.flows_[flow.family == packet::Family::ipv6 ? 1 : 0];
    }
    if (load<std::uint64_t>(all.data() + all.size() - trailer_bytes) != out.flows())
        return Error{"holds another number of flows than it says"};
    return out;
}

Result<SnapshotFit> SnapshotFit::find(const SnapshotLayout& theirs, const SnapshotLayout& ours) {
    if (theirs.vlan_in_key != ours.vlan_in_key)
        return Error{
            "was made with tracker.vlan_in_key = " + std::string(theirs.vlan_in_key ? "true" : "false") +
            ", and it is " + (ours.vlan_in_key ? "true" : "false") + " here"};
    SnapshotFit out;
    out.pair_.reserve(theirs.pairs.size());
    for (const SnapshotLayout::Pair& pair : theirs.pairs) {
        const auto same = std::find_if(ours.pairs.begin(), ours.pairs.end(),
                                       [&](const SnapshotLayout::Pair& p) { return p.name == pair.name; });
        if (same == ours.pairs.end())
            return Error{"has flows of the pair \"" + pair.name +
                         "\", which the configuration does not have"};
        if (same->zone != pair.zone)
            return Error{"was made when the pair \"" + pair.name + "\" had zone " +
                         std::to_string(pair.zone) + ", and it has " + std::to_string(same->zone) + " here"};
        out.pair_.push_back(static_cast<std::uint8_t>(same - ours.pairs.begin()));
    }
    return out;
}

bool SnapshotFit::adapt(SavedFlow& flow) const {
    constexpr unsigned pair_shift = 24;
    std::uint32_t& place =
        flow.family == packet::Family::ipv4 ? flow.key4.vlans_and_pair : flow.key6.vlans_and_pair;
    const std::size_t pair = place >> pair_shift, rules_pair = flow.interface / 2U;
    if (pair >= pair_.size() || rules_pair >= pair_.size()) return false;
    place = (place & 0x00FF'FFFFU) | std::uint32_t{pair_[pair]} << pair_shift;
    flow.interface = static_cast<std::uint8_t>(2U * pair_[rules_pair] + flow.interface % 2U);
    return true;
}

}  // namespace sluice::control
