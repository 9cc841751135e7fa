// The options of a subcommand that has a handful of its own: read by getopt_long, what is wrong told in one
// way.
#pragma once

#include <getopt.h>

#include <functional>
#include <optional>

#include "sluice/base/result.hpp"

namespace sluice::app {

/// What an option asks for by its letter, or the `val` of its long form; `value`: its argument, or null.
using TakeOption = std::function<Status(int letter, const char* value)>;

/// `letters` as getopt has them, without a colon in front. True: the help was asked for (-h), and the rest
/// is not read. An error: unknown, without its argument, or what `take` says. Words that are no options lie
/// in `argv` from `optind` on.
[[nodiscard]] Result<bool> read_options(int argc, char** argv, const char* letters, const option* longs,
                                        const TakeOption& take);

/// The same for a command that ends with it: prints `usage` when asked for, or complains. The exit status
/// then; nothing: the command goes on.
[[nodiscard]] std::optional<int> read_options(int argc, char** argv, const char* letters, const option* longs,
                                              const char* usage, const TakeOption& take);

}  // namespace sluice::app
