// Flows as bytes: what the daemon writes when it stops and reads when it starts, and what `sluice save` and
// `sluice restore` carry from machine to machine.
//
//     head      "SLUICEFL" 8 | version 4 | byte order 4 | saved, ns since 1970: 8 | VLANs in key 1 | pairs 1
//               and for each pair: zone 2 | length of its name 1 | name
//     records   kind 1 | interface 1 | VLAN 2 | left 4 | mark 4 | state 36 | key 20 or 44, and as `kind` says
//               account 32 | start 8 | pending SYN 32 | translation 12
//     trailer   flows: 8 | BLAKE2b of all before it: 32
//
// Numbers are as this machine has them, little-endian; states and keys are as they lie in memory, so whoever
// changes one of those types raises `snapshot_version` (a test compares bytes). Nothing in it is secret, and
// the checksum is against accidents, not against somebody: records are checked one by one besides.
//
// Any thread; no function throws, apart from std::bad_alloc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/pipeline/saved_flow.hpp"

namespace sluice::control {

inline constexpr std::uint32_t snapshot_version = 1;
/// The most bytes that one record takes.
inline constexpr std::size_t max_snapshot_record = 176;
inline constexpr std::size_t max_snapshot_head = 28 + 32 * (3 + 255);

/// What of a configuration the keys of flows depend on.
struct SnapshotLayout {
    struct Pair {
        std::string name;  ///< at most 255 bytes
        std::uint16_t zone = 0;
        friend bool operator==(const Pair&, const Pair&) = default;
    };
    std::vector<Pair> pairs;  ///< by number, at most pipeline::max_port_pairs
    bool vlan_in_key = true;
    friend bool operator==(const SnapshotLayout&, const SnapshotLayout&) = default;
};

struct SnapshotHead {
    SnapshotLayout layout;
    std::uint64_t saved_nanoseconds = 0;  ///< since 1970: the moment that times left count from
};

void append_head(std::string& out, const SnapshotHead& head);
/// Takes a head off the front of `bytes`; nothing when there is none, whole and of this version.
[[nodiscard]] std::optional<SnapshotHead> take_head(std::string_view& bytes);
void append_flow(std::string& out, const pipeline::SavedFlow& flow);
/// Takes a record off the front of `bytes`. False when there is none, whole and possible.
[[nodiscard]] bool take_flow(std::string_view& bytes, pipeline::SavedFlow& flow);

/// The bytes of a snapshot of `flows` records.
[[nodiscard]] std::string to_snapshot(const SnapshotHead& head, std::string_view records,
                                      std::uint64_t flows);

/// A snapshot that is whole: made of bytes that have been checked to the last.
class Snapshot {
  public:
    static constexpr std::size_t trailer_bytes = 8 + 32;

    /// The error says what is wrong with it: "is cut short", …
    [[nodiscard]] static Result<Snapshot> read(std::string bytes);

    [[nodiscard]] const SnapshotHead& head() const { return head_; }
    [[nodiscard]] std::uint64_t ipv4_flows() const { return flows_[0]; }
    [[nodiscard]] std::uint64_t ipv6_flows() const { return flows_[1]; }
    [[nodiscard]] std::uint64_t flows() const { return flows_[0] + flows_[1]; }
    /// The records, one behind the other: take_flow() takes each.
    [[nodiscard]] std::string_view records() const {
        return std::string_view(bytes_).substr(records_at_, bytes_.size() - records_at_ - trailer_bytes);
    }

  private:
    SnapshotHead head_;
    std::uint64_t flows_[2] = {0, 0};
    std::size_t records_at_ = 0;
    std::string bytes_;
};

/// How flows of one layout become those of another: pairs are found by name, their order may differ.
class SnapshotFit {
  public:
    /// The error says what does not fit: a pair is missing, has another zone, …
    [[nodiscard]] static Result<SnapshotFit> find(const SnapshotLayout& theirs, const SnapshotLayout& ours);

    /// False when the flow is of no pair that its layout names.
    [[nodiscard]] bool adapt(pipeline::SavedFlow& flow) const;

  private:
    std::vector<std::uint8_t> pair_;  ///< ours, by theirs
};

}  // namespace sluice::control
