#include "app/inspection.hpp"

#include <algorithm>
#include <utility>

#include "app/progress.hpp"

namespace sluice::app {
namespace {

using pipeline::Inspection;
using DatabasePointer = std::shared_ptr<const inspect::Database>;

std::string counted_signatures(const policy::SignatureSet& signatures) {
    return std::to_string(signatures.size()) + (signatures.size() == 1 ? " signature" : " signatures");
}

bool finds_the_same(const pipeline::InspectionProfile& profile, const policy::SignatureSet& signatures) {
    return profile.signatures().all() == signatures.all();
}

Result<DatabasePointer> compile(const policy::SignatureSet& signatures, const Compiling& compiling) {
    const auto tell = [&](const std::string& line) {
        if (compiling.progress) compiling.progress(line);
    };
    const std::string what = counted_signatures(signatures) + " of " + signatures.file();
    tell("compiling " + what +
         (compiling.cache_folder.empty() ? "" : ", unless " + compiling.cache_folder + " has them"));
    auto database = inspect::Database::compile(signatures, {}, compiling.cache_folder, compiling.compile);
    if (!database) return Error{database.error()};
    tell(what + ((*database)->came_from_cache() ? ": from " + compiling.cache_folder : ": compiled"));
    if (!(*database)->cache_fault().empty()) tell("they are not kept: " + (*database)->cache_fault());
    return std::move(*database);
}

/// What runs already, or has been compiled for a profile before, or is compiled now.
Result<DatabasePointer> database_for(const policy::SignatureSet& signatures, const Compiling& compiling,
                                     const std::vector<pipeline::InspectionProfile>& before) {
    for (const auto& profile : before)
        if (finds_the_same(profile, signatures)) return DatabasePointer(profile.database);
    if (compiling.running != nullptr)
        for (const auto& profile : compiling.running->profiles())
            if (finds_the_same(profile, signatures)) return DatabasePointer(profile.database);
    return compile(signatures, compiling);
}

pipeline::InspectionProfile as_workers_see(const InspectionProfile& profile, DatabasePointer database) {
    pipeline::InspectionProfile out;
    out.name = profile.name;
    // Nothing has to wait for its scan where no signature may stop it.
    out.terms.blocking = profile.blocks && profile.signatures->may_block();
    out.terms.fail_open = profile.fail_open;
    out.terms.minimum_ttl = profile.minimum_ttl;
    out.terms.budget = profile.budget;
    out.excerpt = static_cast<std::uint16_t>(profile.excerpt);
    out.alerts_a_second = profile.alerts_per_second;
    out.database = std::move(database);
    return out;
}

bool same(const pipeline::InspectionProfile& a, const pipeline::InspectionProfile& b) {
    return a.name == b.name && a.terms.blocking == b.terms.blocking &&
           a.terms.fail_open == b.terms.fail_open && a.terms.minimum_ttl == b.terms.minimum_ttl &&
           a.terms.budget == b.terms.budget && a.excerpt == b.excerpt &&
           a.alerts_a_second == b.alerts_a_second && a.database == b.database;
}

}  // namespace

Compiling compiling_shown() {
    Compiling out;
    out.compile = [](const policy::SignatureSet& signatures, const inspect::CompileLimits& limits) {
        Progress progress("compiling " + signatures.file(), "signatures", signatures.size(),
                          Progress::Output::elsewhere);
        return inspect::compile_in_child(signatures, limits,
                                         [&](std::uint32_t looked_at) { progress.now_at(looked_at); });
    };
    return out;
}

Result<std::vector<pipeline::InspectionProfile>> compile_profiles(const InspectionOptions& options,
                                                                  const Compiling& compiling) {
    std::vector<pipeline::InspectionProfile> out;
    out.reserve(options.profiles.size());
    for (const InspectionProfile& profile : options.profiles) {
        auto database = database_for(*profile.signatures, compiling, out);
        if (!database) return Error{database.error()};
        out.push_back(as_workers_see(profile, std::move(*database)));
    }
    return out;
}

Result<std::shared_ptr<const Inspection>> build_inspection(const Configuration& configuration,
                                                           unsigned workers, const Compiling& compiling) {
    if (configuration.inspection.profiles.empty()) return std::shared_ptr<const Inspection>();
    auto profiles = compile_profiles(configuration.inspection, compiling);
    if (!profiles) return Error{profiles.error()};
    const auto& running = compiling.running;
    if (running != nullptr && std::equal(profiles->begin(), profiles->end(), running->profiles().begin(),
                                         running->profiles().end(), same))
        return running;
    const std::uint32_t generation = running == nullptr ? 1 : running->generation() + 1;
    return Inspection::create(std::move(*profiles), workers, configuration.limits.inspection.flows,
                              generation);
}

}  // namespace sluice::app
