// The script language of the TCP scenarios: a conversation seen from the middle, one segment a line, with
// what must be reported after it. docs/tcp.md explains it to those who write scripts.
//
//   scenario O1 three-way handshake
//     A>B SYN x                => SYN_SENT,SYN_RCVD unassured timeout=120
//     B>A SYN,ACK y ack x+1    => ESTABLISHED,SYN_RCVD
//     A>B ACK x+1 ack y+1      => ESTABLISHED,ESTABLISHED assured
//
// `x` and `y` are the initial sequence numbers of A and B. A script is run at many of them and with many
// combinations of options; it names only what matters to it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/reason.hpp"
#include "sluice/tcp/connection.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::test {

/// The two ends of a conversation as a script names them. Not the roles in the flow: after port reuse (O13) B
/// may be the originator.
enum class End : std::uint8_t { a, b };

/// What is wrong with the bytes of a segment, for backends that have bytes (R2, R3).
enum class Defect : std::uint8_t {
    none,
    offset_too_small,  ///< data offset below 5
    offset_too_large,  ///< data offset beyond the segment
    ip_too_long,       ///< the IP length goes beyond the frame
    cut_short,         ///< the TCP header is not whole
    tcp_checksum,
    ip_checksum,
};

/// A segment as a script describes it. `tcp.window` is already scaled down, as on the wire.
struct ScriptSegment {
    tcp::Segment tcp;
    bool timestamps = false;  ///< carries the timestamps option with the values below
    std::uint32_t timestamp_value = 0;
    std::uint32_t timestamp_echo = 0;
    bool fast_open = false;  ///< a SYN with a Fast Open cookie
    Defect defect = Defect::none;
};

/// What a backend reports of one segment, and of the flow after it.
struct Observation {
    Outcome outcome = Outcome::refused;
    Reason reason = Reason::none;
    std::optional<tcp::Pair> pair;  ///< originator first; nothing when there is no flow
    bool assured = false;
    std::optional<std::uint32_t> timeout;  ///< whole seconds left
    std::uint64_t flow = 0;                ///< differs between flows; 0 when there is none
};

/// Something that tracks one conversation: the engine by itself, or a whole tracker fed with packets. Time is
/// seconds since reset and never goes back.
class Backend {
  public:
    virtual ~Backend() = default;
    /// Forgets everything; the next segment is the first of a new conversation under these settings.
    virtual void reset(const tcp::Settings& settings) = 0;
    virtual Observation send(End from, const ScriptSegment& segment, double now) = 0;
    /// Whether it judges bytes, so that segments with a Defect mean something to it.
    [[nodiscard]] virtual bool has_bytes() const = 0;
};

/// One combination of what a script leaves open.
struct Variant {
    std::uint32_t isn_a = 0, isn_b = 0;
    bool scale_a = false, scale_b = false;  ///< whether the end's SYN offers window scaling
    std::uint8_t shift_a = 0, shift_b = 0;
    bool sack = false;
    bool timestamps = false;
    [[nodiscard]] std::string describe() const;
};

/// A script, read and checked; play it with `play`.
class Script {
  public:
    struct Line {
        int number = 0;
        std::string text;
    };
    std::string id;  ///< the row, "O6b"
    std::string title;
    std::string file;
    std::vector<Line> lines;
    /// `each NAME = V V V`: the script is run once per value.
    std::string each_name;
    std::vector<std::int64_t> each_values{0};
    bool needs_bytes = false;
};

/// Reads a file of scenarios; blocks it defines (`block NAME` … `end`, used by `use NAME`) go into `blocks`.
/// A mistake throws std::runtime_error naming file and line.
[[nodiscard]] std::vector<Script> read_scripts(const std::string& path,
                                               std::map<std::string, std::vector<Script::Line>>& blocks);

/// Plays the script once. Nothing when all held; otherwise what did not, behind the conversation that led to
/// it.
[[nodiscard]] std::optional<std::string> play(const Script& script, std::int64_t each_value,
                                              const Variant& variant, Backend& backend);

/// The combinations every script is run at: all pairs of initial sequence numbers under a few option sets,
/// and all option sets with each initial sequence number on either side.
[[nodiscard]] std::vector<Variant> standard_variants(std::uint64_t seed);

}  // namespace sluice::test
