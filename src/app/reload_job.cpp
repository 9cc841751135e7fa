#include "app/reload_job.hpp"

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

ReloadJob::ReloadJob(const Configuration& running, unsigned workers, Inspection inspection) {
    const auto work = [workers](const std::stop_token& stop, const Configuration& before,
                                Inspection inspected) -> Result<Made> {
        auto wanted = load(before.file, {}, Use::daemon);
        if (!wanted) return Error{wanted.error()};
        // What cannot change in a running daemon is not worth compiling for.
        if (const auto changes = reloadable_changes(before, *wanted); !changes) return Error{changes.error()};
        auto built = compile_for_daemon(*wanted, workers, std::move(inspected), stop);
        if (!built) return Error{built.error()};
        return Made{std::move(*wanted), std::move(*built)};
    };
    thread_ = std::jthread(
        [this, work, before = running, inspected = std::move(inspection)](const std::stop_token& stop) {
            made_ = std::make_unique<Result<Made>>(work(stop, before, inspected));
            finished_.store(true, std::memory_order_release);
        });
}

}  // namespace sluice::app
