// What a session does to save and restore flows. Batches go to the workers and come back through the desk;
// a worker has one until it answers, and the session stays as long as it has.
#include "session.hpp"
#include "sluice/control/base64.hpp"

namespace sluice::control {
namespace {

using MailRequest = pipeline::Request;

/// What a full batch takes as a row.
constexpr std::size_t batch_bytes = pipeline::FlowExport::most * max_snapshot_record / 3 * 4 + max_line_bytes;

}  // namespace

/// No more than a few may save or restore: a batch is a hundred kilobytes, and the daemon has one of each
/// worker for each.
bool Session::begin_transfer(SessionContext& context) {
    if (context.crowd.transfers < context.options.max_transfers) {
        ++context.crowd.transfers;
        return true;
    }
    finish(context, {false, 0, "too many others save or restore flows; try again"});
    return false;
}

// ---- Out

/// Whoever reads slowly waits; one batch always has room, however little a session may keep.
bool Session::room_for_flows(const SessionContext& context) const {
    return !has_output() || output_.size() - sent_ + batch_bytes <= context.output_bytes;
}

void Session::begin_save(SessionContext& context) {
    if (!begin_transfer(context)) return;
    sweep_ = std::make_unique<FlowSweep>(context.now);
    std::string head;
    append_head(head, {context.workers.layout, query_.format.wall_nanoseconds});
    output_ += "{\"snapshot\":\"" + to_base64(head) + "\"}\n";
    stage_ = Stage::save;
}

void Session::save(SessionContext& context) {
    if (lent_ != 0 || !room_for_flows(context)) return;
    if (sweep_->through(context.workers)) {
        begin_output(context);
        output_ += "{\"left_out\":" + std::to_string(sweep_->left_out()) + "}\n";
        return finish(context, {true, count_, {}});
    }
    if (!sweep_->ask(context.desk, ticket(0))) return;
    ++asked_;
    ++lent_;
}

/// A worker has filled the batch, or has no more flows.
void Session::saved(SessionContext& context) {
    --lent_;
    if (finished_) return;
    const auto [records, flows] = sweep_->answered();
    if (flows == 0) return;
    begin_output(context);
    output_ += "{\"flows\":" + std::to_string(flows) + ",\"records\":\"" + to_base64(records) + "\"}\n";
    count_ += flows;
}

// ---- In

void Session::begin_restore(SessionContext& context) {
    std::string_view bytes = query_.snapshot_head;
    const auto head = take_head(bytes);
    if (!head || !bytes.empty())
        return finish(context, {false, 0, "the snapshot has a head that this daemon does not understand"});
    if (query_.records.size() > max_restore_bytes)
        return finish(context, {false, 0, "more flows than a request may hold"});
    const auto fit = SnapshotFit::find(head->layout, context.workers.layout);
    if (fit && !begin_transfer(context)) return;
    if (!fit) return finish(context, {false, 0, "the snapshot " + fit.error()});
    tally_ = {};
    deliveries_.clear();
    next_delivery_ = 0;
    deal_out(query_.records, *fit, {ticks_between(head->saved_nanoseconds, query_.format.wall_nanoseconds)},
             context.workers, tally_, [&](unsigned worker, std::shared_ptr<pipeline::FlowImport> flows) {
                 deliveries_.push_back({worker, std::move(flows)});
             });
    stage_ = Stage::restore;
    restore(context);
}

void Session::restore(SessionContext& context) {
    for (; next_delivery_ < deliveries_.size(); ++next_delivery_) {
        MailRequest request;
        request.kind = MailRequest::Kind::restore;
        request.restored = deliveries_[next_delivery_].flows.get();
        if (!context.desk.post(deliveries_[next_delivery_].worker, request,
                               ticket(static_cast<std::uint32_t>(next_delivery_))))
            return;
        ++asked_;
        ++lent_;
    }
    if (lent_ != 0) return;
    begin_output(context);
    output_ += to_row(tally_);
    finish(context, {true, tally_.restored(), {}});
}

void Session::restored(SessionContext& context, std::uint32_t slot) {
    --lent_;
    tally_.add(*deliveries_[slot].flows);
    if (!finished_) restore(context);
}

}  // namespace sluice::control
