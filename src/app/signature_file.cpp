#include "app/signature_file.hpp"

#include <array>
#include <functional>
#include <limits>

#include "app/configuration_faults.hpp"
#include "app/configuration_keys.hpp"
#include "app/configuration_reader.hpp"
#include "app/configuration_toml.hpp"
#include "app/regular_file.hpp"

namespace sluice::app {
namespace {

using policy::Signature;
using Kind = Node::Kind;

/// Takes a value into a signature; the error is "expected …", without what was found.
using Take = std::function<Status(const Node&, Signature&)>;

struct Key {
    std::string_view name;
    Take take;
};

Take text(std::string Signature::*member) {
    return [member](const Node& value, Signature& into) -> Status {
        if (value.kind != Kind::text) return Error{"expected text in quotes"};
        into.*member = value.text;
        return success();
    };
}

Take number(std::uint32_t Signature::*member, std::uint32_t least, std::uint32_t most) {
    return [=](const Node& value, Signature& into) -> Status {
        if (value.kind != Kind::integer || value.integer < least || value.integer > most)
            return Error{"expected a number from " + std::to_string(least) + " to " + std::to_string(most)};
        into.*member = static_cast<std::uint32_t>(value.integer);
        return success();
    };
}

/// One of a few words, each for the enumerator of its place.
template <class Choice, std::size_t count>
Take word(Choice Signature::*member, const std::array<std::string_view, count>& words) {
    return [=](const Node& value, Signature& into) -> Status {
        std::string expected = "expected one of";
        for (std::size_t i = 0; i < count; ++i) {
            if (value.kind == Kind::text && value.text == words[i]) {
                into.*member = static_cast<Choice>(i);
                return success();
            }
            expected += (i == 0 ? " \"" : ", \"") + std::string(words[i]) + '"';
        }
        return Error{expected};
    };
}

Status take_flags(const Node& value, Signature& into) {
    return value.kind == Kind::text ? policy::parse_flags(value.text, into) : policy::parse_flags("?", into);
}

Status take_service(const Node& value, Signature& into) {
    auto service = policy::parse_service(value.kind == Kind::text ? value.text : "");
    if (!service) return Error{service.error()};
    into.service = std::move(*service);
    return success();
}

/// Where a depth or an offset may lie: the first 16 MiB.
constexpr std::uint32_t deepest = 1U << 24U;

const std::vector<Key>& signature_keys() {
    constexpr std::array<std::string_view, 3> towards{"to-server", "to-client", "both"};
    constexpr std::array<std::string_view, 4> actions{"alert", "drop", "reset", "mark"};
    constexpr std::array<std::string_view, 4> severities{"low", "medium", "high", "critical"};
    static const std::vector<Key> all{
        {"id", number(&Signature::id, 1, std::numeric_limits<std::uint32_t>::max())},
        {"name", text(&Signature::name)},
        {"pattern", text(&Signature::pattern)},
        {"flags", take_flags},
        {"direction", word(&Signature::toward, towards)},
        {"service", take_service},
        {"offset", number(&Signature::offset, 0, deepest)},
        {"depth", number(&Signature::depth, 1, deepest)},
        {"action", word(&Signature::action, actions)},
        {"severity", word(&Signature::severity, severities)},
        {"mark", number(&Signature::mark, 1, std::numeric_limits<std::uint32_t>::max())},
    };
    return all;
}

std::string unknown(std::string_view name, std::string_view leaf) {
    std::vector<std::string_view> names;
    for (const Key& key : signature_keys()) names.push_back(key.name);
    const std::string_view meant = suggest(leaf, names);
    return "expected a key of a signature" +
           (meant.empty() ? "" : " (" + std::string(name) + std::string(meant) + "?)");
}

void read_member(const Node& member, Signature& into, Faults& faults) {
    constexpr std::string_view table = "signature.";
    for (const Key& key : signature_keys()) {
        if (key.name != member.name) continue;
        const Status taken = key.take(member, into);
        if (!taken)
            faults.add({member.at}, std::string(table) + member.name, taken.error() + ", " + found(member));
        return;
    }
    faults.add({member.name_at}, std::string(table) + printable(member.name), unknown(table, member.name));
}

void read_list(const Node& list, std::vector<Signature>& into, Faults& faults) {
    for (const Node& table : list.nodes) {
        if (table.kind != Kind::table) {
            faults.add({table.at}, "signature", "expected [[signature]], " + found(table));
            continue;
        }
        Signature& signature = into.emplace_back();
        signature.line = table.at.line;
        for (const Node& member : table.nodes) {
            if (faults.full()) return;
            read_member(member, signature, faults);
        }
    }
}

}  // namespace

Result<policy::SignatureSet> read_signatures(std::string_view text, const std::string& name) {
    Faults faults(name);
    const auto parsed = parse_toml(text);
    if (const auto* fault = std::get_if<SyntaxFault>(&parsed)) {
        faults.add({fault->at}, "", fault->sentence);
        return Error{faults.text()};
    }
    std::vector<Signature> signatures;
    for (const Node& member : std::get<Node>(parsed).nodes) {
        if (member.name != "signature" || member.kind != Kind::list)
            faults.add({member.name_at}, printable(member.name),
                       "expected nothing but [[signature]] in a file of signatures");
        else
            read_list(member, signatures, faults);
    }
    if (faults.any()) return Error{faults.text()};
    return policy::SignatureSet::create(name, std::move(signatures));
}

Result<policy::SignatureSet> load_signatures(const std::string& path) {
    const auto text = read_regular_file(path, "a file of signatures", max_signature_file_bytes);
    if (!text) return Error{text.error()};
    return read_signatures(*text, path);
}

}  // namespace sluice::app
