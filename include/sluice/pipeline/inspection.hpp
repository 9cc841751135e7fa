// What flows are read for, and what is said of what was found. An Inspection is built by the control thread,
// immutable but for what each worker counts, and replaced whole with the Policy that holds it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/base/counters.hpp"
#include "sluice/base/result.hpp"
#include "sluice/base/time.hpp"
#include "sluice/base/token_bucket.hpp"
#include "sluice/flow/table.hpp"
#include "sluice/inspect/event.hpp"
#include "sluice/inspect/scanner.hpp"
#include "sluice/inspect/terms.hpp"
#include "sluice/packet/headers.hpp"
#include "sluice/pipeline/ring.hpp"
#include "sluice/policy/signature.hpp"

namespace sluice::pipeline {

/// The number of a profile in its Inspection.
using ProfileNumber = std::uint16_t;
inline constexpr ProfileNumber no_profile = 0xFFFF;

/// What the rules that name it want done with their flows.
struct InspectionProfile {
    std::string name;
    /// A profile that does not block passes everything on at once: its drops and resets are alerts.
    inspect::Terms terms;
    std::uint16_t excerpt = 0;           ///< bytes up to a match's end in its alert, to longest_excerpt
    std::uint32_t alerts_a_second = 10;  ///< of each signature and worker, at least 1
    std::shared_ptr<const inspect::Database> database;  ///< never null

    [[nodiscard]] const policy::SignatureSet& signatures() const { return database->signatures(); }
};

/// What one worker counts of one signature: written by it alone, read by anyone.
struct SignatureTally {
    Counter hits;        ///< matches where its service covers the server's port
    Counter suppressed;  ///< of those, the ones beyond what may be said in a second
    TokenBucket alerts;
};

class Inspection {
  public:
    static constexpr std::size_t most_profiles = 1024;

    /// `streams` is how many flows a worker reads at once (ReassemblyLimits::flows): each profile has so many
    /// streams of each direction, for each worker. `generation` is the caller's, to tell alerts of this from
    /// those of the one before. Links Hyperscan.
    [[nodiscard]] static Result<std::shared_ptr<const Inspection>> create(
        std::vector<InspectionProfile> profiles, unsigned workers, std::uint32_t streams,
        std::uint32_t generation) {
        if (profiles.size() > most_profiles) return Error{"more than 1024 inspection profiles"};
        const std::shared_ptr<Inspection> out(new Inspection(std::move(profiles), workers, generation));
        for (unsigned worker = 0; worker < workers; ++worker)
            for (const InspectionProfile& profile : out->profiles_) {
                auto scanner = inspect::Scanner::create(profile.database, streams);
                if (!scanner) return Error{"inspection profile " + profile.name + ": " + scanner.error()};
                out->scanners_.push_back(std::move(*scanner));
            }
        return std::shared_ptr<const Inspection>(out);
    }

    [[nodiscard]] const std::vector<InspectionProfile>& profiles() const { return profiles_; }
    [[nodiscard]] const InspectionProfile& profile(ProfileNumber number) const { return profiles_[number]; }
    /// no_profile: there is none of this name.
    [[nodiscard]] ProfileNumber find(std::string_view name) const {
        for (std::size_t i = 0; i < profiles_.size(); ++i)
            if (profiles_[i].name == name) return static_cast<ProfileNumber>(i);
        return no_profile;
    }
    [[nodiscard]] std::uint32_t generation() const { return generation_; }
    [[nodiscard]] unsigned workers() const { return workers_; }

    /// By profile; the worker's alone.
    [[nodiscard]] const std::unique_ptr<inspect::Scanner>* scanners(unsigned worker) const {
        return scanners_.data() + place(worker, 0);
    }
    /// By the signature's number in its set.
    [[nodiscard]] SignatureTally* tally(unsigned worker, ProfileNumber profile) const {
        return tallies_[place(worker, profile)].get();
    }

  private:
    Inspection(std::vector<InspectionProfile> profiles, unsigned workers, std::uint32_t generation)
        : profiles_(std::move(profiles)), workers_(workers), generation_(generation) {
        const std::size_t places = profiles_.size() * workers;
        scanners_.reserve(places);
        tallies_.reserve(places);
        for (unsigned worker = 0; worker < workers; ++worker)
            for (const InspectionProfile& profile : profiles_) {
                const std::size_t count = profile.signatures().size();
                auto& all = tallies_.emplace_back(std::make_unique<SignatureTally[]>(count));
                const std::uint32_t rate = profile.alerts_a_second;
                for (std::size_t i = 0; i < count; ++i)
                    all[i].alerts = TokenBucket(rate, ticks_per_second, rate);
            }
    }
    [[nodiscard]] std::size_t place(unsigned worker, ProfileNumber profile) const {
        return std::size_t{worker % workers_} * profiles_.size() + profile;
    }

    std::vector<InspectionProfile> profiles_;
    unsigned workers_;
    std::uint32_t generation_;
    std::vector<std::unique_ptr<inspect::Scanner>> scanners_;  ///< by worker and profile
    std::vector<std::unique_ptr<SignatureTally[]>> tallies_;   ///< the same
};

inline constexpr std::size_t longest_excerpt = 256;

/// A signature has matched in a flow.
struct alignas(flow::cache_line_bytes) Alert {
    std::uint64_t wall_nanoseconds;  ///< since 1970
    /// Of the byte behind the match: in the stream, from the first byte that was read, or in the datagram.
    std::uint64_t position;
    std::uint32_t generation;    ///< of the Inspection
    std::uint32_t signature;     ///< its number in its set
    std::uint32_t signature_id;  ///< the operator's own
    ProfileNumber profile;
    policy::SignatureAction done;  ///< alert: nothing but this
    packet::Family family;
    flow::Ref flow;
    tcp::Direction direction;  ///< of the bytes that matched
    bool original_from_high;
    std::uint16_t excerpt_length;
    union {  // by family
        flow::Key4 key4;
        flow::Key6 key6;
    };
    std::array<std::uint8_t, longest_excerpt> excerpt;  ///< the bytes up to the match's end
};
static_assert(std::is_trivially_copyable_v<Alert>);

/// Each worker has one of its own. What finds no room is counted (InspectionCounters::lost).
using AlertRing = Ring<Alert>;

/// What one worker counts of its inspection: written by it alone, read by anyone.
struct InspectionCounters {
    Counter flows;         ///< being read, now
    Counter chunks;        ///< of inspect::chunk_bytes that hold copies, now
    Counter held;          ///< packets that wait for their scan, now
    Counter opened;        ///< flows ever begun to be read
    Counter no_room;       ///< flows that were not, for all were in use
    Counter stream_bytes;  ///< scanned
    Counter datagrams;     ///< scanned
    Counter hits;          ///< of signatures
    Counter suppressed;    ///< of those, the ones beyond their signature's alerts a second
    Counter lost;          ///< alerts that found the ring full
    std::array<Counter, inspect::event_count> events;  ///< by inspect::Event
};

}  // namespace sluice::pipeline
