// sluice as a judge of segments: a whole tracker over memory, with what it knew before the last segment.
#pragma once

#include <memory>
#include <vector>

#include "judgement.hpp"
#include "sluice/pipeline/flow_view.hpp"
#include "sluice/pipeline/memory_io.hpp"
#include "sluice/pipeline/tracker.hpp"

namespace sluice::differential {

/// The last segment the engine judged: what the classes of differences are told by.
struct Sight {
    bool judged = false;  ///< false: refused before the engine saw it (header, checksum)
    bool flow = false;    ///< there was a flow; `before` and `direction` are meaningful
    tcp::Connection before{};
    tcp::Direction direction{};
    tcp::Segment segment;
    Outcome outcome = Outcome::refused;
    Reason reason = Reason::none;
    bool reopens = false;
    Lifetime lifetime{};  ///< in force after an accepted segment
};

class SluiceJudge {
  public:
    SluiceJudge();

    /// A new play between ends that nothing is known of. Ends must differ from those of the plays before.
    void begin(const Ends& ends, const tcp::Settings& settings);
    [[nodiscard]] Judgement judge(const Step& step, std::uint16_t identification);
    /// Of the last step.
    [[nodiscard]] const Sight& sight() const { return witness_.sight; }

  private:
    struct Witness {
        static constexpr bool watches = true;
        Sight sight;
        std::string why;
        const pipeline::Settings* settings = nullptr;
        void segment(const tcp::Connection& before, const tcp::PendingSyn& pending, tcp::Direction direction,
                     const tcp::Segment& segment, const tcp::Verdict& verdict);
        void removed(packet::Family, flow::Ref, flow::Removal, Tick) {
        }  // what is there is asked for after each step
    };
    using Tracker = pipeline::Tracker<pipeline::MemoryIo, Witness>;

    void build();
    [[nodiscard]] std::optional<Entry> entry() const;

    pipeline::Settings settings_;
    Witness witness_;
    std::vector<std::byte> memory_;
    std::unique_ptr<Tracker> tracker_;
    pipeline::Output<pipeline::MemoryIo> out_;
    pipeline::Now now_{.tick = 5'000, .wall_nanoseconds = 1};
    Ends ends_;
    flow::Ref flow_ = flow::no_ref;  ///< of this play
    unsigned plays_ = 0;
};

}  // namespace sluice::differential
