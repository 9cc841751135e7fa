#include <map>
#include <tuple>

#include "app/capture_reader.hpp"
#include "conversations.hpp"
#include "sluice/packet/checksum.hpp"
#include "sluice/packet/parse.hpp"

namespace sluice::differential {
namespace {

using Endpoint = std::tuple<packet::Address, std::uint16_t>;
/// What tells flows apart, the lower endpoint first.
using FlowName = std::tuple<std::uint16_t, std::uint16_t, packet::Family, Endpoint, Endpoint>;

struct Flow {
    std::size_t number;  ///< of its conversation
    Endpoint a;          ///< who spoke first
    Tape tape;
    std::int64_t began;
};

}  // namespace

Result<CapturedConversations> captured_conversations(const std::string& path, const tcp::Settings& settings) {
    auto reader = app::CaptureReader::open(path);
    if (!reader) return Error{reader.error()};
    CapturedConversations out;
    std::map<FlowName, Flow> flows;
    app::CapturedPacket captured;
    app::CaptureReader::Next next{};
    while ((next = reader->next(captured)) == app::CaptureReader::Next::packet) {
        packet::Headers headers;
        packet::parse({.bytes = captured.bytes, .frame_length = captured.length, .link = reader->link()},
                      headers);
        const bool usable = headers.refusal == Reason::none && headers.protocol == packet::tcp &&
                            !headers.fragment.present && captured.bytes.size() == captured.length;
        if (!usable) {
            ++out.left_out;
            continue;
        }
        const Endpoint source{headers.source, headers.source_port};
        const Endpoint destination{headers.destination, headers.destination_port};
        const FlowName name{headers.vlan[0], headers.vlan[1], headers.family, std::min(source, destination),
                            std::max(source, destination)};
        auto [found, fresh] =
            flows.try_emplace(name, Flow{out.conversations.size(), source, {}, captured.nanoseconds});
        Flow& flow = found->second;
        if (fresh)
            out.conversations.push_back({.source = Source::capture,
                                         .title = path + " flow " + std::to_string(flow.number + 1) +
                                                  " (port " + std::to_string(headers.source_port) + " to " +
                                                  std::to_string(headers.destination_port) + ")",
                                         .family = headers.family,
                                         .settings = settings,
                                         .steps = {}});
        const auto tcp = captured.bytes.subspan(headers.transport_offset, headers.transport_length);
        const bool wrong = packet::verify_transport(headers, tcp) == packet::ChecksumVerdict::bad;
        flow.tape.add(static_cast<double>(captured.nanoseconds - flow.began) * 1e-9,
                      {.from = source == flow.a ? End::a : End::b,
                       .tcp = Bytes(tcp.begin(), tcp.end()),
                       .wrong_checksum = wrong});
    }
    if (next == app::CaptureReader::Next::failed) return Error{reader->error()};
    for (auto& [name, flow] : flows) out.conversations[flow.number].steps = std::move(flow.tape.steps());
    return out;
}

}  // namespace sluice::differential
