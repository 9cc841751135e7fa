// A copy of a running daemon's flows on its way to the disk. Batches come from the control thread, a block of
// them at a time goes to a thread of its own, which alone waits for the disk; the next block is not begun
// before that.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "sluice/base/result.hpp"
#include "sluice/control/server.hpp"
#include "sluice/control/snapshot_file.hpp"

namespace sluice::app {

/// Used by the control thread alone. Its end waits for what is being written; what is not whole then leaves
/// nothing behind.
class FlowCopy final : public control::FlowTaker {
  public:
    explicit FlowCopy(std::unique_ptr<control::SnapshotFile> file) : file_(std::move(file)) {}

    [[nodiscard]] bool ready() override;
    void take(std::string_view records, std::size_t flows) override;
    void finish() override;

    /// Waits for what is being written.
    void wait() const {
        if (written_.valid()) written_.wait();
    }
    /// Once: how many flows it holds, or why it could not be written. Nothing before that is known.
    [[nodiscard]] std::optional<Result<std::uint64_t>> outcome();

  private:
    [[nodiscard]] bool writing() const;
    void write_block(bool last);

    std::shared_ptr<control::SnapshotFile> file_;  ///< the other thread's, while it writes
    std::string block_;
    std::uint64_t flows_ = 0;  ///< in that
    bool finished_ = false;
    std::future<Result<std::uint64_t>> written_;
};

}  // namespace sluice::app
