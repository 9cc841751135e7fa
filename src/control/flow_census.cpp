#include "sluice/control/flow_census.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "sluice/control/text.hpp"

namespace sluice::control {
namespace {

/// Talkers counted of each kind: one who has more than a two-thousandth of all is among them.
constexpr std::size_t talkers_kept = 4096;
/// Rates are added up in thousandths: most flows carry less than a packet a second, but there are many.
constexpr std::uint64_t rate_parts = 1000;
constexpr std::array<std::uint8_t, 3> named_protocols{packet::udp, packet::icmp, packet::icmpv6};

Talker source_of(const pipeline::FlowView& flow) {
    return {flow.family, 0, 0, flow.source};
}
Talker service_of(const pipeline::FlowView& flow) {
    return {flow.family, flow.protocol, flow.destination_port, flow.destination};
}

std::size_t protocol_index(std::uint8_t protocol) {
    return static_cast<std::size_t>(std::find(named_protocols.begin(), named_protocols.end(), protocol) -
                                    named_protocols.begin());
}

}  // namespace

std::size_t FlowCensus::HashTalker::operator()(const Talker& talker) const {
    std::array<std::uint64_t, 3> words{};
    std::memcpy(words.data(), talker.address.data(), talker.address.size());
    words[2] = std::uint64_t{talker.port} << 16U | std::uint64_t{talker.protocol} << 8U |
               static_cast<std::uint64_t>(talker.family);
    return siphash_words(words, secret);
}

FlowCensus::FlowCensus(std::uint32_t slots, const SipHashKey& secret)
    : slots_(slots),
      hash_{secret},
      flows_{.talkers = empty()},
      coming_flows_{.talkers = empty()},
      rates_{empty(), empty()},
      coming_rates_{empty(), empty()} {}

FlowCensus::Both FlowCensus::empty() const {
    return {Weights(talkers_kept, hash_), Weights(talkers_kept, hash_)};
}

// ---- A look

void FlowCensus::begin(const Workers& workers, Tick now) {
    if (has_looked_ && now - began_ < shortest_pause) return;
    has_looked_ = true;
    began_ = now;
    accounting_ = workers.accounting;
    if (cursor_.worker == 0 && !cursor_.ipv6 && cursor_.first == 0) round_began_ = now;
    next_ = next_window(workers);
    if (accounting_)
        stage_ = Stage::again;
    else
        begin_first(now);
}

/// The visit of what this look is about, which nobody remembers yet.
void FlowCensus::begin_first(Tick now) {
    stage_ = Stage::first;
    next_.at = now;
    std::size_t slots = 0;
    for (const Piece& piece : next_.pieces) slots += piece.slots;
    coming_flows_.slots += slots;
    seen_.assign(accounting_ ? slots : 0, Seen{});
}

/// From where the last one ended, as far as slots in use and `slots_` go.
FlowCensus::Window FlowCensus::next_window(const Workers& workers) {
    Window out;
    in_use_ = 0;
    for (const WorkerHandle& worker : workers.all)
        in_use_ += std::uint64_t{worker.table4->high_water()} + worker.table6->high_water();
    std::uint32_t left = slots_;
    while (cursor_.worker < workers.all.size() && left != 0) {
        const WorkerHandle& worker = workers.all[cursor_.worker];
        const std::uint32_t end = cursor_.ipv6 ? worker.table6->high_water() : worker.table4->high_water();
        const std::uint32_t some = std::min(left, end - std::min(end, cursor_.first));
        if (some != 0) out.pieces.push_back({cursor_.worker, cursor_.ipv6, cursor_.first, some});
        left -= some;
        cursor_.first += some;
        if (cursor_.first < end) break;
        if (cursor_.ipv6) ++cursor_.worker;
        cursor_.ipv6 = !cursor_.ipv6;
        cursor_.first = 0;
    }
    out.ends_round = cursor_.worker == workers.all.size();
    if (out.ends_round) cursor_ = {};
    return out;
}

/// Goes on where it was: `visit(slot, flow or null)`. True at the end.
template <class Visit>
bool FlowCensus::walk(const Workers& workers, const Window& window, Tick now, unsigned& budget,
                      Visit&& visit) {
    pipeline::FlowView flow;
    for (; piece_ < window.pieces.size(); ++piece_, offset_ = 0) {
        const Piece& piece = window.pieces[piece_];
        const WorkerHandle& worker = workers.all[piece.worker];
        for (; offset_ < piece.slots; ++offset_, ++slot_) {
            if (budget == 0) return false;
            --budget;
            const flow::Ref ref = piece.first + offset_;
            const bool there = piece.ipv6 ? view(*worker.table6, ref, now, piece.worker, flow)
                                          : view(*worker.table4, ref, now, piece.worker, flow);
            visit(slot_, there ? &flow : nullptr);
        }
    }
    piece_ = slot_ = offset_ = 0;
    return true;
}

bool FlowCensus::go_on(const Workers& workers, Tick now, unsigned& budget) {
    if (stage_ == Stage::again) {
        const Tick passed = began_ - window_.at;
        if (!walk(workers, window_, now, budget, [&](std::size_t slot, const pipeline::FlowView* flow) {
                if (flow != nullptr && passed != 0) meet_again(*flow, seen_[slot], passed);
            }))
            return false;
        if (window_.ends_round) rates_ = std::exchange(coming_rates_, {empty(), empty()});
        begin_first(now);
    }
    if (stage_ == Stage::first) {
        if (!walk(workers, next_, now, budget, [&](std::size_t slot, const pipeline::FlowView* flow) {
                if (flow != nullptr) meet(*flow, slot);
            }))
            return false;
        if (next_.ends_round) {
            flows_ = std::exchange(coming_flows_, Flows{.talkers = empty()});
            round_over_ = true;
            round_took_ = now - round_began_;
        }
        window_ = std::move(next_);
        stage_ = Stage::over;
    }
    return true;
}

void FlowCensus::meet(const pipeline::FlowView& flow, std::size_t slot) {
    if (flow.protocol == packet::tcp)
        ++coming_flows_.by_pair[flow.state.tcp.pair];
    else
        ++coming_flows_.by_protocol[protocol_index(flow.protocol)];
    coming_flows_.talkers[0].add(source_of(flow), 1);
    coming_flows_.talkers[1].add(service_of(flow), 1);
    if (!accounting_) return;
    const flow::Account& account = flow.account;
    seen_[slot] = {mark_of(flow), static_cast<std::uint32_t>(account.packets[0] + account.packets[1]),
                   account.bytes[0] + account.bytes[1]};
}

/// A flow that was not there before began since, and so all that it carried is of that time.
void FlowCensus::meet_again(const pipeline::FlowView& flow, const Seen& seen, Tick passed) {
    const flow::Account& account = flow.account;
    const std::uint64_t bytes = account.bytes[0] + account.bytes[1];
    const auto packets = static_cast<std::uint32_t>(account.packets[0] + account.packets[1]);
    const Seen before = seen.mark == mark_of(flow) && seen.bytes <= bytes ? seen : Seen{};
    const auto a_second = [&](std::uint64_t counted) {
        return counted * ticks_per_second * rate_parts / passed;
    };
    const std::array<Talker, 2> talkers{source_of(flow), service_of(flow)};
    for (std::size_t kind = 0; kind < talkers.size(); ++kind) {
        coming_rates_.bytes[kind].add(talkers[kind], a_second(bytes - before.bytes));
        coming_rates_.packets[kind].add(talkers[kind], a_second(packets - before.packets));
    }
}

std::uint32_t FlowCensus::mark_of(const pipeline::FlowView& flow) const {
    std::array<std::uint64_t, 6> words{};
    std::memcpy(&words[0], flow.source.data(), flow.source.size());
    std::memcpy(&words[2], flow.destination.data(), flow.destination.size());
    words[4] = std::uint64_t{flow.source_port} << 48U | std::uint64_t{flow.destination_port} << 32U |
               std::uint64_t{flow.icmp_id} << 16U | flow.outer_vlan;
    words[5] = std::uint64_t{flow.protocol} << 16U | flow.zone;
    return static_cast<std::uint32_t>(siphash_words(words, hash_.secret)) | 1U;
}

// ---- What is known

/// The heaviest by flows, packets and bytes, each once.
std::vector<Talker> FlowCensus::chosen(std::size_t kind, std::size_t most, const Flows& flows) const {
    std::vector<Talker> out;
    for (const Weights* weights : {&flows.talkers[kind], &rates_.packets[kind], &rates_.bytes[kind]})
        for (const auto& [talker, weight] : weights->heaviest(most)) out.push_back(talker);
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

std::uint64_t FlowCensus::append_rows(std::string& out, std::size_t most) const {
    using nlohmann::ordered_json;
    const Flows& flows = round_over_ ? flows_ : coming_flows_;
    std::map<std::string_view, std::uint64_t> states;
    std::uint64_t tcp = 0, all = 0;
    for (std::size_t pair = 0; pair < tcp::pair_count; ++pair) {
        tcp += flows.by_pair[pair];
        if (flows.by_pair[pair] != 0) states[tcp::pair_texts[pair].conntrack_name] += flows.by_pair[pair];
    }
    ordered_json row;
    row["slots"] = flows.slots;
    row["slots_in_use"] = in_use_;
    row["whole"] = round_over_;
    row["seconds"] = static_cast<double>(round_took_) / ticks_per_second;
    auto& protocols = row["protocols"] = {{"tcp", tcp}};
    constexpr std::array names{"udp", "icmp", "icmpv6", "other"};
    for (std::size_t i = 0; i < names.size(); ++i) protocols[names[i]] = flows.by_protocol[i];
    for (const auto& protocol : protocols) all += protocol.get<std::uint64_t>();
    row["flows"] = all;
    auto& by_state = row["states"] = ordered_json::object();
    for (const auto& [name, number] : states) by_state[std::string(name)] = number;
    out += ordered_json{{"census", std::move(row)}}.dump() + '\n';

    constexpr std::array kinds{"source", "service"};
    std::uint64_t rows = 0;
    for (std::size_t kind = 0; kind < kinds.size(); ++kind)
        for (const Talker& talker : chosen(kind, most, flows)) {
            ordered_json line;
            line["talker"] = kinds[kind];
            line["address"] = address_text(talker.family, talker.address);
            if (kind == 1) {
                line["protocol"] = protocol_name(talker.protocol);
                line["protocol_number"] = talker.protocol;
                if (has_ports(talker.protocol)) line["port"] = talker.port;
            }
            line["flows"] = flows.talkers[kind].of(talker);
            line["packets"] =
                accounting_ ? ordered_json(rates_.packets[kind].of(talker) / rate_parts) : ordered_json();
            line["bytes"] =
                accounting_ ? ordered_json(rates_.bytes[kind].of(talker) / rate_parts) : ordered_json();
            out += line.dump() + '\n';
            ++rows;
        }
    return rows;
}

}  // namespace sluice::control
