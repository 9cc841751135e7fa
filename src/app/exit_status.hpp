// What the commands end with, as their man pages say.
#pragma once

namespace sluice::app::exit_status {

inline constexpr int done = 0;
inline constexpr int failed = 1;   ///< it could not be done
inline constexpr int refused = 1;  ///< the daemon would not, or is not there
inline constexpr int wrong_usage = 2;

}  // namespace sluice::app::exit_status
