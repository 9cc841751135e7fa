// Rows of the table of keys by kind: what configuration_keys.cpp and configuration_guard_keys.cpp are written
// in.
//
// Where a key's value lives is said by a generic lambda, `[](auto& c) -> auto& { return c.settings.tcp.loose;
// }`, which serves for reading (const) and for writing.
#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "app/configuration_keys.hpp"

namespace sluice::app::key_kinds {

/// What all kinds of keys have in common.
struct Head {
    std::string_view name;
    Grade grade;
    bool reloadable;
    std::string_view sentence;
};

inline Key start(const Head& head, Type type) {
    Key key;
    key.name = head.name;
    key.type = type;
    key.grade = head.grade;
    key.reloadable = head.reloadable;
    key.sentence = head.sentence;
    return key;
}

template <class Field>
Key flag(const Head& head, Field field) {
    Key key = start(head, Type::boolean);
    key.get = [field](const Configuration& c) { return Value(static_cast<bool>(field(c))); };
    key.set = [field](Configuration& c, const Value& value) {
        field(c) = std::get<bool>(value);
        return true;
    };
    return key;
}

template <class Field>
Key number(const Head& head, const Range& range, Field field) {
    Key key = start(head, Type::integer);
    key.range = range;
    key.get = [field](const Configuration& c) { return Value(static_cast<std::int64_t>(field(c))); };
    key.set = [field](Configuration& c, const Value& value) {
        auto& place = field(c);
        place = static_cast<std::remove_reference_t<decltype(place)>>(std::get<std::int64_t>(value));
        return true;
    };
    return key;
}

template <class Meaning>
struct Word {
    std::string_view word;
    Meaning meaning;
};

template <class Meaning, class Field>
Key choice(const Head& head, std::vector<Word<Meaning>> words, Field field) {
    Key key = start(head, Type::choice);
    for (const auto& word : words) key.words.push_back(word.word);
    key.get = [field, words](const Configuration& c) {
        for (const auto& word : words)
            if (word.meaning == field(c)) return Value(std::string(word.word));
        return Value(std::string());
    };
    key.set = [field, words](Configuration& c, const Value& value) {
        for (const auto& word : words)
            if (word.word == std::get<std::string>(value)) field(c) = word.meaning;
        return true;
    };
    return key;
}

inline Key text(const Head& head, std::string expectation,
                const std::function<std::string(const Configuration&)>& get,
                const std::function<bool(Configuration&, const std::string&)>& set) {
    Key key = start(head, Type::text);
    key.text_expectation = std::move(expectation);
    key.get = [get](const Configuration& c) { return Value(get(c)); };
    key.set = [set](Configuration& c, const Value& value) { return set(c, std::get<std::string>(value)); };
    return key;
}

constexpr auto will = Grade::will_change;
constexpr auto may = Grade::may_change;
constexpr auto expert = Grade::expert;
constexpr bool on_reload = true;
constexpr bool on_restart = false;

}  // namespace sluice::app::key_kinds
