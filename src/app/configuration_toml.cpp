#include "app/configuration_toml.hpp"

#include <algorithm>
#include <optional>
#include <sstream>
#include <tuple>

// Header-only, so that the nesting limit is ours: nodes are freed recursively, and a file must not choose how
// deep.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 8
#include <toml++/toml.h>

namespace sluice::app {
namespace {

// A dotted key nests as deep as it has dots, and it cannot leave its line: with the limit of 8 values within
// values, a tree is at most some 4,000 nodes deep, which fits any thread's stack.
constexpr std::size_t max_line_bytes = 1000;

/// Length of the UTF-8 character at the start of `rest` (RFC 3629), 0 when it is none.
std::size_t utf8_length(std::string_view rest) {
    const auto byte = [&](std::size_t i) -> unsigned {
        return i < rest.size() ? static_cast<unsigned char>(rest[i]) : 0U;
    };
    const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
    const unsigned first = byte(0);
    if (first < 0x80U) return 1;
    if (first >= 0xc2U && first <= 0xdfU) return follows(1) ? 2 : 0;
    if (first >= 0xe0U && first <= 0xefU) {
        const bool overlong = first == 0xe0U && byte(1) < 0xa0U;
        const bool surrogate = first == 0xedU && byte(1) > 0x9fU;
        return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (first >= 0xf0U && first <= 0xf4U) {
        const bool overlong = first == 0xf0U && byte(1) < 0x90U;
        const bool too_large = first == 0xf4U && byte(1) > 0x8fU;
        return follows(1) && follows(2) && follows(3) && !overlong && !too_large ? 4 : 0;
    }
    return 0;
}

std::string hexadecimal(unsigned byte) {
    constexpr std::string_view digits = "0123456789abcdef";
    return {digits[byte >> 4U & 15U], digits[byte & 15U]};
}

/// What no TOML file may contain, or ours may not, before the parser proper sees it.
std::optional<SyntaxFault> find_bad_bytes(std::string_view text) {
    Position here{1, 1};
    std::size_t line_start = 0;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t length = utf8_length(text.substr(i));
        const auto byte = static_cast<unsigned char>(text[i]);
        if (length == 0)
            return SyntaxFault{here, "expected UTF-8 text, found the byte 0x" + hexadecimal(byte)};
        if (byte == 0) return SyntaxFault{here, "expected text, found a NUL byte"};
        if (i - line_start >= max_line_bytes)
            return SyntaxFault{here, "expected lines of at most " + std::to_string(max_line_bytes) +
                                         " bytes, found a longer one"};
        i += length;
        ++here.column;
        if (byte == '\n') {
            here = {here.line + 1, 1};
            line_start = i;
        }
    }
    return std::nullopt;
}

Position position_of(const toml::source_position& position) {
    return {static_cast<unsigned>(position.line), static_cast<unsigned>(position.column)};
}

template <class Printable>
std::string print(const Printable& value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
        text.replace(at, what.size(), with);
}

/// The parser's words in the shape of our own messages.
std::string reworded(std::string_view description) {
    std::string out = printable(description, 200);
    replace_all(out, "Error while parsing ", "");
    replace_all(out, " (TOML_MAX_NESTED_VALUES)", "");
    replace_all(out, "'\\n'", "the end of the line");
    replace_all(out, "unescaped control characters other than TAB (U+0009) are explicitly prohibited",
                "found a control character or the end of the line before the closing quote");
    replace_all(out, "could not determine value type",
                "found neither a number, true or false, nor a word in quotes");
    return "expected TOML; at this " + out;
}

Node convert(const toml::node& from) {
    Node to;
    to.at = position_of(from.source().begin);
    from.visit([&](const auto& value) {
        if constexpr (toml::is_boolean<decltype(value)>) {
            to.kind = Node::Kind::boolean;
            to.boolean = value.get();
        } else if constexpr (toml::is_integer<decltype(value)>) {
            to.kind = Node::Kind::integer;
            to.integer = value.get();
        } else if constexpr (toml::is_floating_point<decltype(value)>) {
            to.kind = Node::Kind::real;
            to.text = print(value.get());
        } else if constexpr (toml::is_string<decltype(value)>) {
            to.kind = Node::Kind::text;
            to.text = value.get();
        } else if constexpr (toml::is_array<decltype(value)>) {
            to.kind = Node::Kind::list;
            for (const auto& item : value) to.nodes.push_back(convert(item));
        } else if constexpr (toml::is_table<decltype(value)>) {
            to.kind = Node::Kind::table;
            for (const auto& [key, member] : value) {
                Node node = convert(member);
                node.name = key.str();
                node.name_at = position_of(key.source().begin);
                to.nodes.push_back(std::move(node));
            }
            // In the order of the file, not of the alphabet: pairs, and the first of many faults, go by it.
            std::sort(to.nodes.begin(), to.nodes.end(), [](const Node& a, const Node& b) {
                return std::tuple(a.name_at.line, a.name_at.column) <
                       std::tuple(b.name_at.line, b.name_at.column);
            });
        } else {
            to.kind = Node::Kind::date;
            to.text = print(value.get());
        }
    });
    return to;
}

}  // namespace

std::variant<Node, SyntaxFault> parse_toml(std::string_view text) {
    if (const auto fault = find_bad_bytes(text)) return *fault;
    const toml::parse_result result = toml::parse(text);
    if (!result) {
        const toml::parse_error& error = result.error();
        return SyntaxFault{position_of(error.source().begin), reworded(error.description())};
    }
    return convert(result.table());
}

std::string printable(std::string_view bytes, std::size_t most) {
    std::string out;
    for (const char c : bytes.substr(0, most)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20U && byte < 0x7fU) {
            out += c;
        } else {
            out += "\\x" + hexadecimal(byte);
        }
    }
    if (bytes.size() > most) out += "...";
    return out;
}

}  // namespace sluice::app
