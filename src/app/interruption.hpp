// SIGINT and SIGTERM as a request to end that a command looks at.
#pragma once

namespace sluice::app {

/// From now on the first of them only says that it was enough; a second one ends the program whatever it
/// does.
void listen_for_interruption();
/// Whether one has come.
[[nodiscard]] bool was_interrupted();

}  // namespace sluice::app
