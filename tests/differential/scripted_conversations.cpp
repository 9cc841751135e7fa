#include <map>
#include <memory>
#include <random>
#include <stdexcept>

#include "../support/tracker_backend.hpp"
#include "conversations.hpp"

namespace sluice::differential {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace): the script language

/// Writes down what a script sends, while a tracker judges it: what a script expects must hold here too.
class RecordingBackend final : public Backend {
  public:
    explicit RecordingBackend(packet::Family family) : tracker_(family) {}

    void reset(const tcp::Settings& settings) override {
        tracker_.reset(settings);
        settings_ = settings;
        tape_ = {};
    }
    Observation send(End from, const ScriptSegment& segment, double now) override {
        Step step{.from = from, .tcp = bytes_of(segment.tcp, segment.timestamps)};
        switch (segment.defect) {
            case Defect::none:
                break;
            case Defect::offset_too_small:
                step.tcp[12] = 0x40;
                break;
            case Defect::offset_too_large:
                step.tcp[12] = 0xF0;
                break;
            case Defect::cut_short:
                step.tcp.resize(19);
                break;
            case Defect::tcp_checksum:
                step.wrong_checksum = true;
                break;
            case Defect::ip_too_long:  // stopped by the kernel's IP layer, in front of conntrack
            case Defect::ip_checksum:
                return tracker_.send(from, segment, now);
        }
        tape_.add(now, std::move(step));
        return tracker_.send(from, segment, now);
    }
    [[nodiscard]] bool has_bytes() const override { return true; }

    [[nodiscard]] std::vector<Step>& steps() { return tape_.steps(); }
    [[nodiscard]] const tcp::Settings& settings() const { return settings_; }

  private:
    TrackerBackend tracker_;
    tcp::Settings settings_;
    Tape tape_;
};

/// What is said of conntrack in the segments of a script, one each.
std::vector<std::string> kernel_words(const Script& script) {
    constexpr std::string_view mark = "# kernel: ";
    std::vector<std::string> out;
    for (const Script::Line& line : script.lines) {
        const std::size_t first = line.text.find_first_not_of(' ');
        const std::string_view start = std::string_view(line.text).substr(first, 3);
        if (start != "A>B" && start != "B>A") continue;
        const std::size_t at = line.text.find(mark);
        out.push_back(at == std::string::npos ? "" : line.text.substr(at + mark.size()));
    }
    return out;
}

/// Scripts that speak of SACK need a variant that has it.
bool fits(const Script& script, const Variant& variant) {
    for (const Script::Line& line : script.lines)
        if (line.text.find(" sack=") != std::string::npos && !variant.sack) return false;
    return true;
}

Conversation recorded(const Script& script, std::int64_t value, const Variant& variant,
                      packet::Family family) {
    RecordingBackend backend(family);
    if (const auto failure = play(script, value, variant, backend)) throw std::runtime_error(*failure);
    Conversation out;
    out.source = Source::script;
    out.title = script.id + " " + script.title;
    if (!script.each_name.empty()) out.title += ", " + script.each_name + " = " + std::to_string(value);
    out.family = family;
    out.settings = backend.settings();
    out.steps = std::move(backend.steps());
    return out;
}

}  // namespace

std::vector<Conversation> scripted_conversations(const std::string& path, const std::string& blocks_path,
                                                 std::uint64_t seed, int variants, bool show) {
    std::map<std::string, std::vector<Script::Line>> blocks;
    (void)read_scripts(blocks_path, blocks);
    const std::vector<Variant> all = standard_variants(seed);
    std::mt19937_64 random(seed);
    std::vector<Conversation> out;
    for (const Script& script : read_scripts(path, blocks))
        for (const std::int64_t value : script.each_values)
            for (int i = 0; i < variants; ++i) {
                const Variant* variant = &all[random() % all.size()];
                while (!fits(script, *variant)) variant = &all[random() % all.size()];
                const auto family = random() % 2 == 0 ? packet::Family::ipv4 : packet::Family::ipv6;
                Conversation one = recorded(script, value, *variant, family);
                if (one.settings.strict || one.settings.asymmetric)
                    continue;  // conntrack knows no such thing
                if (show) {
                    one.shows = script.id;
                    one.kernel_says = kernel_words(script);
                }
                out.push_back(std::move(one));
            }
    return out;
}

}  // namespace sluice::differential
