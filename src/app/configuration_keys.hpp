// The one table of configuration keys. Reading, range checks, "did you mean", --set, reload, the commented
// reference (config/sluice.toml) and the list in docs/configuration.md all follow from it: to add a key, add
// a row.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/configuration.hpp"

namespace sluice::app {

/// How much one should know before touching a key.
enum class Grade : std::uint8_t { will_change, may_change, expert };

/// What a key holds. A choice is one word of a few; `items` is a list.
enum class Type : std::uint8_t { boolean, integer, choice, text, integers, texts };

/// A key's value, away from where it is kept: bool; integer; choice and text; integers; texts.
using Value =
    std::variant<bool, std::int64_t, std::string, std::vector<std::int64_t>, std::vector<std::string>>;

/// The integers a key (or an item of it) may have.
struct Range {
    std::int64_t least = 0;
    std::int64_t most = 0;
    std::string_view unit;  ///< "seconds", "bytes"; empty: a bare number
    std::string_view zero;  ///< what 0 means where it stands outside the range; empty: 0 is like the others
    bool power_of_two = false;
};

struct Key {
    std::string_view name;  ///< dotted: "tcp.loose"
    Type type = Type::boolean;
    Grade grade = Grade::may_change;
    bool reloadable = false;  ///< SIGHUP may change it
    std::string_view sentence;
    Range range;                          ///< for integers
    std::vector<std::string_view> words;  ///< for a choice
    std::size_t most_items = 0;           ///< for lists
    bool numbers_as_text = false;         ///< items of texts may be numbers: 0x88cc for "0x88cc"
    bool of_service = false;              ///< a [[guard.service]] may have its own
    std::string text_expectation;         ///< for text and the items of texts: "an absolute path of …"
    std::function<Value(const Configuration&)> get;
    /// Stores a value of the right type, range and word. False: the text (or item) is not as text_expectation
    /// has it.
    std::function<bool(Configuration&, const Value&)> set;
};

/// Every key outside [[pair]] and [[guard.service]], by section, in the order of the documentation. Built at
/// the first call.
[[nodiscard]] const std::vector<Key>& keys();

/// The key of this name, or null.
[[nodiscard]] const Key* find_key(std::string_view name);

/// The key a person means on a command line, who may write nf_conntrack's name for it
/// ("nf_conntrack_tcp_loose", "net.netfilter.nf_conntrack_max", "tcp_loose"), or null.
[[nodiscard]] const Key* find_key_by_any_name(std::string_view name);

/// One of `candidates` that `wrong` is likely to be a misspelling of, or an empty view.
[[nodiscard]] std::string_view suggest(std::string_view wrong,
                                       const std::vector<std::string_view>& candidates);

/// "expected …" without the first word: what a value (or an item of a list) of this key must be.
[[nodiscard]] std::string expectation_of(const Key& key);

/// What must hold of an integer of this range; the words of expectation_of.
[[nodiscard]] std::string expectation_of(const Range& range);
[[nodiscard]] bool contains(const Range& range, std::int64_t number);

/// The value as a TOML literal.
[[nodiscard]] std::string literal(const Value& value);

/// What a [[pair]] or a [[guard.service]] is made of, for the documentation and for "did you mean".
struct TableKey {
    std::string_view name;
    bool reloadable;
    std::string_view sentence;
    std::string_view expectation;
};
[[nodiscard]] const std::vector<TableKey>& pair_keys();
/// Besides those of [guard] that are of_service.
[[nodiscard]] const std::vector<TableKey>& service_keys();
[[nodiscard]] const std::vector<TableKey>& set_keys();
[[nodiscard]] const std::vector<TableKey>& rule_keys();
[[nodiscard]] const std::vector<TableKey>& profile_keys();

}  // namespace sluice::app
