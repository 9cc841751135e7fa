// What a tracker does beside packets: building, the mailbox, expiry. Part of tracker.hpp.
#pragma once

#include <bit>
#include <new>

#include "sluice/base/siphash.hpp"
#include "sluice/pipeline/tracker.hpp"

namespace sluice::pipeline {

/// Ticks of each lifetime as it takes effect: what cuts the life of an established flow short never lengthens
/// it.
[[nodiscard]] inline Intervals intervals_of(const Settings& settings) {
    Intervals out{};
    for (std::size_t i = 0; i < lifetime_count; ++i) out[i] = settings.timeouts[i] * ticks_per_second;
    const Tick established = out[static_cast<std::size_t>(Lifetime::established)];
    for (const Lifetime cut : {Lifetime::max_retrans, Lifetime::unacknowledged, Lifetime::loose}) {
        Tick& ticks = out[static_cast<std::size_t>(cut)];
        ticks = std::min(ticks, established);
    }
    return out;
}

[[nodiscard]] inline Domains domains_of(const Settings& settings) {
    Domains out;
    for (std::size_t pair = 0; pair < out.size(); ++pair)
        out[pair] = flow::Domain::make(flow::Domain::no_tag, flow::Domain::no_tag,
                                       static_cast<std::uint8_t>(pair), settings.zone[pair]);
    return out;
}

[[nodiscard]] inline flow::TableConfig table_config(std::uint32_t capacity, const Limits& limits,
                                                    const Settings& settings, const flow::Secret& secret) {
    flow::TableConfig config;
    config.capacity = capacity;
    config.lifetimes = lifetime_count;
    for (std::size_t i = 0; i < lifetime_count; ++i)
        config.eviction_class[i] = static_cast<std::uint8_t>(lifetime_texts[i].eviction_class);
    config.interval = intervals_of(settings);
    config.accounting = limits.accounting;
    config.timestamps = limits.timestamps;
    config.secret = secret;
    return config;
}

/// Packets and bytes that may be held follow from the number of datagrams: eight full frames each.
[[nodiscard]] inline packet::FragmentLimits fragment_limits(const Limits& limits, const Settings& settings,
                                                            const flow::Secret& secret) {
    constexpr std::uint32_t packets_per_datagram = 8;
    constexpr std::uint64_t frame_bytes = 2048;
    packet::FragmentLimits out;
    out.datagrams = limits.fragment_datagrams;
    out.packets = std::max(packet::max_fragments, limits.fragment_datagrams * packets_per_datagram);
    out.bytes = std::max<std::uint64_t>(65'536, out.packets * frame_bytes);
    out.timeout_ipv4 = settings.fragment_timeout_ipv4 * ticks_per_second;
    out.timeout_ipv6 = settings.fragment_timeout_ipv6 * ticks_per_second;
    // A key of its own, derived: nothing learnt of one keyed function then says anything of the other.
    const SipHashKey parent{secret.words[2], secret.words[3]};
    out.key = {siphash(std::array<std::uint8_t, 2>{'f', 0}, parent),
               siphash(std::array<std::uint8_t, 2>{'f', 1}, parent)};
    return out;
}

/// Cuts the next `bytes` off an arena, aligned to a cache line.
[[nodiscard]] inline std::span<std::byte> carve(std::span<std::byte>& arena, std::size_t bytes) {
    const std::size_t whole = (bytes + 63) / 64 * 64;
    const auto piece = arena.first(bytes);
    arena = arena.subspan(whole);
    return piece;
}

template <PacketIo Io, class Observer>
std::size_t Tracker<Io, Observer>::bytes_needed(const Limits& limits) {
    const Settings settings;
    const flow::Secret secret;
    const auto round = [](std::size_t bytes) { return (bytes + 63) / 64 * 64; };
    return round(Table4::bytes_needed(table_config(limits.ipv4_flows, limits, settings, secret))) +
           round(Table6::bytes_needed(table_config(limits.ipv6_flows, limits, settings, secret))) +
           round(Pending::bytes_needed(limits.ipv4_flows)) + round(Pending::bytes_needed(limits.ipv6_flows)) +
           round(Fragments::bytes_needed(fragment_limits(limits, settings, secret))) +
           round(limits.event_slots * sizeof(Event)) + round(limits.capture_slots * sizeof(CapturedPacket)) +
           round(limits.capture_slots == 0 ? 0 : sizeof(DropExamples)) + SynGuard::bytes_needed(limits) +
           round(FlowRules::bytes_needed(limits)) + Inspector<Packet>::bytes_needed(limits);
}

template <PacketIo Io, class Observer>
Result<std::unique_ptr<Tracker<Io, Observer>>> Tracker<Io, Observer>::create(
    const Limits& limits, const Settings& settings, const flow::Secret& secret, const Steering& steering,
    std::span<std::byte> arena, packet::LinkLayer link, Observer* observer) {
    if (arena.size() < bytes_needed(limits)) return Error{"the arena is smaller than the flow tables need"};
    const auto config4 = table_config(limits.ipv4_flows, limits, settings, secret);
    const auto config6 = table_config(limits.ipv6_flows, limits, settings, secret);
    auto table4 = Table4::create(config4, carve(arena, Table4::bytes_needed(config4)));
    if (!table4) return Error{table4.error()};
    auto table6 = Table6::create(config6, carve(arena, Table6::bytes_needed(config6)));
    if (!table6) return Error{table6.error()};
    Pending pending4 =
        Pending::create(limits.ipv4_flows, carve(arena, Pending::bytes_needed(limits.ipv4_flows)));
    Pending pending6 =
        Pending::create(limits.ipv6_flows, carve(arena, Pending::bytes_needed(limits.ipv6_flows)));
    const auto fragment_config = fragment_limits(limits, settings, secret);
    auto fragments =
        Fragments::create(fragment_config, carve(arena, Fragments::bytes_needed(fragment_config)));
    if (!fragments) return Error{fragments.error()};
    if (limits.event_slots != 0 && !std::has_single_bit(limits.event_slots))
        return Error{"the events that may wait must be a power of two"};
    if (limits.capture_slots != 0 && !std::has_single_bit(limits.capture_slots))
        return Error{"the captured packets that may wait must be a power of two"};
    const auto event_bytes = carve(arena, limits.event_slots * sizeof(Event));
    const std::span<Event> events(reinterpret_cast<Event*>(event_bytes.data()), limits.event_slots);
    const auto capture_bytes = carve(arena, limits.capture_slots * sizeof(CapturedPacket));
    const std::span<CapturedPacket> captures(reinterpret_cast<CapturedPacket*>(capture_bytes.data()),
                                             limits.capture_slots);
    DropExamples* const examples =
        limits.capture_slots == 0 ? nullptr : new (carve(arena, sizeof(DropExamples)).data()) DropExamples;
    SynGuard* const guard = SynGuard::create(limits, secret, arena);
    if (guard != nullptr) guard->adopt(settings.protection.get());
    (void)carve(arena, SynGuard::bytes_needed(limits));
    FlowRules rules = FlowRules::create(limits, arena);
    rules.adopt(settings.policy.get(), steering.self);
    (void)carve(arena, FlowRules::bytes_needed(limits));
    std::unique_ptr<Inspector<Packet>> inspector;
    if (limits.inspection.flows != 0) {
        if (!limits.rules) return Error{"inspection needs rules: they say which flows are read"};
        if (!std::has_single_bit(limits.alert_slots))
            return Error{"the alerts that may wait must be a power of two"};
        inspector = std::make_unique<Inspector<Packet>>(
            limits, carve(arena, Inspector<Packet>::bytes_needed(limits)));
        inspector->adopt(settings.policy.get(), steering.self);
    }
    return std::unique_ptr<Tracker>(new Tracker(
        settings, steering, link, observer, std::move(*table4), std::move(*table6), pending4, pending6,
        std::move(*fragments), guard, rules, std::move(inspector), events, captures, examples));
}

/// What a flow leaves behind when it goes: counted, its remembered SYN forgotten.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
auto Tracker<Io, Observer>::on_removed() {
    // Inline wherever a flow goes: a SYN of a flood pushes one out, and nothing here is to be done for it but
    // count.
    return [this](flow::Ref ref, const auto& record, flow::Removal why) __attribute__((always_inline)) {
        if (events_.wants(EventKind::destroyed)) [[unlikely]]
            tell_removed<AddressBytes>(ref, why);
        if constexpr (Observer::watches)
            observer_->removed(AddressBytes == 4 ? packet::Family::ipv4 : packet::Family::ipv6, ref, why,
                               record.expiry);
        const bool is_tcp = record.key.protocol == packet::tcp;
        if (is_tcp && record.payload.tcp.pending_syn) [[unlikely]]
            pending<AddressBytes>().erase(ref);
        if (guard_ != nullptr && is_tcp) [[unlikely]]
            forget_guarded<AddressBytes>(ref, record.payload.tcp);
        if (rules_.kept()) [[unlikely]]
            rules_.template end<AddressBytes>(ref);
        if (inspector_ != nullptr) [[unlikely]]
            stop_reading<AddressBytes>(ref);
        switch (why) {
            case flow::Removal::expired:
                counters_.expired.add();
                break;
            case flow::Removal::evicted:
                counters_.early_drop.add();
                break;
            case flow::Removal::deleted:
            case flow::Removal::replaced:
                counters_.deleted.add();
                break;
        }
    };
}

template <PacketIo Io, class Observer>
unsigned Tracker<Io, Observer>::poll(Now now, Output<Io>& out) {
    // 64 records cost about 5 µs from memory, below the 20 µs a poll may spend on expiry.
    constexpr unsigned expiry_budget = 64;

    out.size = 0;
    out_ = &out;
    at_ = now;
    unsigned chores = answer_requests(now);
    chores += table4_.expire(now.tick, expiry_budget, on_removed<4>());
    chores += table6_.expire(now.tick, expiry_budget, on_removed<16>());
    expire_fragments(now, out);
    if (guard_ != nullptr) poll_guard(now);
    if (rules_.kept()) chores += poll_rules(now);
    if (inspector_ != nullptr) {
        chores += poll_inspection(now);
        end_reading(out);
    }
    show(out, now);
    return chores;
}

template <PacketIo Io, class Observer>
unsigned Tracker<Io, Observer>::answer_requests(Now now) {
    constexpr unsigned request_budget = 16;
    for (unsigned i = 0; i < request_budget; ++i) {
        Request* request = mailbox_->next();
        if (request == nullptr) return i;
        if (!answer(*request, now)) return i + 1;
        mailbox_->answered();
    }
    return request_budget;
}

/// False when the request needs another poll.
template <PacketIo Io, class Observer>
bool Tracker<Io, Observer>::answer(Request& request, Now now) {
    switch (request.kind) {
        case Request::Kind::flush:
            return flush_slice(request);
        case Request::Kind::save:
            return save_slice(request, now);
        case Request::Kind::restore:
            return restore_slice(request, now);
        case Request::Kind::settings:
            adopt_settings(*request.settings, now.tick);
            request.answer = Request::Answer::done;
            return true;
        case Request::Kind::find:
        case Request::Kind::remove:
        case Request::Kind::update:
        case Request::Kind::insert:
            break;
    }
    if (request.family == packet::Family::ipv4)
        answer_for<4>(request, request.key4, now);
    else
        answer_for<16>(request, request.key6, now);
    return true;
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::answer_for(Request& request, const flow::Key<AddressBytes>& key, Now now) {
    auto& flows = table<AddressBytes>();
    const std::uint64_t hash = flows.hash_of(key);
    const flow::Ref ref = flows.find(key, hash, flow::no_ref, now.tick);
    if (request.kind == Request::Kind::insert) {
        if (ref != flow::no_ref) {
            request.answer = Request::Answer::exists;
            return;
        }
        request.flow = flows.insert(key, hash, request.original_from_high, request.state,
                                    now.tick + request.timeout_seconds * ticks_per_second, now.tick,
                                    on_removed<AddressBytes>());
        request.answer = request.flow == flow::no_ref ? Request::Answer::no_room : Request::Answer::done;
        if (request.flow == flow::no_ref) return;
        counters_.insert.add();
        if (rules_.kept())  // not judged, for who made it knew what they did; by the next policy it is
            rules_.template begin<AddressBytes>(
                request.flow, rules_.fresh(policy::no_rule, policy::untagged,
                                           static_cast<std::uint8_t>(2 * (key.vlans_and_pair >> 24))));
        flows.set_start(request.flow, now.wall_nanoseconds);
        flows.set_mark(request.flow, request.mark);
        if (guard_ != nullptr) guard_->template record<AddressBytes>(request.flow) = {};
        if (events_.wants(EventKind::created)) tell_created<AddressBytes>(request.flow, now);
        return;
    }
    // remove and update name a record they have seen: it must still be the same flow's.
    if (ref == flow::no_ref || (request.kind != Request::Kind::find && request.flow != ref)) {
        request.answer = Request::Answer::not_found;
        return;
    }
    request.answer = Request::Answer::done;
    request.flow = ref;
    request.original_from_high = flows.original_from_high(flows.record(ref));
    if (request.kind == Request::Kind::remove && request.reset) {
        if (!kill<AddressBytes>(ref, now)) request.answer = Request::Answer::not_found;
    } else if (request.kind == Request::Kind::remove) {
        flows.remove(ref, flow::Removal::deleted, on_removed<AddressBytes>());
    } else if (request.kind == Request::Kind::update) {
        if (request.set_mark) flows.set_mark(ref, request.mark);
        if (request.reset_account) request.account = flows.reset_account(ref);
        const auto& record = flows.record(ref);
        FlowState state = record.payload;  // all protocols keep their status in the same bits
        state.datagram.seen_reply |= request.set_seen_reply ? 1U : 0U;
        state.datagram.assured |= request.set_assured ? 1U : 0U;
        state.datagram.fixed_timeout |= request.set_fixed_timeout ? 1U : 0U;
        if (request.set_fixed_timeout && rules_.kept())  // whatever its rule says
            rules_.template set_timeouts_are_own<AddressBytes>(ref, false);
        const Tick expiry =
            request.set_timeout ? now.tick + request.timeout_seconds * ticks_per_second : record.expiry;
        // Whatever was asked for is an event, as in nf_conntrack; that somebody has read the account is none.
        if (events_.wants(EventKind::updated) && !request.reset_account)
            tell<AddressBytes>(EventKind::updated, ref, state, expiry, now);
        flows.update(ref, state, expiry, now.tick);
    }
}

/// Empties both tables, a slice of the slots a poll.
template <PacketIo Io, class Observer>
bool Tracker<Io, Observer>::flush_slice(Request& request) {
    constexpr std::uint32_t slice = 256;
    std::uint32_t budget = slice;
    const auto sweep = [&]<unsigned AddressBytes>(flow::Ref& next) {
        auto& flows = table<AddressBytes>();
        typename std::remove_reference_t<decltype(flows)>::Record record;
        for (; budget > 0 && next < flows.high_water(); ++next, --budget) {
            if (!flows.read(next, record)) continue;
            flows.remove(next, flow::Removal::deleted, on_removed<AddressBytes>());
            ++flush_.removed;
        }
    };
    sweep.template operator()<4>(flush_.next4);
    sweep.template operator()<16>(flush_.next6);
    if (budget == 0) return false;
    request.answer = Request::Answer::done;
    request.changed = flush_.removed;
    flush_ = {};
    return true;
}

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::adopt_settings(const Settings& settings, Tick now) {
    settings_ = &settings;
    if (guard_ != nullptr) guard_->adopt(settings.protection.get());
    rules_.adopt(settings.policy.get(), steering_.self);
    if (inspector_ != nullptr) inspector_->adopt(settings.policy.get(), steering_.self);
    intervals_ = intervals_of(settings);
    untagged_ = domains_of(settings);
    table4_.set_intervals(intervals_, now);
    table6_.set_intervals(intervals_, now);
    fragments_.set_timeouts(settings.fragment_timeout_ipv4 * ticks_per_second,
                            settings.fragment_timeout_ipv6 * ticks_per_second);
}

}  // namespace sluice::pipeline
