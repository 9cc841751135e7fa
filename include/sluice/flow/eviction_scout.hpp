// Runs ahead of a flood. Each insert into a full table evicts the head of a list; the head's record, then its
// bucket, are lines nobody has touched for long. The scout walks the list some records ahead of the head and
// has both fetched. Another of its kind runs ahead of expiry, which takes heads off a list as well.
//
// What it knows are hints: a record it passed may be freed or queued elsewhere meanwhile, and then a line was
// fetched in vain. When the head is not the one it expected it starts again there, two steps an eviction
// until it is ahead.
//
// Measured, inserts that evict, a million flows, while the machine was busy otherwise: see
// docs/flow-table.md.
#pragma once

#include <array>
#include <cstdint>

#include "sluice/flow/ref.hpp"

namespace sluice::flow {

class EvictionScout {
  public:
    /// Evictions from a record's fetching to its own; its bucket is fetched at half of that. An eviction
    /// takes some 50 ns, a miss 100 to 200.
    static constexpr std::uint32_t lead = 8;

    /// `evicted` was the head and `next` is. `younger(Ref)` gives the neighbour; the others fetch a line
    /// each: `fetch_links` the one that younger() reads, `fetch_record`, and `fetch_bucket`, which reads the
    /// record.
    template <class Younger, class FetchLinks, class FetchRecord, class FetchBucket>
    void follow(Ref evicted, Ref next, Younger&& younger, FetchLinks&& fetch_links,
                FetchRecord&& fetch_record, FetchBucket&& fetch_bucket) {
        if (head_ != end_ && path_[head_ % lead] == evicted) {
            ++head_;
        } else {
            head_ = bucket_ = end_ = 0;
            scout_ = next;
        }
        for (unsigned step = 0; step < 2 && scout_ != no_ref && end_ - head_ < lead; ++step) {
            path_[end_++ % lead] = scout_;
            fetch_record(scout_);
            scout_ = younger(scout_);
            if (scout_ != no_ref) fetch_links(scout_);
        }
        if (bucket_ < head_) bucket_ = head_;
        for (unsigned step = 0; step < 2 && bucket_ != end_ && bucket_ - head_ < lead / 2; ++step) {
            fetch_bucket(path_[bucket_++ % lead]);
        }
    }

  private:
    std::array<Ref, lead> path_{};  ///< a ring: what lies between the head and the scout
    // Positions on the path, counted from the last new start. 2^32 evictions later they would wrap, and a new
    // start comes of it.
    std::uint32_t head_ = 0;    ///< expected to be evicted next
    std::uint32_t bucket_ = 0;  ///< up to here buckets are on their way
    std::uint32_t end_ = 0;     ///< up to here records are
    Ref scout_ = no_ref;        ///< next on the path
};

}  // namespace sluice::flow
