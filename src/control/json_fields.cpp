#include "sluice/control/json_fields.hpp"

namespace sluice::control {

using nlohmann::json;

JsonFields::JsonFields(const json& object, std::string_view what) : object_(object), what_(what) {
    if (!object.is_object()) fail("is not an object");
}

const json* JsonFields::take(const char* key) {
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(key);
    if (found == object_.end()) return nullptr;
    ++taken_;
    seen_ += key;
    seen_ += '\n';
    return &*found;
}

std::optional<std::string> JsonFields::text(const char* key) {
    const json* value = take(key);
    if (value == nullptr) return std::nullopt;
    if (value->is_string()) return value->get<std::string>();
    fail(std::string(key) + " is not a string");
    return std::nullopt;
}

std::optional<std::uint64_t> JsonFields::unsigned_number(const char* key, std::uint64_t highest) {
    const json* value = take(key);
    if (value == nullptr) return std::nullopt;
    if (value->is_number_unsigned() && value->get<std::uint64_t>() <= highest)
        return value->get<std::uint64_t>();
    fail(std::string(key) + " is not a whole number from 0 to " + std::to_string(highest));
    return std::nullopt;
}

bool JsonFields::flag(const char* key) {
    const json* value = take(key);
    if (value == nullptr) return false;
    if (value->is_boolean()) return value->get<bool>();
    fail(std::string(key) + " is neither true nor false");
    return false;
}

const json* JsonFields::object(const char* key) {
    const json* value = take(key);
    if (value == nullptr || value->is_object()) return value;
    fail(std::string(key) + " is not an object");
    return nullptr;
}

const json* JsonFields::array(const char* key) {
    const json* value = take(key);
    if (value == nullptr || value->is_array()) return value;
    fail(std::string(key) + " is not an array");
    return nullptr;
}

void JsonFields::fail(std::string sentence) {
    if (!fault_) fault_ = what_ + ": " + std::move(sentence);
}

std::optional<std::string> JsonFields::result() {
    if (!fault_ && object_.is_object() && taken_ != object_.size()) {
        for (const auto& item : object_.items()) {
            std::string asked_for = "\n";
            asked_for += item.key();
            asked_for += '\n';
            if (seen_.find(asked_for) != std::string::npos) continue;
            // Keys come from outside: only what is printable and short goes into the message.
            std::string shown = "\"";
            for (const char c : item.key().substr(0, 40)) shown += c >= ' ' && c <= '~' && c != '"' ? c : '?';
            shown += "\" is not known here";
            fail(shown);
            break;
        }
        if (!fault_) fail("a key is not known here");  // its name was made to look like those that are
    }
    return fault_;
}

bool JsonFields::finish(JsonFields& outer) {
    const auto wrong = result();
    if (wrong && !outer.fault_) outer.fault_ = wrong;
    return !wrong;
}

}  // namespace sluice::control
