// What is wrong with a configuration, collected so that a person sees all of it at once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/configuration_toml.hpp"

namespace sluice::app {

/// Where a value was given: in the file (a position) or on the command line (the override's text).
struct Source {
    Position at;
    std::string override_text = {};
    bool is_override = false;
};

class Faults {
  public:
    explicit Faults(std::string file) : file_(std::move(file)) {}

    /// `key` may be empty for a fault of the text itself.
    void add(const Source& source, std::string_view key, std::string sentence);

    [[nodiscard]] bool any() const { return found_ != 0; }
    /// No further fault will be shown; only their number matters.
    [[nodiscard]] bool full() const;
    /// Whether a fault names this key: what it holds is then not worth comparing with others.
    [[nodiscard]] bool names(std::string_view key) const;
    /// A line for each, by place in the file, the command line's last; after the first fifty only their
    /// number.
    [[nodiscard]] std::string text() const;

  private:
    struct Fault {
        Source source;
        std::string key;
        std::string sentence;
    };
    std::string file_;
    std::vector<Fault> faults_;
    std::size_t found_ = 0;
};

}  // namespace sluice::app
