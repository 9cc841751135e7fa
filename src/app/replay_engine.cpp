#include "app/replay_engine.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include <fmt/format.h>
#include <sys/mman.h>

#include "app/replay_reasons.hpp"
#include "sluice/control/alert_words.hpp"
#include "sluice/pipeline/policy.hpp"
#include "sluice/tcp/explain.hpp"

namespace sluice::app {
namespace {

/// Behind the captured bytes of a frame that was cut short: zeros in place of what is missing.
constexpr std::array<std::uint8_t, longest_frame> missing_bytes{};

/// The same in every replay, so that two runs over one capture print the same. In the daemon the secret keeps
/// outsiders from choosing colliding flows; here they could choose the whole capture anyway.
constexpr flow::Secret replay_secret{
    {0x243F6A8885A308D3ULL, 0x13198A2E03707344ULL, 0xA4093822299F31D0ULL, 0x082EFA98EC4E6C89ULL}};

/// Bytes from the start of the frame that must have been captured for its headers to be known, TCP options
/// aside (those that are missing count as not sent).
std::size_t header_bytes_of(const packet::Headers& headers) {
    if (headers.family == packet::Family::none) return 0;
    constexpr std::size_t quoted_ports = 8;
    const std::size_t quoted_network = headers.family == packet::Family::ipv4 ? 20 : 40;
    std::size_t transport = 0;
    switch (headers.protocol) {
        case packet::tcp:
            transport = 20;
            break;
        case packet::udp:
            transport = 8;
            break;
        case packet::icmp:
        case packet::icmpv6:
            transport = headers.icmp_error ? 8 + quoted_network + quoted_ports : 8;
            break;
        default:
            break;
    }
    return headers.transport_offset + std::min<std::size_t>(transport, headers.transport_length);
}

/// Only the first fragment of a datagram knows the ports; whoever prints the others wants them too. (Packets
/// given up together may be of several datagrams; those keep what they know.)
void share_ports(pipeline::MemoryPacket* first) {
    const auto headers_of = [](pipeline::MemoryPacket* packet) -> packet::Headers& {
        return static_cast<Frame*>(packet)->headers;
    };
    const packet::Headers* known = nullptr;
    for (auto* packet = first; packet != nullptr; packet = packet->next_fragment) {
        if (!of_one_datagram(headers_of(packet), headers_of(first))) return;
        if (!packet::is_later_fragment(headers_of(packet))) known = &headers_of(packet);
    }
    if (known == nullptr) return;
    for (auto* packet = first; packet != nullptr; packet = packet->next_fragment) {
        headers_of(packet).source_port = known->source_port;
        headers_of(packet).destination_port = known->destination_port;
    }
}

std::span<const std::uint8_t> zeros(std::size_t count) {
    return std::span(missing_bytes).first(std::min(count, missing_bytes.size()));
}

}  // namespace

std::string TrackerWitness::explain(Reason reason, const tcp::Settings& settings) const {
    if (!last_ || last_->verdict.reason != reason) return {};
    return tcp::explain(last_->before, last_->pending, last_->direction, last_->segment, last_->verdict,
                        settings);
}

/// Untouched pages cost nothing, so a large table may be asked for and hardly used.
ReplayEngine::Arena::Arena(std::size_t bytes) {
    void* memory =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory != MAP_FAILED) bytes_ = {static_cast<std::byte*>(memory), bytes};
}

ReplayEngine::Arena::~Arena() {
    if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

ReplayEngine::~ReplayEngine() = default;

Result<std::unique_ptr<ReplayEngine>> ReplayEngine::create(const pipeline::Limits& limits,
                                                           const pipeline::Settings& settings,
                                                           unsigned workers, JudgementSink& sink) {
    std::unique_ptr<ReplayEngine> engine(new ReplayEngine(limits, settings, sink));
    const std::size_t bytes = Tracker::bytes_needed(limits);
    for (unsigned i = 0; i < workers; ++i) {
        Arena arena(bytes);
        if (arena.bytes().empty())
            return Error{fmt::format(
                "no memory for the flow tables: {} MiB for each of {} workers; ask for fewer flows "
                "(tracker.max)",
                bytes >> 20, workers)};
        pipeline::Steering steering;
        steering.workers = workers;
        steering.self = i;
        auto tracker = Tracker::create(limits, settings, replay_secret, steering, arena.bytes(),
                                       engine->link_, &engine->witness_);
        if (!tracker) return Error{tracker.error()};
        engine->workers_.push_back({std::move(arena), std::move(*tracker), 0, {}, {}});
    }
    return engine;
}

void ReplayEngine::set_link_layer(packet::LinkLayer link) {
    if (link == link_) return;
    // A tracker reads all fragments of a datagram with one link layer: none may straddle the change.
    if (held() > 0) finish();
    input_ended_ = false;
    link_ = link;
    for (Worker& worker : workers_) worker.tracker->set_link_layer(link);
}

void ReplayEngine::feed(const CapturedPacket& packet) {
    clock_.advance_to(packet.nanoseconds, [this](pipeline::Now now) { poll_all(now); });
    report_ended();
    Frame& frame = next_frame(packet);
    current_ = &frame;
    pipeline::MemoryPacket* const burst[] = {&frame};
    witness_.forget();
    workers_.front().tracker->process(burst, clock_.now(), out_);
    note_removed(workers_.front());
    note_alerts(0);
    take(0, out_);
    if (current_ != nullptr) keep(frame);
}

/// A frame as the tracker will see it. Of a packet cut short by the capture, the missing bytes count as zeros
/// and its checksums as good, provided that its headers are there; else the packet is what was captured, and
/// malformed.
Frame& ReplayEngine::next_frame(const CapturedPacket& packet) {
    if (free_frames_.empty()) {
        frames_.push_back(std::make_unique<Frame>());
        free_frames_.push_back(frames_.back().get());
    }
    Frame& frame = *free_frames_.back();
    free_frames_.pop_back();
    frame.number = ++packets_;
    frame.nanoseconds = packet.nanoseconds;
    frame.length = packet.length;
    frame.captured = static_cast<std::uint32_t>(packet.bytes.size());
    frame.first = packet.bytes;
    frame.rest = {};
    frame.checksum = pipeline::ChecksumState::unknown;
    frame.next_fragment = nullptr;

    const std::size_t captured = packet.bytes.size();
    if (captured == packet.length) {
        packet::parse({packet.bytes, captured, link_}, frame.headers);
        return frame;
    }
    std::array<std::uint8_t, packet::max_header_bytes> start{};
    std::copy_n(packet.bytes.begin(), std::min(captured, start.size()), start.begin());
    const std::size_t count = std::min<std::size_t>(packet.length, start.size());
    packet::parse({std::span(start).first(count), packet.length, link_}, frame.headers);
    if (frame.headers.refusal == Reason::none && header_bytes_of(frame.headers) <= captured) {
        frame.rest = zeros(packet.length - captured);
        frame.checksum = pipeline::ChecksumState::good;
    } else {
        packet::parse({packet.bytes, captured, link_}, frame.headers);
    }
    return frame;
}

/// What falls due: expired flows, datagrams that waited too long. A poll takes a slice of it, so until
/// nothing comes.
void ReplayEngine::poll_all(pipeline::Now now) {
    for (unsigned i = 0; i < workers_.size(); ++i) {
        Tracker& tracker = *workers_[i].tracker;
        for (bool more = true; more;) {
            const std::uint64_t expired = tracker.counters().expired.read();
            tracker.poll(now, out_);
            note_removed(workers_[i]);
            note_alerts(i);
            more = out_.size > 0 || tracker.counters().expired.read() != expired;
            take(i, out_);
        }
    }
}

void ReplayEngine::take(unsigned worker, const Output& out, unsigned hop) {
    for (const auto& judged : out.view()) {
        if (judged.decision.action == pipeline::Action::handover)
            hand_over(judged, hop);
        else
            judge(worker, judged.packet, judged.decision);
    }
}

/// What the ring between two workers does in the daemon.
void ReplayEngine::hand_over(const Output::Judged& judged, unsigned hop) {
    const unsigned owner = judged.decision.owner;
    assert(owner < workers_.size() && hop < max_hops);
    Output& out = handed_over_[hop];
    Tracker& tracker = *workers_[owner].tracker;
    if (judged.decision.datagram) {
        tracker.process_datagram(judged.packet, clock_.now(), out);
    } else {
        pipeline::MemoryPacket* const burst[] = {judged.packet};
        tracker.process(burst, clock_.now(), out);
    }
    note_removed(workers_[owner]);
    note_alerts(owner);
    take(owner, out, hop + 1);
}

void ReplayEngine::judge(unsigned index, pipeline::MemoryPacket* first, const pipeline::Decision& decision) {
    Worker& worker = workers_[index];
    report_ended();
    number_flow(worker, decision);
    Judgement judgement;
    judgement.worker = index;
    judgement.decision = decision;
    describe_flow(worker, judgement);
    judgement.alerts = alerts_of(index, decision);
    if (decision.datagram) share_ports(first);
    const Frame* explained = nullptr;
    for (pipeline::MemoryPacket* packet = first; packet != nullptr;) {
        pipeline::MemoryPacket* const next = decision.datagram ? packet->next_fragment : nullptr;
        auto& frame = static_cast<Frame&>(*packet);
        judgement.frame = &frame;
        // Several datagrams may be given up together, each for numbers of its own.
        if (decision.reason != Reason::none &&
            (explained == nullptr || !of_one_datagram(explained->headers, frame.headers))) {
            judgement.why = reason_of(worker, frame, static_cast<Frame&>(*first), decision);
            explained = &frame;
        }
        sink_.judged(judgement);
        judgement.alerts.clear();  // they are told once
        release(frame);
        packet = next;
    }
}

/// A flow has a number from its creation on, which the tracker's own count of insertions tells.
void ReplayEngine::number_flow(Worker& worker, const pipeline::Decision& decision) {
    const std::uint64_t inserted = worker.tracker->counters().insert.read();
    if (inserted == worker.inserted) return;
    worker.inserted = inserted;
    if (decision.flow == flow::no_ref) return;
    auto& numbers = decision.family == packet::Family::ipv4 ? worker.number4 : worker.number6;
    if (numbers.size() <= decision.flow) numbers.resize(std::size_t{decision.flow} + 1, 0);
    numbers[decision.flow] = ++flows_created_;
}

void ReplayEngine::describe_flow(const Worker& worker, Judgement& judgement) const {
    const flow::Ref ref = judgement.decision.flow;
    if (ref == flow::no_ref) return;
    const auto describe = [&](const auto& record, const std::vector<std::uint64_t>& numbers) {
        const Tick left = reached(clock_.now().tick, record.expiry) ? 0 : record.expiry - clock_.now().tick;
        judgement.timeout = left / ticks_per_second;
        judgement.assured = record.payload.datagram.assured;
        judgement.seen_reply = record.payload.datagram.seen_reply;
        judgement.tcp = record.key.protocol == packet::tcp;
        if (judgement.tcp) judgement.pair = static_cast<tcp::Pair>(record.payload.tcp.pair);
        judgement.flow = ref < numbers.size() ? numbers[ref] : 0;
    };
    if (judgement.decision.family == packet::Family::ipv4)
        describe(worker.tracker->table4().record(ref), worker.number4);
    else
        describe(worker.tracker->table6().record(ref), worker.number6);
}

/// The TCP engine's own words for a segment; ours for everything else.
std::string ReplayEngine::reason_of(const Worker& worker, const Frame& frame, const Frame& first,
                                    const pipeline::Decision& decision) const {
    std::string why = witness_.explain(decision.reason, settings_.tcp);
    if (!why.empty()) return why;
    const tcp::Connection* connection = nullptr;
    if (decision.flow != flow::no_ref) {
        const auto look = [&](const auto& record) {
            if (record.key.protocol == packet::tcp) connection = &record.payload.tcp;
        };
        if (decision.family == packet::Family::ipv4)
            look(worker.tracker->table4().record(decision.flow));
        else
            look(worker.tracker->table6().record(decision.flow));
    }
    return explain_packet({.frame = frame,
                           .first = first,
                           .decision = decision,
                           .link = link_,
                           .settings = settings_,
                           .limits = limits_,
                           .connection = connection,
                           .frames = frames_,
                           .input_ended = input_ended_});
}

/// Flows that went in the last call of this worker's tracker: their numbers are known until a record is used
/// again.
void ReplayEngine::note_removed(const Worker& worker) {
    for (const auto& removed : witness_.take_removed()) {
        const auto& numbers = removed.family == packet::Family::ipv4 ? worker.number4 : worker.number6;
        if (removed.flow < numbers.size())
            gone_.push_back({numbers[removed.flow], removed.why, removed.expiry});
    }
}

/// What this worker's tracker has found in its last call.
void ReplayEngine::note_alerts(unsigned index) {
    pipeline::AlertRing* const ring = workers_[index].tracker->alerts();
    if (ring == nullptr) return;
    for (const pipeline::Alert* alert = ring->oldest(); alert != nullptr; alert = ring->oldest()) {
        const control::AlertNews news = control::news_of(*alert, index, settings_.policy->inspection.get());
        found_.push_back(
            {index, alert->family, alert->flow, {alert->signature_id, control::alert_line(news)}});
        ring->take();
    }
}

/// Those of the decision's flow; where it has none any more, all that are left.
std::vector<ReplayAlert> ReplayEngine::alerts_of(unsigned index, const pipeline::Decision& decision) {
    std::vector<ReplayAlert> out;
    std::erase_if(found_, [&](Found& found) {
        const bool its =
            decision.flow == flow::no_ref ||
            (found.worker == index && found.family == decision.family && found.flow == decision.flow);
        if (its) out.push_back(std::move(found.alert));
        return its;
    });
    return out;
}

void ReplayEngine::report_ended() {
    constexpr std::int64_t nanoseconds_per_tick = ReplayClock::nanoseconds_per_tick;
    const pipeline::Now now = clock_.now();
    for (const Gone& gone : std::exchange(gone_, {})) {
        std::int64_t at = static_cast<std::int64_t>(now.wall_nanoseconds);
        if (gone.why == flow::Removal::expired && reached(now.tick, gone.expiry))
            at -= std::int64_t{now.tick - gone.expiry} * nanoseconds_per_tick;
        sink_.ended({gone.flow, gone.why, at});
    }
}

/// The tracker holds the packet beyond the life of the reader's buffer: a copy takes its place, without what
/// may lie behind the IP packet (but for ordinary link padding), so that a datagram is never longer than 64
/// KiB.
void ReplayEngine::keep(Frame& frame) {
    constexpr std::size_t link_padding = 64;
    const std::size_t needed =
        std::size_t{frame.headers.transport_offset} + frame.headers.transport_length + link_padding;
    const auto bytes = frame.first.first(std::min(frame.first.size(), needed));
    frame.kept.assign(bytes.begin(), bytes.end());
    frame.first = frame.kept;
    frame.rest = zeros(frame.length - bytes.size());
    current_ = nullptr;
    frame.held = true;
    ++held_;
    sink_.held(frame);
}

void ReplayEngine::release(Frame& frame) {
    constexpr std::size_t ordinary_frame = 2048;
    if (current_ == &frame)
        current_ = nullptr;
    else
        --held_;
    frame.held = false;
    if (frame.kept.capacity() > ordinary_frame) std::vector<std::uint8_t>().swap(frame.kept);
    free_frames_.push_back(&frame);
}

std::vector<pipeline::FlowView> ReplayEngine::flows() const {
    std::vector<std::pair<std::uint64_t, pipeline::FlowView>> found;
    const Tick now = clock_.now().tick;
    for (unsigned i = 0; i < workers_.size(); ++i) {
        const auto collect = [&](const auto& table, const std::vector<std::uint64_t>& numbers) {
            pipeline::FlowView view;
            for (flow::Ref ref = 0; ref < table.high_water(); ++ref)
                if (pipeline::view(table, ref, now, i, view)) found.emplace_back(numbers[ref], view);
        };
        collect(workers_[i].tracker->table4(), workers_[i].number4);
        collect(workers_[i].tracker->table6(), workers_[i].number6);
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<pipeline::FlowView> views;
    views.reserve(found.size());
    for (auto& [number, view] : found) views.push_back(view);
    return views;
}

void ReplayEngine::finish() {
    witness_.forget();
    input_ended_ = true;
    for (unsigned i = 0; i < workers_.size(); ++i) {
        workers_[i].tracker->drop_held(out_);
        take(i, out_);
    }
}

}  // namespace sluice::app
