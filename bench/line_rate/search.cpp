// RFC 2544 26.1: frames at a rate; if all came back, a higher one, else a lower one.
#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "line_rate/profiles.hpp"

namespace sluice::bench {
namespace {

/// The search ends when it knows the rate to this share of the highest.
constexpr double precision = 0.01;

class Search {
  public:
    Search(Campaign& campaign, std::string frame, Box::Kind kind, std::vector<Established>& traffic)
        : campaign_(campaign), traffic_(traffic) {
        point_.name = std::move(frame);
        point_.kind = kind;
    }

    Result<SearchPoint> run(double mean_frame) {
        point_.mean_frame = mean_frame;
        auto flat_out = trial(0);
        if (!flat_out) return Error{flat_out.error()};
        point_.highest_per_second = flat_out->out_per_second;
        double passed = 0, failed = flat_out->in_per_second;
        double next = failed;
        // Flat out without saturating the box: this is all that can be offered.
        double most_offered = flat_out->saturated || !campaign_.has_plain() ? INFINITY : failed;
        while (failed - passed > precision * point_.highest_per_second) {
            auto figure = trial(next);
            if (!figure) return Error{figure.error()};
            const bool made = figure->short_of_rate <= precision;
            if (made && figure->loss <= campaign_.arguments().loss_tolerance) {
                passed = next;
                point_.latency = figure->latency;
                point_.void_because = figure->void_because;
            } else {
                failed = next;
                if (!made) most_offered = next;
            }
            if (passed == 0) failure_ = figure->void_because;
            next = (passed + failed) / 2;
        }
        point_.lossless_per_second = passed;
        point_.lossless_gigabits = passed * (mean_frame - fcs_bytes + wire_overhead) * 8e-9;
        if (passed == 0) point_.void_because = failure_;
        if (passed >= (1 - 2 * precision) * most_offered)
            point_.void_because.emplace_back("the generator could not offer more");
        return point_;
    }

  private:
    Result<Figure> trial(double rate) {
        ++point_.trials;
        TrialPlan plan;
        plan.kind = point_.kind;
        plan.packets_per_second = rate;
        plan.seconds = campaign_.arguments().trial_seconds;
        plan.what = fmt::format("search, {} bytes, {}, {}", point_.name,
                                point_.kind == Box::Kind::tracking ? "tracker" : "plain",
                                rate == 0 ? "flat out" : fmt::format("{:.3f} M/s", rate * 1e-6));
        auto outcome = campaign_.trial(plan, traffic_);
        if (!outcome) return Error{outcome.error()};
        return figure_of(point_.name, plan, {*outcome}, campaign_.stand().environment().cores);
    }

    Campaign& campaign_;
    std::vector<Established>& traffic_;
    SearchPoint point_;
    std::vector<std::string> failure_;
};

}  // namespace

Status search_lossless_rates(Campaign& campaign) {
    auto populations = make_populations(campaign.arguments());
    if (!populations) return Error{populations.error()};
    if (Status opened = campaign.open(populations->tracked); !opened) return opened;
    const auto traffic = [&](Population& of) {
        return campaign.for_each_generator(
            [&](std::size_t generator) { return Established(of, generator + 1); });
    };
    auto tracked = traffic(populations->tracked);
    auto plain = traffic(populations->plain);

    const auto search = [&](const std::string& name, const std::vector<unsigned>& frames) -> Status {
        campaign.stand().shape(frames);
        const double mean = static_cast<double>(std::accumulate(frames.begin(), frames.end(), 0U)) /
                            static_cast<double>(frames.size());
        for (const Box::Kind kind : {Box::Kind::tracking, Box::Kind::forwarding}) {
            if (kind == Box::Kind::forwarding && !campaign.has_plain()) continue;
            Search one(campaign, name, kind, kind == Box::Kind::tracking ? tracked : plain);
            auto point = one.run(mean);
            if (!point) return Error{point.error()};
            campaign.report().search.push_back(*point);
        }
        return success();
    };
    for (const std::string& size : campaign.arguments().sizes) {
        const bool mixed = size == "imix";
        const Status done =
            mixed ? search("IMIX", imix_frames) : search(size, {static_cast<unsigned>(std::stoul(size))});
        if (!done) return done;
    }
    return success();
}

}  // namespace sluice::bench
