// The library's front door: hand the tracker a burst of packets, get a decision for each.
//
// A burst goes through three stages, each a short loop over all of it, so that the memory one stage will need
// has been asked for by the stage before:
//
//     classify  parse, check checksums, build the key, hash it              -> prefetch the index's bucket
//     locate    the record in the bucket whose fingerprint fits             -> prefetch the record's line
//     judge     find for certain, step, publish, decide
//
// Judging keeps the order of arrival: a SYN and its SYN,ACK may lie in one burst, and the second must find
// what the first created. Only packets of different known connections, for whom order means nothing, are
// taken together (tracker_group.hpp).
//
// One tracker belongs to one worker: no lock, no shared write, no allocation after create().
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "sluice/base/result.hpp"
#include "sluice/flow/side_table.hpp"
#include "sluice/packet/checksum.hpp"
#include "sluice/packet/fragments.hpp"
#include "sluice/packet/icmp.hpp"
#include "sluice/packet/parse.hpp"
#include "sluice/packet/plain.hpp"
#include "sluice/pipeline/burst.hpp"
#include "sluice/pipeline/captures.hpp"
#include "sluice/pipeline/challenges.hpp"
#include "sluice/pipeline/counters.hpp"
#include "sluice/pipeline/datagram_flow.hpp"
#include "sluice/pipeline/events.hpp"
#include "sluice/pipeline/flow_rules.hpp"
#include "sluice/pipeline/flow_state.hpp"
#include "sluice/pipeline/inspector.hpp"
#include "sluice/pipeline/mailbox.hpp"
#include "sluice/pipeline/packet_io.hpp"
#include "sluice/pipeline/saved_flow.hpp"
#include "sluice/pipeline/settings.hpp"
#include "sluice/pipeline/steering.hpp"
#include "sluice/pipeline/syn_guard.hpp"
#include "sluice/pipeline/verdict.hpp"
#include "sluice/tcp/begin.hpp"
#include "sluice/tcp/step.hpp"

namespace sluice::pipeline {

/// Direction of a packet that goes from endpoint `from_high` of a record whose originator is
/// `original_from_high`.
[[nodiscard]] constexpr tcp::Direction direction_of(bool from_high, bool original_from_high) {
    return from_high == original_from_high ? tcp::Direction::original : tcp::Direction::reply;
}

/// How long each lifetime lasts.
using Intervals = std::array<Tick, flow::max_lifetimes>;
[[nodiscard]] Intervals intervals_of(const Settings& settings);

/// What distinguishes the flows of each port pair.
using Domains = std::array<flow::Domain, max_port_pairs>;
[[nodiscard]] Domains domains_of(const Settings& settings);

/// Sees each TCP segment judged and each flow that goes, for replay and tests; costs nothing when it is
/// NoObserver. Another observer has `void segment(const tcp::Connection& before, const tcp::PendingSyn&,
/// tcp::Direction, const tcp::Segment&, const tcp::Verdict&)` and `void removed(packet::Family, flow::Ref,
/// flow::Removal, Tick expiry)`.
struct NoObserver {
    static constexpr bool watches = false;
};

[[nodiscard]] constexpr bool is_half_open(std::uint32_t lifetime) {
    return lifetime_texts[lifetime].eviction_class == EvictionClass::half_open;
}

/// A TCP flow by its ends, as its originator sees it: the client, who opened it, and the server.
template <unsigned AddressBytes>
struct Ends {
    const flow::Key<AddressBytes>& key;
    unsigned client;  ///< the endpoint of the key

    [[nodiscard]] const std::uint8_t* bytes(guard::Toward whose) const {
        return key.address[place(whose)].data();
    }
    [[nodiscard]] std::uint16_t port(guard::Toward whose) const { return key.port[place(whose)]; }
    [[nodiscard]] guard::Address address(guard::Toward whose) const {
        if constexpr (AddressBytes == 4)
            return guard::Address::ipv4(bytes(whose));
        else
            return guard::Address::ipv6(bytes(whose));
    }
    [[nodiscard]] guard::Source source() const { return guard::Source::of(address(guard::Toward::client)); }
    [[nodiscard]] guard::Handshake<AddressBytes> handshake(std::uint32_t client_isn) const {
        using guard::Toward;
        return {bytes(Toward::client),
                bytes(Toward::server),
                port(Toward::client),
                port(Toward::server),
                client_isn,
                {key.vlans_and_pair, key.zone}};
    }

  private:
    [[nodiscard]] std::size_t place(guard::Toward whose) const {
        return client ^ static_cast<unsigned>(whose);
    }
};
template <unsigned AddressBytes>
Ends(const flow::Key<AddressBytes>&, unsigned) -> Ends<AddressBytes>;

template <PacketIo Io, class Observer = NoObserver>
class Tracker {
  public:
    using Packet = typename Io::Packet;

    /// Bytes of arena create() needs for both tables.
    [[nodiscard]] static std::size_t bytes_needed(const Limits& limits);

    /// `settings` must outlive the tracker or its replacement; `arena` is zeroed, aligned to 64, and outlives
    /// it too.
    [[nodiscard]] static Result<std::unique_ptr<Tracker>> create(
        const Limits& limits, const Settings& settings, const flow::Secret& secret, const Steering& steering,
        std::span<std::byte> arena, packet::LinkLayer link = packet::LinkLayer::ethernet,
        Observer* observer = nullptr);

    /// Judges up to max_burst packets. `out` is emptied first.
    void process(std::span<Packet* const> burst, Now now, Output<Io>& out);

    /// Judges one datagram completed by another worker: `first` heads the list of its fragments.
    void process_datagram(Packet* first, Now now, Output<Io>& out);

    /// Work that is not a packet's: requests from the mailbox, expiry, fragments that waited too long (these
    /// come out as dropped). Bounded; call it once a poll. `out` is emptied first. Returns the requests and
    /// flows it looked at: as long as that is not 0, more may wait.
    unsigned poll(Now now, Output<Io>& out);

    /// Gives up all that is held, at the end of a run: fragments as dropped under fragment-timeout, segments
    /// that wait to be read under inspection-timeout.
    void drop_held(Output<Io>& out);

    /// The caller lost packets outside: before they were judged (no_buffer) or after they were let go
    /// (tx_full, too_long, link_down, handover_full). They count as dropped, each under one reason.
    void count_loss(Reason reason, std::uint64_t packets) {
        counters_.dropped.add(packets);
        counters_.reasons[static_cast<std::size_t>(reason)].add(packets);
    }

    /// Copies flows behind those that `out` holds, until it is full, complete, or `budget` records were
    /// looked at. The worker's thread; any, while no worker runs.
    void export_flows(FlowExport& out, Now now, unsigned budget);
    /// Takes the next flows of `in`, at most `budget`. A flow that lives with the key of one of them stays
    /// as it is, and none goes to make room. The same threads.
    void import_flows(FlowImport& in, Now now, unsigned budget);

    [[nodiscard]] Mailbox& mailbox() { return *mailbox_; }
    [[nodiscard]] EventRing& events() { return events_; }
    /// What signatures have found; null without inspection (Limits::inspection).
    [[nodiscard]] AlertRing* alerts() { return inspector_ == nullptr ? nullptr : &inspector_->alerts; }
    /// The same. Brought up to date in each poll().
    [[nodiscard]] const InspectionCounters* inspection() const {
        return inspector_ == nullptr ? nullptr : &inspector_->counters;
    }
    [[nodiscard]] Captures& captures() { return capture_; }
    [[nodiscard]] const Counters& counters() const { return counters_; }
    [[nodiscard]] const Table4& table4() const { return table4_; }
    [[nodiscard]] const Table6& table6() const { return table6_; }
    /// Null without a guard (Limits::guarded_services).
    [[nodiscard]] SynGuard* guard() { return guard_; }
    /// How the first bytes of a frame are read; replay changes it between captures.
    void set_link_layer(packet::LinkLayer link) { link_ = link; }

  private:
    using Pending = flow::SideTable<tcp::PendingSyn>;
    using Fragments = packet::FragmentTable<Packet*>;

    /// `traced`: one of the last two whose steps somebody follows. It is found when all are located.
    enum class Kind : std::uint8_t { refused, not_ip, untracked, fragment, traced, icmp_error, flow };
    static_assert(Kind::icmp_error > Kind::fragment && Kind::flow > Kind::fragment,
                  "the last two are located, and judged by a flow");

    /// What the parser says of a packet that is not plain TCP.
    struct General {
        Packet* bearer;  ///< holds them: the packet, or the first of its fragments
        packet::Headers headers;
        packet::Quote quote;  ///< Kind::icmp_error only
    };

    /// One packet on its way through the stages: no more than the judge of plain TCP asks for.
    struct alignas(flow::cache_line_bytes) Item {
        Packet* packet;
        std::uint64_t hash;
        union {  // by family
            flow::Key4 key4;
            flow::Key6 key6;
        };
        std::uint32_t bucket;  ///< of the index: where its flow lies first
        // Two rows of lanes, neither across two cache lines: `segment` to `usual`.
        alignas(sizeof(HalfLanes)) tcp::Segment segment;  ///< TCP only
        flow::Ref candidate;                              ///< where its flow may lie
        bool from_high;               ///< direction of the packet (icmp_error: of the packet quoted)
        bool is_answer;               ///< an ICMP reply to a query
        bool usual;                   ///< TCP that step_usual() may be asked about
        std::uint32_t bytes;          ///< frame lengths
        std::uint32_t packets;        ///< 1, or the fragments of a datagram
        std::uint32_t network_bytes;  ///< from the IP header on, link padding left out: what is accounted
        Kind kind;
        Reason refusal;
        std::uint8_t protocol;
        packet::Family family;
        General* general;  ///< null for plain TCP
    };
    /// One fragment of a complete datagram.
    struct Piece {
        const Packet* packet;
        std::uint16_t offset;            ///< in the datagram
        std::uint16_t transport_offset;  ///< in its frame
        std::uint32_t transport_length;
    };
    /// Packets that leave together, in one entry of the output.
    class Train {
      public:
        [[nodiscard]] bool empty() const { return first_ == nullptr; }
        [[nodiscard]] const Decision& decision() const { return decision_; }
        void add(Packet* packet, const Decision& decision);
        void leave(Output<Io>& out);

      private:
        Packet* first_ = nullptr;
        Packet* last_ = nullptr;
        Decision decision_;
    };
    using HeaderBytes = std::array<std::uint8_t, packet::max_header_bytes>;

    /// What of a tracker differs between the families; everything else is written once.
    template <unsigned AddressBytes>
    auto& table() {
        if constexpr (AddressBytes == 4)
            return table4_;
        else
            return table6_;
    }
    template <unsigned AddressBytes>
    auto& plain_answers() {
        return AddressBytes == 4 ? plain_answers4_ : plain_answers6_;
    }
    template <unsigned AddressBytes>
    Pending& pending() {
        if constexpr (AddressBytes == 4)
            return pending4_;
        else
            return pending6_;
    }
    template <unsigned AddressBytes>
    static auto& key(Item& item) {
        if constexpr (AddressBytes == 4)
            return item.key4;
        else
            return item.key6;
    }
    template <unsigned AddressBytes>
    static const auto& key(const Item& item) {
        return key<AddressBytes>(const_cast<Item&>(item));
    }
    /// Calls `f` with the address size of `family` as a constant.
    template <class F>
    static decltype(auto) by_family(packet::Family family, F&& f) {
        return family == packet::Family::ipv4 ? f.template operator()<4>() : f.template operator()<16>();
    }

    Tracker(const Settings& settings, const Steering& steering, packet::LinkLayer link, Observer* observer,
            Table4&& table4, Table6&& table6, const Pending& pending4, const Pending& pending6,
            Fragments&& fragments, SynGuard* guard, const FlowRules& rules,
            std::unique_ptr<Inspector<Packet>> inspector, std::span<Event> event_slots,
            std::span<CapturedPacket> capture_slots, DropExamples* examples)
        : settings_(&settings),
          intervals_(intervals_of(settings)),
          untagged_(domains_of(settings)),
          steering_(steering),
          link_(link),
          observer_(observer),
          table4_(std::move(table4)),
          table6_(std::move(table6)),
          pending4_(pending4),
          pending6_(pending6),
          fragments_(std::move(fragments)),
          guard_(guard),
          rules_(rules),
          inspector_(std::move(inspector)),
          mailbox_(std::make_unique<Mailbox>()),
          events_(event_slots),
          capture_(capture_slots, examples) {}

    // classify (tracker_classify.hpp)
    void classify(Item& item);
    template <packet::Family family>
    [[nodiscard]] bool classify_plain(Item& item, const packet::ParseInput& input, std::size_t network,
                                      std::uint16_t tag);
    [[nodiscard]] bool classify_other_plain(Item& item);
    template <packet::Family family>
    [[nodiscard]] bool plain_checksums_hold(const Packet* packet, std::size_t network) const;
    template <packet::Family family>
    [[nodiscard]] bool plain_sums_hold(const Packet* packet, std::size_t network) const;
    void classify_general(Item& item);
    void classify_parsed(Item& item, const packet::ParseInput& input);
    void classify_quote(Item& item, const packet::ParseInput& input);
    [[nodiscard]] bool checksums_hold(const Item& item, const packet::ParseInput& input) const;
    [[nodiscard]] packet::ParseInput input_of(const Packet* packet) const {
        return {{Io::data(packet), Io::first_length(packet)}, Io::length(packet), link_};
    }
    [[nodiscard]] flow::Domain domain_of(const Packet* packet, std::uint16_t outer_tag,
                                         std::uint16_t inner_tag = flow::Domain::no_tag) const;
    [[nodiscard]] flow::Domain domain_of(const Item& item) const;
    template <unsigned AddressBytes>
    void set_key(Item& item, const flow::DirectedKey<AddressBytes>& directed);
    template <unsigned AddressBytes>
    void hash_key(Item& item);
    [[nodiscard]] bool locate(Item& item);
    [[nodiscard]] bool locate_elsewhere(Item& item);

    // judge (tracker_judge.hpp, tracker_group.hpp)
    template <unsigned AddressBytes>
    class Group;
    void judge(Item& item, Now now, Output<Io>& out);
    void judge_flow_or_hand_over(Item& item, bool datagram, Now now, Output<Io>& out);
    void judge_without_flow(Item& item, Now now, Output<Io>& out);
    template <unsigned AddressBytes>
    Decision decide(Item& item, Now now);
    template <unsigned AddressBytes>
    Decision judge_flow(Item& item, Now now);
    template <unsigned AddressBytes>
    Decision open_tcp(Item& item, Now now);
    template <unsigned AddressBytes>
    Decision open_in_mid_stream(Item& item, Now now);
    template <unsigned AddressBytes>
    Decision judge_tcp(Item& item, flow::Ref ref, Now now);
    template <unsigned AddressBytes>
    Decision begin_tcp(Item& item, const FlowState& state, const tcp::Verdict& verdict, Now now);
    template <unsigned AddressBytes>
    Decision judge_datagram_flow(Item& item, flow::Ref ref, Now now);
    template <unsigned AddressBytes>
    Decision judge_icmp_error(Item& item, Now now);
    template <unsigned AddressBytes>
    flow::Ref insert(Item& item, const FlowState& state, Tick expiry, Now now);
    template <unsigned AddressBytes>
    [[nodiscard]] bool adds_quietly(std::uint64_t hash);
    template <unsigned AddressBytes>
    void keep_half_open_budget(Now now);
    Decision refuse(const Item& item, Reason reason) const;
    Decision no_room(const Item& item);
    void pass_untracked(const Item& item, Output<Io>& out);
    void count(const Item& item, const Decision& decision);
    void count_unusual(const Item& item, const Decision& decision);
    void finish(const Item& item, Packet* packet, const Decision& decision, Output<Io>& out);

    // guard (tracker_answers.hpp, tracker_proxied.hpp, tracker_guard.hpp)
    /// A SYN in this burst that is to become its answer.
    struct Answer {
        Item* item;
        guard::ServiceNumber service;
        bool challenge;  ///< a reset cookie
    };
    /// How many are written side by side: two rounds of the cookies' lanes.
    static constexpr std::size_t answers_together = 8;
    /// What a SYN is counted under, and how it is answered.
    struct SynSight {
        std::uint64_t source_hash;
        guard::ServiceNumber service;
        packet::SynForm form;  ///< `other` too when more than SYN is set
    };
    /// SYNs of this burst that are answered without being parsed again, by their numbers.
    struct PlainAnswers {
        std::array<std::uint8_t*, max_burst> frames;
        std::array<std::uint8_t, max_burst> places;
        std::size_t count = 0;
    };
    /// Guessed cookies of this burst that were refused the short way.
    struct Guesses {
        std::uint64_t packets = 0, bytes = 0;
    };
    /// Where the last SYN of this burst went.
    struct ServiceSight {
        guard::Address address;
        std::uint32_t port = 0xFFFF'FFFF;  ///< no port: no SYN yet
        guard::ServiceNumber service = guard::no_service;
    };
    /// How far the search for half-open flows that wait too long has come.
    struct Sweep {
        flow::Ref next = 0;
        Tick ended = 0;  ///< the last round, through the whole table
    };
    /// Of an item of items_: its number.
    [[nodiscard]] std::size_t place_of(const Item& item) const {
        return static_cast<std::size_t>(&item - items_.data());
    }
    [[nodiscard]] bool was_foreseen(const Item& item) const {
        return (is_foreseen_ >> place_of(item) & 1U) != 0;
    }
    [[nodiscard]] bool guards() const { return guard_ != nullptr && settings_->protection != nullptr; }
    template <unsigned AddressBytes>
    [[nodiscard]] bool is_proxied(flow::Ref ref) const {
        return guard_ != nullptr && guard_->template any_proxied<AddressBytes>() &&
               guard_->template is_proxied<AddressBytes>(ref);
    }
    template <unsigned AddressBytes>
    [[nodiscard]] guard::ServiceNumber service_of(const Ends<AddressBytes>& ends) const;
    template <packet::Family family>
    [[nodiscard]] guard::ServiceNumber service_of(const packet::PlainSegment<family>& segment);
    const packet::Headers& headers_of(Item& item);
    template <unsigned AddressBytes>
    Decision open_guarded(Item& item, Now now);
    template <unsigned AddressBytes>
    Decision judge_syn(Item& item, const FlowState* reopened, Now now);
    template <unsigned AddressBytes>
    [[nodiscard]] bool answers_challenge(Item& item, Now now);
    template <unsigned AddressBytes>
    void foresee(Item& item);
    template <unsigned AddressBytes>
    [[nodiscard]] bool settle_at_once(Item& item, Now now);
    template <unsigned AddressBytes>
    [[nodiscard]] bool is_of_no_flow(const Item& item);
    template <unsigned AddressBytes>
    [[nodiscard]] bool refuse_at_once(const Item& item, Now now);
    template <unsigned AddressBytes>
    [[nodiscard]] bool answer_at_once(const Item& item);
    template <unsigned AddressBytes>
    void write_plain_answers(Now now);
    void begin_burst();
    void end_burst(Now now);
    void count_guesses();
    void write_answers(Now now);
    template <unsigned AddressBytes>
    void write_answers_of(std::span<const Answer* const> answers, Now now);
    template <unsigned AddressBytes>
    Decision judge_cookie(Item& item, const FlowState& state, const tcp::Verdict& verdict,
                          guard::ServiceNumber service, Now now);
    template <unsigned AddressBytes>
    Decision open_proxied(Item& item, const guard::ProvenClient& client, guard::ServiceNumber service,
                          Now now);
    template <unsigned AddressBytes>
    void count_opened(Item& item, flow::Ref ref);
    template <unsigned AddressBytes>
    void tell_server(flow::Ref ref);
    template <unsigned AddressBytes>
    void sweep_half_open(Sweep& sweep, Now now);
    template <unsigned AddressBytes>
    void count_gone(flow::Ref ref, guard::HalfOpenEnd end);
    template <unsigned AddressBytes>
    void forget_guarded(flow::Ref ref, const tcp::Connection& last);
    template <unsigned AddressBytes>
    void follow_half_open(Item& item, flow::Ref ref, tcp::Direction direction, bool was_answered,
                          const tcp::Connection& after);
    template <unsigned AddressBytes>
    void hide_sequence(Item& item, flow::Ref ref);
    template <unsigned AddressBytes>
    Decision judge_proxied(Item& item, flow::Ref ref, Now now);
    template <unsigned AddressBytes>
    void complete_handshake(const Item& syn_ack, flow::Ref ref, const OwnHandshake& handshake,
                            const guard::HandshakeOutcome& outcome, Now now);
    template <unsigned AddressBytes>
    [[nodiscard]] static std::uint8_t* plain_header(const Item& item);
    [[nodiscard]] static std::span<std::uint8_t> writable_header(const Item& item);
    void prefetch_proxied(std::size_t count);
    template <unsigned AddressBytes>
    bool translate_error(Item& item, flow::Ref ref, tcp::Direction quoted);
    template <unsigned AddressBytes>
    void emit(const Ends<AddressBytes>& ends, const OwnHandshake& handshake,
              const guard::HandshakeOutcome& outcome, const Packet* cause);
    template <unsigned AddressBytes>
    void emit(const Ends<AddressBytes>& ends, guard::Toward toward, const packet::TcpFields& fields,
              const packet::LinkHeader& link, std::uint16_t port, Action action);
    void poll_guard(Now now);

    // rules (tracker_policy.hpp)
    /// What the rules in force say of a packet that may begin a flow.
    struct Ruling {
        policy::FirstPacket first;
        policy::RuleNumber number;
    };
    /// Of the packets of this burst that may begin a flow.
    struct Rulings {
        std::uint64_t wanted = 0;                    ///< a bit an item that seems to belong to no flow
        std::uint64_t known = 0;                     ///< of those, the ones below
        std::array<std::uint8_t, max_burst> places;  ///< of an item: where in the next two
        std::array<policy::FirstPacket, max_burst> first;
        std::array<policy::RuleNumber, max_burst> number;
    };
    template <unsigned AddressBytes>
    [[nodiscard]] bool may_begin_flow(const Item& item) const;
    void match_first_packets();
    [[nodiscard]] bool is_ruled(const Item& item) const {
        const std::size_t place = place_of(item);  // the item of a datagram lies elsewhere
        return place < max_burst && (rulings_.known >> place & 1U) != 0;
    }
    template <unsigned AddressBytes>
    [[nodiscard]] Ruling ruling_of(Item& item);
    [[nodiscard]] bool is_admitted(const Item& item) const;
    template <unsigned AddressBytes>
    [[nodiscard]] bool is_to_prove_itself(Item& item);
    template <unsigned AddressBytes>
    [[nodiscard]] std::optional<Decision> forbidden_answer(Item& item, Now now);
    template <unsigned AddressBytes>
    policy::FirstPacket first_packet_of(Item& item);
    template <unsigned AddressBytes>
    policy::FirstPacket first_packet_of(flow::Ref ref);
    /// Of an item that would begin a flow, before insert(): null where it may. (No optional: GCC puts that
    /// together in memory for every SYN, 14 instructions.)
    template <unsigned AddressBytes>
    [[nodiscard, gnu::always_inline]] const Decision* forbidden(Item& item, Now now) {
        if (!rules_.kept()) [[likely]]
            return nullptr;
        denied_ = forbidden_by_rules<AddressBytes>(item, now);
        return denied_ ? &*denied_ : nullptr;
    }
    template <unsigned AddressBytes>
    std::optional<Decision> forbidden_by_rules(Item& item, Now now);
    template <unsigned AddressBytes>
    void begin_under_rule(flow::Ref ref, Now now);
    template <unsigned AddressBytes>
    void obey_timeouts(flow::Ref ref, const policy::Rule& rule, Now now);
    template <unsigned AddressBytes>
    [[nodiscard]] std::optional<Tick> own_interval(flow::Ref ref, Lifetime lifetime) const;
    template <unsigned AddressBytes>
    tcp::Settings mid_stream_settings(Item& item);
    template <unsigned AddressBytes>
    bool judge_anew(flow::Ref ref, Now now);
    template <unsigned AddressBytes>
    unsigned judge_live_flows(Now now);
    unsigned poll_rules(Now now);

    // refusals (tracker_refusals.hpp)
    /// A link header on the way from a client to its server, and the port that leads to whom an answer goes.
    struct Way {
        packet::LinkHeader to_server;
        std::uint16_t port;
    };
    [[nodiscard]] static bool is_killed(const tcp::Connection& connection) {
        return connection.lifetime == static_cast<unsigned>(Lifetime::killed);
    }
    Decision reject(Item& item, Reason reason, packet::Unreachable why);
    template <unsigned AddressBytes>
    void remember_way(const Item& item, flow::Ref ref);
    template <unsigned AddressBytes>
    [[nodiscard]] std::optional<Way> way_of(flow::Ref ref);
    template <unsigned AddressBytes>
    void tell_end(flow::Ref ref, guard::Toward toward, const Way& way, Action action);
    template <unsigned AddressBytes>
    bool kill(flow::Ref ref, Now now, std::optional<Way> known = std::nullopt,
              tcp::Direction from = tcp::Direction::original);
    template <unsigned AddressBytes>
    std::optional<Decision> answer_killed(Item& item, flow::Ref ref, tcp::Direction direction, Now now);
    template <unsigned AddressBytes>
    void challenge(Item& item, flow::Ref ref, tcp::Direction direction, Reason reason, Now now);

    // fragments (tracker_fragments.hpp)
    void collect_fragment(Item& item, Now now, Output<Io>& out);
    void judge_datagram(std::span<Packet* const> fragments, Now now, Output<Io>& out);
    void adopt_datagram_length(Item& item, std::uint32_t total) const;
    [[nodiscard]] bool datagram_checksum_holds(const Item& item, std::span<Piece> pieces) const;
    packet::ParseInput parse_fragment(const Packet* fragment, HeaderBytes& bytes,
                                      packet::Headers& headers) const;
    class DroppedFragments;
    void expire_fragments(Now now, Output<Io>& out);
    void count_held();

    // inspection (tracker_inspect.hpp)
    class ReadingSink;
    struct MatchSink;
    void give_up(Packet* packet, const Decision& decision);
    template <unsigned AddressBytes>
    bool read_as_ruled(flow::Ref ref, Now now);
    template <unsigned AddressBytes>
    void stop_reading(flow::Ref ref);
    [[nodiscard]] bool must_read(ProfileNumber profile) const;
    [[nodiscard]] bool can_be_read(const Item& item, policy::RuleNumber number);
    template <unsigned AddressBytes>
    void note_initial_sequence(flow::Ref ref, tcp::Direction direction, std::uint32_t sequence);
    template <unsigned AddressBytes>
    bool read(Item& item, Decision decision, Now now);
    void begin_streams(inspect::FlowNumber number, tcp::Direction direction, const tcp::Segment& segment);
    template <unsigned AddressBytes>
    [[nodiscard]] bool read_next(const Item& item, inspect::FlowNumber number, tcp::Direction direction);
    template <unsigned AddressBytes>
    void read_segment(Item& item, inspect::FlowNumber number, const Decision& decision, Now now);
    template <unsigned AddressBytes>
    bool read_datagram(Item& item, const Decision& decision, Now now);
    [[nodiscard]] std::span<const std::uint8_t> bytes_of(const Packet* packet, std::size_t at,
                                                         std::uint32_t length);
    [[nodiscard]] std::span<const std::uint8_t> payload_of(const Item& item, std::uint32_t header,
                                                           std::uint32_t length);
    bool pass_unread(const Item& item, const Decision& decision);
    void drop_unread(const Item& item, Decision decision, Reason reason);
    void drop_unread_of_all();
    template <unsigned AddressBytes>
    void reset_flow(Item& item, flow::Ref ref, tcp::Direction direction, std::uint32_t unread, Now now);
    inspect::Effect match(inspect::FlowNumber number, tcp::Direction direction, std::uint32_t signature,
                          std::uint64_t end);
    template <unsigned AddressBytes>
    policy::SignatureAction found(flow::Ref ref, ProfileNumber profile, tcp::Direction direction,
                                  std::uint32_t signature, std::uint64_t end);
    template <unsigned AddressBytes>
    bool renew(flow::Ref ref, Now now);
    unsigned poll_inspection(Now now);
    void close_gaps(Output<Io>& out);
    void end_reading(Output<Io>& out);

    // captures (tracker_captures.hpp)
    /// A packet that a rule denied.
    struct Denial {
        const Packet* packet;
        policy::RuleNumber rule;
    };
    void note_denial(const Packet* packet, policy::RuleNumber rule);
    [[nodiscard]] policy::RuleNumber denied_by(const Packet* packet) const;
    /// A packet of a traced flow as it came, and its flow before it.
    struct Before {
        bool had_flow = false;
        FlowState state{};
        tcp::PendingSyn pending{};
        std::uint32_t length;  ///< of the frame
        std::uint16_t captured;
        std::array<std::uint8_t, most_captured_bytes> bytes;
    };
    void show(const Output<Io>& out, Now now) {
        if (capture_.wanted() != 0) [[unlikely]]
            capture(out, now);
    }
    void capture(const Output<Io>& out, Now now);
    void capture(const Packet* packet, const Packet* first, const Decision& decision, Now now);
    void describe(CapturedPacket& entry, const Packet* packet, const Packet* first, const Decision& decision,
                  Now now);
    void keep_example(const Packet* packet, const Decision& decision);
    [[nodiscard]] bool is_traced(std::uint64_t hash) const {
        return (capture_.wanted() & traced_too) != 0 && capture_.traced.copy().holds(hash);
    }
    [[nodiscard]] std::uint64_t set_traced_aside(std::size_t count);
    template <unsigned AddressBytes>
    [[nodiscard]] Before before(const Item& item, Now now);
    void judge_traced(Item& item, bool datagram, Now now, Output<Io>& out);

    // events (tracker_events.hpp)
    template <unsigned AddressBytes>
    void describe(Event& event, flow::Ref ref, const FlowState& state, Tick expiry, Now now);
    template <unsigned AddressBytes>
    void tell(EventKind kind, flow::Ref ref, const FlowState& state, Tick expiry, Now now,
              flow::Removal why = {});
    template <unsigned AddressBytes>
    void tell_created(flow::Ref ref, Now now);
    template <unsigned AddressBytes>
    void tell_if_changed(flow::Ref ref, const FlowState& state, Tick expiry, Now now);
    template <unsigned AddressBytes>
    void tell_removed(flow::Ref ref, flow::Removal why);

    // saved flows (tracker_saved.hpp)
    /// The key of a saved flow, of its family.
    template <unsigned AddressBytes, class Saved>
    static auto& saved_key(Saved& saved) {
        if constexpr (AddressBytes == 4)
            return saved.key4;
        else
            return saved.key6;
    }
    template <unsigned AddressBytes>
    void export_from(flow::Ref& next, FlowExport& out, Now now, unsigned& budget);
    template <unsigned AddressBytes>
    void export_one(flow::Ref ref, FlowExport& out, Now now);
    template <unsigned AddressBytes>
    Restored import_one(const SavedFlow& saved, Now now);

    // control (tracker_control.hpp)
    unsigned answer_requests(Now now);
    bool answer(Request& request, Now now);
    template <unsigned AddressBytes>
    void answer_for(Request& request, const flow::Key<AddressBytes>& key, Now now);
    bool flush_slice(Request& request);
    bool save_slice(Request& request, Now now);
    bool restore_slice(Request& request, Now now);
    void adopt_settings(const Settings& settings, Tick now);
    template <unsigned AddressBytes>
    auto on_removed();
    [[nodiscard]] Tick ticks_of(Lifetime lifetime) const {
        return intervals_[static_cast<std::size_t>(lifetime)];
    }

    const Settings* settings_;
    Intervals intervals_;  ///< of settings_
    Domains untagged_;     ///< of settings_: the domain of each port pair, without tags
    Steering steering_;
    packet::LinkLayer link_;
    [[no_unique_address]] Observer* observer_;
    Table4 table4_;
    Table6 table6_;
    Pending pending4_, pending6_;
    Fragments fragments_;
    SynGuard* guard_;  ///< in the arena; null: none
    FlowRules rules_;  ///< in the arena; empty: none
    Rulings rulings_;
    FlowRules::Record admitted_;                    ///< of the packet that may begin a flow
    std::unique_ptr<Inspector<Packet>> inspector_;  ///< its tables are in the arena; null: none
    Train given_up_;                                ///< packets dropped for inspection in the call under way
    std::span<const Piece> pieces_;  ///< of the datagram being judged, when it came in fragments
    bool has_gaps_ = false;          ///< entries of the output that stand for no packet
    bool reads_ = false;             ///< the last group of packets that was asked had flows that are read
    Output<Io>* out_ = nullptr;      ///< of the call under way: where packets of the box's own go
    std::unique_ptr<Mailbox> mailbox_;
    struct {
        flow::Ref next4 = 0, next6 = 0;  ///< how far the flush in progress has come
        std::uint64_t removed = 0;
    } flush_;
    Counters counters_;
    std::array<Item, max_burst> items_;
    std::array<General, max_burst> general_;
    std::array<Answer, max_burst> answers_;
    std::size_t answer_count_ = 0;
    PlainAnswers plain_answers4_, plain_answers6_;
    Guesses guesses_;
    Sweep swept4_, swept6_;
    Challenges challenges_;
    std::array<SynSight, max_burst> foreseen_;
    std::uint64_t is_foreseen_ = 0;  ///< a bit an item of the burst
    ServiceSight last_service_;
    Now at_;  ///< when a flow goes that goes now, or a packet is dropped that is dropped now
    EventRing events_;
    Captures capture_;
    std::array<Denial, max_burst> denials_;  ///< the last, while somebody captures
    std::size_t denial_count_ = 0;           ///< in this burst
    std::optional<Decision> denied_;         ///< of the last packet that forbidden_by_rules() saw
    static_assert(max_burst <= 64);
};

}  // namespace sluice::pipeline

#include "sluice/pipeline/tracker_answers.hpp"
#include "sluice/pipeline/tracker_captures.hpp"
#include "sluice/pipeline/tracker_classify.hpp"
#include "sluice/pipeline/tracker_control.hpp"
#include "sluice/pipeline/tracker_events.hpp"
#include "sluice/pipeline/tracker_fragments.hpp"
#include "sluice/pipeline/tracker_group.hpp"
#include "sluice/pipeline/tracker_guard.hpp"
#include "sluice/pipeline/tracker_inspect.hpp"
#include "sluice/pipeline/tracker_judge.hpp"
#include "sluice/pipeline/tracker_policy.hpp"
#include "sluice/pipeline/tracker_proxied.hpp"
#include "sluice/pipeline/tracker_refusals.hpp"
#include "sluice/pipeline/tracker_saved.hpp"
