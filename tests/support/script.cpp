#include "script.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>

namespace sluice::test {
namespace {

using tcp::Flag;

/// Bytes a receiver offers unless the script says otherwise: a multiple of 2^14, so that every shift can
/// express it.
constexpr std::uint32_t default_window = 3U << 14;

std::vector<std::string> words_of(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> out;
    for (std::string word; in >> word;) {
        if (word[0] == '#') break;
        out.push_back(word);
    }
    return out;
}

[[noreturn]] void fail(const std::string& file, int line, const std::string& what) {
    throw std::runtime_error(file + ":" + std::to_string(line) + ": " + what);
}

std::string name_of_pair(std::optional<tcp::Pair> pair) {
    if (!pair) return "none";
    const tcp::PairText& text = tcp::text_of(*pair);
    return std::string(tcp::name_of(text.originator)) + "," + std::string(tcp::name_of(text.responder));
}

std::string_view name_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::accepted:
            return "accepted";
        case Outcome::tolerated:
            return "tolerated";
        case Outcome::refused:
            return "refused";
        case Outcome::dropped:
            break;
    }
    return "dropped";
}

/// accepted, tolerated:old-syn, refused:ack-unsent …
std::string name_of_outcome(const Observation& seen) {
    std::string out(name_of(seen.outcome));
    if (seen.outcome != Outcome::accepted || seen.reason != Reason::none)
        out.append(":").append(text_of(seen.reason).name);
    return out;
}

/// One run of one script.
class Player {
  public:
    Player(const Script& script, std::int64_t each_value, const Variant& variant, Backend& backend)
        : script_(script), variant_(variant), backend_(backend) {
        variables_["x"] = variant.isn_a;
        variables_["y"] = variant.isn_b;
        if (!script.each_name.empty()) variables_[script.each_name] = static_cast<std::uint32_t>(each_value);
    }

    std::optional<std::string> run() {
        backend_.reset(settings_);
        for (const Script::Line& line : script_.lines) {
            number_ = line.number;
            const std::vector<std::string> words = words_of(line.text);
            if (words.empty()) continue;
            if (words[0] == "A>B" || words[0] == "B>A") {
                if (auto failure = send(line.text, words)) return failure;
            } else {
                direct(words);
            }
        }
        return std::nullopt;
    }

  private:
    const Script& script_;
    const Variant& variant_;
    Backend& backend_;
    tcp::Settings settings_;
    std::map<std::string, std::uint32_t> variables_;
    std::string conversation_;
    double now_ = 0;
    int number_ = 0;
    std::optional<tcp::Pair> pair_;
    std::uint64_t flow_ = 0;

    [[noreturn]] void wrong(const std::string& what) const { fail(script_.file, number_, what); }

    void direct(const std::vector<std::string>& words) {
        if (words[0] == "wait" && words.size() == 2) {
            now_ += std::stod(words[1]);
            conversation_.append("      (").append(words[1]).append(" s pass)\n");
        } else if (words[0] == "let" && words.size() == 4 && words[2] == "=") {
            variables_[words[1]] = value(words[3]);
        } else if (words[0] == "with" && words.size() > 1) {
            for (std::size_t i = 1; i < words.size(); ++i) set(words[i]);
            backend_.reset(settings_);
        } else {
            wrong("no such line: " + words[0]);
        }
    }

    void set(const std::string& assignment) {
        const std::size_t equals = assignment.find('=');
        if (equals == std::string::npos) wrong("a setting is written name=value");
        const std::string name = assignment.substr(0, equals);
        const std::string text = assignment.substr(equals + 1);
        const bool on = text == "on";
        if (name == "loose")
            settings_.loose = on;
        else if (name == "liberal")
            settings_.be_liberal = on;
        else if (name == "ignore_invalid_rst")
            settings_.ignore_invalid_rst = on;
        else if (name == "strict")
            settings_.strict = on;
        else if (name == "asymmetric")
            settings_.asymmetric = on;
        else if (name == "max_retrans")
            settings_.max_retrans = static_cast<std::uint8_t>(std::stoi(text));
        else
            wrong("no such setting: " + name);
    }

    /// x+1, y-700000, 4096, u+n+1 …
    [[nodiscard]] std::uint32_t value(const std::string& text) const {
        std::uint32_t sum = 0;
        std::size_t at = 0;
        bool minus = false;
        while (at < text.size()) {
            const std::size_t stop = std::min(text.find_first_of("+-", at), text.size());
            const std::string term = text.substr(at, stop - at);
            std::uint32_t one = 0;
            const auto [end, error] = std::from_chars(term.data(), term.data() + term.size(), one);
            if (error != std::errc{} || end != term.data() + term.size()) {
                const auto found = variables_.find(term);
                if (found == variables_.end()) wrong("no such number: " + term);
                one = found->second;
            }
            sum = minus ? sum - one : sum + one;
            minus = stop < text.size() && text[stop] == '-';
            at = stop + 1;
        }
        return sum;
    }

    [[nodiscard]] std::uint8_t flags(const std::string& text) const {
        static const std::map<std::string, int> known{{"SYN", Flag::syn},
                                                      {"SYN,ACK", Flag::syn | Flag::ack},
                                                      {"ACK", Flag::ack},
                                                      {"RST", Flag::rst},
                                                      {"RST,ACK", Flag::rst | Flag::ack},
                                                      {"FIN", Flag::fin | Flag::ack},
                                                      {"DATA", Flag::psh | Flag::ack}};
        if (const auto found = known.find(text); found != known.end())
            return static_cast<std::uint8_t>(found->second);
        if (text.rfind("flags=", 0) != 0) wrong("no such flags: " + text);
        static const std::string letters = "FSRPAUEC";
        unsigned out = 0;
        for (char letter : text.substr(6)) {
            const std::size_t bit = letters.find(letter);
            if (bit == std::string::npos && letter != '.') wrong("flags are letters of " + letters);
            if (bit != std::string::npos) out |= 1U << bit;
        }
        return static_cast<std::uint8_t>(out);
    }

    static Defect defect(const std::string& name) {
        static const std::map<std::string, Defect> known{
            {"offset-too-small", Defect::offset_too_small}, {"offset-too-large", Defect::offset_too_large},
            {"ip-too-long", Defect::ip_too_long},           {"cut-short", Defect::cut_short},
            {"tcp-checksum", Defect::tcp_checksum},         {"ip-checksum", Defect::ip_checksum}};
        return known.at(name);
    }

    /// What the SYN of an end carries, unless the script says otherwise.
    void add_options(End from, ScriptSegment& segment) {
        tcp::Segment& tcp = segment.tcp;
        if ((tcp.flags & Flag::syn) != 0) {
            tcp.has_window_scale = from == End::a ? variant_.scale_a : variant_.scale_b;
            tcp.window_scale =
                tcp.has_window_scale ? (from == End::a ? variant_.shift_a : variant_.shift_b) : 0;
            tcp.sack_permitted = variant_.sack;
        }
        segment.timestamps = variant_.timestamps && (tcp.flags & Flag::rst) == 0;
        segment.timestamp_value = 1000 + static_cast<std::uint32_t>(now_ * 1000);
    }

    void set_window(End from, std::uint32_t bytes, tcp::Segment& tcp) const {
        const bool scaled = (tcp.flags & Flag::syn) == 0 && variant_.scale_a && variant_.scale_b;
        const unsigned shift = scaled ? (from == End::a ? variant_.shift_a : variant_.shift_b) : 0;
        tcp.window =
            static_cast<std::uint16_t>(std::min<std::uint32_t>((bytes + (1U << shift) - 1) >> shift, 0xFFFF));
    }

    std::optional<std::string> send(const std::string& text, const std::vector<std::string>& words) {
        const End from = words[0] == "A>B" ? End::a : End::b;
        if (words.size() < 3) wrong("a segment is written: A>B FLAGS SEQUENCE [ack NUMBER] [len=N] …");
        ScriptSegment segment;
        segment.tcp.flags = flags(words[1]);
        segment.tcp.sequence = value(words[2]);
        if (words[1] == "DATA") segment.tcp.payload_length = 10;
        add_options(from, segment);
        set_window(from, default_window, segment.tcp);
        std::size_t i = 3;
        for (; i < words.size() && words[i] != "=>"; ++i) {
            if (words[i] == "ack" && i + 1 < words.size())
                segment.tcp.acknowledgement = value(words[++i]);
            else
                option(from, words[i], segment);
        }
        const Observation seen = backend_.send(from, segment, now_);
        std::ostringstream told;
        told << "  " << text.substr(text.find_first_not_of(' ')) << "\n      seq " << segment.tcp.sequence
             << " ack " << segment.tcp.acknowledgement << " len " << segment.tcp.payload_length << " win "
             << segment.tcp.window << " -> " << describe(seen) << "\n";
        conversation_ += told.str();
        std::string failure;
        if (i == words.size()) wrong("every segment says what is expected: => …");
        expect(std::vector<std::string>(words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end()),
               seen, failure);
        pair_ = seen.pair;
        flow_ = seen.flow;
        if (failure.empty()) return std::nullopt;
        std::ostringstream out;
        out << script_.file << ':' << number_ << ": " << failure << '\n'
            << variant_.describe() << '\n'
            << conversation_;
        return out.str();
    }

    void option(End from, const std::string& word, ScriptSegment& segment) const {
        const std::size_t equals = word.find('=');
        const std::string name = word.substr(0, equals);
        const std::string text = equals == std::string::npos ? "" : word.substr(equals + 1);
        if (name == "len")
            segment.tcp.payload_length = value(text);
        else if (name == "win")
            set_window(from, value(text), segment.tcp);
        else if (name == "rawwin")
            segment.tcp.window = static_cast<std::uint16_t>(value(text));
        else if (name == "sack") {
            segment.tcp.has_sack = variant_.sack;
            segment.tcp.sack_highest = variant_.sack ? value(text) : 0;
        } else if (name == "tfo")
            segment.fast_open = true;
        else if (name == "defect")
            segment.defect = defect(text);
        else
            wrong("no such option: " + word);
    }

    static std::string describe(const Observation& seen) {
        std::ostringstream out;
        out << name_of_pair(seen.pair) << ' ' << name_of_outcome(seen)
            << (seen.assured ? " assured" : " unassured");
        if (seen.timeout) out << " timeout=" << *seen.timeout;
        return out.str();
    }

    /// Leaves in `failure` what does not hold.
    void expect(const std::vector<std::string>& words, const Observation& seen, std::string& failure) const {
        std::string outcome = "accepted";
        for (const std::string& word : words) {
            bool holds = true;
            if (word == "stays")
                holds = seen.pair == pair_ && seen.flow == flow_;
            else if (word == "new")
                holds = seen.flow != 0 && seen.flow != flow_;
            else if (word == "assured")
                holds = seen.assured;
            else if (word == "unassured")
                holds = !seen.assured;
            else if (word == "none")
                holds = !seen.pair;
            else if (word.rfind("timeout=", 0) == 0)
                holds = seen.timeout == value(word.substr(8));
            else if (word.rfind("timeout>=", 0) == 0)
                holds = seen.timeout && *seen.timeout >= value(word.substr(9));
            else if (word.rfind("tolerated:", 0) == 0 || word.rfind("refused:", 0) == 0)
                outcome = word;
            else if (word.find(',') != std::string::npos)
                holds = name_of_pair(seen.pair) == word;
            else
                wrong("no such expectation: " + word);
            if (!holds)
                failure.append("expected ").append(word).append(", saw ").append(describe(seen)).append("; ");
        }
        const std::string actual = name_of_outcome(seen);
        if (actual != outcome)
            failure.append("expected ").append(outcome).append(", saw ").append(actual).append("; ");
    }
};

}  // namespace

std::string Variant::describe() const {
    const auto scale = [](bool offered, unsigned shift) {
        return offered ? std::to_string(shift) : std::string("none");
    };
    std::ostringstream out;
    out << "  x=" << isn_a << " y=" << isn_b << " window scale A " << scale(scale_a, shift_a) << " B "
        << scale(scale_b, shift_b) << (sack ? " SACK" : "") << (timestamps ? " timestamps" : "");
    return out.str();
}

std::vector<Script> read_scripts(const std::string& path,
                                 std::map<std::string, std::vector<Script::Line>>& blocks) {
    std::ifstream in(path);
    if (!in) throw std::runtime_error("cannot read " + path);
    std::vector<Script> out;
    std::string block;
    int number = 0;
    for (std::string text; std::getline(in, text);) {
        ++number;
        const std::vector<std::string> words = words_of(text);
        if (words.empty()) continue;
        if (words[0] == "block" && words.size() == 2) {
            block = words[1];
            blocks[block] = {};
        } else if (words[0] == "end") {
            block.clear();
        } else if (!block.empty()) {
            blocks[block].push_back({number, text});
        } else if (words[0] == "scenario" && words.size() > 2) {
            Script script;
            script.id = words[1];
            script.title = text.substr(text.find(words[1]) + words[1].size() + 1);
            script.file = path.substr(path.find_last_of('/') + 1);
            out.push_back(script);
        } else if (out.empty()) {
            fail(path, number, "a line outside any scenario");
        } else if (words[0] == "each" && words.size() > 3 && words[2] == "=") {
            out.back().each_name = words[1];
            out.back().each_values.clear();
            for (std::size_t i = 3; i < words.size(); ++i)
                out.back().each_values.push_back(std::stoll(words[i]));
        } else if (words[0] == "use" && words.size() == 2) {
            const auto found = blocks.find(words[1]);
            if (found == blocks.end()) fail(path, number, "no such block: " + words[1]);
            out.back().lines.insert(out.back().lines.end(), found->second.begin(), found->second.end());
        } else {
            out.back().needs_bytes |= text.find("defect=") != std::string::npos;
            out.back().lines.push_back({number, text});
        }
    }
    return out;
}

std::optional<std::string> play(const Script& script, std::int64_t each_value, const Variant& variant,
                                Backend& backend) {
    return Player(script, each_value, variant, backend).run();
}

std::vector<Variant> standard_variants(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto any = [&random] { return static_cast<std::uint32_t>(random()); };
    std::vector<Variant> options;
    const auto add = [&options](bool a, unsigned shift_a, bool b, unsigned shift_b) {
        for (unsigned extra = 0; extra < 4; ++extra)
            options.push_back({.scale_a = a,
                               .scale_b = b,
                               .shift_a = static_cast<std::uint8_t>(shift_a),
                               .shift_b = static_cast<std::uint8_t>(shift_b),
                               .sack = (extra & 1) != 0,
                               .timestamps = (extra & 2) != 0});
    };
    for (unsigned shift = 0; shift <= 14; ++shift) add(true, shift, true, 14 - shift);
    add(true, 14, true, 14);
    for (unsigned shift : {0U, 7U, 14U}) {
        add(true, shift, false, 0);
        add(false, 0, true, shift);
    }
    add(false, 0, false, 0);

    std::vector<std::pair<std::uint32_t, std::uint32_t>> isns;
    const std::vector<std::uint32_t> edges{0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    for (std::uint32_t a : edges)
        for (std::uint32_t b : edges) isns.emplace_back(a, b);
    for (int i = 0; i < 5; ++i) isns.emplace_back(any(), any());

    std::vector<Variant> out;
    const auto at = [&out](Variant variant, std::pair<std::uint32_t, std::uint32_t> isn) {
        variant.isn_a = isn.first;
        variant.isn_b = isn.second;
        out.push_back(variant);
    };
    for (const auto& isn : isns)
        for (std::size_t set : {std::size_t{3}, options.size() - 4, std::size_t{28}}) at(options[set], isn);
    // Each set of options with each number on either side; which two meet differs from set to set.
    for (std::size_t set = 0; set < options.size(); ++set) {
        for (std::size_t i = 0; i < edges.size(); ++i)
            at(options[set], {edges[i], edges[(i + set / 4) % edges.size()]});
        at(options[set], {any(), any()});
    }
    return out;
}

}  // namespace sluice::test
