#include "app/daemon_inspection.hpp"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <utility>

#include "app/inspection.hpp"
#include "sluice/inspect/compile_program.hpp"

namespace sluice::app {
namespace {

using Inspection = std::shared_ptr<const pipeline::Inspection>;

/// The folder itself may be missing; what else is wrong with it is said when something is to be kept there.
void make_cache_folder(const std::string& path) {
    constexpr mode_t ours = 0700;
    if (!path.empty()) (void)::mkdir(path.c_str(), ours);
}

}  // namespace

Result<Inspection> compile_for_daemon(const Configuration& configuration, unsigned workers,
                                      Inspection running, const std::stop_token& stop) {
    Compiling compiling;
    if (!configuration.inspection.profiles.empty()) make_cache_folder(configuration.inspection.cache_folder);
    compiling.cache_folder = configuration.inspection.cache_folder;
    compiling.compile = [&stop](const policy::SignatureSet& signatures,
                                const inspect::CompileLimits& limits) {
        return inspect::compile_by_program("/proc/self/exe", signatures, limits, stop);
    };
    compiling.progress = [](const std::string& line) { spdlog::info("{}", line); };
    compiling.running = std::move(running);
    return build_inspection(configuration, workers, compiling);
}

}  // namespace sluice::app
