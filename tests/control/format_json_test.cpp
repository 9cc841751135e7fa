// JSON rows: the keys are a promise to scripts.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "flow_views.hpp"
#include "sluice/control/format.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using nlohmann::json;

Format json_format() {
    Format format;
    format.style = Format::Style::json;
    return format;
}

TEST(JsonRow, NamesEverythingOfATcpConnection) {
    auto flow = tcp_flow("10.0.0.1", 1235, "10.0.0.2", 80, tcp::Pair::fin_wait_2__close_wait);
    flow.seconds_left = 59;
    flow.seen_reply = flow.assured = true;
    flow.mark = 7;
    flow.zone = 3;
    flow.port_pair = 1;
    flow.outer_vlan = 10;
    flow.inner_vlan = 20;
    flow.worker = 2;
    flow.id = 99;
    flow.account = {{3, 2}, {180, 112}};
    flow.start_nanoseconds = 1'700'000'000'000'000'001;
    Format format = json_format();
    format.accounting = format.timestamps = true;
    EXPECT_EQ(
        line_of(flow, format),
        R"({"id":99,"worker":2,"family":"ipv4","protocol":"tcp","protocol_number":6,"timeout":59,)"
        R"("state":"CLOSE_WAIT","pair":["FIN_WAIT_2","CLOSE_WAIT"],)"
        R"("original":{"src":"10.0.0.1","dst":"10.0.0.2","sport":1235,"dport":80,"packets":3,"bytes":180},)"
        R"("reply":{"src":"10.0.0.2","dst":"10.0.0.1","sport":80,"dport":1235,"packets":2,"bytes":112},)"
        R"("seen_reply":true,"assured":true,"fixed_timeout":false,"mark":7,"zone":3,"port_pair":1,)"
        R"("vlan":[10,20],"start":1700000000.000000001})"
        "\n");
}

TEST(JsonRow, HasNullWhereAProtocolHasNoStates) {
    const json row = json::parse(line_of(query_flow("::1", "::2", packet::icmpv6, 128, 9), json_format()));
    EXPECT_TRUE(row.at("state").is_null());
    EXPECT_TRUE(row.at("pair").is_null());
    EXPECT_TRUE(row.at("start").is_null());
    EXPECT_EQ(row.at("vlan"), json::array());
    EXPECT_EQ(row.at("original"),
              (json{{"src", "::1"}, {"dst", "::2"}, {"type", 128}, {"code", 0}, {"id", 9}}));
    EXPECT_EQ(row.at("reply").at("type"), 129);
}

TEST(JsonRow, HasTheSameKeysForEveryProtocol) {
    const auto keys = [](const pipeline::FlowView& flow) {
        std::vector<std::string> out;
        const json row = json::parse(line_of(flow, json_format()));
        for (const auto& item : row.items()) out.push_back(item.key());
        return out;
    };
    const auto of_tcp = keys(tcp_flow("1.1.1.1", 1, "2.2.2.2", 2, tcp::Pair::closed__closed));
    EXPECT_EQ(of_tcp, keys(udp_flow("1.1.1.1", 1, "2.2.2.2", 2)));
    EXPECT_EQ(of_tcp, keys(flow_between("1.1.1.1", "2.2.2.2", 132)));
}

}  // namespace
}  // namespace sluice::control
