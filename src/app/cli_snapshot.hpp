// `sluice save` and `sluice restore`; argv[0] is the word.
#pragma once

namespace sluice::app {

[[nodiscard]] int save_command(int argc, char** argv);
[[nodiscard]] int restore_command(int argc, char** argv);

}  // namespace sluice::app
