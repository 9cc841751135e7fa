// The secrets of SYN cookies and when they change. Drawn from the kernel's generator; nothing here prints
// them.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>

#include "sluice/base/result.hpp"
#include "sluice/guard/cookie.hpp"

namespace sluice::control {

/// Fills all of it with random bytes; false when there are none.
using DrawSecret = std::function<bool(std::span<std::byte>)>;

/// Used by the control thread alone.
class CookieSecrets {
  public:
    enum class Change : std::uint8_t { none, done, failed };

    [[nodiscard]] static Result<CookieSecrets> draw(DrawSecret draw);

    /// Now and then, by the workers' clock: in the middle of each turn the secret whose turn is not is drawn
    /// anew (guard/cookie.hpp says why then). `done`: the workers must be told, within half an hour.
    [[nodiscard]] Change rotate(Tick now);
    [[nodiscard]] const guard::SynCookies::Secrets& secrets() const { return cookies_.secrets(); }

  private:
    CookieSecrets(const guard::SynCookies::Secrets& secrets, DrawSecret draw)
        : cookies_(secrets), draw_(std::move(draw)) {}

    guard::SynCookies cookies_;
    DrawSecret draw_;
    std::optional<Tick> turn_;  ///< in which a secret was last drawn
};

}  // namespace sluice::control
