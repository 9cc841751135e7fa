// `sluice explain`: the stories of connections in captures.
#pragma once

namespace sluice::app {

/// argv[0] is the word "explain". Returns the exit status: 0 done, 1 nothing matched, or a capture or the
/// output failed (a sentence went to standard error), 2 wrong usage.
int explain_main(int argc, char** argv);

}  // namespace sluice::app
