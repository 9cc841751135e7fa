// Signatures compiled by a program of its own: this one, started again.
#include <gtest/gtest.h>

#include <stop_token>
#include <string_view>

#include "sluice/inspect/compile_program.hpp"
#include "sluice/inspect/scanner.hpp"

namespace sluice::inspect {
namespace {

using policy::Signature;
using policy::SignatureSet;

constexpr const char* this_program = "/proc/self/exe";

Signature with_pattern(std::uint32_t id, const std::string& pattern) {
    Signature out;
    out.id = id;
    out.name = "n";
    out.pattern = pattern;
    out.line = 10 * id;
    return out;
}

SignatureSet set_of(const std::string& file, std::vector<Signature> signatures) {
    auto set = SignatureSet::create(file, std::move(signatures));
    EXPECT_TRUE(set) << set.error();
    return std::move(*set);
}

Compile by(const std::string& executable, const std::stop_token& stop = {}) {
    return [=](const SignatureSet& signatures, const CompileLimits& limits) {
        return compile_by_program(executable, signatures, limits, stop);
    };
}

TEST(CompileProgram, MakesWhatAChildMakes) {
    Signature second = with_pattern(2, "WORD");
    second.caseless = second.dot_all = true;
    second.toward = policy::Toward::client;
    second.depth = 100;
    const auto set =
        SignatureSet::join({set_of("a.toml", {with_pattern(1, "one")}), set_of("b.toml", {second})});
    ASSERT_TRUE(set) << set.error();
    const auto database = Database::compile(*set, {}, "", by(this_program));
    ASSERT_TRUE(database) << database.error();
    EXPECT_TRUE((*database)->signatures().all() == set->all());
    auto scanner = Scanner::create(*database, 1);
    ASSERT_TRUE(scanner) << scanner.error();
    constexpr std::string_view text = "one word";
    std::vector<std::uint32_t> found;
    const auto stream = (*scanner)->open(tcp::Direction::reply);
    (*scanner)->scan(stream, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()},
                     [&](std::uint32_t number, std::uint64_t) { found.push_back(number); });
    EXPECT_EQ(found, (std::vector<std::uint32_t>{0, 1}));
}

TEST(CompileProgram, SaysTheSameOfWhatIsRefused) {
    const auto set = SignatureSet::join(
        {set_of("a.toml", {with_pattern(1, "one")}), set_of("b.toml", {with_pattern(2, "(")})});
    const auto refused = Database::compile(*set, {}, "", by(this_program));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), Database::compile(*set, {}, "").error());
    EXPECT_TRUE(refused.error().starts_with("b.toml:20: pattern: ")) << refused.error();
}

TEST(CompileProgram, KeepsToTheLimits) {
    CompileLimits limits;
    limits.widest_match = 10'000;
    limits.pattern_milliseconds = 5;
    const auto set = set_of("a.toml", {with_pattern(1, "(a{1,40}b{1,40}){1,50}c(.{1,60}d){1,50}")});
    const auto refused = Database::compile(set, limits, "", by(this_program));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), "a.toml:10: pattern: compiling it needs more than 5 ms of processor time");
}

TEST(CompileProgram, ThatIsNotThereOrIsAnotherIsSaid) {
    const auto set = set_of("a.toml", {with_pattern(1, "one")});
    EXPECT_EQ(Database::compile(set, {}, "", by("/nowhere/sluiced")).error(),
              "a.toml: cannot be compiled: /nowhere/sluiced: No such file or directory");
    EXPECT_EQ(Database::compile(set, {}, "", by("/bin/false")).error(),
              "a.toml: cannot be compiled: the program that compiles went away");
}

TEST(CompileProgram, IsEndedWhenAskedToStop) {
    std::stop_source stop;
    stop.request_stop();
    const auto set = set_of("a.toml", {with_pattern(1, "one")});
    EXPECT_EQ(Database::compile(set, {}, "", by(this_program, stop.get_token())).error(),
              "a.toml: cannot be compiled: it was stopped");
}

}  // namespace
}  // namespace sluice::inspect

int main(int argc, char** argv) {
    if (argc == 2 && argv[1] == sluice::inspect::compile_argument) {
        return sluice::inspect::compile_program_main();
    }
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
