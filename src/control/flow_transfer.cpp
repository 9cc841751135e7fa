#include "sluice/control/flow_transfer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "sluice/base/time.hpp"

namespace sluice::control {

std::string describe(const RestoreTally& tally) {
    using pipeline::Restored;
    const std::array<std::pair<std::uint64_t, std::string_view>, 7> reasons{{
        {tally.expired, "had expired"},
        {tally.of(Restored::exists), "had been opened anew"},
        {tally.of(Restored::no_room), "found no room"},
        {tally.of(Restored::unguarded), "were proxied, and there is no guard"},
        {tally.of(Restored::forbidden), "the rules do not allow"},
        {tally.misfits, "could not be"},
        {tally.left_out, "were handshakes with servers under way"},
    }};
    std::uint64_t others = 0;
    std::string why;
    for (const auto& [count, sentence] : reasons) {
        if (count == 0) continue;
        others += count;
        why += fmt::format("{}{} {}", why.empty() ? "" : ", ", count, sentence);
    }
    std::string out = fmt::format("{} flows restored", tally.restored());
    if (others != 0) out += fmt::format("; {} not: {}", others, why);
    return out;
}

namespace {

/// By Restored, and what nobody was dealt.
constexpr std::array<const char*, pipeline::restored_count> outcome_names{"restored", "existing", "no_room",
                                                                          "unguarded", "forbidden"};

}  // namespace

std::string to_row(const RestoreTally& tally) {
    nlohmann::ordered_json row;
    for (std::size_t i = 0; i < outcome_names.size(); ++i) row[outcome_names[i]] = tally.outcomes[i];
    row["expired"] = tally.expired;
    row["misfits"] = tally.misfits;
    return row.dump() + "\n";
}

std::optional<RestoreTally> parse_tally(std::string_view text) {
    const nlohmann::json row = nlohmann::json::parse(text, nullptr, false);
    if (!row.is_object()) return std::nullopt;
    bool whole = true;
    const auto number = [&](const char* name) -> std::uint64_t {
        const auto found = row.find(name);
        whole = whole && found != row.end() && found->is_number_unsigned();
        return whole ? found->get<std::uint64_t>() : 0;
    };
    RestoreTally out;
    for (std::size_t i = 0; i < outcome_names.size(); ++i) out.outcomes[i] = number(outcome_names[i]);
    out.expired = number("expired");
    out.misfits = number("misfits");
    return whole ? std::optional(out) : std::nullopt;
}

Tick ticks_between(std::uint64_t saved_nanoseconds, std::uint64_t now_nanoseconds) {
    constexpr std::uint64_t nanoseconds_per_tick = 1'000'000'000 / ticks_per_second;
    constexpr std::uint64_t longest = std::uint64_t{max_lifetime_seconds} * ticks_per_second;
    if (now_nanoseconds < saved_nanoseconds) return 0;
    return static_cast<Tick>(std::min(longest, (now_nanoseconds - saved_nanoseconds) / nanoseconds_per_tick));
}

}  // namespace sluice::control
