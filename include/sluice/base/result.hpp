// Set-up code returns Result<T>: a value, or a sentence a person can act on. Nothing on the packet path uses
// it.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace sluice {

/// What went wrong and what to do about it, one sentence (or several lines, one per fault).
struct Error {
    std::string sentence;
};

template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value)
        : content_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
    Result(Error error)
        : content_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

    [[nodiscard]] bool ok() const { return content_.index() == 0; }
    explicit operator bool() const { return ok(); }
    [[nodiscard]] T& value() { return std::get<0>(content_); }
    [[nodiscard]] const T& value() const { return std::get<0>(content_); }
    T& operator*() { return value(); }
    const T& operator*() const { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    [[nodiscard]] const std::string& error() const { return std::get<1>(content_).sentence; }

  private:
    std::variant<T, Error> content_;
};

/// For steps that yield nothing but may fail.
using Status = Result<std::monostate>;
inline Status success() {
    return std::monostate{};
}

}  // namespace sluice
