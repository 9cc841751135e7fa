// `sluice replay`: the daemon's own tracker over captures, the packets' timestamps as its clock.
#pragma once

namespace sluice::app {

/// Runs `sluice replay`; argv[0] is the word "replay" (or the program's name), the options follow. Returns
/// the exit status: 0 done, 1 a capture or the output failed (a sentence went to standard error), 2 wrong
/// usage.
int replay_main(int argc, char** argv);

}  // namespace sluice::app
