// What a benchmark sets up before it is timed is kept for its next call: Google Benchmark calls the same
// function again and again with more iterations, and a table of millions of flows takes seconds to fill.
#pragma once

#include <memory>
#include <string>
#include <utility>

namespace sluice::bench {

/// One at a time, since the largest fills gigabytes.
class Kept {
  public:
    /// What was made under this name, or a new one by `make()`, which returns a std::unique_ptr.
    template <class Make>
    static auto& get(const std::string& name, Make&& make) {
        using Made = typename decltype(make())::element_type;
        if (name_ != name) {
            clear();
            what_ = std::shared_ptr<Made>(make());
            name_ = name;
        }
        return *static_cast<Made*>(what_.get());
    }
    static void clear() {
        what_.reset();
        name_.clear();
    }

  private:
    static inline std::string name_;
    static inline std::shared_ptr<void> what_;
};

}  // namespace sluice::bench
