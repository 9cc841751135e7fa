// The bytes of a snapshot: what is written is read, and what is not whole is refused whole.
#include "sluice/control/snapshot.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "saved_flows.hpp"
#include "sluice/control/snapshot_file.hpp"
#include "support/packet_builder.hpp"

namespace sluice::test {
namespace {

using control::Snapshot;
using control::SnapshotFit;
using pipeline::SavedFlow;

/// A connection of 192.0.2.1:40000 to 192.0.2.2:80, open.
SavedFlow ipv4_connection() {
    SavedFlow flow{};
    flow.family = packet::Family::ipv4;
    const std::array<std::uint8_t, 4> client{192, 0, 2, 1}, server{192, 0, 2, 2};
    const auto key = flow::make_key<4>(client.data(), server.data(), 40'000, 80, packet::tcp,
                                       flow::Domain::make(7, flow::Domain::no_tag, 0, 0));
    flow.key4 = key.key;
    flow.original_from_high = key.from_high;
    flow.left = 1234;
    flow.mark = 0xABCD;
    flow.vlan = 7;
    flow.interface = 1;
    flow.state.tcp = tcp::Connection{};
    flow.state.tcp.side[0] = {0xFFFF'FFF0, 5, 65'535, 77};
    flow.state.tcp.side[1] = {77, 0x100, 64'240, 0xFFFF'FFF0};
    flow.state.tcp.pair = static_cast<unsigned>(tcp::Pair::established__established) & 31U;
    flow.state.tcp.lifetime = static_cast<unsigned>(Lifetime::established) & 31U;
    flow.state.tcp.seen_reply = flow.state.tcp.assured = 1;
    flow.state.tcp.scale_original = 9;
    flow.state.tcp.scale_reply = 7;
    flow.state.tcp.scale_offered = flow.state.tcp.sack_permitted = flow.state.tcp.seen = 3;
    flow.state.tcp.retransmissions = 2;
    return flow;
}

/// With everything that a record may have.
SavedFlow full_ipv6_connection() {
    SavedFlow flow = ipv4_connection();
    flow.family = packet::Family::ipv6;
    std::array<std::uint8_t, 16> client{0x20, 1, 0xD, 0xB8}, server{0x20, 1, 0xD, 0xB8};
    client[15] = 2;
    server[15] = 1;
    const auto key = flow::make_key<16>(client.data(), server.data(), 40'000, 80, packet::tcp,
                                        flow::Domain::make(flow::Domain::no_tag, flow::Domain::no_tag, 0, 0));
    flow.key6 = key.key;
    flow.original_from_high = key.from_high;
    flow.account = {{1, 2}, {3, 4}};
    flow.start_nanoseconds = 1'700'000'000'000'000'001;
    flow.state.tcp.pending_syn = 1;
    flow.has_pending_syn = true;
    flow.pending_syn.highest = {42, 0, 1024};
    flow.has_translation = true;
    flow.translation = {.sequence_delta = 11, .timestamp_delta = 12, .window_shifts = 13};
    return flow;
}

std::string bytes_of(const std::vector<SavedFlow>& flows) {
    std::string out;
    for (const SavedFlow& flow : flows) control::append_flow(out, flow);
    return out;
}

std::string two_flows() {
    return snapshot_of(bytes_of({ipv4_connection(), full_ipv6_connection()}), 2);
}

TEST(Snapshot, ReadsWhatWasWritten) {
    const auto snapshot = Snapshot::read(two_flows());
    ASSERT_TRUE(snapshot) << snapshot.error();
    EXPECT_EQ(snapshot->ipv4_flows(), 1U);
    EXPECT_EQ(snapshot->ipv6_flows(), 1U);
    EXPECT_EQ(snapshot->head().layout, layout_of());
    EXPECT_EQ(snapshot->head().saved_nanoseconds, 1'000'000'000U);
    std::string_view rest = snapshot->records();
    SavedFlow flow;
    ASSERT_TRUE(control::take_flow(rest, flow));
    EXPECT_EQ(bytes_of({flow}), bytes_of({ipv4_connection()}));
    ASSERT_TRUE(control::take_flow(rest, flow));
    EXPECT_EQ(bytes_of({flow}), bytes_of({full_ipv6_connection()}));
    EXPECT_EQ(flow.pending_syn.highest.sequence, 42U);
    EXPECT_EQ(flow.translation.window_shifts, 13U);
    EXPECT_EQ(flow.account.bytes[1], 4U);
    EXPECT_TRUE(rest.empty());
}

TEST(Snapshot, WithoutFlowsIsOneToo) {
    const auto snapshot = Snapshot::read(snapshot_of("", 0));
    ASSERT_TRUE(snapshot) << snapshot.error();
    EXPECT_EQ(snapshot->flows(), 0U);
}

TEST(Snapshot, CutAtAnyByteIsRefused) {
    const std::string whole = two_flows();
    for (std::size_t length = 0; length < whole.size(); ++length)
        EXPECT_FALSE(Snapshot::read(whole.substr(0, length))) << length << " bytes of " << whole.size();
}

TEST(Snapshot, WithAnyBitOfAnyByteTurnedIsRefused) {
    const std::string whole = two_flows();
    for (std::size_t at = 0; at < whole.size(); ++at)
        for (unsigned bit = 0; bit < 8; ++bit) {
            std::string damaged = whole;
            damaged[at] = static_cast<char>(damaged[at] ^ static_cast<char>(1U << bit));
            EXPECT_FALSE(Snapshot::read(damaged)) << "byte " << at << ", bit " << bit;
        }
}

TEST(Snapshot, WithBytesBehindItIsRefused) {
    EXPECT_FALSE(Snapshot::read(two_flows() + "x"));
}

TEST(Snapshot, SaysWhyItIsRefused) {
    const auto error_of = [](std::string bytes) {
        const auto read = Snapshot::read(std::move(bytes));
        return read ? std::string("none") : read.error();
    };
    EXPECT_EQ(error_of(""), "is cut short");
    EXPECT_EQ(error_of(std::string(100, 'x')), "is no snapshot of flows");
    std::string other = two_flows();
    other[8] = 2;
    EXPECT_EQ(error_of(other), "is of version 2, and this program reads version 1");
    other = two_flows();
    std::reverse(other.begin() + 12, other.begin() + 16);
    EXPECT_EQ(error_of(other), "comes from a machine with another order of bytes");
    other = two_flows();
    other[40] = static_cast<char>(other[40] ^ 1);
    EXPECT_EQ(error_of(other), "is damaged or cut short: its checksum is another than its content's");
    EXPECT_EQ(error_of(snapshot_of(bytes_of({ipv4_connection()}), 2)),
              "holds another number of flows than it says");
}

/// A snapshot with a right checksum of one flow that `spoil` has spoilt.
template <class Spoil>
bool refuses(Spoil&& spoil) {
    SavedFlow flow = full_ipv6_connection();
    spoil(flow);
    return !Snapshot::read(snapshot_of(bytes_of({flow}), 1));
}

TEST(Snapshot, RefusesFlowsThatCannotBeEvenUnderARightChecksum) {
    EXPECT_FALSE(refuses([](SavedFlow&) {}));
    EXPECT_TRUE(refuses([](SavedFlow& flow) { flow.left = 0; }));
    EXPECT_TRUE(refuses([](SavedFlow& flow) { flow.left = 2'000'000'001; }));
    EXPECT_TRUE(refuses([](SavedFlow& flow) { flow.state.tcp.pair = 19; }));
    EXPECT_TRUE(refuses([](SavedFlow& flow) { flow.state.tcp.lifetime = 31; }));
    EXPECT_TRUE(refuses([](SavedFlow& flow) {
        flow.state.tcp.lifetime = static_cast<unsigned>(Lifetime::udp) & 31U;
    })) << "a lifetime of another protocol";
    EXPECT_TRUE(refuses([](SavedFlow& flow) { flow.state.tcp.scale_reply = 15; }));
    EXPECT_TRUE(refuses([](SavedFlow& flow) { flow.state.tcp.pending_syn = 0; }));
    EXPECT_TRUE(refuses([](SavedFlow& flow) { flow.interface = 2; })) << "of no pair that the head names";
    EXPECT_TRUE(refuses([](SavedFlow& flow) { flow.key6.spare = 1; }));
    EXPECT_TRUE(refuses([](SavedFlow& flow) { flow.key6.protocol = packet::udp; }));
    EXPECT_TRUE(refuses([](SavedFlow& flow) { std::swap(flow.key6.address[0], flow.key6.address[1]); }))
        << "endpoints out of order: no packet would find it";
}

/// The layout of the types in memory is a part of the format: who changes it raises snapshot_version, and
/// these bytes.
TEST(Snapshot, OfThisVersionHasTheseBytes) {
    const std::string bytes = bytes_of({full_ipv6_connection()});
    std::ostringstream hex;
    for (const char byte : bytes) {
        constexpr std::string_view digits = "0123456789abcdef";
        const auto value = static_cast<unsigned char>(byte);
        hex << digits[value >> 4U] << digits[value & 15U];
    }
    EXPECT_EQ(hex.str(),
              // kind, interface, VLAN, time left, mark
              "3f010700d2040000cdab0000"
              // state
              "f0ffffff05000000ffff00004d0000004d00000000010000f0fa0000f0ffffff6324efa7"
              // key
              "20010db800000000000000000000000120010db80000000000000000000000025000409cffffff0000000600"
              // account, start
              "010000000000000002000000000000000300000000000000040000000000000001002a36fe9c9717"
              // pending SYN, translation
              "2a00000000000004000000000000000000000000000000000000000000000000"
              "0b0000000c0000000d000000");
}

// ---- Fitting

TEST(SnapshotFit, FindsPairsByNameWhateverTheirOrder) {
    const auto fit = SnapshotFit::find(layout_of({"a", "b"}), layout_of({"c", "b", "a"}));
    ASSERT_TRUE(fit) << fit.error();
    SavedFlow flow = ipv4_connection();
    flow.key4.vlans_and_pair = (flow.key4.vlans_and_pair & 0x00FF'FFFFU) | 1U << 24U;
    flow.interface = 3;
    ASSERT_TRUE(fit->adapt(flow));
    EXPECT_EQ(flow.key4.vlans_and_pair >> 24U, 1U);
    EXPECT_EQ(flow.interface, 3);
    flow.key4.vlans_and_pair &= 0x00FF'FFFFU;
    flow.interface = 1;
    ASSERT_TRUE(fit->adapt(flow));
    EXPECT_EQ(flow.key4.vlans_and_pair >> 24U, 2U);
    EXPECT_EQ(flow.interface, 5);
    flow.key4.vlans_and_pair |= 9U << 24U;
    EXPECT_FALSE(fit->adapt(flow)) << "a pair that its layout does not name";
}

TEST(SnapshotFit, RefusesAnotherLayout) {
    const auto error_of = [](const control::SnapshotLayout& theirs, const control::SnapshotLayout& ours) {
        const auto fit = SnapshotFit::find(theirs, ours);
        return fit ? std::string("none") : fit.error();
    };
    EXPECT_EQ(error_of(layout_of({"a"}), layout_of({"b"})),
              "has flows of the pair \"a\", which the configuration does not have");
    control::SnapshotLayout zoned = layout_of({"a"});
    zoned.pairs[0].zone = 5;
    EXPECT_EQ(error_of(zoned, layout_of({"a"})),
              "was made when the pair \"a\" had zone 5, and it has 0 here");
    control::SnapshotLayout flat = layout_of({"a"});
    flat.vlan_in_key = false;
    EXPECT_EQ(error_of(flat, layout_of({"a"})),
              "was made with tracker.vlan_in_key = false, and it is true here");
}

// ---- Files

class SnapshotFiles : public testing::Test {
  protected:
    SnapshotFiles() {
        std::string name = testing::TempDir() + "sluice-snapshot-XXXXXX";
        folder = mkdtemp(name.data());
    }
    ~SnapshotFiles() override {
        for (const std::string& name : {path(), path() + ".new"}) unlink(name.c_str());
        rmdir(folder.c_str());
    }
    [[nodiscard]] std::string path() const { return folder + "/flows"; }
    [[nodiscard]] bool there(const std::string& name) const { return access(name.c_str(), F_OK) == 0; }
    [[nodiscard]] std::string error() const {
        const auto read = control::read_snapshot(path(), 1'000'000);
        return read ? "" : read.error();
    }
    std::string folder;
};

TEST_F(SnapshotFiles, AreReadAsTheyWereWritten) {
    auto file = control::SnapshotFile::create(path(), {layout_of(), 5});
    ASSERT_TRUE(file) << file.error();
    (*file)->add(ipv4_connection());
    (*file)->add(bytes_of({full_ipv6_connection(), ipv4_connection()}), 2);
    EXPECT_FALSE(there(path())) << "before it is finished";
    const auto flows = (*file)->commit();
    ASSERT_TRUE(flows) << flows.error();
    EXPECT_EQ(*flows, 3U);
    const auto read = control::read_snapshot(path(), 1'000'000);
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->flows(), 3U);
    EXPECT_EQ(read->head().saved_nanoseconds, 5U);
    struct stat status {};
    ASSERT_EQ(stat(path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(SnapshotFiles, ThatAreNotFinishedLeaveNothingAndWhatWasThereStays) {
    {
        auto first = control::SnapshotFile::create(path(), {layout_of(), 5});
        ASSERT_TRUE(first);
        ASSERT_TRUE((*first)->commit());
    }
    {
        auto second = control::SnapshotFile::create(path(), {layout_of(), 6});
        ASSERT_TRUE(second);
        (*second)->add(ipv4_connection());
    }
    EXPECT_FALSE(there(path() + ".new"));
    const auto read = control::read_snapshot(path(), 1'000'000);
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->head().saved_nanoseconds, 5U);
}

TEST_F(SnapshotFiles, ThatCannotBeReadAreRefusedWithASentence) {
    EXPECT_EQ(error(), path() + ": cannot be read: No such file or directory");
    std::ofstream(path()) << "some text that is no snapshot but long enough to be looked at whole";
    EXPECT_EQ(error(), path() + ": is no snapshot of flows");
    std::ofstream(path()) << std::string(1'000'001, 'x');
    EXPECT_EQ(error(), path() + ": holds 1000001 bytes, more than a snapshot that fits can have (1000000)");
    unlink(path().c_str());
    ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
    EXPECT_EQ(error(), path() + ": cannot be read: it is no ordinary file");
    unlink(path().c_str());
    ASSERT_EQ(symlink("/etc/hostname", path().c_str()), 0);
    EXPECT_EQ(error(), path() + ": cannot be read: Too many levels of symbolic links");
}

TEST_F(SnapshotFiles, ThatCannotBeWrittenAreRefusedWithASentence) {
    const auto file = control::SnapshotFile::create(folder + "/none/flows", {layout_of(), 5});
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error(), folder + "/none/flows: cannot be written: No such file or directory");
}

}  // namespace
}  // namespace sluice::test
