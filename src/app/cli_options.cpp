#include "app/cli_options.hpp"

#include <algorithm>

namespace sluice::app {
namespace {

constexpr Commands list = only(Command::list), get = only(Command::get), remove_ = only(Command::remove),
                   insert = only(Command::insert), update = only(Command::update),
                   count = only(Command::count), stats = only(Command::stats),
                   reasons = only(Command::reasons), floods = only(Command::floods);
constexpr Commands scanning = list | remove_ | count | update;
constexpr Commands about_flows = scanning | get | insert;
constexpr Commands showing = list | get | remove_ | update | insert;
constexpr Commands any = ~Commands{0};

constexpr CommandText commands[] = {
    {Command::list, 'L', {"dump", "list"}, {"list", ""}, "show flows"},
    {Command::get, 'G', {"get", ""}, {"get", ""}, "show the flow with this tuple"},
    {Command::remove, 'D', {"delete", ""}, {"delete", ""}, "delete flows"},
    {Command::insert, 'I', {"create", "insert"}, {"insert", "create"}, "make a flow by hand"},
    {Command::update, 'U', {"update", ""}, {"update", ""}, "change timeout, mark or status of flows"},
    {Command::flush, 'F', {"flush", ""}, {"flush", ""}, "delete all flows"},
    {Command::count, 'C', {"count", ""}, {"count", ""}, "say how many flows there are"},
    {Command::stats, 'S', {"stats", ""}, {"stats", ""}, "show each worker's counters"},
    {Command::reasons,
     0,
     {"", ""},
     {"reasons", ""},
     "list why a packet can be tolerated, refused or dropped"},
    {Command::floods, 0, {"", ""}, {"floods", ""}, "show floods of SYNs, or how each service stands"},
    {Command::reload, 0, {"", ""}, {"reload", ""}, "have the daemon read its configuration again"},
    {Command::events, 'E', {"event", ""}, {"events", ""}, ""},
    {Command::version, 'V', {"version", ""}, {"version", ""}, "say which version this is"},
    {Command::help, 'h', {"help", ""}, {"help", ""}, "show this"},
};

constexpr OptionText options[] = {
    {OptionId::source,
     's',
     {"orig-src", "src", "source"},
     "ADDRESS[/BITS]",
     about_flows,
     "source, original direction"},
    {OptionId::destination,
     'd',
     {"orig-dst", "dst", "destination"},
     "ADDRESS[/BITS]",
     about_flows,
     "destination, original direction"},
    {OptionId::reply_source,
     'r',
     {"reply-src", "", ""},
     "ADDRESS[/BITS]",
     scanning | insert,
     "source, reply direction"},
    {OptionId::reply_destination,
     'q',
     {"reply-dst", "", ""},
     "ADDRESS[/BITS]",
     scanning | insert,
     "destination, reply direction"},
    {OptionId::mask_source, 0, {"mask-src", "", ""}, "MASK", scanning, "which bits of --src count"},
    {OptionId::mask_destination, 0, {"mask-dst", "", ""}, "MASK", scanning, "which bits of --dst count"},
    {OptionId::protocol,
     'p',
     {"protonum", "proto", "protocol"},
     "PROTOCOL",
     about_flows,
     "tcp, udp, icmp, icmpv6 or a number"},
    {OptionId::family, 'f', {"family", "", ""}, "FAMILY", about_flows, "ipv4 or ipv6"},
    {OptionId::source_port,
     0,
     {"orig-port-src", "sport", ""},
     "PORT",
     about_flows,
     "source port, original direction"},
    {OptionId::destination_port,
     0,
     {"orig-port-dst", "dport", ""},
     "PORT",
     about_flows,
     "destination port, original direction"},
    {OptionId::reply_source_port,
     0,
     {"reply-port-src", "", ""},
     "PORT",
     scanning | insert,
     "source port, reply direction"},
    {OptionId::reply_destination_port,
     0,
     {"reply-port-dst", "", ""},
     "PORT",
     scanning | insert,
     "destination port, reply direction"},
    {OptionId::icmp_type, 0, {"icmp-type", "icmpv6-type", ""}, "TYPE", about_flows, "type of an ICMP query"},
    {OptionId::icmp_code, 0, {"icmp-code", "icmpv6-code", ""}, "CODE", about_flows, "its code"},
    {OptionId::icmp_id, 0, {"icmp-id", "icmpv6-id", ""}, "ID", about_flows, "its identifier"},
    {OptionId::state,
     0,
     {"state", "", ""},
     "STATE",
     list | remove_ | count | insert,
     "TCP state: SYN_SENT, SYN_SENT2, SYN_RECV, ESTABLISHED, FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT or "
     "CLOSE"},
    {OptionId::status,
     'u',
     {"status", "", ""},
     "STATUS[,...]",
     scanning | insert,
     "ASSURED, SEEN_REPLY, UNREPLIED, FIXED_TIMEOUT, UNSET (-U and -I set it)"},
    {OptionId::mark, 'm', {"mark", "", ""}, "MARK[/MASK]", scanning | insert, "mark (-U and -I set it)"},
    {OptionId::zone, 'w', {"zone", "", ""}, "ZONE", about_flows, "zone"},
    {OptionId::one_way_zone,
     0,
     {"orig-zone", "reply-zone", ""},
     "ZONE",
     scanning,
     "zone of one direction: no flow has one"},
    {OptionId::nat, 'n', {"src-nat", "", ""}, "", scanning, "flows with NAT: there are none"},
    {OptionId::nat, 'g', {"dst-nat", "", ""}, "", scanning, "the same"},
    {OptionId::nat, 'j', {"any-nat", "", ""}, "", scanning, "the same"},
    {OptionId::vlan, 0, {"vlan", "", ""}, "ID", about_flows, "outermost VLAN tag"},
    {OptionId::port_pair,
     0,
     {"port-pair", "", ""},
     "N",
     about_flows,
     "pair of ports that carries the flow, from 0"},
    {OptionId::timeout, 't', {"timeout", "", ""}, "SECONDS", update | insert, "seconds the flow has left"},
    {OptionId::output,
     'o',
     {"output", "", ""},
     "FORMAT[,...]",
     showing | floods,
     "extended, id, ktimestamp, timestamp, json or save"},
    {OptionId::zero, 'z', {"zero", "", ""}, "", list, "set packets and bytes of the flows shown to 0"},
    {OptionId::json,
     0,
     {"json", "", ""},
     "",
     showing | stats | reasons | floods,
     "the same as -o json; for stats, reasons and floods too"},
    {OptionId::reasons, 0, {"reasons", "", ""}, "", stats, "counters by reason, all workers together"},
    {OptionId::counts, 0, {"counts", "", ""}, "", reasons, "with the packets counted under each"},
    {OptionId::services, 0, {"services", "", ""}, "", floods, "the guarded services, as they stand now"},
    {OptionId::reset, 0, {"reset", "", ""}, "", remove_, "tell both ends of a TCP connection with a RST"},
    {OptionId::socket, 0, {"socket", "", ""}, "PATH", any, "the daemon's control socket (or SLUICE_SOCKET)"},
    {OptionId::unavailable, 'e', {"event-mask", "", ""}, "MASK", any, ""},
    {OptionId::unavailable, 'b', {"buffer-size", "", ""}, "BYTES", any, ""},
    {OptionId::unavailable, 'l', {"label", "label-add", "label-del"}, "LABEL", any, ""},
    {OptionId::unavailable, 'c', {"secmark", "", ""}, "SECMARK", any, ""},
};

constexpr std::string_view later[] = {"top", "drops", "capture", "doctor"};

}  // namespace

std::span<const CommandText> command_texts() {
    return commands;
}
std::span<const OptionText> option_texts() {
    return options;
}
bool is_later_command(std::string_view word) {
    return std::find(std::begin(later), std::end(later), word) != std::end(later);
}

}  // namespace sluice::app
