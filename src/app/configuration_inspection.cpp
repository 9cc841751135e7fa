#include "app/configuration_inspection.hpp"

#include <algorithm>
#include <utility>

#include "app/configuration_key_kinds.hpp"
#include "app/configuration_reader.hpp"
#include "app/regular_file.hpp"
#include "app/signature_file.hpp"

namespace sluice::app {

using namespace key_kinds;

namespace {

using Kind = Node::Kind;

constexpr std::size_t most_profiles = 16;
constexpr std::size_t most_files = 16;  ///< of one profile
constexpr std::size_t longest_path = 4095;

std::string profile_key(std::string_view leaf) {
    return std::string(table_of_profiles) + '.' + std::string(leaf);
}

std::string expected_of_profile(std::string_view name) {
    for (const TableKey& key : profile_keys())
        if (key.name == name) return "expected " + std::string(key.expectation);
    return "expected a key of a profile";
}

std::string unknown(std::string_view wrong) {
    std::vector<std::string_view> names;
    for (const TableKey& key : profile_keys()) names.push_back(key.name);
    const std::string_view meant = suggest(wrong, names);
    return meant.empty() ? "there is no such key; docs/inspection.md lists those of a profile"
                         : "there is no such key; did you mean " + profile_key(meant) + '?';
}

template <class Number>
bool read_number(Number& number, const Node& node, std::int64_t most) {
    if (node.kind != Kind::integer || node.integer < 0 || node.integer > most) return false;
    number = static_cast<Number>(node.integer);
    return true;
}

bool read_word(bool& meaning, const Node& node, std::string_view yes, std::string_view no) {
    if (node.kind != Kind::text || (node.text != yes && node.text != no)) return false;
    meaning = node.text == yes;
    return true;
}

bool is_folder(const std::string& text) {
    if (text.empty()) return true;
    if (text.front() != '/' || text.size() > longest_path) return false;
    return std::none_of(text.begin(), text.end(),
                        [](char byte) { return static_cast<unsigned char>(byte) < 0x20U || byte == 0x7f; });
}

}  // namespace

bool operator==(const InspectionProfile& a, const InspectionProfile& b) {
    return a.name == b.name && a.blocks == b.blocks && a.fail_open == b.fail_open &&
           a.minimum_ttl == b.minimum_ttl && a.budget == b.budget && a.excerpt == b.excerpt &&
           a.alerts_per_second == b.alerts_per_second && a.signatures->all() == b.signatures->all();
}

void add_inspection_keys(std::vector<Key>& out) {
    out.push_back(number(
        {"inspection.flows", may, on_restart,
         "Flows that each worker inspects at a time; memory for them is taken when the daemon starts."},
        {1, 1 << 20, "flows", "none are inspected", false},
        [](auto& c) -> auto& { return c.limits.inspection.flows; }));
    out.push_back(number(
        {"inspection.chunks", expert, on_restart,
         "Copies of bytes that each worker keeps until they are acknowledged, in pieces of 2 KiB."},
        {2, 1 << 22, "pieces", "", false}, [](auto& c) -> auto& { return c.limits.inspection.chunks; }));
    out.push_back(number(
        {"inspection.chunks_per_direction", expert, on_restart,
         "The most of these that one direction of a flow may have."},
        {2, 1 << 16, "pieces", "", false},
        [](auto& c) -> auto& { return c.limits.inspection.chunks_per_direction; }));
    out.push_back(number(
        {"inspection.held_packets", expert, on_restart,
         "Packets that each worker holds back at a time until what comes before them was scanned."},
        {1, 1 << 20, "packets", "", false},
        [](auto& c) -> auto& { return c.limits.inspection.held_packets; }));
    out.push_back(number(
        {"inspection.held_per_direction", expert, on_restart,
         "The most of these that one direction of a flow may have."},
        {1, 1 << 16, "packets", "", false},
        [](auto& c) -> auto& { return c.limits.inspection.held_per_direction; }));
    out.push_back(number(
        {"inspection.hold_ms", expert, on_restart, "How long a packet is held back before it is dropped."},
        {1, 10'000, "milliseconds", "", false}, [](auto& c) -> auto& { return c.limits.inspection.hold; }));
    out.push_back(number(
        {"inspection.burst_bytes", expert, on_restart,
         "Bytes that a worker scans before it looks at its ports again."},
        {2048, 1 << 24, "bytes", "", false},
        [](auto& c) -> auto& { return c.limits.inspection.burst_bytes; }));
    out.push_back(text(
        {"inspection.cache", may, on_reload,
         "The folder in which compiled signatures are kept, so that the next start need not compile them; it "
         "must belong to the daemon's user alone. Empty: they are not kept."},
        "an absolute path of a folder without control characters, or nothing",
        [](const Configuration& c) { return c.inspection.cache_folder; },
        [](Configuration& c, const std::string& value) {
            if (!is_folder(value)) return false;
            c.inspection.cache_folder = value;
            return true;
        }));
}

const std::vector<TableKey>& profile_keys() {
    static const std::vector<TableKey> all{
        {"name", true, "What rules call the profile. Must be given.",
         "1 to 31 letters, digits, '_', '-' and '.', different from the other profiles"},
        {"signatures", true,
         "What is looked for (docs/inspection.md); read with the configuration. Must be given.",
         "the name of a file, from the configuration's folder on unless it begins with \"/\", or a list of "
         "at "
         "most 16 of these"},
        {"mode", true,
         "Whether signatures with action \"drop\" or \"reset\" do so, or only say what they have found.",
         "\"alert\" (the default) or \"block\""},
        {"fail", true,
         "With mode \"block\", what becomes of bytes that cannot be scanned for want of room or because "
         "their "
         "copy is gone: they pass, or are dropped.",
         "\"open\" (the default) or \"closed\""},
        {"minimum_ttl", true,
         "Segments with less are not believed to reach their receiver: they are not scanned, and with mode "
         "\"block\" dropped.",
         "a whole number from 0 (the default) to 255"},
        {"budget", true, "Bytes of each direction of a flow that are scanned; what follows passes unseen.",
         "a whole number of bytes from 0 (the default: all) to 1099511627776"},
        {"excerpt", true, "Bytes of what was found that an alert shows; they may be anybody's secrets.",
         "a whole number of bytes from 0 (the default) to 256"},
        {"alerts_per_second", true,
         "Alerts of each signature and worker; those beyond are counted and not shown.",
         "a whole number from 1 to 1000000 (the default: 100)"},
    };
    return all;
}

void ProfileReader::finish() {
    if (list_ == nullptr) return;
    const bool tables =
        list_->kind == Kind::list && std::all_of(list_->nodes.begin(), list_->nodes.end(),
                                                 [](const Node& item) { return item.kind == Kind::table; });
    if (!tables)
        return faults_.add(source_, table_of_profiles,
                           "expected [[inspection.profile]] with name = \"NAME\" below it, " + found(*list_) +
                               (list_->kind == Kind::table ? " (double the brackets)" : ""));
    if (into_.limits.inspection.flows == 0 && !list_->nodes.empty() && !faults_.names("inspection.flows"))
        faults_.add(source_, table_of_profiles,
                    "expected inspection.flows to say how many flows a worker may inspect, found none");
    if (list_->nodes.size() > most_profiles)
        return faults_.add(source_, table_of_profiles,
                           "expected at most " + std::to_string(most_profiles) + " profiles, found " +
                               std::to_string(list_->nodes.size()));
    for (const Node& table : list_->nodes) read_profile(table, place(source_, table.at));
}

void ProfileReader::read_profile(const Node& table, const Source& source) {
    InspectionProfile profile;
    read_.clear();
    bool has_name = false, has_signatures = false;
    for (const Node& member : table.nodes) {
        has_name = has_name || member.name == "name";
        has_signatures = has_signatures || member.name == "signatures";
        if (!read_part(profile, member, place(source, member.at)))
            faults_.add(place(source, member.at), profile_key(member.name),
                        expected_of_profile(member.name) + ", " + found(member));
    }
    if (!has_name || !has_signatures)
        faults_.add(
            source, table_of_profiles,
            std::string("expected name and signatures, found no ") + (has_name ? "signatures" : "name"));
    check_name(profile, source);
    join_signatures(profile, source);
    into_.inspection.profiles.push_back(std::move(profile));
}

/// False: it is not what is expected, which is still to be said.
bool ProfileReader::read_part(InspectionProfile& profile, const Node& member, const Source& source) {
    constexpr std::int64_t most_budget = std::int64_t{1} << 40;
    const std::string& name = member.name;
    if (name == "name") {
        if (member.kind != Kind::text || !is_table_name(member.text)) return false;
        profile.name = member.text;
    } else if (name == "signatures") {
        return read_files(profile, member, source);
    } else if (name == "mode") {
        return read_word(profile.blocks, member, "block", "alert");
    } else if (name == "fail") {
        return read_word(profile.fail_open, member, "open", "closed");
    } else if (name == "minimum_ttl") {
        return read_number(profile.minimum_ttl, member, 255);
    } else if (name == "budget") {
        return read_number(profile.budget, member, most_budget);
    } else if (name == "excerpt") {
        return read_number(profile.excerpt, member, 256);
    } else if (name == "alerts_per_second") {
        return read_number(profile.alerts_per_second, member, 1'000'000) && profile.alerts_per_second != 0;
    } else {
        faults_.add(place(source, member.name_at), profile_key(printable(name)), unknown(name));
    }
    return true;
}

bool ProfileReader::read_files(InspectionProfile& profile, const Node& node, const Source& source) {
    std::vector<const Node*> items;
    if (node.kind == Kind::list)
        for (const Node& item : node.nodes) items.push_back(&item);
    else
        items.push_back(&node);
    if (items.empty() || items.size() > most_files) return false;
    for (const Node* item : items) {
        if (item->kind != Kind::text) return false;
        profile.files.push_back(beside(into_.file, item->text));
        auto read = load_signatures(profile.files.back());
        if (read)
            read_.push_back(std::move(*read));
        else
            faults_.add(place(source, item->at), profile_key("signatures"), read.error());
    }
    return true;
}

void ProfileReader::check_name(const InspectionProfile& profile, const Source& source) {
    const auto& all = into_.inspection.profiles;
    if (!profile.name.empty() &&
        std::any_of(all.begin(), all.end(), [&](const auto& other) { return other.name == profile.name; }))
        faults_.add(source, profile_key("name"),
                    "expected a name of its own, found \"" + profile.name + "\" for an earlier profile too");
}

void ProfileReader::join_signatures(InspectionProfile& profile, const Source& source) {
    auto joined = policy::SignatureSet::join(std::move(read_));
    read_.clear();
    if (joined)
        profile.signatures = std::make_shared<const policy::SignatureSet>(std::move(*joined));
    else
        faults_.add(source, profile_key("signatures"), joined.error());
}

}  // namespace sluice::app
