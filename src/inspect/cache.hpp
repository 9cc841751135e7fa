// Compiled signatures in files, so that the next start need not compile them.
#pragma once

#include <optional>
#include <string>

#include "sluice/base/result.hpp"

namespace sluice::inspect {

/// One file: `identity` says what it was compiled from and for.
class CacheFile {
  public:
    CacheFile(const std::string& folder, const std::string& identity);

    /// What was kept; nothing when the file is missing, damaged, for another identity, or may have been
    /// written by somebody else.
    [[nodiscard]] std::optional<std::string> read() const;
    /// Replaces the file in one step.
    [[nodiscard]] Status write(const std::string& content) const;

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string folder_, path_, key_;
};

}  // namespace sluice::inspect
