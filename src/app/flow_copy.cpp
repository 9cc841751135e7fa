#include "app/flow_copy.hpp"

#include <chrono>
#include <utility>

#include "app/signals.hpp"

namespace sluice::app {
namespace {

constexpr std::size_t block_bytes = 1U << 20U;

}  // namespace

bool FlowCopy::writing() const {
    return written_.valid() && written_.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

bool FlowCopy::ready() {
    if (block_.size() < block_bytes) return true;
    if (writing()) return false;
    write_block(false);
    return true;
}

void FlowCopy::take(std::string_view records, std::size_t flows) {
    block_ += records;
    flows_ += flows;
}

void FlowCopy::finish() {
    finished_ = true;
}

std::optional<Result<std::uint64_t>> FlowCopy::outcome() {
    if (writing()) return std::nullopt;
    if (file_ == nullptr) return written_.get();
    if (finished_) write_block(true);
    return std::nullopt;
}

/// Nothing is being written.
void FlowCopy::write_block(bool last) {
    auto file = last ? std::exchange(file_, nullptr) : file_;
    written_ = std::async(std::launch::async, [file = std::move(file), block = std::exchange(block_, {}),
                                               flows = std::exchange(flows_, 0), last] {
        keep_signals_from_this_thread();
        file->add(block, flows);
        return last ? file->commit() : Result<std::uint64_t>(0);
    });
}

}  // namespace sluice::app
