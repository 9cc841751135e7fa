#include "sluice/control/active_flows.hpp"

#include <limits>

namespace sluice::control {
namespace {

/// Slots looked at in a turn: a million take some seconds of turns, and none of them long.
constexpr unsigned slots_at_once = 4096;

/// Accounts only grow, but that a listing may have set them to 0 (`sluice -L -z`).
void subtract(flow::Account& from, const flow::Account& what) {
    for (unsigned direction = 0; direction < 2; ++direction) {
        if (from.packets[direction] < what.packets[direction]) continue;
        from.packets[direction] -= what.packets[direction];
        from.bytes[direction] -= what.bytes[direction];
    }
}

}  // namespace

ActiveFlows::ActiveFlows(FlowTables tables, std::chrono::seconds interval)
    : tables_(std::move(tables)),
      interval_(interval),
      next_round_(std::chrono::steady_clock::now() + interval) {
    pipeline::FlowView flow;
    const pipeline::Now now = tables_.now();
    for (worker_ = 0; worker_ < tables_.of_workers.size(); ++worker_) {
        const auto note = [&](const auto& table) {
            for (flow::Ref ref = 0; ref < table.high_water(); ++ref)
                if (view(table, ref, now.tick, worker_, flow))
                    told_[{flow.id, flow.start_nanoseconds}] = {flow.account, round_};
        };
        note(*tables_.of_workers[worker_].first);
        note(*tables_.of_workers[worker_].second);
    }
    worker_ = 0;
}

void ActiveFlows::look(const Use& use, bool all) {
    const auto moment = std::chrono::steady_clock::now();
    if (all && under_way_) finish_round();
    if (!under_way_) {
        if (moment < next_round_ && !all) return;
        next_round_ = moment + interval_;
        under_way_ = true;
        ++round_;
    }
    all_ = all;
    const pipeline::Now now = tables_.now();
    unsigned slots = all ? std::numeric_limits<unsigned>::max() : slots_at_once;
    while (worker_ < tables_.of_workers.size()) {
        const auto& [table4, table6] = tables_.of_workers[worker_];
        const bool through =
            ipv6_ ? look_through(*table6, now, slots, use) : look_through(*table4, now, slots, use);
        if (!through) return;
        next_ = 0;
        if (ipv6_) ++worker_;
        ipv6_ = !ipv6_;
    }
    finish_round();
}

/// True when all of the table has been looked at.
template <class Table>
bool ActiveFlows::look_through(const Table& table, const pipeline::Now& now, unsigned& slots,
                               const Use& use) {
    pipeline::FlowView flow;
    for (const flow::Ref end = table.high_water(); next_ < end; ++next_) {
        if (slots-- == 0) {
            slots = 0;
            return false;
        }
        if (view(table, next_, now.tick, worker_, flow)) meet(flow, now, use);
    }
    return true;
}

void ActiveFlows::meet(pipeline::FlowView& flow, const pipeline::Now& now, const Use& use) {
    const auto old =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(interval_).count());
    const Name name{flow.id, flow.start_nanoseconds};
    if (!all_ && flow.start_nanoseconds + old > now.wall_nanoseconds && told_.count(name) == 0) return;
    Told& told = told_[name];
    const flow::Account account = flow.account;
    subtract(flow.account, told.account);
    told = {account, round_};
    if (flow.account.packets[0] + flow.account.packets[1] != 0) use(flow, now.wall_nanoseconds);
}

/// Flows that were met neither in this round nor in the one before have ended, and their events were lost.
void ActiveFlows::finish_round() {
    std::erase_if(told_, [&](const auto& each) { return each.second.round + 1 < round_; });
    worker_ = 0;
    ipv6_ = false;
    next_ = 0;
    under_way_ = false;
}

void ActiveFlows::end(pipeline::FlowView& flow) {
    const auto told = told_.find({flow.id, flow.start_nanoseconds});
    if (told == told_.end()) return;
    subtract(flow.account, told->second.account);
    told_.erase(told);
}

}  // namespace sluice::control
