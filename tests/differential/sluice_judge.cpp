#include "sluice_judge.hpp"

#include <algorithm>
#include <stdexcept>

#include "sluice/tcp/explain.hpp"

namespace sluice::differential {
namespace {

/// Flows of plays that have ended stay in the table, so it is made anew before it fills.
constexpr unsigned plays_per_table = 512;

State state_named(std::string_view name) {
    for (int i = 0; i <= static_cast<int>(State::syn_sent2); ++i)
        if (name_of(static_cast<State>(i)) == name) return static_cast<State>(i);
    throw std::logic_error("no such state of conntrack: " + std::string(name));
}

Verdict verdict_of(pipeline::CtState state) {
    switch (state) {
        case pipeline::CtState::new_flow:
            return Verdict::new_flow;
        case pipeline::CtState::established:
            return Verdict::established;
        case pipeline::CtState::invalid:
            return Verdict::invalid;
        default:
            return Verdict::untracked;
    }
}

}  // namespace

void SluiceJudge::Witness::segment(const tcp::Connection& before, const tcp::PendingSyn& pending,
                                   tcp::Direction direction, const tcp::Segment& segment,
                                   const tcp::Verdict& verdict) {
    // After a flow that gives way the new one's opening is reported, too; what counts is what went before.
    if (sight.judged && sight.reopens) return;
    sight = {.judged = true,
             .flow = before.seen != 0,
             .before = before,
             .direction = direction,
             .segment = segment,
             .outcome = verdict.outcome,
             .reason = verdict.reason,
             .reopens = verdict.reopens,
             .lifetime = verdict.lifetime};
    if (verdict.reason != Reason::none)
        why = std::string(text_of(verdict.reason).name) + ": " +
              tcp::explain(before, pending, direction, segment, verdict, settings->tcp);
}

SluiceJudge::SluiceJudge() {
    build();
}

void SluiceJudge::build() {
    pipeline::Limits limits;
    limits.ipv4_flows = limits.ipv6_flows = 2 * plays_per_table;
    limits.fragment_datagrams = 1;
    tracker_.reset();
    memory_.assign(Tracker::bytes_needed(limits) + 64, std::byte{0});
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
    const std::size_t skip = (64 - address % 64) % 64;
    auto made = Tracker::create(limits, settings_, flow::Secret{{11, 22, 33, 44}}, {},
                                std::span(memory_).subspan(skip), packet::LinkLayer::raw_ip, &witness_);
    if (!made) throw std::runtime_error(made.error());
    tracker_ = std::move(*made);
}

void SluiceJudge::begin(const Ends& ends, const tcp::Settings& settings) {
    settings_.tcp = settings;
    witness_.settings = &settings_;
    ends_ = ends;
    flow_ = flow::no_ref;
    if (++plays_ % plays_per_table == 0) build();
}

std::optional<Entry> SluiceJudge::entry() const {
    if (flow_ == flow::no_ref) return std::nullopt;
    pipeline::FlowView view;
    const bool there = ends_.family == packet::Family::ipv4
                           ? pipeline::view(tracker_->table4(), flow_, now_.tick, 0, view)
                           : pipeline::view(tracker_->table6(), flow_, now_.tick, 0, view);
    if (!there) return std::nullopt;
    const auto pair = static_cast<tcp::Pair>(view.state.tcp.pair);
    return Entry{.state = state_named(tcp::text_of(pair).conntrack_name),
                 .assured = view.assured,
                 .originator = view.source_port == ends_.port_a ? End::a : End::b,
                 .timeout = view.seconds_left};
}

Judgement SluiceJudge::judge(const Step& step, std::uint16_t identification) {
    now_.tick += step.wait * ticks_per_second;
    const Bytes bytes = packet_of(step, ends_, identification);
    pipeline::MemoryPacket packet{.first = bytes};
    pipeline::MemoryPacket* burst[] = {&packet};
    witness_.sight = {};
    witness_.why.clear();
    tracker_->process(burst, now_, out_);
    if (out_.size != 1) throw std::runtime_error("the tracker did not decide on a packet");
    const pipeline::Decision& decision = out_.judged[0].decision;
    // A packet whose header is refused names no flow; the flow is there all the same.
    if (decision.flow != flow::no_ref) flow_ = decision.flow;
    Judgement out{.verdict = verdict_of(decision.state), .entry = entry(), .why = witness_.why};
    if (out.why.empty() && decision.reason != Reason::none) out.why = text_of(decision.reason).name;
    out.treatment = out.verdict == Verdict::invalid   ? Treatment::refused
                    : decision.reason == Reason::none ? Treatment::accepted
                                                      : Treatment::tolerated;
    return out;
}

}  // namespace sluice::differential
