// Runs every script of this folder, one test per row, at every variant, against the engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "../support/engine_backend.hpp"
#include "../support/script.hpp"

namespace sluice::test {
namespace {

constexpr std::uint64_t seed = 20260731;

class RowTest : public testing::Test {
  public:
    explicit RowTest(Script script) : script_(std::move(script)) {}

    void TestBody() override {
        EngineBackend backend;
        if (script_.needs_bytes && !backend.has_bytes())
            GTEST_SKIP() << "needs packets: the engine sees no bytes";
        for (const Variant& variant : standard_variants(seed)) {
            for (std::int64_t value : script_.each_values) {
                const auto failure = play(script_, value, variant, backend);
                if (failure) FAIL() << *failure;
            }
        }
    }

  private:
    Script script_;
};

/// "O6b an old SYN" becomes O6b_an_old_SYN: gtest wants identifiers.
std::string identifier(const Script& script) {
    std::string out = script.id + "_" + script.title;
    std::replace_if(
        out.begin(), out.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return out;
}

void register_scripts(const std::string& folder) {
    std::map<std::string, std::vector<Script::Line>> blocks;
    if (std::filesystem::exists(folder + "/common.scn")) (void)read_scripts(folder + "/common.scn", blocks);
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ".scn" && entry.path().filename() != "common.scn")
            paths.push_back(entry.path().string());
    std::sort(paths.begin(), paths.end());
    for (const std::string& path : paths)
        for (const Script& script : read_scripts(path, blocks))
            testing::RegisterTest("Engine", identifier(script).c_str(), nullptr, nullptr, path.c_str(), 1,
                                  [script]() -> testing::Test* { return new RowTest(script); });
}

}  // namespace
}  // namespace sluice::test

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    try {
        sluice::test::register_scripts(SLUICE_SCENARIOS);
    } catch (const std::exception& error) {
        std::cerr << error.what() << "\n";
        return 2;
    }
    return RUN_ALL_TESTS();
}
