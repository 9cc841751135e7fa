// The control socket's requests, answers and filters over arbitrary text: the input is one line. Whatever is
// understood can be said again and means the same; whatever is not is refused with a sentence.
#include <string>
#include <string_view>
#include <vector>

#include "fuzz.hpp"
#include "sluice/control/query.hpp"
#include "sluice/control/text.hpp"

namespace {

using namespace sluice;
using namespace sluice::control;
using fuzz::require;

pipeline::FlowView flow_of(std::uint8_t protocol, std::string_view source, std::string_view destination) {
    pipeline::FlowView out;
    const auto from = parse_address(source), to = parse_address(destination);
    out.family = from->family;
    out.source = from->address;
    out.destination = to->address;
    out.protocol = protocol;
    out.source_port = 40'000;
    out.destination_port = 80;
    out.mark = 7;
    out.state.tcp.pair = static_cast<unsigned>(tcp::Pair::established__established) & 31U;
    return out;
}

const std::vector<pipeline::FlowView>& flows() {
    static const std::vector<pipeline::FlowView> all{
        flow_of(packet::tcp, "10.0.0.1", "10.0.0.2"), flow_of(packet::udp, "2001:db8::1", "2001:db8::2"),
        flow_of(packet::icmp, "10.0.0.1", "192.0.2.1"), flow_of(47, "fe80::1", "ff02::1")};
    return all;
}

void check_filter(const Filter& filter) {
    unsigned matched = 0;
    for (const auto& flow : flows()) matched += matches(filter, flow) ? 1U : 0U;
    if (filter.everything()) require(matched == flows().size(), "no condition: every flow");
    if (filter.nothing) require(matched == 0, "what no flow has: no flow");
    // Any one condition more can only leave flows out.
    Filter narrower = filter;
    narrower.family = packet::Family::ipv6;
    for (const auto& flow : flows()) {
        const bool both = matches(filter, flow) && flow.family == packet::Family::ipv6;
        if (!filter.family) require(matches(narrower, flow) == both, "conditions are joined by and");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string line(reinterpret_cast<const char*>(data), size);
    if (const auto query = parse_query(line)) {
        const std::string said = to_line(*query);
        require(said.find('\n') == std::string::npos, "a request is one line");
        const auto again = parse_query(said);
        require(again.ok(), "what was understood is understood again");
        require(to_line(*again) == said && again->filter == query->filter, "and means the same");
        check_filter(query->filter);
    } else {
        require(!query.error().empty(), "a refusal has a sentence");
        const auto end = parse_end(to_line(End{false, 0, query.error()}));
        require(end && !end->ok && !end->error.empty(), "and the sentence arrives");
    }
    if (const auto end = parse_end(line)) {
        const auto again = parse_end(to_line(*end));
        require(again && again->ok == end->ok, "an end that was understood can be said again");
    }
    if (const auto address = parse_address(line))
        require(parse_address(address_text(address->family, address->address))->address == address->address,
                "an address that was understood can be said again");
    if (const auto number = parse_number(line, 1000)) require(*number <= 1000, "a number keeps to its bound");
    (void)parse_protocol(line);
    (void)pair_of_state(line);
    return 0;
}
