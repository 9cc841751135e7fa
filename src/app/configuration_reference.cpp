#include "app/configuration_reference.hpp"

#include "app/configuration_inspection.hpp"
#include "app/configuration_keys.hpp"
#include "app/ether_types.hpp"

namespace sluice::app {
namespace {

constexpr std::string_view head =
    R"(# sluice.toml: every key of sluice, with its default. Copy it, say which ports to use, and start:
#
#     sluiced --config sluice.toml --check     says whether it is right, and if not, all that is wrong
#     sluiced --config sluice.toml             starts
#     kill -HUP PID                            reads it again; keys marked (reload) may have changed
#
# Keys may be written as here, "tcp.loose = true", or below a section, "[tcp]" and then "loose = true". A key with a
# "#" straight in front of it is left at its default, which is the value shown for profile "appliance".
# docs/configuration.md says more.
)";

constexpr std::string_view pair_text = R"(
# The pairs of ports: what enters by one leaves by the other. At least 1, at most 16.
#   name   %name%
#   ports  %ports%
#   zone   %zone%
pair = [
    { name = "uplink", ports = ["0000:3b:00.0", "0000:3b:00.1"], zone = 0 },
]
)";

constexpr std::string_view service_text = R"(
# Services that SYN floods may hit, each with keys of [guard] of its own where it differs (docs/guard.md; reload):
#   name     %name%
#   address  %address%
#   port     %port%
#   and of its own %own%
# guard.service = [
#     { name = "web", address = "192.0.2.1", port = 443, mode = "auto", activate_rate = 5000 },
# ]
)";

constexpr std::string_view rule_text = R"(
# The rules of a firewall, in their order: the first that is about the first packet of a flow decides (docs/policy.md;
# reload). Without any, every flow is allowed; with some, those that none allows are denied.
%keys%
# Sets of addresses that rules may name:
%set keys%
# set = [
#     { name = "offices", addresses = ["192.0.2.0/24", "2001:db8:1::/48"] },
# ]
# rule = [
#     { name = "web", action = "allow", protocol = "tcp", to = "203.0.113.10", to_port = [80, 443] },
#     { name = "admin", action = "allow", protocol = "tcp", from = "offices", to_port = 22, log = true },
#     { name = "ping", action = "allow", protocol = "icmp", icmp = "echo-request", most_a_second = 100 },
# ]
)";

constexpr std::string_view profile_text = R"(
# How flows of rules with action = "inspect NAME" are read, and what for (docs/inspection.md; reload). Wants
# inspection.flows:
%keys%
# inspection.profile = [
#     { name = "web-servers", signatures = "/etc/sluice/signatures.toml", mode = "alert" },
# ]
)";

std::string_view title_of(Grade grade) {
    switch (grade) {
        case Grade::will_change:
            return "What you will change";
        case Grade::may_change:
            return "What you may change";
        case Grade::expert:
            break;
    }
    return "What only an expert changes";
}

/// Breaks a comment at 118 columns.
std::string comment(const std::string& text) {
    constexpr std::size_t width = 118;
    std::string out;
    std::size_t from = 0;
    while (from < text.size()) {
        std::size_t to = text.size();
        if (to - from > width - 2) to = text.rfind(' ', from + width - 2);
        out += "# " + text.substr(from, to - from) + '\n';
        from = to + 1;
    }
    return out;
}

std::string capital(std::string text) {
    if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
    return text;
}

std::string with_table_keys(std::string text, const std::vector<TableKey>& table) {
    for (const TableKey& key : table) {
        const std::string mark = '%' + std::string(key.name) + '%';
        text.replace(text.find(mark), mark.size(), key.expectation);
    }
    return text;
}

std::string service_section() {
    std::string own;
    for (const Key& key : keys())
        if (key.of_service)
            own += (own.empty() ? "" : ", ") + std::string(key.name.substr(key.name.find('.') + 1));
    std::string text(service_text);
    const std::string_view line = "#   and of its own %own%\n";
    const std::size_t at = text.find(line);
    text.replace(at, line.size(), comment("and, of [guard], any of " + own));
    return with_table_keys(std::move(text), service_keys());
}

/// "#   name     sentence: expectation", a paragraph each.
std::string listed(const std::vector<TableKey>& table) {
    std::string out;
    for (const TableKey& key : table)
        out += comment(std::string(key.name) + ": " + std::string(key.expectation));
    return out;
}

std::string rule_section() {
    std::string text(rule_text);
    for (const auto& [mark, table] :
         {std::pair("%keys%\n", &rule_keys()), std::pair("%set keys%\n", &set_keys())})
        text.replace(text.find(mark), std::string_view(mark).size(), listed(*table));
    return text;
}

std::string profile_section() {
    std::string text(profile_text);
    const std::string_view mark = "%keys%\n";
    return text.replace(text.find(mark), mark.size(), listed(profile_keys()));
}

std::string key_toml(const Key& key, const Configuration& appliance, const Configuration& linux_kernel) {
    std::string out = "\n";
    out += comment(std::string(key.sentence) + (key.reloadable ? " (reload)" : ""));
    std::string rest = capital(expectation_of(key)) + '.';
    if (key.get(appliance) != key.get(linux_kernel) && key.name != "profile")
        rest += " Profile linux: " + literal(key.get(linux_kernel)) + '.';
    out += comment(rest);
    if (key.grade != Grade::will_change) out += '#';
    return out + std::string(key.name) + " = " + literal(key.get(appliance)) + '\n';
}

std::string code(std::string_view text) {
    std::string out = "`";
    out.append(text);
    return out += '`';
}

/// A value in a table of Markdown, where a bar would end the cell.
std::string cell(std::string text) {
    for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
        text.insert(at, 1, '\\');
    return text;
}

std::string table_rows(std::string_view name, const std::vector<TableKey>& table) {
    std::string out;
    for (const TableKey& key : table)
        out += "| `" + std::string(name) + "." + std::string(key.name) + "` | | " +
               cell(std::string(key.expectation)) + " | " + (key.reloadable ? "reload" : "restart") + " | " +
               cell(std::string(key.sentence)) + " |\n";
    return out;
}

std::string key_row(const Key& key, const Configuration& appliance, const Configuration& linux_kernel) {
    std::string value = code(literal(key.get(appliance)));
    if (key.get(appliance) != key.get(linux_kernel))
        value += "; linux: " + code(literal(key.get(linux_kernel)));
    return "| `" + std::string(key.name) + "` | " + value + " | " + cell(expectation_of(key)) + " | " +
           (key.reloadable ? "reload" : "restart") + " | " + cell(std::string(key.sentence)) + " |\n";
}

}  // namespace

std::string reference_toml() {
    const Configuration appliance = defaults(Profile::appliance);
    const Configuration linux_kernel = defaults(Profile::linux_kernel);
    std::string out(head);
    for (const Grade grade : {Grade::will_change, Grade::may_change, Grade::expert}) {
        out += "\n# ==== " + std::string(title_of(grade)) + " ====\n";
        for (const Key& key : keys()) {
            if (key.grade == grade) out += key_toml(key, appliance, linux_kernel);
            if (key.name == "profile" && grade == Grade::will_change)
                out += with_table_keys(std::string(pair_text), pair_keys());
            if (key.name == "guard.mode" && grade == Grade::will_change)
                out += service_section() + rule_section() + profile_section();
        }
    }
    return out;
}

std::string reference_markdown() {
    const Configuration appliance = defaults(Profile::appliance);
    const Configuration linux_kernel = defaults(Profile::linux_kernel);
    std::string out;
    for (const Grade grade : {Grade::will_change, Grade::may_change, Grade::expert}) {
        out += "### " + std::string(title_of(grade)) +
               "\n\n| key | default | expected | changes on | what it does |\n|---|---|---|---|---|\n";
        for (const Key& key : keys())
            if (key.grade == grade) out += key_row(key, appliance, linux_kernel);
        if (grade == Grade::will_change)
            out += table_rows("pair", pair_keys()) + table_rows("guard.service", service_keys()) +
                   table_rows("rule", rule_keys()) + table_rows("set", set_keys()) +
                   table_rows(table_of_profiles, profile_keys());
        out += '\n';
    }
    out += "### EtherTypes by name\n\n";
    std::string names;
    for (const EtherTypeName& type : ether_type_names) {
        names += names.empty() ? "" : ", ";
        names += code(type.name);
        if (type.number == llc_frames) {
            names +=
                " (LLC frames, hence spanning tree; but behind LLC/SNAP of organisation 0 the EtherType "
                "there "
                "counts)";
        } else {
            constexpr std::string_view digits = "0123456789abcdef";
            names += " (0x";
            for (unsigned shift = 16; shift != 0; shift -= 4)
                names += digits[type.number >> (shift - 4U) & 15U];
            names += ')';
        }
    }
    return out + names + ".\n";
}

}  // namespace sluice::app
