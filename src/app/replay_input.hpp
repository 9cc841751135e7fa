// What a replay reads, for every command that runs one: captures and the configuration.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/capture_reader.hpp"
#include "app/configuration.hpp"
#include "app/replay_engine.hpp"

namespace sluice::app {

/// A capture that was opened once, to see that it can be. Regular files are opened again when their turn
/// comes, so that any number of them may be named; a pipe cannot be and stays open.
struct Capture {
    std::string path;
    packet::LinkLayer link;
    int data_link;
    bool microseconds;
    std::optional<CaptureReader> open;
};

/// Every capture is looked at before the first packet is judged: a misspelt name stops the replay with
/// nothing done. The error has a line for each that cannot be read.
[[nodiscard]] Result<std::vector<Capture>> open_captures(const std::vector<std::string>& paths);

/// Whether `path` can be read a second time.
[[nodiscard]] bool is_regular_file(const std::string& path);

/// Feeds one capture to its end, or until `stop` says so. The error says where it is damaged; what was read
/// before has been judged.
[[nodiscard]] Status replay_capture(Capture& capture, ReplayEngine& engine,
                                    const std::function<bool()>& stop);

/// The daemon's configuration as a replay reads it. `path` may be empty: no file.
[[nodiscard]] Result<Configuration> load_replay_configuration(const std::string& path,
                                                              const std::vector<std::string>& overrides);

/// Tables and budgets are configured for the daemon's workers together; here they are divided among other
/// workers. Compiles the signatures of profiles: the error says which cannot be.
[[nodiscard]] Status divide_among(unsigned workers, Configuration& configuration);

}  // namespace sluice::app
