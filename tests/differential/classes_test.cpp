// What can be said of the classes without a kernel to compare with: each has a script that shows it and a
// section in docs/divergences.md, and there is no script or section of a class that does not exist. That the
// scripts hold for sluice is tested with the scenarios (tests/scenario); that they hold for nf_conntrack, by
// `differential`.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "../support/script.hpp"
#include "classes.hpp"

namespace sluice::differential {
namespace {

using Names = std::set<std::string>;

Names all_classes() {
    Names out;
    for (const auto list : {circumstances(), classes_of_syn(), classes_of_syn_ack(), classes_of_rst(),
                            classes_of_opening(), classes_of_windows(), classes_of_closing()})
        for (const Class& one : list)
            EXPECT_TRUE(out.insert(std::string(one.name)).second) << one.name << " twice";
    return out;
}

TEST(Classes, EachIsShownByAScript) {
    const std::filesystem::path tests(SLUICE_TESTS);
    std::map<std::string, std::vector<test::Script::Line>> blocks;
    (void)test::read_scripts((tests / "scenario/common.scn").string(), blocks);
    Names shown;
    for (const auto& file : std::filesystem::directory_iterator(tests / "differential/classes"))
        for (const test::Script& script : test::read_scripts(file.path().string(), blocks))
            shown.insert(script.id);
    EXPECT_EQ(shown, all_classes());
}

TEST(Classes, EachHasASectionOfItsOwnInTheDocumentation) {
    std::ifstream page(std::string(SLUICE_TESTS) + "/../docs/divergences.md");
    Names explained;
    for (std::string line; std::getline(page, line);)
        if (line.rfind("### ", 0) == 0) {
            EXPECT_TRUE(explained.insert(line.substr(4)).second) << line.substr(4) << " twice";
        }
    EXPECT_EQ(explained, all_classes());
}

}  // namespace
}  // namespace sluice::differential
