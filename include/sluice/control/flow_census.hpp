// What is in the tables: flows by protocol and TCP state, and whose they are. Found by going through the
// records as a listing does, which stops nobody.
//
// A look goes through so many slots at most, and the next look goes on from there; when all tables have been
// gone through, a round is over. Tables with fewer slots in use are gone through whole by each look, so what
// is said of them is of now. A table of ten million flows takes some forty looks, and what is said is of the
// last round.
//
// With accounting, the records of a look are visited again when the next begins, and what was counted in
// between makes the rates: so a flow's rate is measured over the time between two looks, once a round. A flow
// that has gone by then is not in it, nor one that came to a slot never used before.
//
// The work of a look is done in slices, as little at a time as whoever drives it pleases.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "sluice/base/siphash.hpp"
#include "sluice/base/time.hpp"
#include "sluice/control/frequent_items.hpp"
#include "sluice/control/workers.hpp"
#include "sluice/pipeline/flow_view.hpp"

namespace sluice::control {

/// Somebody that has flows: an address that flows begin at, or a service that they lead to.
struct Talker {
    packet::Family family = packet::Family::none;
    std::uint8_t protocol = 0;  ///< of a service; 0: any, it is a source
    std::uint16_t port = 0;     ///< of a TCP or UDP service
    packet::Address address{};

    auto operator<=>(const Talker&) const = default;
};

/// Used by the control thread alone.
class FlowCensus {
  public:
    /// Slots of a look. A quarter of a million take about 50 ms of the control thread, twice with accounting,
    /// and 4 MiB to remember.
    static constexpr std::uint32_t usual_slots = 1U << 18U;
    /// A look that begins sooner after the last one is none: what is known stays as it is.
    static constexpr Tick shortest_pause = 50;

    /// A look goes through `slots` at most, 1 or more. `secret` from the kernel's generator: addresses are
    /// chosen by strangers.
    FlowCensus(std::uint32_t slots, const SipHashKey& secret);

    void begin(const Workers& workers, Tick now);
    /// Goes through `budget` slots at most, and takes them off it. True when the look is over.
    [[nodiscard]] bool go_on(const Workers& workers, Tick now, unsigned& budget);

    /// What is known, one JSON object a line: the flows by protocol and state, then `most` talkers of each
    /// kind by flows, by packets and by bytes. Returns the number of talkers.
    std::uint64_t append_rows(std::string& out, std::size_t most) const;

  private:
    struct HashTalker {
        SipHashKey secret;
        std::size_t operator()(const Talker& talker) const;
    };
    using Weights = FrequentItems<Talker, HashTalker>;
    /// By kind: sources, services.
    using Both = std::array<Weights, 2>;
    /// What was found of the flows in a round, or so far.
    struct Flows {
        std::array<std::uint64_t, tcp::pair_count> by_pair{};  ///< TCP
        std::array<std::uint64_t, 4> by_protocol{};            ///< UDP, ICMP, ICMPv6, others
        std::uint64_t slots = 0;
        Both talkers;
    };
    /// A second.
    struct Rates {
        Both packets, bytes;
    };
    /// A stretch of a table.
    struct Piece {
        unsigned worker;
        bool ipv6;
        flow::Ref first;
        std::uint32_t slots;
    };
    struct Window {
        std::vector<Piece> pieces;
        bool ends_round = false;
        Tick at = 0;  ///< when it was visited first
    };
    /// What a slot held when it was visited first.
    struct Seen {
        std::uint32_t mark = 0;  ///< of the flow's key; 0: no flow
        std::uint32_t packets = 0;
        std::uint64_t bytes = 0;
    };
    enum class Stage : std::uint8_t { over, again, first };

    [[nodiscard]] Both empty() const;
    [[nodiscard]] Window next_window(const Workers& workers);
    void begin_first(Tick now);
    template <class Visit>
    bool walk(const Workers& workers, const Window& window, Tick now, unsigned& budget, Visit&& visit);
    void meet(const pipeline::FlowView& flow, std::size_t slot);
    void meet_again(const pipeline::FlowView& flow, const Seen& seen, Tick passed);
    [[nodiscard]] std::uint32_t mark_of(const pipeline::FlowView& flow) const;
    [[nodiscard]] std::vector<Talker> chosen(std::size_t kind, std::size_t most, const Flows& flows) const;

    std::uint32_t slots_;
    HashTalker hash_;
    bool accounting_ = false;
    Stage stage_ = Stage::over;
    Window window_;          ///< of the last look, which is visited again
    Window next_;            ///< of this one
    Piece cursor_{};         ///< where the next look goes on
    std::size_t piece_ = 0;  ///< of a walk: which piece, which slot of it, which slot of all
    std::uint32_t offset_ = 0;
    std::size_t slot_ = 0;
    std::vector<Seen> seen_;
    std::uint64_t in_use_ = 0;  ///< slots of all tables when the last window was chosen
    bool has_looked_ = false;
    Tick began_ = 0, round_began_ = 0, round_took_ = 0;
    bool round_over_ = false;  ///< some round is: `flows_` is of a whole one
    Flows flows_, coming_flows_;
    Rates rates_, coming_rates_;
};

}  // namespace sluice::control
