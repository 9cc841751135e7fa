// `sluice check FILE`: is this configuration right?
#pragma once

namespace sluice::app {

/// argv[0] is the word "check". Returns the exit status: 0 it is, 1 it is not (each fault went to standard
/// error), 2 wrong usage.
int check_command(int argc, char** argv);

}  // namespace sluice::app
