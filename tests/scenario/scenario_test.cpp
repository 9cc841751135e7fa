// Runs every script of this folder, one test per row, at every variant: against the engine by itself, and as
// packets of both families through a whole tracker.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>

#include "../support/engine_backend.hpp"
#include "../support/script.hpp"
#include "../support/tracker_backend.hpp"

namespace sluice::test {
namespace {

constexpr std::uint64_t seed = 20260731;

/// All of them, or as many as SLUICE_VARIANTS says, evenly chosen.
std::vector<Variant> variants() {
    std::vector<Variant> all = standard_variants(seed);
    const char* number = std::getenv("SLUICE_VARIANTS");
    const std::size_t wanted = number != nullptr ? std::strtoull(number, nullptr, 10) : all.size();
    if (wanted == 0 || wanted >= all.size()) return all;
    std::vector<Variant> out;
    for (std::size_t i = 0; i < wanted; ++i) out.push_back(all[i * all.size() / wanted]);
    return out;
}

class RowTest : public testing::Test {
  public:
    RowTest(Script script, std::unique_ptr<Backend> backend)
        : script_(std::move(script)), backend_(std::move(backend)) {}

    void TestBody() override {
        for (const Variant& variant : variants()) {
            for (std::int64_t value : script_.each_values) {
                const auto failure = play(script_, value, variant, *backend_);
                if (failure) FAIL() << *failure;
            }
        }
    }

  private:
    Script script_;
    std::unique_ptr<Backend> backend_;
};

struct BackendKind {
    const char* name;
    std::function<std::unique_ptr<Backend>()> make;
};
const BackendKind backends[] = {
    {"Engine", [] { return std::make_unique<EngineBackend>(); }},
    {"TrackerIPv4", [] { return std::make_unique<TrackerBackend>(packet::Family::ipv4); }},
    {"TrackerIPv6", [] { return std::make_unique<TrackerBackend>(packet::Family::ipv6); }},
};

/// "O6b an old SYN" becomes O6b_an_old_SYN: gtest wants identifiers.
std::string identifier(const Script& script) {
    std::string out = script.id + "_" + script.title;
    std::replace_if(
        out.begin(), out.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return out;
}

/// The scripts of a folder, with the blocks of the other's common.scn.
void register_scripts(const std::string& folder, const std::string& common) {
    std::map<std::string, std::vector<Script::Line>> blocks;
    (void)read_scripts(common + "/common.scn", blocks);
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ".scn" && entry.path().filename() != "common.scn")
            paths.push_back(entry.path().string());
    std::sort(paths.begin(), paths.end());
    for (const std::string& path : paths)
        for (const Script& script : read_scripts(path, blocks))
            for (const BackendKind& kind : backends) {
                // A script about damaged bytes says nothing to a backend that sees none.
                if (script.needs_bytes && !kind.make()->has_bytes()) continue;
                testing::RegisterTest(
                    kind.name, identifier(script).c_str(), nullptr, nullptr, path.c_str(), 1,
                    [script, kind]() -> testing::Test* { return new RowTest(script, kind.make()); });
            }
}

}  // namespace
}  // namespace sluice::test

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    try {
        sluice::test::register_scripts(SLUICE_SCENARIOS, SLUICE_SCENARIOS);
        // What nf_conntrack does otherwise: here, that it holds for sluice.
        sluice::test::register_scripts(SLUICE_SCENARIOS "/../differential/classes", SLUICE_SCENARIOS);
    } catch (const std::exception& error) {
        std::cerr << error.what() << "\n";
        return 2;
    }
    return RUN_ALL_TESTS();
}
