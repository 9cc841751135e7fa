// TOML text to a plain tree with a position at each node. The only place that knows which TOML library is
// used.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sluice::app {

/// Line and column, both from 1; columns count characters. Line 0: not in the file.
struct Position {
    unsigned line = 0;
    unsigned column = 0;
};

/// A value, with the name it goes by when it is a member of a table.
struct Node {
    enum class Kind : std::uint8_t { boolean, integer, real, text, date, list, table };

    Kind kind = Kind::table;
    Position at;               ///< of the value
    std::string name;          ///< of a table's member
    Position name_at;          ///< of that name
    bool boolean = false;      ///< for Kind::boolean
    std::int64_t integer = 0;  ///< for Kind::integer
    std::string text;          ///< for Kind::text: its content; for real and date: how to print it
    std::vector<Node> nodes;   ///< items of a list, members of a table in the order of the file
};

struct SyntaxFault {
    Position at;
    std::string sentence;
};

/// The table the text stands for, or the first place where it is no TOML. Survives any bytes: too deep a
/// nesting and too long a line are faults too.
[[nodiscard]] std::variant<Node, SyntaxFault> parse_toml(std::string_view text);

/// Bytes from outside made fit for a message: control characters and what is not ASCII as \xNN, cut at `most`
/// bytes.
[[nodiscard]] std::string printable(std::string_view bytes, std::size_t most = 60);

}  // namespace sluice::app
