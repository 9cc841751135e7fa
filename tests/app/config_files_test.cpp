// Each file in tests/app/configs is a wrong configuration; beside it lies the whole text of the error it must
// give.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "config_support.hpp"

namespace sluice::app {
namespace {

using testing::content_of;
using testing::in_repository;

std::vector<std::string> wrong_files() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(in_repository("tests/app/configs")))
        if (entry.path().extension() == ".toml") names.push_back(entry.path().stem().string());
    std::sort(names.begin(), names.end());
    return names;
}

/// "017-a-key-is-misspelt" as "AKeyIsMisspelt".
std::string sentence(const ::testing::TestParamInfo<std::string>& info) {
    std::string out;
    bool capital = true;
    for (const char c : info.param.substr(info.param.find('-') + 1)) {
        if (c == '-') {
            capital = true;
            continue;
        }
        out += capital && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        capital = false;
    }
    return out;
}

class WrongConfiguration : public ::testing::TestWithParam<std::string> {};

TEST_P(WrongConfiguration, IsRefusedWithEveryFaultInItsPlace) {
    const std::string folder = in_repository("tests/app/configs/");
    const std::string text = content_of(folder + GetParam() + ".toml");
    const auto result = load_text(text, GetParam() + ".toml", {}, Use::daemon);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error() + '\n', content_of(folder + GetParam() + ".error"));
}

INSTANTIATE_TEST_SUITE_P(When, WrongConfiguration, ::testing::ValuesIn(wrong_files()), sentence);

TEST(WrongConfigurations, AreOfAtLeastAHundredKinds) {
    EXPECT_GE(wrong_files().size(), 100U);
}

}  // namespace
}  // namespace sluice::app
