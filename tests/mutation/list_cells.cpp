// Prints every mutant of the two tables: number, cell, change. Events between which no cell of the transition
// table differs are the same event to everyone, so that exchanging them is no mutant; the last line counts
// those.
#include <array>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "sluice/tcp/tables.hpp"

namespace {

using namespace sluice;

constexpr std::array<const char*, tcp::event_count> event_names{
#define SLUICE_EVENT_NAME(id, text) #id,
    SLUICE_EVENTS(SLUICE_EVENT_NAME)
#undef SLUICE_EVENT_NAME
};
constexpr std::array<const char*, tcp::flag_class_count> class_names{"bad", "syn", "syn_ack", "ack",
                                                                     "fin", "rst", "rst_ack"};
constexpr std::array<const char*, 7> action_names{"learn",    "nothing", "start", "adopt",
                                                  "remember", "offer",   "reopen"};
constexpr std::array<const char*, 3> refresh_names{"keep", "set", "extend"};

std::string name_of(std::size_t pair) {
    const tcp::PairText& text = tcp::pair_texts[pair];
    return std::string(tcp::name_of(text.originator)) + "," + std::string(tcp::name_of(text.responder));
}

bool is_equal(tcp::Cell a, tcp::Cell b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

/// What is kept of a segment that is not accepted can only be a SYN: any other action says the same there.
bool says_the_same(tcp::Cell a, tcp::Cell b) {
    const auto remembers = [](tcp::Cell cell) {
        return static_cast<tcp::spec::Action>(cell.action) == tcp::spec::Action::remember;
    };
    return a.reason != 0 && a.reason == b.reason && a.action != b.action && remembers(a) == remembers(b);
}

bool told_apart(std::size_t a, std::size_t b) {
    for (const auto& pair : tcp::detail::transitions_made.table)
        for (const auto& row : pair)
            if (!is_equal(row[a], row[b])) return true;
    return false;
}

/// Whether some predicates make this event of this class: an event of another class is no plausible value.
bool occurs(std::size_t cls, std::size_t event) {
    for (const tcp::Event made : tcp::detail::classify_made.table[cls])
        if (static_cast<std::size_t>(made) == event) return true;
    return false;
}

std::string describe(tcp::Cell cell) {
    return name_of(cell.next) + " " + std::string(text_of(static_cast<Reason>(cell.reason)).name) + " " +
           refresh_names[cell.refresh] + " " + action_names[cell.action] +
           (cell.assures != 0 ? " assures" : "");
}

}  // namespace

int main() {
    std::size_t alike = 0, idle = 0;
    for (std::size_t cls = 0; cls < tcp::flag_class_count; ++cls)
        for (std::size_t predicates = 0; predicates < tcp::predicate_count; ++predicates)
            for (std::size_t other = 0; other < tcp::event_count; ++other) {
                const auto event =
                    static_cast<std::size_t>(tcp::detail::classify_made.table[cls][predicates]);
                const bool of_class =
                    cls == 0 ? other == static_cast<std::size_t>(tcp::Event::ack_all) : occurs(cls, other);
                if (event == other || !of_class) continue;
                if (!told_apart(event, other)) {
                    ++alike;
                    continue;
                }
                const std::size_t number =
                    (cls * tcp::predicate_count + predicates) * mutant::classify_variants + other;
                std::printf("%zu\tclassify %s predicates %zu: %s\t%s\n", number, class_names[cls], predicates,
                            event_names[event], event_names[other]);
            }
    for (std::size_t pair = 0; pair < tcp::pair_count; ++pair)
        for (std::size_t from = 0; from < 2; ++from)
            for (std::size_t event = 0; event < tcp::event_count; ++event)
                for (long variant = 0; variant < mutant::transition_variants; ++variant) {
                    const tcp::Cell cell = tcp::detail::transitions_made.table[pair][from][event];
                    const auto other = mutant::altered(cell, variant);
                    if (!other) continue;
                    if (says_the_same(cell, *other)) {
                        ++idle;
                        continue;
                    }
                    const std::size_t index = (pair * 2 + from) * tcp::event_count + event;
                    std::printf("%ld\ttransition %s from %s on %s: %s\t%s\n",
                                mutant::first_transition +
                                    static_cast<long>(index) * mutant::transition_variants + variant,
                                name_of(pair).c_str(), from == 0 ? "A" : "B", event_names[event],
                                describe(cell).c_str(), describe(*other).c_str());
                }
    std::printf("# left out: %zu exchanges of two events that no cell tells apart\n", alike);
    std::printf("# left out: %zu other actions of a cell that accepts nothing\n", idle);
}
