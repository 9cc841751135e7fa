// What one worker counts of one protected service, and the worker's whole account of SYNs.
//
// A service's numbers fill one line, and the sources it saw (distinct_sources.hpp) another: a SYN touches
// both, every other step of a handshake the first alone, and a segment of an established connection neither.
// All numbers only grow, except the half-open flows; the control thread takes differences.
//
// The number of a service is looked up once (service_map.hpp), when the SYN opens its flow, and kept with the
// half-open flow: a flow that goes must be taken off where it was counted, and by then the map may be
// another.
//
// One writer, the worker; the control thread reads at any time. No lock, no locked instruction, no
// allocation.
#pragma once

#include <cstdint>
#include <span>

#include "sluice/base/counters.hpp"
#include "sluice/base/time.hpp"
#include "sluice/guard/distinct_sources.hpp"
#include "sluice/guard/source_sketch.hpp"

namespace sluice::guard {

struct alignas(64) ServiceCounters {
    Counter syns;  ///< attempts to connect: SYNs without a flow, so that a retransmission is none where there
                   ///< is one
    Counter answered;   ///< of those, answered with a SYN-ACK: by the server, or by the box in its stead
    Counter completed;  ///< of those, completed by the client's ACK (a valid cookie, where the box answered)
    Counter refused;    ///< answered with a RST by the server
    Counter reset;      ///< ended by a RST of the client's address before the handshake was complete
    Counter limited;    ///< dropped by a limit of the guard's own
    Counter half_open;  ///< flows that wait for their handshake, now
    Counter window;     ///< which window `sources` belongs to
    DistinctSources sources;
};
static_assert(sizeof(ServiceCounters) == 128, "a line of counts, a line of sources");

/// Why a flow that waited for its handshake goes.
enum class HalfOpenEnd : std::uint8_t {
    completed,  ///< the client has shown its address
    refused,    ///< RST of the server
    reset,      ///< RST of the client's address
    lost,       ///< its time ran out, or it was evicted
};

/// One worker's account: the sources of all SYNs, the numbers of each service.
class SynAccounts {
  public:
    /// How long `sources` of a service count before they start anew.
    static constexpr Tick distinct_window = ticks_per_second;

    /// `services` outlives the accounts; service numbers are below its size, and number 0 is whatever no
    /// service in the map covers. About 130 KiB: allocate it where the worker's other memory lies.
    SynAccounts(std::span<ServiceCounters> services, const flow::Secret& secret, Tick now)
        : sketch_(secret, now), services_(services) {}

    /// Once a poll.
    void advance(Tick now) {
        sketch_.advance(now);
        distinct_window_ = now / distinct_window;
    }

    [[nodiscard]] std::uint64_t hash(Source source) const { return sketch_.hash(source); }
    /// First of two steps for a SYN that belongs to no flow, so that those of a burst fetch their lines side
    /// by side: the hash to give to count_syn().
    [[nodiscard, gnu::always_inline]] std::uint64_t prefetch(Source source, std::uint16_t service) const {
        const std::uint64_t hash = sketch_.hash(source);
        sketch_.prefetch(hash);
        prefetch_write(&services_[service]);
        prefetch_write(&services_[service].sources);
        return hash;
    }
    /// Second: before it is decided what becomes of it.
    [[gnu::always_inline]] void count_syn(Source source, std::uint64_t hash, std::uint16_t service) {
        ServiceCounters& counters = services_[service];
        counters.syns.add();
        if (counters.window.read() != distinct_window_) [[unlikely]] {
            counters.window.set(distinct_window_);
            counters.sources.clear();
        }
        counters.sources.count(hash);
        sketch_.count_syn(source, hash, service);
    }
    void count_syn(Source source, std::uint16_t service) { count_syn(source, sketch_.hash(source), service); }
    /// The guard dropped it.
    void count_limited(std::uint16_t service) { services_[service].limited.add(); }
    /// A half-open flow was made for it.
    void count_opened(std::uint16_t service) { services_[service].half_open.add(); }
    /// A SYN was answered with its first SYN-ACK.
    void count_answered(std::uint16_t service) { services_[service].answered.add(); }
    /// A valid cookie came back: a handshake complete without a flow that waited for it.
    void count_completed(Source source, std::uint16_t service) {
        services_[service].completed.add();
        sketch_.count_completed(source, sketch_.hash(source));
    }
    /// A half-open flow goes, to become a connection or for good. `service` as it was opened with.
    void count_gone(Source source, std::uint16_t service, HalfOpenEnd end) {
        ServiceCounters& counters = services_[service];
        counters.half_open.set(counters.half_open.read() - 1);
        if (end == HalfOpenEnd::completed) count_completed(source, service);
        if (end == HalfOpenEnd::refused) counters.refused.add();
        if (end == HalfOpenEnd::reset) counters.reset.add();
    }

    /// Any thread.
    [[nodiscard]] std::span<const ServiceCounters> services() const { return services_; }
    [[nodiscard]] const SourceSketch& sources() const { return sketch_; }

  private:
    SourceSketch sketch_;
    std::span<ServiceCounters> services_;
    std::uint64_t distinct_window_ = 0;
};

}  // namespace sluice::guard
