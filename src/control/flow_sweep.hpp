// Every flow of every worker, a batch at a time: a worker fills a batch over some of its polls and answers
// through the desk, and is asked for the next when that has been taken.
#pragma once

#include <cstdint>
#include <string>

#include "sluice/control/desk.hpp"
#include "sluice/control/snapshot.hpp"

namespace sluice::control {

/// Used by the control thread alone; while asked(), a worker writes to it.
class FlowSweep {
  public:
    /// Times left count from `since`.
    explicit FlowSweep(Tick since) { batch_.since = since; }

    [[nodiscard]] bool asked() const { return asked_; }
    [[nodiscard]] bool through(const Workers& workers) const { return worker_ == workers.all.size(); }
    /// Flows that cannot be saved, so far.
    [[nodiscard]] std::uint64_t left_out() const { return left_out_; }

    /// Asks for the next batch. False: the worker's mailbox is full.
    [[nodiscard]] bool ask(Desk& desk, std::uint64_t ticket) {
        pipeline::Request request;
        request.kind = pipeline::Request::Kind::save;
        request.saved = &batch_;
        asked_ = desk.post(worker_, request, ticket);
        return asked_;
    }
    /// The answer has come: records of how many flows. Good until the next call.
    struct Batch {
        std::string_view records;
        std::size_t flows;
    };
    [[nodiscard]] Batch answered() {
        asked_ = false;
        records_.clear();
        for (std::size_t i = 0; i < batch_.count; ++i) append_flow(records_, batch_.flows[i]);
        const Batch out{records_, batch_.count};
        batch_.count = 0;
        if (batch_.complete) {
            left_out_ += batch_.left_out;
            ++worker_;
            batch_.next4 = batch_.next6 = 0;
            batch_.left_out = 0;
            batch_.complete = false;
        }
        return out;
    }

  private:
    pipeline::FlowExport batch_;
    unsigned worker_ = 0;
    bool asked_ = false;
    std::uint64_t left_out_ = 0;
    std::string records_;
};

}  // namespace sluice::control
