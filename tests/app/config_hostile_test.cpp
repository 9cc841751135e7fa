// Files that are no configuration at all: none hangs, crashes or is taken.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "app/configuration_keys.hpp"
#include "config_support.hpp"

namespace sluice::app {
namespace {

using testing::error_of;
using testing::one_pair;

/// A folder that goes away with the test.
class Folder {
  public:
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "sluice-config-XXXXXX").string();
        path_ = mkdtemp(pattern.data());
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }
    [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_;
};

std::string loading(const std::string& path) {
    return error_of(load(path, {}, Use::daemon));
}

TEST(HostileConfiguration, AMissingFileIsNamed) {
    EXPECT_EQ(loading("/nowhere/sluice.toml"),
              "/nowhere/sluice.toml: cannot be read as a configuration: No such file or directory");
    EXPECT_EQ(loading(""), ": cannot be read as a configuration: expected the name of a file");
}

TEST(HostileConfiguration, WhatIsNoRegularFileIsRefusedAtOnce) {
    const Folder folder;
    const std::string pipe = folder.file("pipe");
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_EQ(loading(pipe),
              pipe + ": cannot be read as a configuration: expected a regular file, found a pipe");
    const std::string inner = folder.file("folder");
    std::filesystem::create_directory(inner);
    EXPECT_EQ(loading(inner),
              inner + ": cannot be read as a configuration: expected a regular file, found a directory");
    EXPECT_EQ(loading("/dev/zero"),
              "/dev/zero: cannot be read as a configuration: expected a regular file, found a device");
}

TEST(HostileConfiguration, AFileOverEightMebibytesIsRefusedAndOneUnderItRead) {
    const Folder folder;
    const std::string large = folder.file("large.toml");
    std::string text = one_pair;
    while (text.size() + 4 <= max_configuration_bytes) text += "# a\n";
    text.resize(max_configuration_bytes, '\n');
    std::ofstream(large) << text;
    EXPECT_EQ(loading(large), "accepted");
    std::ofstream(large) << text << '\n';
    EXPECT_EQ(loading(large),
              large + ": cannot be read as a configuration: expected at most 8388608 bytes, found more");
    // A sparse file of 8 GiB costs no more than the limit.
    ASSERT_EQ(truncate(large.c_str(), off_t{8} << 30U), 0);
    EXPECT_EQ(loading(large),
              large + ": cannot be read as a configuration: expected at most 8388608 bytes, found more");
}

TEST(HostileConfiguration, ASymbolicLinkIsFollowedAndALoopIsNot) {
    const Folder folder;
    std::ofstream(folder.file("real.toml")) << one_pair;
    std::filesystem::create_symlink("real.toml", folder.file("link.toml"));
    std::filesystem::create_symlink("loop.toml", folder.file("loop.toml"));
    EXPECT_EQ(loading(folder.file("link.toml")), "accepted");
    EXPECT_NE(loading(folder.file("loop.toml")), "accepted");
}

TEST(HostileConfiguration, TextsThatNestDeeplyAreRefusedWithoutDeepRecursion) {
    const std::string deep_key = [] {
        std::string key = "a";
        while (key.size() < 900) key += ".a";
        return key;
    }();
    std::vector<std::string> texts{"x = " + std::string(100'000, '['), "x = " + std::string(900, '[')};
    std::string tables;
    for (int i = 0; i < 500; ++i)
        tables.append("[").append(deep_key).append("]\n").append(deep_key).append(" = 1\n");
    texts.push_back(tables);
    std::string nested;
    for (int i = 0; i < 20; ++i) nested.append("x = [\n{").append(deep_key).append(" = [\n");
    texts.push_back(nested);
    std::string legal = deep_key + " = ";
    for (int i = 0; i < 3; ++i) legal.append("[\n{").append(deep_key).append(" = ");
    legal += "1";
    for (int i = 0; i < 3; ++i) legal += "}\n]";
    texts.push_back(legal);
    for (const std::string& text : texts) EXPECT_FALSE(load_text(text, "file", {}, Use::replay).ok());
}

TEST(HostileConfiguration, SixtyThousandWrongKeysAreReportedBriefly) {
    std::string text;
    for (int i = 0; i < 60'000; ++i) text += "key" + std::to_string(i) + " = 1\n";
    const std::string error = error_of(load_text(text, "file", {}, Use::replay));
    EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 50);
    EXPECT_TRUE(error.ends_with("\nand 59950 more")) << error.substr(error.size() - 40);
}

TEST(HostileConfiguration, MessagesHoldNothingThatATerminalWouldObey) {
    const std::vector<std::string> texts{
        "profile = \"\\u001b[2J\"", "\"\\u0007\\u009b\" = 1", "[\"a\\nb\"]\nx = 1",
        "pair = [{ports = [\"\\u001b\", \"\\u202e\"], name = \"\\r\"}]", "x = \x1b[2J"};
    for (const std::string& text : texts) {
        const std::string error = error_of(load_text(text, "file", {}, Use::replay));
        for (const char c : error) ASSERT_TRUE((c >= 0x20 && c < 0x7f) || c == '\n') << text;
    }
}

/// Whether every key that was taken holds a value it may have: what `accepted` must mean for any bytes.
void expect_sound(const Configuration& c, const std::string& text) {
    for (const Key& key : keys()) {
        const Value value = key.get(c);
        if (key.type == Type::integer) {
            EXPECT_TRUE(contains(key.range, std::get<std::int64_t>(value))) << text;
        }
        Configuration scratch;
        EXPECT_TRUE(key.set(scratch, value)) << text;
    }
    EXPECT_GE(c.limits.ipv4_flows, 1U) << text;
    EXPECT_GE(c.limits.ipv6_flows, 1U) << text;
}

TEST(HostileConfiguration, LettersOfAnyScriptMayStandInComments) {
    for (const std::string text : {"# caf\xc3\xa9\n", "\xef\xbb\xbf# byte order mark\n",
                                   "control.socket = \"/run/caf\\u00e9\" # caf\xc3\xa9\n",
                                   "control.socket = '/a' # \xe2\x80\x9cquoted\xe2\x80\x9d\n",
                                   "control.socket = \"/a\\\"b\" # \xc3\xa9\n",
                                   "control.socket = \"\"\"/run/a\\\"\"b\"\"\" # \xc3\xa9\n",
                                   "control.socket = '''/a''b''' # \xc3\xa9\n"})
        EXPECT_EQ(error_of(load_text(text, "file", {}, Use::replay)), "accepted") << text;
}

TEST(HostileConfiguration, LettersNowhereElse) {
    for (const std::string text :
         {"\xc3\xa9 = 1", "tcp\xc2\xa0.loose = true", "tcp.loose = \xe2\x80\x83true",
          "tcp.loose = true \xe2\x80\xa8", "control.socket = \"/run/#\xc3\xa9\"",
          "control.group = '#\xc3\xa9'", "daemon.cpus = [1,\xc2\xa0 2]",
          "control.group = \"\"\"\n#\xc3\xa9\"\"\"", "control.group = '''\n#\xc3\xa9'''", "[tcp]\xc3\xa9"})
        EXPECT_NE(error_of(load_text(text, "file", {}, Use::replay)).find("expected ASCII outside"),
                  std::string::npos)
            << text;
}

TEST(HostileConfiguration, RandomBytesAreNeverTaken) {
    std::mt19937 random(20'260'101);
    for (int round = 0; round < 20'000; ++round) {
        std::string text(1 + random() % 64, '\0');
        for (char& c : text) c = static_cast<char>(random());
        // A lone comment or blank line is TOML; anything that names a key is not ours.
        const auto result = load_text(text, "file", {}, Use::replay);
        if (result) {
            EXPECT_TRUE(result->given.empty()) << text;
        }
    }
}

TEST(HostileConfiguration, DamagedFilesAreRefusedOrStillSound) {
    const std::string original = testing::content_of(testing::in_repository("config/appliance-pci.toml"));
    constexpr std::string_view splinters = "=[]{}\"'.#,\n\r\t\\0123456789-+_eExXtfn";
    // Beyond ASCII: a letter, spaces that TOML does not know, a line separator, quotes, the byte order mark.
    const std::vector<std::string> letters{"\xc3\xa9",     "\xc2\xa0",     "\xe2\x80\x83",    "\xe2\x80\xa8",
                                           "\xe2\x80\x9c", "\xef\xbb\xbf", "\xf0\x9f\x8c\x8a"};
    std::mt19937 random(20'260'102);
    unsigned taken = 0;
    for (int round = 0; round < 5'000; ++round) {
        std::string text = original;
        for (unsigned edits = 1 + static_cast<unsigned>(random() % 4); edits != 0; --edits) {
            const std::size_t at = random() % text.size();
            switch (random() % 5) {
                case 0:
                    text[at] = splinters[random() % splinters.size()];
                    break;
                case 1:
                    text.insert(at, 1, splinters[random() % splinters.size()]);
                    break;
                case 2:
                    text.erase(at, 1 + random() % 8);
                    break;
                default:
                    text[at] = static_cast<char>(random());
                    break;
            }
        }
        const auto result = load_text(text, "file", {}, Use::daemon);
        if (!result) continue;
        ++taken;
        expect_sound(*result, text);
    }
    EXPECT_GT(taken, 0U);      // damage to a comment does no harm …
    EXPECT_LT(taken, 5'000U);  // … and most other damage is noticed
}

TEST(HostileConfiguration, RandomOverridesAreRefusedOrStillSound) {
    std::mt19937 random(20'260'103);
    for (int round = 0; round < 20'000; ++round) {
        const Key& key = keys()[random() % keys().size()];
        std::string text = std::string(key.name) + '=';
        for (std::size_t length = random() % 6; length != 0; --length)
            text += random() % 4 == 0 ? static_cast<char>(random()) : "0123456789-[]\"',.ex"[random() % 19];
        const auto result = load_text("", "file", std::vector<std::string>{text}, Use::replay);
        if (result) expect_sound(*result, text);
    }
}

}  // namespace
}  // namespace sluice::app
