// Files of signatures: what they say, and the sentence for each way to be wrong.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "app/signature_file.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::app {
namespace {

using policy::PortRange;
using policy::Severity;
using policy::SignatureAction;
using policy::Toward;
using policy::Transport;

std::string error_of(std::string_view text) {
    const auto read = read_signatures(text, "s.toml");
    return read.ok() ? "no error" : read.error();
}

TEST(SignatureFile, SaysAllOfASignature) {
    const auto read = read_signatures(R"(
[[signature]]
id = 1001
name = "a shell in a request"
pattern = '/bin/(ba)?sh\x00'
flags = "is"
direction = "to-server"
service = "tcp/not 22, 8000-8999"
offset = 4
depth = 300
action = "mark"
severity = "critical"
mark = 7
)",
                                      "s.toml");
    ASSERT_TRUE(read.ok()) << read.error();
    ASSERT_EQ(read->size(), 1U);
    const policy::Signature& signature = (*read)[0];
    EXPECT_EQ(signature.id, 1001U);
    EXPECT_EQ(signature.name, "a shell in a request");
    EXPECT_EQ(signature.pattern, "/bin/(ba)?sh\\x00");
    EXPECT_TRUE(signature.caseless && signature.dot_all && !signature.multi_line);
    EXPECT_EQ(signature.toward, Toward::server);
    EXPECT_EQ(signature.service.transport, Transport::tcp);
    EXPECT_TRUE(signature.service.except);
    EXPECT_EQ(signature.service.ports, (std::vector<PortRange>{{22, 22}, {8000, 8999}}));
    EXPECT_TRUE(signature.service.covers(packet::tcp, 80));
    EXPECT_FALSE(signature.service.covers(packet::tcp, 8080));
    EXPECT_FALSE(signature.service.covers(packet::tcp, 22));
    EXPECT_FALSE(signature.service.covers(packet::udp, 80));
    EXPECT_EQ(signature.offset, 4U);
    EXPECT_EQ(signature.depth, 300U);
    EXPECT_EQ(signature.action, SignatureAction::mark);
    EXPECT_EQ(signature.severity, Severity::critical);
    EXPECT_EQ(signature.mark, 7U);
    EXPECT_EQ(signature.line, 2U);
    EXPECT_FALSE(read->may_block());
}

TEST(SignatureFile, AServiceMayBeIcmp) {
    const auto read =
        read_signatures("[[signature]]\nid = 1\nname = 'n'\npattern = 'p'\nservice = 'icmp'\n", "s.toml");
    ASSERT_TRUE(read.ok()) << read.error();
    const policy::SignatureService& service = (*read)[0].service;
    EXPECT_EQ(service.transport, Transport::icmp);
    EXPECT_TRUE(service.covers(packet::icmp, 0) && service.covers(packet::icmpv6, 0));
    EXPECT_FALSE(service.covers(packet::udp, 0) || service.covers(47, 0));
}

TEST(SignatureFile, HasDefaults) {
    const auto read = read_signatures("[[signature]]\nid = 1\nname = 'n'\npattern = 'p'\n", "s.toml");
    ASSERT_TRUE(read.ok()) << read.error();
    const policy::Signature& signature = (*read)[0];
    EXPECT_EQ(signature.toward, Toward::either);
    EXPECT_EQ(signature.service, policy::SignatureService{});
    EXPECT_EQ(signature.action, SignatureAction::alert);
    EXPECT_EQ(signature.severity, Severity::medium);
}

TEST(SignatureFile, MayBeEmpty) {
    const auto read = read_signatures("", "s.toml");
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->size(), 0U);
}

TEST(SignatureFile, IsRefusedWithAllItsFaults) {
    EXPECT_EQ(error_of(R"([[signature]]
id = 0
name = 3
patern = 'p'
flags = "x"
service = "tcp/http"
direction = "up"
depth = -1
)"),
              "s.toml:2:6: signature.id: expected a number from 1 to 4294967295, found 0\n"
              "s.toml:3:8: signature.name: expected text in quotes, found 3\n"
              "s.toml:4:1: signature.patern: expected a key of a signature (signature.pattern?)\n"
              "s.toml:5:9: signature.flags: expected letters of i (caseless), s (a dot is any byte) and m (^ "
              "and $ at "
              "each line), each once, found \"x\"\n"
              "s.toml:6:11: signature.service: expected \"any\", \"icmp\", \"tcp\", \"udp\", "
              "\"tcp/80,8000-8999\" or "
              "\"tcp/not "
              "80,443\", found \"tcp/http\"\n"
              "s.toml:7:13: signature.direction: expected one of \"to-server\", \"to-client\", \"both\", "
              "found \"up\"\n"
              "s.toml:8:9: signature.depth: expected a number from 1 to 16777216, found -1");
}

TEST(SignatureFile, IsRefusedForWhatASignatureLacks) {
    EXPECT_EQ(error_of("[[signature]]\nid = 1\nname = 'n'\n\n[[signature]]\nid = 2\npattern = 'p'\n"),
              "s.toml:1: pattern: expected a regular expression, found none\n"
              "s.toml:5: name: expected what a hit means, in a few words, found none");
    EXPECT_EQ(error_of("[[signature]]\nid = 1\nname = 'n'\npattern = 'p'\nmark = 3\n"),
              "s.toml:1: mark: expected with action = \"mark\", and only with it");
}

TEST(SignatureFile, IsRefusedForAnIdGivenTwice) {
    EXPECT_EQ(error_of("[[signature]]\nid = 9\nname = 'n'\npattern = 'p'\n"
                       "[[signature]]\nid = 9\nname = 'm'\npattern = 'q'\n"),
              "s.toml:5: id: expected another number, found 9, which the signature of line 1 has");
}

TEST(SignatureFile, IsRefusedForOtherThings) {
    EXPECT_EQ(error_of("[tracker]\nflows = 3\n"),
              "s.toml:1:2: tracker: expected nothing but [[signature]] in a file of signatures");
    EXPECT_EQ(error_of("signature = 3\n"),
              "s.toml:1:1: signature: expected nothing but [[signature]] in a file of signatures");
}

TEST(SignatureFile, IsRefusedWhenItIsNoText) {
    const std::string garbage(
        "\x7f"
        "ELF\x02\x01\x01\0\0\0",
        10);
    EXPECT_EQ(error_of(garbage), "s.toml:1:1: expected text, found the control character 0x7f");
    EXPECT_EQ(error_of("[[signature]]\nid = 1\nname = '\xff\xfe'\n"),
              "s.toml:3:9: expected UTF-8 text, found the byte 0xff");
    EXPECT_EQ(load_signatures("/dev/null").error(),
              "/dev/null: cannot be read as a file of signatures: expected a regular file, found a device");
    EXPECT_EQ(load_signatures("/nowhere").error(),
              "/nowhere: cannot be read as a file of signatures: No such file or directory");
}

TEST(SignatureFile, OfAHundredThousandIsRefusedWithOneSentence) {
    std::string text;
    for (unsigned id = 1; id <= 100'000; ++id)
        text += "[[signature]]\nid = " + std::to_string(id) + "\nname = 'n'\npattern = 'p'\n";
    EXPECT_EQ(error_of(text), "s.toml:131073: expected at most 32768 signatures, found 100000");
}

}  // namespace
}  // namespace sluice::app
