#include "comparison.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace sluice::differential {
namespace {

/// When a play took longer than this, what the kernel shows as left means nothing.
constexpr double too_slow = 0.6;
constexpr int attempts = 20;

std::string flag_letters(const Step& step) {
    static constexpr char letters[] = "FSRPAUEC";
    std::string out;
    if (step.tcp.size() > 13)
        for (unsigned bit = 0; bit < 8; ++bit)
            if ((step.tcp[13] >> bit & 1U) != 0 && bit != 3 && bit != 6 && bit != 7)
                out.push_back(letters[bit]);
    return out.empty() ? "." : out;
}

std::string short_form(const Judgement& judgement) {
    std::string out(name_of(judgement.verdict));
    out.append(" ").append(judgement.entry ? name_of(judgement.entry->state) : "-");
    return out;
}

/// "SEQ is over upper bound": the remark up to its first number.
std::string without_numbers(const std::string& why) {
    return why.substr(0, std::min(why.find_first_of("0123456789"), why.find(" (")));
}

/// What differences in no class have in common, for whoever writes the class.
std::string signature(const Difference& d) {
    std::ostringstream out;
    const std::string why = d.ours.why.substr(0, d.ours.why.find(':'));
    out << (d.before ? std::string(name_of(d.before->state)) : "-") << " "
        << (d.before && d.before->originator != d.step.from ? "reply " : "orig ") << flag_letters(d.step)
        << " | ours " << short_form(d.ours) << " " << why << " | kernel " << short_form(d.kernels) << " "
        << without_numbers(d.kernels.why) << " | differs";
    if (d.sight.flow) {
        out << " <" << (d.sight.before.picked_up ? "P" : "") << (d.sight.before.seen != 3 ? "U" : "")
            << (tcp::fin_has_passed(static_cast<tcp::Pair>(d.sight.before.pair), d.sight.direction) ? "F"
                                                                                                    : "")
            << (d.settings.be_liberal ? "L" : "") << (d.settings.ignore_invalid_rst ? "I" : "") << ">";
    }
    if (d.what == differs_treatment)
        out << " treatment: ours " << name_of(d.ours.treatment) << ", kernel "
            << name_of(d.kernels.treatment);
    if ((d.what & differs_verdict) != 0) out << " verdict";
    if ((d.what & differs_presence) != 0) out << " presence";
    if ((d.what & differs_state) != 0) out << " state";
    if ((d.what & differs_assured) != 0) out << " assured";
    if ((d.what & differs_originator) != 0) out << " originator";
    if ((d.what & differs_timeout) != 0)
        out << " timeout "
            << (d.ours.entry->timeout > d.kernels.entry->timeout ? "ours longer" : "kernel's longer");
    return out.str();
}

/// Whether one word of a script ("established", "CLOSE", "10", "none", "assured") holds for what conntrack
/// said.
bool holds(const std::string& word, const Judgement& kernels) {
    if (word == "none") return !kernels.entry;
    if (word == name_of(kernels.verdict)) return true;
    if (!kernels.entry) return false;
    const Entry& entry = *kernels.entry;
    if (word == "assured") return entry.assured;
    if (word == "unassured") return !entry.assured;
    if (word.find_first_not_of("0123456789") == std::string::npos) {
        const unsigned long seconds = std::stoul(word);
        return entry.timeout == seconds || entry.timeout + 1 == seconds;
    }
    return word == name_of(entry.state);
}

}  // namespace

void Comparison::begin() {
    constexpr std::uint16_t first_port = 1024;
    constexpr std::uint32_t ports = 60000;
    const Ends ends{.family = conversation_->family,
                    .port_a = static_cast<std::uint16_t>(first_port + ++plays_ % ports)};
    sluice_.begin(ends, conversation_->settings);
    kernel_.begin(ends, conversation_->settings);
}

Comparison::Both Comparison::judge(const Step& step) {
    ++identification_;
    Both out{.ours = sluice_.judge(step, identification_), .kernels = kernel_.judge(step, identification_)};
    if (out.ours.entry) kernel_.settle(out.ours.entry->timeout);
    return out;
}

Comparison::Both Comparison::replay(const std::vector<Past>& past, const Step* step) {
    for (int i = 0; i < attempts; ++i) {
        begin();
        bool same = true;
        for (const Past& one : past) {
            ++summary_.replayed;
            const Both both = judge(one.step);
            same &= difference(one.step, both.ours, both.kernels) == 0;
        }
        Both out;
        if (step != nullptr) out = judge(*step);
        if (same && kernel_.age() < too_slow) return out;
    }
    throw std::runtime_error(conversation_->title + ": judged differently when played again");
}

void Comparison::fail(const std::string& what, const std::vector<Past>& past, const Step& step,
                      const Both& both) {
    std::ostringstream out;
    out << what << "\n  " << conversation_->title << ", "
        << (conversation_->family == packet::Family::ipv4 ? "IPv4" : "IPv6")
        << (conversation_->settings.loose ? "" : ", loose off")
        << (conversation_->settings.be_liberal ? ", be_liberal" : "")
        << (conversation_->settings.ignore_invalid_rst ? ", ignore_invalid_rst" : "") << ", max_retrans "
        << static_cast<int>(conversation_->settings.max_retrans) << "\n";
    for (const Past& one : past) out << describe(one.step) << " -> " << describe(one.judgement) << "\n";
    out << describe(step) << "\n     sluice: " << describe(both.ours)
        << "\n     kernel: " << describe(both.kernels) << "\n";
    summary_.failures.push_back(out.str());
}

void Comparison::classify(const Difference& difference, std::string_view& cause) {
    const std::vector<const Class*> found = classes_of(difference);
    const Both both{difference.ours, difference.kernels};
    if (found.size() == 1) {
        cause = found[0]->name;
        Count& count = summary_.classes[cause];
        ++count.differences[static_cast<std::size_t>(conversation_->source)];
        const bool stricter =
            both.ours.verdict == Verdict::invalid && both.kernels.verdict != Verdict::invalid;
        if (stricter) ++count.stricter;
        if (stricter && !found[0]->sluice_may_refuse)
            fail("sluice alone refuses, in class " + std::string(cause), difference.past, difference.step,
                 both);
        return;
    }
    std::string what = "a difference in no class";
    if (found.empty()) {
        const std::string name = signature(difference);
        cause = "unclassified";
        what += ": " + name;
        if (summary_.unclassified[name]++ != 0) return;
    } else {
        what = "a difference in several classes:";
        for (const Class* one : found) what.append(" ").append(one->name);
        cause = found[0]->name;
    }
    fail(what, difference.past, difference.step, both);
}

void Comparison::leave_out(std::map<std::size_t, std::string_view>& causes) {
    std::vector<Past> past;
    begin();
    for (std::size_t i = 0; i < conversation_->steps.size(); ++i) {
        const Step& step = conversation_->steps[i];
        Both both = judge(step);
        unsigned what = difference(step, both.ours, both.kernels);
        if (what != 0 && kernel_.age() >= too_slow) {
            both = replay(past, &step);
            what = difference(step, both.ours, both.kernels);
        }
        if (what == 0) {
            if (both.ours.verdict != Verdict::invalid) ++summary_.both_pass;
            past.push_back({step, both.ours});
            continue;
        }
        Difference found{.past = past,
                         .step = step,
                         .settings = conversation_->settings,
                         .ours = both.ours,
                         .kernels = both.kernels,
                         .sight = sluice_.sight(),
                         .what = what};
        if (!past.empty()) found.before = past.back().judgement.entry;
        classify(found, causes[i]);
        (void)replay(past, nullptr);
    }
}

bool Comparison::check_what_kernel_says(const std::string& said, const std::vector<Past>& past,
                                        const Step& step, const Both& both) {
    std::istringstream words(said);
    for (std::string word; words >> word;)
        if (!holds(word, both.kernels)) {
            fail("the script says that conntrack says " + word, past, step, both);
            return false;
        }
    return true;
}

void Comparison::play_whole(const std::map<std::size_t, std::string_view>& causes) {
    std::vector<Past> past;
    begin();
    std::string_view cause;
    bool as_said = true;
    for (std::size_t i = 0; i < conversation_->steps.size(); ++i) {
        const Step& step = conversation_->steps[i];
        const Both both = judge(step);
        const auto found = causes.find(i);
        if (found != causes.end()) cause = found->second;
        const unsigned what = difference(step, both.ours, both.kernels) & ~unsigned{differs_treatment};
        if (found == causes.end() && what != 0 && kernel_.age() < too_slow) {
            if (cause.empty())
                fail("a difference in the whole conversation that nothing before it explains", past, step,
                     both);
            else
                ++summary_.classes[cause].consequences;
        }
        const bool we_refuse = both.ours.verdict == Verdict::invalid;
        const bool kernel_refuses = both.kernels.verdict == Verdict::invalid;
        const auto source = static_cast<std::size_t>(conversation_->source);
        if (we_refuse && !kernel_refuses) {
            ++summary_.only_sluice_refuses[source];
            if (!both.ours.entry) ++summary_.without_flow[source];
            // Without a flow in the table nobody can tell (rows R8, R9); ours may have ended while theirs was
            // renewed.
            if (conversation_->source == Source::honest && both.ours.entry)
                fail("an honest segment that only sluice refuses", past, step, both);
        }
        if (kernel_refuses && !we_refuse) ++summary_.only_kernel_refuses[source];
        if (i < conversation_->kernel_says.size() && as_said && kernel_.age() < too_slow)
            as_said = check_what_kernel_says(conversation_->kernel_says[i], past, step, both);
        past.push_back({step, both.ours});
    }
}

void Comparison::compare(const Conversation& conversation) {
    conversation_ = &conversation;
    ++summary_.conversations;
    summary_.segments += conversation.steps.size();
    summary_.by_source[static_cast<std::size_t>(conversation.source)] += conversation.steps.size();
    std::map<std::size_t, std::string_view> causes;
    leave_out(causes);
    if (!conversation.shows.empty() && (causes.empty() || causes.begin()->second != conversation.shows))
        fail("the first difference is not of class " + conversation.shows + " but " +
                 (causes.empty() ? "there is none" : std::string(causes.begin()->second)),
             {}, conversation.steps.front(), {});
    else if (!conversation.shows.empty())
        summary_.shown.insert(causes.begin()->second);
    if (!causes.empty() || conversation.source == Source::honest) play_whole(causes);
}

}  // namespace sluice::differential
