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

// ---- Out

/// Whoever reads slowly waits; one batch always has room, however little a session may keep.
bool Session::room_for_flows(const SessionContext& context) const {
    return !has_output() || output_.size() - sent_ + batch_bytes <= context.options.output_bytes;
}

void Session::begin_save(SessionContext& context) {
    export_ = std::make_unique<pipeline::FlowExport>();
    export_->since = context.now;
    left_out_ = 0;
    std::string head;
    append_head(head, {context.workers.layout, query_.format.wall_nanoseconds});
    output_ += "{\"snapshot\":\"" + to_base64(head) + "\"}\n";
    stage_ = Stage::save;
}

void Session::save(SessionContext& context) {
    if (lent_ != 0 || !room_for_flows(context)) return;
    if (cursor_.worker == context.workers.all.size()) {
        begin_output(context);
        output_ += "{\"left_out\":" + std::to_string(left_out_) + "}\n";
        return finish(context, {true, count_, {}});
    }
    MailRequest request;
    request.kind = MailRequest::Kind::save;
    request.saved = export_.get();
    if (!context.desk.post(cursor_.worker, request, ticket(0))) return;
    ++asked_;
    ++lent_;
}

/// A worker has filled the batch, or has no more flows.
void Session::saved(SessionContext& context) {
    --lent_;
    if (finished_) return;
    if (export_->count != 0) {
        std::string records;
        for (std::size_t i = 0; i < export_->count; ++i) append_flow(records, export_->flows[i]);
        begin_output(context);
        output_ +=
            "{\"flows\":" + std::to_string(export_->count) + ",\"records\":\"" + to_base64(records) + "\"}\n";
        count_ += export_->count;
        export_->count = 0;
    }
    if (!export_->complete) return;
    left_out_ += export_->left_out;
    ++cursor_.worker;
    export_->next4 = export_->next6 = 0;
    export_->left_out = 0;
    export_->complete = false;
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
    if (!fit) return finish(context, {false, 0, "the snapshot " + fit.error()});
    tally_ = {};
    deliveries_.clear();
    next_delivery_ = 0;
    deal_out(query_.records, *fit, ticks_between(head->saved_nanoseconds, query_.format.wall_nanoseconds),
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
