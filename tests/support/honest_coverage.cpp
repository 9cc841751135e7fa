#include "honest_coverage.hpp"

namespace sluice::test {

void Coverage::each(const std::function<void(const std::string&, std::size_t)>& visit) const {
    constexpr const char* words[] = {
#define SLUICE_FEATURE_WORDS(id, text) text,
        SLUICE_FEATURES(SLUICE_FEATURE_WORDS)
#undef SLUICE_FEATURE_WORDS
    };
    for (std::size_t i = 0; i < features.size(); ++i) visit(words[i], features[i]);
    for (std::size_t i = 0; i < shifts.size(); ++i)
        visit("window shift " + std::to_string(i) + " offered", shifts[i]);
    for (std::size_t end = 0; end < aborted.size(); ++end)
        for (std::size_t state = 0; state < aborted[end].size(); ++state) {
            const auto stood = static_cast<tcp::EndpointState>(state);
            if (stood == tcp::EndpointState::closed || stood == tcp::EndpointState::listen) continue;
            visit(std::string(end == 0 ? "A" : "B") + " aborts in " + std::string(tcp::name_of(stood)),
                  aborted[end][state]);
        }
    constexpr const char* leg_names[legs] = {"A to middle", "middle to B", "B to middle", "middle to A"};
    for (std::size_t leg = 0; leg < legs; ++leg) {
        visit(std::string("lost, ") + leg_names[leg], lost[leg]);
        visit(std::string("repeated, ") + leg_names[leg], repeated[leg]);
        visit(std::string("overtaken, ") + leg_names[leg], overtaken[leg]);
    }
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        const tcp::PairText& pair = tcp::pair_texts[i];
        visit(std::string(tcp::name_of(pair.originator)) + "," + std::string(tcp::name_of(pair.responder)),
              pairs[i]);
    }
}

std::string Coverage::below(std::size_t least) const {
    std::string out;
    each([&](const std::string& name, std::size_t count) {
        if (count < least) out += name + ": " + std::to_string(count) + "\n";
    });
    return out;
}

}  // namespace sluice::test
