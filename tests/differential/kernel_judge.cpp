#include "kernel_judge.hpp"

#include <algorithm>

#include "sluice/base/lifetime.hpp"

namespace sluice::differential {
namespace {

/// The timeouts are conntrack's defaults, set all the same: a machine may have others.
void set_timeouts() {
    constexpr Lifetime of_conntrack[] = {Lifetime::syn_sent,      Lifetime::syn_recv,   Lifetime::established,
                                         Lifetime::fin_wait,      Lifetime::close_wait, Lifetime::last_ack,
                                         Lifetime::time_wait,     Lifetime::close,      Lifetime::max_retrans,
                                         Lifetime::unacknowledged};
    for (const Lifetime lifetime : of_conntrack) {
        const LifetimeText& text = lifetime_texts[static_cast<std::size_t>(lifetime)];
        Arena::set("netfilter/nf_conntrack_tcp_" + std::string(text.key.substr(text.key.find('.') + 1)),
                   text.linux_seconds);
    }
}

}  // namespace

Result<std::unique_ptr<KernelJudge>> KernelJudge::make() {
    auto arena = Arena::build();
    if (!arena) return Error{arena.error()};
    try {
        std::unique_ptr<KernelJudge> out(new KernelJudge(std::move(*arena)));
        set_timeouts();
        Arena::set("netfilter/nf_conntrack_checksum", 1);
        constexpr unsigned tcp_only = 6;
        if (const Status log = out->log_.open(); !log) return Error{log.error()};
        if (!Arena::try_set("netfilter/nf_log/2", "nfnetlink_log") ||
            !Arena::try_set("netfilter/nf_log/10", "nfnetlink_log"))
            return Error{"the kernel has no nfnetlink_log to remark on packets with"};
        Arena::set("netfilter/nf_conntrack_log_invalid", tcp_only);
        out->begin({}, {});
        return out;
    } catch (const std::exception& error) {
        return Error{error.what()};
    }
}

void KernelJudge::apply(const tcp::Settings& settings) {
    const auto put = [this](const char* name, unsigned value, unsigned known) {
        if (!configured_ || value != known)
            Arena::set("netfilter/nf_conntrack_tcp_" + std::string(name), value);
    };
    put("loose", settings.loose, settings_.loose);
    put("be_liberal", settings.be_liberal, settings_.be_liberal);
    put("ignore_invalid_rst", settings.ignore_invalid_rst, settings_.ignore_invalid_rst);
    put("max_retrans", settings.max_retrans, settings_.max_retrans);
    settings_ = settings;
    configured_ = true;
}

void KernelJudge::begin(const Ends& ends, const tcp::Settings& settings) {
    if (playing_) conntrack_.remove(ends_);
    apply(settings);
    ends_ = ends;
    playing_ = true;
    left_.reset();
    pinned_ = Clock::now();
    overslept_ = {};
}

double KernelJudge::age() const {
    return std::chrono::duration<double>(std::max(overslept_, Clock::now() - pinned_)).count();
}

void KernelJudge::pass(std::uint32_t seconds) {
    constexpr auto drift = std::chrono::milliseconds(200);
    const auto now = Clock::now();
    overslept_ = std::max(overslept_, now - pinned_);
    if (!left_) {
        pinned_ = now;
        return;
    }
    if (seconds == 0 && now - pinned_ < drift) return;
    if (*left_ > seconds) {
        *left_ -= seconds;
        conntrack_.set_timeout(ends_, *left_);
    } else {
        conntrack_.remove(ends_);
        left_.reset();
    }
    pinned_ = now;
}

void KernelJudge::settle(std::uint32_t seconds) {
    if (left_ && (seconds == *left_ || seconds == *left_ + 1)) left_ = seconds;
}

/// Conntrack says "accept" of what it ignores, too, but it remarks on it. ("More than expected" is no such
/// remark: what overshoots the window moves the highest end, and nothing else.)
Treatment treatment_of(Verdict verdict, const std::string& remark) {
    if (verdict == Verdict::invalid || verdict == Verdict::lost) return Treatment::refused;
    for (const char* ignoring : {"ignored", "lower bound"})
        if (remark.find(ignoring) != std::string::npos) return Treatment::tolerated;
    return Treatment::accepted;
}

Judgement KernelJudge::judge(const Step& step, std::uint16_t identification) {
    pass(step.wait);
    Judgement out;
    out.verdict = arena_->pass(step.from, packet_of(step, ends_, identification));
    out.entry = conntrack_.find(ends_);
    out.why = log_.take();
    out.treatment = treatment_of(out.verdict, out.why);
    out.overshoots = out.why.find("more than expected") != std::string::npos;
    left_ = out.entry ? std::optional(out.entry->timeout) : std::nullopt;
    return out;
}

}  // namespace sluice::differential
