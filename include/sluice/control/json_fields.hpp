// Reads one JSON object strictly: values of the right kind and range, no key left over. The first fault is
// kept as a sentence; reading goes on harmlessly behind it, so that callers check once, at the end.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::control {

class JsonFields {
  public:
    /// `what` names the object in messages. `object` outlives this.
    JsonFields(const nlohmann::json& object, std::string_view what);

    [[nodiscard]] std::optional<std::string> text(const char* key);
    /// An unsigned integer, at most `highest` and what the type holds.
    template <class Number>
    [[nodiscard]] std::optional<Number> number(const char* key,
                                               std::uint64_t highest = std::numeric_limits<Number>::max()) {
        const auto value = unsigned_number(key, highest);
        return value ? std::optional<Number>(static_cast<Number>(*value)) : std::nullopt;
    }
    /// False when absent.
    [[nodiscard]] bool flag(const char* key);
    /// Null when absent.
    [[nodiscard]] const nlohmann::json* object(const char* key);
    [[nodiscard]] const nlohmann::json* array(const char* key);

    /// Notes a fault, unless there was one already.
    void fail(std::string sentence);
    /// The first fault; also finds keys that nobody asked for.
    [[nodiscard]] std::optional<std::string> result();
    /// Hands the fault to the object that holds this one; true when there was none.
    [[nodiscard]] bool finish(JsonFields& outer);

  private:
    [[nodiscard]] const nlohmann::json* take(const char* key);
    [[nodiscard]] std::optional<std::uint64_t> unsigned_number(const char* key, std::uint64_t highest);

    const nlohmann::json& object_;
    std::string what_;
    std::size_t taken_ = 0;
    std::string seen_ = "\n";  ///< keys asked for and present, each followed by a line feed
    std::optional<std::string> fault_;
};

}  // namespace sluice::control
