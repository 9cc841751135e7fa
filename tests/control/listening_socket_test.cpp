// What may lie at the socket's path, and what is said of it.
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>

#include <fstream>

#include "daemon_rig.hpp"

namespace sluice::control {
namespace {

using namespace testing;

class SocketPath : public ::testing::Test {
  protected:
    SocketPath() {
        workers.now = [] { return Tick{0}; };
    }
    std::unique_ptr<Server> server(const std::string& at, std::uint32_t mode = 0660,
                                   const std::string& group = "") {
        ServerOptions options;
        options.path = at;
        options.mode = mode;
        options.group = group;
        return std::make_unique<Server>(workers, options);
    }
    std::string refusal(const std::string& at, const std::string& group = "") {
        auto made = server(at, 0660, group);
        const auto opened = made->open();
        return opened.ok() ? "" : opened.error();
    }
    [[nodiscard]] static mode_t mode_of(const std::string& at) {
        struct stat there {};
        return stat(at.c_str(), &there) == 0 ? there.st_mode : 0;
    }
    Workers workers;
    TemporaryDirectory directory;
    std::string path = directory.file("socket");
};

TEST_F(SocketPath, HasTheModeAskedFor) {
    for (const std::uint32_t mode : {0600U, 0660U, 0666U}) {
        auto made = server(path, mode);
        ASSERT_TRUE(made->open().ok());
        EXPECT_EQ(mode_of(path), S_IFSOCK | mode);
    }
}

TEST_F(SocketPath, BelongsToTheGroupAskedFor) {
    const auto* group = getgrgid(getegid());
    ASSERT_NE(group, nullptr);
    auto made = server(path, 0660, group->gr_name);
    ASSERT_TRUE(made->open().ok());
    struct stat there {};
    ASSERT_EQ(stat(path.c_str(), &there), 0);
    EXPECT_EQ(there.st_gid, getegid());
}

TEST_F(SocketPath, IsGoneAfterwards) {
    {
        auto made = server(path);
        ASSERT_TRUE(made->open().ok());
    }
    EXPECT_EQ(mode_of(path), 0U);
    EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(path).parent_path()));
}

TEST_F(SocketPath, OfALiveDaemonIsLeftToIt) {
    auto first = server(path);
    ASSERT_TRUE(first->open().ok());
    EXPECT_NE(refusal(path).find("another sluiced"), std::string::npos) << refusal(path);
    EXPECT_EQ(mode_of(path), S_IFSOCK | 0660U);
    RawClient client(path);
    EXPECT_TRUE(client.connected());
}

TEST_F(SocketPath, OfSomebodyWhoHoldsNoLockIsLeftToThem) {
    auto first = server(path);
    ASSERT_TRUE(first->open().ok());
    std::filesystem::remove(path + ".lock");
    EXPECT_NE(refusal(path).find("answers at the control socket"), std::string::npos) << refusal(path);
    EXPECT_EQ(mode_of(path), S_IFSOCK | 0660U);
}

TEST_F(SocketPath, OfADeadDaemonIsReplaced) {
    const int left_over = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(bind(left_over, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    close(left_over);
    std::ofstream left_lock(path + ".lock");  // nobody holds it
    left_lock.close();
    auto made = server(path);
    ASSERT_TRUE(made->open().ok());
    RawClient client(path);
    EXPECT_TRUE(client.connected());
}

TEST_F(SocketPath, ThatIsAFileOrADirectoryIsRefusedAndKept) {
    std::ofstream(path) << "precious";
    EXPECT_NE(refusal(path).find("no socket"), std::string::npos) << refusal(path);
    std::string kept;
    std::ifstream(path) >> kept;
    EXPECT_EQ(kept, "precious");
    std::filesystem::create_directory(directory.file("folder"));
    EXPECT_NE(refusal(directory.file("folder")).find("no socket"), std::string::npos);
    std::filesystem::create_symlink(path, directory.file("link"));
    EXPECT_NE(refusal(directory.file("link")).find("no socket"), std::string::npos);
}

TEST_F(SocketPath, InADirectoryThatAloneIsMissingHasItMadeAndTakenAwayAgain) {
    const std::string folder = directory.file("nowhere");
    const mode_t mask = umask(077);
    {
        auto made = server(folder + "/socket");
        const auto opened = made->open();
        umask(mask);
        ASSERT_TRUE(opened.ok()) << opened.error();
        EXPECT_EQ(mode_of(folder), S_IFDIR | 0755U);
        RawClient client(folder + "/socket");
        EXPECT_TRUE(client.connected());
    }
    EXPECT_EQ(mode_of(folder), 0U);
    EXPECT_NE(refusal(folder + "/socket", "no-such-group-here"), "");
    EXPECT_EQ(mode_of(folder), 0U) << "a start that was refused leaves nothing";
}

TEST_F(SocketPath, InADirectoryThatWasThereLeavesItThere) {
    const std::string folder = directory.file("kept");
    std::filesystem::create_directory(folder);
    {
        auto made = server(folder + "/socket");
        ASSERT_TRUE(made->open().ok());
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(SocketPath, InADirectoryThatOthersUseByNowLeavesItToThem) {
    const std::string folder = directory.file("shared");
    {
        auto made = server(folder + "/socket");
        ASSERT_TRUE(made->open().ok());
        std::ofstream(folder + "/other") << "precious";
    }
    EXPECT_TRUE(std::filesystem::exists(folder + "/other"));
    EXPECT_EQ(mode_of(folder + "/socket"), 0U);
}

TEST_F(SocketPath, BelowADirectoryThatIsNotThereIsRefused) {
    const std::string said = refusal(directory.file("nowhere/deeper/socket"));
    EXPECT_NE(said.find("No such file or directory"), std::string::npos) << said;
    EXPECT_NE(said.find("the directory of the control socket"), std::string::npos) << said;
    EXPECT_EQ(mode_of(directory.file("nowhere")), 0U);
}

TEST_F(SocketPath, InADirectoryThatIsALinkToNowhereIsRefusedAndTheLinkIsNamed) {
    const std::string folder = directory.file("link"), nowhere = directory.file("nowhere");
    std::filesystem::create_symlink(nowhere, folder);
    EXPECT_EQ(refusal(folder + "/socket"), "control socket " + folder + "/socket: its directory " + folder +
                                               " is a symbolic link to " + nowhere +
                                               ", where nothing is; make that directory, or remove the link");
    EXPECT_TRUE(std::filesystem::is_symlink(folder));
    EXPECT_EQ(mode_of(nowhere), 0U);
    std::filesystem::create_directory(nowhere);
    EXPECT_EQ(refusal(folder + "/socket"), "") << "a link to a directory is as good as one";
}

TEST_F(SocketPath, TooLongIsRefused) {
    EXPECT_NE(refusal(directory.file(std::string(100, 'a'))).find("107 bytes"), std::string::npos);
    EXPECT_NE(refusal("").find("no path"), std::string::npos);
}

TEST_F(SocketPath, OfAnUnknownGroupIsRefusedAndNothingIsLeft) {
    EXPECT_NE(refusal(path, "no-such-group-here").find("no group"), std::string::npos);
    EXPECT_EQ(mode_of(path), 0U);
}

TEST_F(SocketPath, WhereNobodyAnswersIsSaidToTheClient) {
    const auto client = Client::connect(path);
    ASSERT_FALSE(client.ok());
    EXPECT_EQ(client.error(), "no sluiced answers at " + path + ": is it running? (sluiced --config FILE)");
}

}  // namespace
}  // namespace sluice::control
