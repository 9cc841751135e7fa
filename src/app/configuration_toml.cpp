#include "app/configuration_toml.hpp"

#include <algorithm>
#include <array>
#include <sstream>
#include <tuple>

// Header-only, so that the nesting limit is ours: nodes are freed recursively, and a file must not choose how
// deep.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 8
// toml++ 3.3 asserts of some places that the text goes on well ("[=]", "1:2x"), and with NDEBUG has the
// compiler assume it, although the code that follows checks it and reports it. Neither, please.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

namespace sluice::app {
namespace {

// A dotted key nests as deep as it has dots, and it cannot leave its line: with the limit of 8 values within
// values, a tree is at most some 4,000 nodes deep, which fits any thread's stack.
constexpr std::size_t max_line_bytes = 1000;

struct Character {
    std::size_t length = 0;  ///< bytes; 0: not UTF-8
    std::uint32_t point = 0;
};

/// The UTF-8 character at the start of `rest` (RFC 3629).
Character decode(std::string_view rest) {
    const auto first = static_cast<unsigned char>(rest.front());
    if (first < 0x80U) return {1, first};
    const std::size_t length = first >= 0xf0U ? 4 : first >= 0xe0U ? 3 : 2;
    if (first < 0xc2U || first > 0xf4U || rest.size() < length) return {};
    std::uint32_t point = first & (0x7fU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        const auto byte = static_cast<unsigned char>(rest[i]);
        if ((byte & 0xc0U) != 0x80U) return {};
        point = point << 6U | (byte & 0x3fU);
    }
    constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = point >= 0xd800U && point <= 0xdfffU;
    if (point < least[length] || surrogate || point > 0x10ffffU) return {};
    return {length, point};
}

std::string hexadecimal(std::uint32_t number, unsigned width) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (; number != 0 || out.size() < width; number >>= 4U) out.insert(out.begin(), digits[number & 15U]);
    return out;
}

/// Follows where strings and comments begin and end (TOML 1.0), as far as is needed to know whether a place
/// is inside one.
class Surroundings {
  public:
    [[nodiscard]] bool in_comment() const { return where_ == Where::comment; }

    /// Goes past what starts `rest`: bytes to skip.
    std::size_t pass(std::string_view rest) {
        const char c = rest.front();
        const bool one_line = where_ != Where::outside && !multi_line();
        if (c == '\n' && one_line) where_ = Where::outside;
        if (where_ == Where::comment) return 1;
        if (where_ == Where::outside) return enter(rest);
        if (c == '\\' && (where_ == Where::basic || where_ == Where::basic_lines) && rest.size() > 1 &&
            is_escaped(rest[1]))
            return 2;
        if (c != quote()) return 1;
        if (!multi_line()) {
            where_ = Where::outside;
            return 1;
        }
        std::size_t quotes = std::min(rest.find_first_not_of(c), rest.size());
        if (quotes < 3) return quotes;
        where_ = Where::outside;
        // Up to two quotes in front of the closing three belong to the text.
        return std::min<std::size_t>(quotes, 5);
    }

  private:
    enum class Where : std::uint8_t { outside, comment, basic, literal, basic_lines, literal_lines };

    static bool is_escaped(char c) { return c == '"' || c == '\\'; }
    [[nodiscard]] bool multi_line() const {
        return where_ == Where::basic_lines || where_ == Where::literal_lines;
    }
    [[nodiscard]] char quote() const {
        return where_ == Where::basic || where_ == Where::basic_lines ? '"' : '\'';
    }

    std::size_t enter(std::string_view rest) {
        const char c = rest.front();
        if (c == '#') where_ = Where::comment;
        if (c != '"' && c != '\'') return 1;
        const bool lines = rest.size() > 2 && rest[1] == c && rest[2] == c;
        if (c == '"') {
            where_ = lines ? Where::basic_lines : Where::basic;
        } else {
            where_ = lines ? Where::literal_lines : Where::literal;
        }
        return lines ? 3 : 1;
    }

    Where where_ = Where::outside;
};

/// A character where only ASCII may stand, with what was probably meant.
SyntaxFault stray(Position here, std::uint32_t point) {
    const std::string number = hexadecimal(point, point > 0xffffU ? 8 : 4);
    std::string hint =
        " (in double quotes write \\" + std::string(point > 0xffffU ? "U" : "u") + number + ')';
    if (point >= 0x201cU && point <= 0x201fU) hint = " (a typographic quote: write \" instead)";
    if (point >= 0x2018U && point <= 0x201bU) hint = " (a typographic quote: write ' instead)";
    if (point == 0xa0U) hint = " (a space that does not break: write an ordinary one)";
    return {here, "expected ASCII outside comments, found the character U+" + number + hint};
}

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

bool is_control(std::uint32_t point) {
    return (point < 0x20U && point != '\t' && point != '\n' && point != '\r') || point == 0x7fU;
}

/// The text as the parser proper may see it: checked for what no TOML file may contain, or ours may not, and
/// pure ASCII, character for character. toml++ 3.3 has undefined behaviour where it looks for a space and
/// finds a letter from U+00A0 on, so it sees none: in comments a '?' stands for each, elsewhere one is a
/// fault (an escape will do).
std::variant<std::string, SyntaxFault> purify(std::string_view text) {
    Position here{1, 1};
    std::string pure;
    pure.reserve(text.size());
    std::size_t line_start = 0;
    std::size_t known = 0;  // up to here `surroundings` has passed
    Surroundings surroundings;
    for (std::size_t i = 0; i < text.size();) {
        const auto [length, point] = decode(text.substr(i));
        if (length == 0)
            return SyntaxFault{here, "expected UTF-8 text, found the byte 0x" +
                                         hexadecimal(static_cast<unsigned char>(text[i]), 2)};
        if (point == 0) return SyntaxFault{here, "expected text, found a NUL byte"};
        if (is_control(point))
            return SyntaxFault{here, "expected text, found the control character 0x" + hexadecimal(point, 2)};
        if (i - line_start >= max_line_bytes)
            return SyntaxFault{here, "expected lines of at most " + std::to_string(max_line_bytes) +
                                         " bytes, found a longer one"};
        if (length > 1 && !surroundings.in_comment()) return stray(here, point);
        if (i >= known) known = i + surroundings.pass(text.substr(i));
        pure += length > 1 ? '?' : text[i];
        i += length;
        ++here.column;
        if (point == '\n') {
            here = {here.line + 1, 1};
            line_start = i;
        }
    }
    return pure;
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
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    const auto pure = purify(text);
    if (const auto* fault = std::get_if<SyntaxFault>(&pure)) return *fault;
    const toml::parse_result result = toml::parse(std::get<std::string>(pure));
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
            out += "\\x" + hexadecimal(byte, 2);
        }
    }
    if (bytes.size() > most) out += "...";
    return out;
}

}  // namespace sluice::app
