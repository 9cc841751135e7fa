// One worker's half of the guard: counts SYNs by service and source, and keeps what it takes to answer for
// servers under a flood. What it does to packets is in tracker_guard.hpp.
//
// Beside each flow's record, by its number, lies a GuardRecord: under which service a half-open flow was
// counted, and how a proxied flow is translated. A bit a flow tells the proxied ones, so that a packet of
// another flow touches nothing of this, and none is asked for while there is no proxied flow.
//
// The tracker's own thread; what the control thread may read at any time says so. Fixed memory.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "sluice/base/counters.hpp"
#include "sluice/base/token_bucket.hpp"
#include "sluice/flow/arena.hpp"
#include "sluice/flow/hash.hpp"
#include "sluice/flow/ref.hpp"
#include "sluice/guard/initial_sequence.hpp"
#include "sluice/guard/learnt_services.hpp"
#include "sluice/guard/proxied_handshake.hpp"
#include "sluice/guard/recent_hashes.hpp"
#include "sluice/guard/service_counters.hpp"
#include "sluice/packet/build.hpp"
#include "sluice/packet/plain_syn.hpp"
#include "sluice/pipeline/protection.hpp"
#include "sluice/pipeline/settings.hpp"

namespace sluice::pipeline {

/// What the guard keeps of a flow.
struct GuardRecord {
    std::array<std::uint32_t, 3> words;  ///< the next two; which, the flow tells
    std::uint16_t counted;    ///< the service whose half-open flow it is counted as, and one; 0: none. And
                              ///< what it asked for
    std::uint16_t handshake;  ///< of a proxied flow: its place among the handshakes under way, and one; 0:
                              ///< none. Of a counted one: the port its SYN came in by

    /// In `counted`: the SYN asked for timestamps, scale and SACK, so that its answer shows whether the
    /// server knows them.
    static constexpr std::uint16_t asked_for_all = 0x8000;
    static constexpr std::uint16_t asked_for_ecn = 0x4000;
    static_assert(guard::ServiceMap::most_services < asked_for_ecn);
    [[nodiscard]] guard::ServiceNumber service() const {
        return static_cast<guard::ServiceNumber>((counted & ~(asked_for_all | asked_for_ecn)) - 1);
    }

    /// Of an open proxied flow.
    [[nodiscard]] guard::Translation translation() const { return std::bit_cast<guard::Translation>(words); }
    void set(const guard::Translation& translation) {
        words = std::bit_cast<std::array<std::uint32_t, 3>>(translation);
    }
    /// Of a counted flow: destination and source of its SYN on the link.
    using Macs = std::array<std::uint8_t, 12>;
    [[nodiscard]] Macs macs() const { return std::bit_cast<Macs>(words); }
    void set(const Macs& macs) { words = std::bit_cast<std::array<std::uint32_t, 3>>(macs); }
};
static_assert(sizeof(GuardRecord) == 16 && offsetof(GuardRecord, words) == 0,
              "a translation, and four bytes more that guard::translate() reads");

/// A handshake that the box carries on with a server, for a client that has proved its address.
struct OwnHandshake {
    guard::ProxiedHandshake machine;
    packet::LinkHeader to_server;
    std::uint16_t client_port;  ///< of the box, that leads to the client
    guard::ServiceNumber service;
    packet::Family family;
    flow::Ref flow;  ///< no_ref: this place is free
    std::uint16_t next_free;
};

class SynGuard {
  public:
    /// Under a flood, a flow that waits so long for its handshake gives way, and its server is told.
    static constexpr Tick impatience = 900;
    /// How long an answer with a cookie may come back.
    static constexpr Tick cookies_live = 2 * guard::cookie_slot;
    /// How often a SYN is let through to a service under a flood, so that the answer shows what its server
    /// knows: until there was one, and later.
    static constexpr Tick first_look = ticks_per_second / 4, next_look = 60 * ticks_per_second;
    /// How long a source that has proved its address may open connections untouched.
    static constexpr Tick trust = 300 * ticks_per_second;
    /// A SYN comes again as a client's does: no sooner, no later.
    static constexpr Tick soonest_second_syn = ticks_per_second / 2, latest_second_syn = 8 * ticks_per_second;
    /// A handshake with a server is given up before (ProxiedHandshake).
    static constexpr Tick longest_handshake = 16 * ticks_per_second;

    /// Bytes of arena for these limits; 0 without a guard.
    [[nodiscard]] static std::size_t bytes_needed(const Limits& limits);
    /// Null without a guard. `arena` is zeroed, aligned to 64, and outlives it. Sketch and candidates get
    /// keys of their own, derived from `secret`.
    [[nodiscard]] static SynGuard* create(const Limits& limits, const flow::Secret& secret,
                                          std::span<std::byte> arena);

    /// Any thread.
    [[nodiscard]] const guard::SynAccounts& accounts() const { return accounts_; }
    /// The control thread takes from it.
    [[nodiscard]] guard::ServiceCandidates& candidates() { return candidates_; }
    /// Any thread: handshakes with servers that are under way, proxied flows.
    [[nodiscard]] std::uint64_t handshakes() const { return under_way_.read(); }
    [[nodiscard]] std::uint64_t proxied_flows() const {
        return proxied_[0].count.read() + proxied_[1].count.read();
    }

    // ---- The worker.

    [[nodiscard]] guard::SynAccounts& account() { return accounts_; }
    /// Obeys `protection` from now on; it outlives that, and the call to the next. Null: none.
    void adopt(const Protection* protection);
    [[nodiscard]] const guard::SynCookies& cookies() const { return cookies_; }
    /// Once a poll.
    void advance(Tick now) {
        time_ += static_cast<Tick>(now - static_cast<Tick>(time_));
        accounts_.advance(now);
    }

    /// What becomes of a SYN that belongs to no flow.
    enum class Fate : std::uint8_t {
        pass,
        look,          ///< pass, should its answer show what the server knows of options; else answer
        look_for_ecn,  ///< pass: its answer shows whether the server knows ECN
        answer,        ///< with a cookie
        challenge,     ///< with a reset cookie
        wait_for_second,
        over_service_limit,
        over_source_limit,
        denied
    };
    /// A SYN of `client`.
    struct Arrival {
        guard::Address client;
        std::uint64_t source_hash;  ///< the accounts'
        guard::ServiceNumber service;
        std::uint64_t flow_hash;
        bool asks_for_options;  ///< scale and SACK at least
        bool asks_for_ecn;
        bool must_prove;  ///< a rule asks for Proof::proxy, defended or not
    };
    /// Counts it and decides.
    [[nodiscard]] Fate on_syn(const Arrival& syn);
    /// A burst begins. What answers() asks of a service it asks once a burst.
    void begin_burst() { ++burst_; }
    /// Whether on_syn() would say Fate::answer of a SYN without ECN, whatever its source's share of the
    /// sketch; false also where that takes more than a glance.
    [[nodiscard, gnu::always_inline]] bool answers(guard::ServiceNumber service, const guard::Address& client,
                                                   bool asks_for_options) {
        Service& one = services_[service];
        if (one.looked_at != burst_) [[unlikely]]
            look_at(one, service);
        return one.answers_all && !(asks_for_options && time_ >= one.look_again) &&
               !(sources_matter_ && is_singled_out(client));
    }
    /// Counts a SYN that answers() has found is answered.
    [[gnu::always_inline]] void count_answered(guard::Source source, std::uint64_t hash,
                                               guard::ServiceNumber service) {
        accounts_.count_syn(source, hash, service);
        answered(service);
    }
    /// What answers to such SYNs say, in this burst.
    struct Answers {
        guard::CookieOptions promised;  ///< to those of Linux's form; MSS and scale are the client's
        std::array<packet::SynAckForm, packet::syn_forms_answered> forms;
    };
    [[nodiscard, gnu::always_inline]] const Answers& answers_of(guard::ServiceNumber service) {
        Service& one = services_[service];
        if (one.prepared != burst_) [[unlikely]]
            prepare(one);
        return one.answers;
    }
    /// The source has answered a challenge.
    void trust_source(guard::Source source) {
        recent_.remember(accounts_.sources().hash(source), coarse_time(), coarse_time(trust));
    }
    /// The number that a server's connection is to begin with.
    [[nodiscard]] guard::Translation hide(const guard::Endpoints& endpoints, std::uint32_t its_own) const {
        return initial_sequence_.hide(endpoints, its_own, static_cast<std::uint32_t>(time_ * 250));
    }
    /// A cookie leaves for a client of this service.
    void answered(guard::ServiceNumber service) {
        Service& one = services_[service];
        // No cookie may come back that promised another.
        if (!expects_cookies(service)) one.promised_scale = one.profile.window_scale;
        one.cookies_until = time_ + cookies_live;
        accounts_.count_answered(service);
    }
    /// The window scale that all cookies out promise (see ProvenClient). A server that has another by now has
    /// its windows translated.
    [[nodiscard]] std::uint8_t promised_scale(guard::ServiceNumber service) const {
        return services_[service].promised_scale;
    }
    [[nodiscard]] bool is_defended(guard::ServiceNumber service) const {
        return protection_ != nullptr && protection_->board->read(service).level >= guard::Level::defend;
    }
    /// Whether half-open flows of services under a flood may be there.
    [[nodiscard]] bool sweeps() const { return time_ < sweep_until_; }
    /// Whether an ACK may bring a cookie back.
    [[nodiscard]] bool expects_cookies(guard::ServiceNumber service) const {
        return time_ < services_[service].cookies_until;
    }
    [[nodiscard]] guard::ServerProfile& profile(guard::ServiceNumber service) {
        return services_[service].profile;
    }
    /// A server's SYN,ACK has told its profile.
    void learnt(guard::ServiceNumber service) { services_[service].look_again = time_ + next_look; }
    /// The same of ECN.
    void learnt_ecn(guard::ServiceNumber service) { services_[service].look_for_ecn = time_ + next_look; }
    /// A SYN passes to show what the server knows; until it has, others do so now and then.
    void looks(guard::ServiceNumber service) { services_[service].look_again = time_ + first_look; }

    template <unsigned AddressBytes>
    [[nodiscard]] GuardRecord& record(flow::Ref flow) {
        return proxied<AddressBytes>().records[flow];
    }
    template <unsigned AddressBytes>
    [[nodiscard]] const GuardRecord& record(flow::Ref flow) const {
        return proxied_[AddressBytes == 4 ? 0 : 1].records[flow];
    }
    template <unsigned AddressBytes>
    [[nodiscard]] bool any_proxied() const {
        return proxied_[AddressBytes == 4 ? 0 : 1].count.read() != 0;
    }
    template <unsigned AddressBytes>
    [[nodiscard]] bool is_proxied(flow::Ref flow) const {
        return (proxied_[AddressBytes == 4 ? 0 : 1].bits[flow / 64] >> flow % 64 & 1U) != 0;
    }
    /// A flow is translated from now on, without a handshake of the box's own.
    template <unsigned AddressBytes>
    void translate(flow::Ref flow, const guard::Translation& translation) {
        mark<AddressBytes>(flow);
        GuardRecord& record = proxied<AddressBytes>().records[flow];
        record.set(translation);
        record.handshake = 0;
    }
    /// What the two above will read.
    template <unsigned AddressBytes>
    [[gnu::always_inline]] void prefetch_proxied(flow::Ref flow) const {
        const Flows& flows = proxied_[AddressBytes == 4 ? 0 : 1];
        prefetch_read(&flows.bits[flow / 64]);
        prefetch_read(&flows.records[flow]);
    }
    /// The flow goes: what is kept of it goes too.
    template <unsigned AddressBytes>
    void forget_proxied(flow::Ref flow) {
        Flows& flows = proxied<AddressBytes>();
        flows.bits[flow / 64] &= ~(std::uint64_t{1} << flow % 64);
        flows.count.set(flows.count.read() - 1);
        end_handshake(flows.records[flow]);
    }

    /// Whether another handshake may begin.
    [[nodiscard]] bool has_place() const { return first_free_ != no_place || used_ < places_; }
    /// A flow is proxied from now on. There must be a place.
    template <unsigned AddressBytes>
    OwnHandshake& begin_handshake(const OwnHandshake& handshake) {
        mark<AddressBytes>(handshake.flow);
        GuardRecord& record = proxied<AddressBytes>().records[handshake.flow];
        record = {};
        return occupy(handshake, record);
    }
    [[nodiscard]] OwnHandshake& handshake_of(const GuardRecord& record) {
        return handshakes_[record.handshake - 1U];
    }
    void end_handshake(GuardRecord& record);
    /// The next few that wait for a server, in turn; calls `examine(OwnHandshake&)`.
    template <class Examine>
    void for_some_handshakes(Examine&& examine) {
        constexpr unsigned budget = 4;
        if (under_way_.read() == 0) [[likely]]
            return;
        for (unsigned i = 0; i < budget && i < used_; ++i) {
            if (++turn_ >= used_) turn_ = 0;
            if (handshakes_[turn_].flow != flow::no_ref) examine(handshakes_[turn_]);
        }
    }

  private:
    struct Service {
        guard::ServerProfile profile;
        std::uint64_t look_again = 0;  ///< of time_, as the next two
        std::uint64_t look_for_ecn = 0;
        std::uint64_t cookies_until = 0;
        TokenBucket bucket;
        std::uint32_t limit = 0;  ///< that `bucket` has
        std::uint8_t promised_scale = 0;
        bool answers_all = false;     ///< SYNs of this burst, as far as the service decides
        std::uint64_t looked_at = 0;  ///< in which burst, as the next
        std::uint64_t prepared = 0;
        Answers answers;
    };
    struct Flows {
        GuardRecord* records = nullptr;
        std::uint64_t* bits = nullptr;
        Counter count;
    };
    static constexpr std::uint16_t no_place = 0xFFFF;
    static constexpr std::size_t most_source_limits = guard::Detector::most_limits;

    SynGuard(std::span<guard::ServiceCounters> services, const flow::Secret& sources,
             const SipHashKey& candidates, const SipHashKey& initial_sequence)
        : accounts_(services, sources, 0), candidates_(candidates), initial_sequence_(initial_sequence) {}
    [[nodiscard]] guard::RecentHashes::Time coarse_time(Tick ahead = 0) const {
        return static_cast<guard::RecentHashes::Time>((time_ + ahead) >> guard::RecentHashes::unit_shift);
    }
    [[nodiscard]] Fate on_unproven(const Arrival& syn, Proof proof);
    template <unsigned AddressBytes>
    void mark(flow::Ref flow) {
        Flows& flows = proxied<AddressBytes>();
        flows.bits[flow / 64] |= std::uint64_t{1} << flow % 64;
        flows.count.add();
    }
    template <unsigned AddressBytes>
    [[nodiscard]] Flows& proxied() {
        return proxied_[AddressBytes == 4 ? 0 : 1];
    }
    void look_at(Service& one, guard::ServiceNumber service);
    void prepare(Service& one) const;
    [[nodiscard]] bool is_singled_out(const guard::Address& client) const;
    OwnHandshake& occupy(const OwnHandshake& handshake, GuardRecord& record);
    [[nodiscard]] bool within_source_limit(guard::Source source);
    [[nodiscard]] bool within_service_limit(guard::ServiceNumber service, std::uint32_t limit);
    [[nodiscard]] Fate limit(guard::Source source, guard::ServiceNumber service, const ServiceRules& rules,
                             const guard::Defence& defence);

    const Protection* protection_ = nullptr;
    std::uint64_t sweep_until_ = 0;
    std::uint64_t time_ =
        0;  ///< ticks that do not wrap: buckets and services rest for longer than ticks last
    std::uint64_t burst_ = 0;
    bool sources_matter_ = false;  ///< protection_ says something of some
    guard::SynAccounts accounts_;
    guard::ServiceCandidates candidates_;
    guard::SynCookies cookies_{{}};
    guard::InitialSequence initial_sequence_;
    guard::RecentHashes recent_;  ///< sources that are trusted, first SYNs
    Service* services_ = nullptr;
    std::array<Flows, 2> proxied_;
    OwnHandshake* handshakes_ = nullptr;
    std::uint16_t places_ = 0;             ///< there are
    std::uint16_t used_ = 0;               ///< were ever taken: the first ones
    std::uint16_t first_free_ = no_place;  ///< of those given back
    std::uint16_t turn_ = 0;
    Counter under_way_;
    std::array<TokenBucket, most_source_limits> source_buckets_;  ///< of protection_->source_limits
};

}  // namespace sluice::pipeline
