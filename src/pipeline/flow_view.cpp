#include "sluice/pipeline/flow_view.hpp"

#include <cstring>

#include "sluice/packet/icmp.hpp"

namespace sluice::pipeline {
namespace {

/// What the key of a flow and its number say of it.
template <class KeyT>
void describe(const KeyT& key, bool original_from_high, flow::Ref ref, unsigned worker, packet::Family family,
              KeyT FlowView::*key_member, FlowView& out) {
    const unsigned origin = original_from_high ? 1 : 0;
    out = FlowView{};
    out.family = family;
    out.protocol = key.protocol;
    std::memcpy(out.source.data(), key.address[origin].data(), KeyT::address_bytes);
    std::memcpy(out.destination.data(), key.address[1 - origin].data(), KeyT::address_bytes);
    if (key.protocol == packet::icmp || key.protocol == packet::icmpv6) {
        out.icmp_id = key.port[0];
        out.icmp_type = static_cast<std::uint8_t>(key.port[1]);
        out.reply_icmp_type = packet::reply_type_of(key.protocol, out.icmp_type);
    } else {
        out.source_port = key.port[origin];
        out.destination_port = key.port[1 - origin];
    }
    const flow::Domain domain{key.vlans_and_pair, key.zone};
    out.outer_vlan = domain.outer_vlan();
    out.inner_vlan = domain.inner_vlan();
    out.port_pair = domain.pair();
    out.zone = key.zone;
    out.id = (std::uint64_t{worker} << 33) | (std::uint64_t{family == packet::Family::ipv6} << 32) | ref;
    out.worker = worker;
    out.flow = ref;
    out.original_from_high = original_from_high;
    out.*key_member = key;
}

void take_state(const FlowState& state, FlowView& out) {
    out.state = state;
    out.seen_reply = state.datagram.seen_reply != 0;
    out.assured = state.datagram.assured != 0;
}

template <class Table, class KeyT>
bool view_record(const Table& table, flow::Ref ref, Tick now, unsigned worker, packet::Family family,
                 KeyT FlowView::*key_member, FlowView& out) {
    typename Table::Snapshot snapshot;
    if (!table.read(ref, snapshot) || reached(now, snapshot.record.expiry)) return false;
    const typename Table::Record& record = snapshot.record;
    describe(record.key, Table::original_from_high(record), ref, worker, family, key_member, out);
    take_state(record.payload, out);
    out.seconds_left = static_cast<std::uint32_t>(record.expiry - now) / ticks_per_second;
    out.mark = snapshot.mark;
    out.account = snapshot.account;
    out.start_nanoseconds = snapshot.start;
    return true;
}

}  // namespace

bool view(const Table4& table, flow::Ref ref, Tick now, unsigned worker, FlowView& out) {
    return view_record(table, ref, now, worker, packet::Family::ipv4, &FlowView::key4, out);
}

bool view(const Table6& table, flow::Ref ref, Tick now, unsigned worker, FlowView& out) {
    return view_record(table, ref, now, worker, packet::Family::ipv6, &FlowView::key6, out);
}

void view(const Event& event, unsigned worker, FlowView& out) {
    const auto describe_by = [&](auto key, auto key_member) {
        key.spare = 0;  // the table's
        describe(key, event.original_from_high, event.flow, worker, event.family, key_member, out);
    };
    if (event.family == packet::Family::ipv4)
        describe_by(event.key4, &FlowView::key4);
    else
        describe_by(event.key6, &FlowView::key6);
    FlowState state{};
    std::memcpy(reinterpret_cast<std::byte*>(&state) + sizeof state - sizeof event.fields, &event.fields,
                sizeof event.fields);
    take_state(state, out);
    out.seconds_left = event.left / ticks_per_second;
    out.mark = event.mark;
    out.account = event.account;
    out.start_nanoseconds = event.start_nanoseconds;
}

}  // namespace sluice::pipeline
