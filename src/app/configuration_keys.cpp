#include "app/configuration_keys.hpp"

#include <grp.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>

#include "app/configuration_guard.hpp"
#include "app/configuration_inspection.hpp"
#include "app/configuration_key_kinds.hpp"
#include "app/ether_types.hpp"
#include "sluice/base/time.hpp"
#include "sluice/control/collector_name.hpp"
#include "sluice/control/listen_address.hpp"

namespace sluice::app {

using namespace key_kinds;

namespace {

constexpr Range seconds{1, max_lifetime_seconds, "seconds", "", false};

/// One sentence for each Lifetime.
std::string_view sentence_of(Lifetime lifetime) {
    switch (lifetime) {
        case Lifetime::syn_sent:
            return "Life of a connection of which only a SYN was seen.";
        case Lifetime::syn_sent2:
            return "Life of a connection of which a SYN of each side was seen (simultaneous open).";
        case Lifetime::syn_recv:
            return "Life of a connection whose SYN was answered but not yet acknowledged.";
        case Lifetime::established:
            return "Life of an open connection in which nothing is sent.";
        case Lifetime::fin_wait:
            return "Life of a connection after the first FIN.";
        case Lifetime::close_wait:
            return "Life of a connection whose first FIN was acknowledged.";
        case Lifetime::last_ack:
            return "Life of a connection both of whose sides sent a FIN, the last not yet acknowledged.";
        case Lifetime::time_wait:
            return "How long a connection that closed in good order is remembered (2 MSL).";
        case Lifetime::close:
            return "How long a connection that was reset is remembered.";
        case Lifetime::killed:
            return "How long both ends of a killed connection (sluice delete --reset) are told when they "
                   "speak.";
        case Lifetime::max_retrans:
            return "Longest life of a connection that does nothing but retransmit (see tcp.max_retrans).";
        case Lifetime::unacknowledged:
            return "Longest life of an open connection with data that nobody acknowledges.";
        case Lifetime::loose:
            return "Life of a connection picked up in mid-stream, until both sides were heard.";
        case Lifetime::udp:
            return "Life of a UDP flow without an answer.";
        case Lifetime::udp_stream:
            return "Life of a UDP flow that goes both ways.";
        case Lifetime::icmp:
            return "Life of an ICMP echo.";
        case Lifetime::icmpv6:
            return "Life of an ICMPv6 echo.";
        case Lifetime::generic:
            return "Life of a flow of any other protocol.";
        case Lifetime::count_:
            break;
    }
    return "";
}

void add_general(std::vector<Key>& out) {
    out.push_back(choice<Profile>(
        {"profile", will, on_reload,
         "Which defaults hold for the keys not given: those of an inline firewall, or exactly "
         "nf_conntrack's."},
        {{"appliance", Profile::appliance}, {"linux", Profile::linux_kernel}},
        [](auto& c) -> auto& { return c.profile; }));
}

void add_daemon(std::vector<Key>& out) {
    out.push_back(number(
        {"daemon.workers", will, on_restart, "Workers, each of which polls on a core of its own."},
        {1, 64, "", "", false}, [](auto& c) -> auto& { return c.dpdk.workers; }));
    Key cpus = start({"daemon.cpus", may, on_restart,
                      "The cores of the workers, one for each; empty: chosen near the ports."},
                     Type::integers);
    cpus.range = {0, 1023, "", "", false};
    cpus.most_items = 64;
    cpus.get = [](const Configuration& c) {
        return Value(std::vector<std::int64_t>(c.dpdk.worker_cpus.begin(), c.dpdk.worker_cpus.end()));
    };
    cpus.set = [](Configuration& c, const Value& value) {
        std::vector<unsigned> chosen;
        for (const std::int64_t cpu : std::get<std::vector<std::int64_t>>(value)) {
            if (std::find(chosen.begin(), chosen.end(), cpu) != chosen.end()) return false;
            chosen.push_back(static_cast<unsigned>(cpu));
        }
        c.dpdk.worker_cpus = chosen;
        return true;
    };
    out.push_back(cpus);
    out.push_back(flag(
        {"daemon.huge_pages", may, on_restart,
         "Take memory from huge pages; false: ordinary pages, slower but never missing."},
        [](auto& c) -> auto& { return c.dpdk.huge_pages; }));
    out.push_back(number(
        {"daemon.memory_mb", expert, on_restart, "Memory for tables and packet buffers."},
        {64, 1'048'576, "MiB", "computed from tables and buffers", false},
        [](auto& c) -> auto& { return c.dpdk.memory_megabytes; }));
    out.push_back(number(
        {"daemon.packet_buffers", expert, on_restart, "Packet buffers of each worker."},
        {1024, 4'194'304, "", "computed from ports and descriptors", false},
        [](auto& c) -> auto& { return c.dpdk.packet_buffers; }));
    out.push_back(number(
        {"daemon.burst", expert, on_restart, "Most packets a worker takes from a queue at a time."},
        {1, 64, "", "", false}, [](auto& c) -> auto& { return c.dpdk.burst; }));
    out.push_back(flag(
        {"daemon.idle_backoff", may, on_restart,
         "Let a worker sleep when nothing arrives; false: it polls at full speed for ever."},
        [](auto& c) -> auto& { return c.dpdk.idle_backoff; }));
    out.push_back(number(
        {"daemon.idle_sleep_us", expert, on_restart,
         "Longest sleep of an idle worker; after a second with nothing to do, a millisecond."},
        {1, 10'000, "microseconds", "", false},
        [](auto& c) -> auto& { return c.dpdk.idle_sleep_microseconds; }));
    Key eal = start({"daemon.eal_arguments", expert, on_restart,
                     "Arguments for DPDK's environment layer, passed through untouched, before those after "
                     "-- on the command line."},
                    Type::texts);
    eal.most_items = 64;
    eal.text_expectation = "a list of arguments in quotes, none empty or with control characters";
    eal.get = [](const Configuration& c) { return Value(c.dpdk.eal_arguments); };
    eal.set = [](Configuration& c, const Value& value) {
        const auto& arguments = std::get<std::vector<std::string>>(value);
        for (const std::string& argument : arguments) {
            if (argument.empty()) return false;
            for (const char byte : argument)
                if (static_cast<unsigned char>(byte) < 0x20U || byte == 0x7f) return false;
        }
        c.dpdk.eal_arguments = arguments;
        return true;
    };
    out.push_back(eal);
}

/// "0660" to its bits; nothing when it is no mode.
bool read_mode(const std::string& text, std::uint32_t& mode) {
    if (text.size() < 3 || text.size() > 4 || (text.size() == 4 && text[0] != '0')) return false;
    std::uint32_t bits = 0;
    for (const char digit : text) {
        if (digit < '0' || digit > '7') return false;
        bits = bits * 8 + static_cast<std::uint32_t>(digit - '0');
    }
    // Connecting to a socket is writing to it: without that bit for the owner nobody could use it.
    if ((bits & 0200U) == 0) return false;
    mode = bits;
    return true;
}

bool read_socket_path(const std::string& text, std::string& path) {
    constexpr std::size_t room = sizeof(sockaddr_un::sun_path) - 1;
    static_assert(room == 107);
    if (text.size() < 2 || text.size() > room || text.front() != '/' || text.back() == '/') return false;
    for (const char byte : text)
        if (static_cast<unsigned char>(byte) < 0x20U || byte == 0x7f) return false;
    path = text;
    return true;
}

bool group_exists(const std::string& name) {
    std::array<char, 16'384> room{};
    ::group entry{};
    ::group* found = nullptr;
    return getgrnam_r(name.c_str(), &entry, room.data(), room.size(), &found) == 0 && found != nullptr;
}

void add_control(std::vector<Key>& out) {
    out.push_back(text(
        {"control.socket", may, on_restart,
         "The Unix socket that `sluice` talks to; the folder it lies in is made if that alone is missing."},
        "an absolute path of a file, at most 107 bytes, without control characters",
        [](const Configuration& c) { return c.control.path; },
        [](Configuration& c, const std::string& value) { return read_socket_path(value, c.control.path); }));
    out.push_back(text(
        {"control.mode", may, on_restart, "Who may connect to the socket."},
        "permission bits of a file in quotes, octal, writable for its owner, such as \"0660\"",
        [](const Configuration& c) {
            const auto digit = [&](unsigned shift) {
                return static_cast<char>('0' + (c.control.mode >> shift & 7U));
            };
            return std::string{'0', digit(6), digit(3), digit(0)};
        },
        [](Configuration& c, const std::string& value) { return read_mode(value, c.control.mode); }));
    out.push_back(text(
        {"control.group", may, on_restart, "The group the socket belongs to; empty: the daemon's own."},
        "the name of a group of this machine", [](const Configuration& c) { return c.control.group; },
        [](Configuration& c, const std::string& value) {
            if (value.find('\0') != std::string::npos || value.size() > 255) return false;
            if (!value.empty() && !group_exists(value)) return false;
            c.control.group = value;
            return true;
        }));
    out.push_back(number(
        {"control.event_slots", expert, on_restart,
         "Events (`sluice -E`) that each worker keeps until they are shown, 128 bytes each. Those that find "
         "no "
         "room are lost and counted."},
        {1024, 1 << 22, "events", "no events", true},
        [](auto& c) -> auto& { return c.control.event_slots; }));
    out.push_back(number(
        {"control.capture_slots", expert, on_restart,
         "Packets (`sluice capture`) that each worker keeps until they are shown, 512 bytes each. Those that "
         "find no room are lost and counted."},
        {64, 65'536, "packets", "no captures", true},
        [](auto& c) -> auto& { return c.control.capture_slots; }));
}

/// Where to listen for TCP connections; `port` for the examples.
template <class Field>
Key listen_address(const Head& head, const std::string& port, Field field) {
    return text(
        head,
        "a numeric address with a port behind it, such as \"127.0.0.1:" + port + "\" or \"[::1]:" + port +
            '"',
        [field](const Configuration& c) { return field(c); },
        [field](Configuration& c, const std::string& value) {
            if (!value.empty() && !control::parse_listen_address(value)) return false;
            field(c) = value;
            return true;
        });
}

void add_http(std::vector<Key>& out) {
    out.push_back(listen_address(
        {"metrics.listen", may, on_restart,
         "Where Prometheus scrapes the metrics (docs/metrics.md), over HTTP and without asking who it is; "
         "empty: "
         "nowhere."},
        "9477", [](auto& c) -> auto& { return c.metrics.listen; }));
    out.push_back(listen_address(
        {"web.listen", may, on_restart,
         "Where the daemon has a web page that shows what goes on (docs/web.md), over HTTP and without "
         "asking who looks; empty: nowhere."},
        "9478", [](auto& c) -> auto& { return c.web.listen; }));
    out.push_back(flag(
        {"web.beyond_loopback", expert, on_restart,
         "Let web.listen be an address that other machines reach; whoever does may look."},
        [](auto& c) -> auto& { return c.web.beyond_loopback; }));
}

/// Of a file that the daemon makes; empty: none.
bool read_file_path(const std::string& text, std::string& path) {
    // Room for what the daemon puts behind it: ".running", ".refused", ".1000".
    constexpr std::size_t most = 4000;
    if (!text.empty() && (text.size() < 2 || text.size() > most || text.front() != '/' || text.back() == '/'))
        return false;
    for (const char byte : text)
        if (static_cast<unsigned char>(byte) < 0x20U || byte == 0x7f) return false;
    path = text;
    return true;
}

void add_state(std::vector<Key>& out) {
    out.push_back(text(
        {"state.file", may, on_restart,
         "Where flows are kept from a stop of the daemon to its next start, which takes them up again "
         "(docs/restart.md); the folder it lies in is made if that alone is missing. Empty: they are lost."},
        "an absolute path of a file, or nothing, without control characters",
        [](const Configuration& c) { return c.state.path; },
        [](Configuration& c, const std::string& value) { return read_file_path(value, c.state.path); }));
    out.push_back(number(
        {"state.max_age", may, on_reload, "A file of flows that was written longer ago is refused."},
        {1, 86'400, "seconds", "", false}, [](auto& c) -> auto& { return c.state.max_age_seconds; }));
    out.push_back(number(
        {"state.interval", may, on_reload,
         "How often a running daemon copies its flows to a file beside state.file, so that after a crash no "
         "more are lost than began since (docs/restart.md). At most state.max_age."},
        {1, 86'400, "seconds", "never", false}, [](auto& c) -> auto& { return c.state.interval_seconds; }));
}

/// Events in the order of their kinds.
constexpr std::string_view event_words[] = {"new", "update", "destroy"};

void add_flow_log(std::vector<Key>& out) {
    out.push_back(text(
        {"flow_log.file", may, on_restart,
         "Where flows are written down, a line each (docs/flow-logs.md); the folder must be there. Empty: "
         "nowhere."},
        "an absolute path of a file, or nothing, without control characters",
        [](const Configuration& c) { return c.flow_log.path; },
        [](Configuration& c, const std::string& value) { return read_file_path(value, c.flow_log.path); }));
    out.push_back(choice<bool>(
        {"flow_log.format", may, on_restart,
         "How: as JSON, or as conntrack prints events with their time in front."},
        {{"json", true}, {"conntrack", false}}, [](auto& c) -> auto& { return c.flow_log.json; }));
    Key events = start({"flow_log.events", may, on_restart,
                        "What is written down: that a flow has begun, has changed its state, has ended."},
                       Type::texts);
    events.most_items = std::size(event_words);
    events.text_expectation = "a list of one or more of \"new\", \"update\" and \"destroy\"";
    events.get = [](const Configuration& c) {
        std::vector<std::string> words;
        for (std::size_t kind = 0; kind < std::size(event_words); ++kind)
            if ((c.flow_log.events >> kind & 1U) != 0) words.emplace_back(event_words[kind]);
        return Value(words);
    };
    events.set = [](Configuration& c, const Value& value) {
        pipeline::EventKinds kinds = 0;
        for (const std::string& word : std::get<std::vector<std::string>>(value)) {
            const auto* const found = std::find(std::begin(event_words), std::end(event_words), word);
            if (found == std::end(event_words)) return false;
            kinds |= 1U << (found - std::begin(event_words));
        }
        c.flow_log.events = kinds;
        return kinds != 0;
    };
    out.push_back(events);
    out.push_back(number(
        {"flow_log.rotate_mb", may, on_restart,
         "The file gives way to a new one before it is larger; FILE becomes FILE.1, that FILE.2 and so on."},
        {1, 1'048'576, "MiB", "whatever its size", false},
        [](auto& c) -> auto& { return c.flow_log.rotate_megabytes; }));
    out.push_back(number(
        {"flow_log.rotate_every", may, on_restart,
         "The same by time, counted from the beginning of 1970: 86400 is a file a day, from midnight UTC."},
        {1, 31'536'000, "seconds", "whatever its age", false},
        [](auto& c) -> auto& { return c.flow_log.rotate_seconds; }));
    out.push_back(number(
        {"flow_log.keep", may, on_restart, "Files that are kept beside the one that is written."},
        {1, 1000, "", "", false}, [](auto& c) -> auto& { return c.flow_log.keep; }));
}

void add_ipfix(std::vector<Key>& out) {
    out.push_back(text(
        {"ipfix.collector", may, on_restart,
         "Where flows that have ended are told, as IPFIX over UDP (docs/flow-logs.md); a name is looked up "
         "once, at the start. Empty: nowhere."},
        "an address or a name with a port behind it, such as \"192.0.2.9:4739\" or \"[2001:db8::9]:4739\"",
        [](const Configuration& c) { return c.ipfix.collector; },
        [](Configuration& c, const std::string& value) {
            if (!value.empty() && !control::parse_collector_name(value)) return false;
            c.ipfix.collector = value;
            return true;
        }));
    out.push_back(number(
        {"ipfix.domain", may, on_restart,
         "The observation domain: how the collector tells this box from others behind the same address."},
        {0, 4'294'967'295, "", "", false}, [](auto& c) -> auto& { return c.ipfix.domain; }));
    out.push_back(number(
        {"ipfix.active_timeout", may, on_restart,
         "How often flows that live longer than that are told meanwhile, each time with what came since; "
         "wants "
         "tracker.acct and tracker.timestamp."},
        {1, 86'400, "seconds", "only when they have ended", false},
        [](auto& c) -> auto& { return c.ipfix.active_timeout_seconds; }));
    out.push_back(number(
        {"ipfix.template_refresh", expert, on_restart,
         "How often the collector is told what records look like, should it have missed it."},
        {1, 3600, "seconds", "", false}, [](auto& c) -> auto& { return c.ipfix.template_refresh_seconds; }));
}

void add_ports(std::vector<Key>& out) {
    constexpr Range descriptors{64, 32'768, "", "", true};
    out.push_back(number(
        {"ports.mtu", may, on_restart, "Largest packet of every port."},
        {68, 9702, "bytes", "leave it as it is", false}, [](auto& c) -> auto& { return c.dpdk.mtu; }));
    out.push_back(flag(
        {"ports.promiscuous", expert, on_restart,
         "Take frames for other stations too, as a bump in the wire must."},
        [](auto& c) -> auto& { return c.dpdk.promiscuous; }));
    out.push_back(flag(
        {"ports.checksum_offload", may, on_restart, "Let ports check checksums where they can."},
        [](auto& c) -> auto& { return c.dpdk.checksum_offload; }));
    out.push_back(flag(
        {"ports.allow_offloads", expert, on_restart,
         "Start although an ordinary interface merges frames or leaves checksums unfinished."},
        [](auto& c) -> auto& { return c.dpdk.allow_offloads; }));
    out.push_back(number(
        {"ports.rx_descriptors", expert, on_restart,
         "Descriptors of a receive queue; lowered to what the device can."},
        descriptors, [](auto& c) -> auto& { return c.dpdk.rx_descriptors; }));
    out.push_back(number(
        {"ports.tx_descriptors", expert, on_restart,
         "Descriptors of a transmit queue; lowered to what the device can."},
        descriptors, [](auto& c) -> auto& { return c.dpdk.tx_descriptors; }));
    out.push_back(choice<dpdk::LinkLoss>(
        {"ports.link_loss", may, on_restart, "What the other port of a pair does when one loses its link."},
        {{"carry-over", dpdk::LinkLoss::carry_over}, {"ignore", dpdk::LinkLoss::ignore}},
        [](auto& c) -> auto& { return c.dpdk.link_loss; }));
    out.push_back(choice<dpdk::OnStop>(
        {"ports.on_stop", may, on_restart,
         "What becomes of the links when the daemon stops; nothing is forwarded either way (fail closed)."},
        {{"link-down", dpdk::OnStop::link_down}, {"leave-up", dpdk::OnStop::leave_up}},
        [](auto& c) -> auto& { return c.dpdk.on_stop; }));
    out.push_back(number(
        {"ports.control_packets_per_second", expert, on_restart,
         "Most packets a port sends on the box's own account, SYN cookies above all; a line of 10 Gbit/s "
         "carries 14880000 of the shortest."},
        {1, 20'000'000, "", "", false}, [](auto& c) -> auto& { return c.dpdk.control_packets_per_second; }));
}

template <class Field>
Key ether_type_list(const Head& head, Field field) {
    Key key = start(head, Type::texts);
    key.most_items = pipeline::max_ether_types;
    key.numbers_as_text = true;
    key.text_expectation =
        "a list of EtherTypes, each \"llc\" or another name that docs/configuration.md lists, or \"0x0600\" "
        "to \"0xffff\" except those of IP and of VLAN tags";
    key.get = [field](const Configuration& c) {
        std::vector<std::string> names;
        for (const std::uint16_t number : field(c)) names.push_back(name_of_ether_type(number));
        return Value(names);
    };
    key.set = [field](Configuration& c, const Value& value) {
        std::vector<std::uint16_t> numbers;
        for (const std::string& name : std::get<std::vector<std::string>>(value)) {
            const auto number = ether_type_of(name);
            if (!number) return false;
            numbers.push_back(*number);
        }
        field(c) = numbers;
        return true;
    };
    return key;
}

void add_ether_types(std::vector<Key>& out) {
    out.push_back(choice<bool>(
        {"ethertypes.default", may, on_reload,
         "What happens to frames that are neither IP nor listed below."},
        {{"drop", false}, {"pass", true}},
        [](auto& c) -> auto& { return c.settings.pass_other_ether_types; }));
    out.push_back(ether_type_list(
        {"ethertypes.pass", may, on_reload, "EtherTypes that pass, unseen by the tracker."},
        [](auto& c) -> auto& { return c.passed_ether_types; }));
    out.push_back(ether_type_list(
        {"ethertypes.drop", may, on_reload, "EtherTypes that are dropped and counted."},
        [](auto& c) -> auto& { return c.dropped_ether_types; }));
}

void add_tracker(std::vector<Key>& out) {
    out.push_back(number(
        {"tracker.max", will, on_restart,
         "Most flows tracked at a time, all workers and both address families together."},
        {2, 1 << 30, "flows", "", false}, [](auto& c) -> auto& { return c.totals.flows; }));
    out.push_back(number(
        {"tracker.ipv6_share", may, on_restart, "The part of tracker.max set aside for IPv6."},
        {0, 100, "per cent", "", false}, [](auto& c) -> auto& { return c.totals.ipv6_share; }));
    out.push_back(number(
        {"tracker.half_open_max", may, on_reload,
         "Most half-open connections of each address family at a time; 0: no limit of their own. Left out: "
         "at most an eighth of tracker.max."},
        {0, 1 << 30, "connections", "", false}, [](auto& c) -> auto& { return c.totals.half_open_flows; }));
    out.push_back(choice<bool>(
        {"tracker.invalid", may, on_reload,
         "What happens to packets that are refused: dropped, or passed and counted."},
        {{"drop", true}, {"pass", false}}, [](auto& c) -> auto& { return c.settings.drop_invalid; }));
    out.push_back(choice<bool>(
        {"tracker.when_full", may, on_reload,
         "What happens to a new flow that finds no room: dropped, or passed untracked."},
        {{"drop", true}, {"pass", false}}, [](auto& c) -> auto& { return c.settings.drop_when_full; }));
    out.push_back(flag(
        {"tracker.checksum", may, on_reload,
         "Refuse packets with a wrong checksum (those that the port did not check are checked here)."},
        [](auto& c) -> auto& { return c.settings.checksum; }));
    out.push_back(flag(
        {"tracker.acct", may, on_restart, "Count packets and bytes of each flow, by direction."},
        [](auto& c) -> auto& { return c.limits.accounting; }));
    out.push_back(flag(
        {"tracker.timestamp", may, on_restart, "Remember when each flow began."},
        [](auto& c) -> auto& { return c.limits.timestamps; }));
    out.push_back(flag(
        {"tracker.vlan_in_key", expert, on_restart,
         "The same addresses and ports in two VLANs are two flows; false: one."},
        [](auto& c) -> auto& { return c.settings.vlan_in_key; }));
}

void add_tcp(std::vector<Key>& out) {
    out.push_back(flag(
        {"tcp.loose", may, on_reload, "Pick connections up in mid-stream."},
        [](auto& c) -> auto& { return c.settings.tcp.loose; }));
    out.push_back(flag(
        {"tcp.be_liberal", may, on_reload, "Tolerate segments out of the window, except RST."},
        [](auto& c) -> auto& { return c.settings.tcp.be_liberal; }));
    out.push_back(flag(
        {"tcp.asymmetric", may, on_reload,
         "Only one direction of each connection crosses the box (direct server return)."},
        [](auto& c) -> auto& { return c.settings.tcp.asymmetric; }));
    out.push_back(flag(
        {"tcp.ignore_invalid_rst", expert, on_reload,
         "Tolerate a RST out of the window instead of refusing it."},
        [](auto& c) -> auto& { return c.settings.tcp.ignore_invalid_rst; }));
    out.push_back(flag(
        {"tcp.strict", expert, on_reload,
         "Refuse leftovers inside an open connection (window overshoot, SYN, inexact RST) instead of "
         "tolerating them."},
        [](auto& c) -> auto& { return c.settings.tcp.strict; }));
    out.push_back(flag(
        {"tcp.challenge_ack", expert, on_reload,
         "Answer segments that are dropped though they may be an endpoint's with what their receiver expects "
         "(RFC 5961)."},
        [](auto& c) -> auto& { return c.settings.challenge_ack; }));
    out.push_back(number(
        {"tcp.max_retrans", expert, on_reload,
         "Retransmissions in a row after which a connection lives no longer than tcp.timeout_max_retrans."},
        {0, 7, "", "", false}, [](auto& c) -> auto& { return c.settings.tcp.max_retrans; }));
}

void add_timeouts(std::vector<Key>& out) {
    for (std::size_t i = 0; i < lifetime_count; ++i) {
        const auto lifetime = static_cast<Lifetime>(i);
        const bool common = lifetime == Lifetime::established || lifetime == Lifetime::udp ||
                            lifetime == Lifetime::udp_stream || lifetime == Lifetime::syn_recv;
        out.push_back(number(
            {lifetime_texts[i].key, common ? may : expert, on_reload, sentence_of(lifetime)},
            seconds, [i](auto& c) -> auto& { return c.settings.timeouts[i]; }));
    }
}

void add_fragments(std::vector<Key>& out) {
    out.push_back(number(
        {"frag.timeout_ipv4", expert, on_reload,
         "How long the fragments of an IPv4 datagram wait for the missing ones."},
        {1, 3600, "seconds", "", false}, [](auto& c) -> auto& { return c.settings.fragment_timeout_ipv4; }));
    out.push_back(number(
        {"frag6.timeout", expert, on_reload,
         "How long the fragments of an IPv6 datagram wait for the missing ones."},
        {1, 3600, "seconds", "", false}, [](auto& c) -> auto& { return c.settings.fragment_timeout_ipv6; }));
    out.push_back(number(
        {"frag.datagrams", expert, on_restart, "Fragmented datagrams that each worker holds at a time."},
        {1, 65'536, "datagrams", "", false}, [](auto& c) -> auto& { return c.limits.fragment_datagrams; }));
}

std::vector<Key> build_keys() {
    std::vector<Key> out;
    add_general(out);
    add_daemon(out);
    add_control(out);
    add_http(out);
    add_state(out);
    add_flow_log(out);
    add_ipfix(out);
    add_ports(out);
    add_ether_types(out);
    add_tracker(out);
    add_tcp(out);
    add_timeouts(out);
    add_fragments(out);
    add_guard_keys(out);
    add_inspection_keys(out);
    return out;
}

/// One spelling for names that differ in dots, underscores and hyphens alone.
std::string plain(std::string_view name) {
    std::string out(name);
    std::replace_if(
        out.begin(), out.end(), [](char c) { return c == '.' || c == '-'; }, '_');
    return out;
}

/// Edits (insert, delete, replace, swap neighbours) that turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> last(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        before.swap(last);
        last.swap(row);
    }
    return last[b.size()];
}

struct LiteralWriter {
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(std::int64_t number) const { return std::to_string(number); }
    std::string operator()(const std::string& text) const {
        std::string out = "\"";
        for (const char c : text) {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
        return out + '"';
    }
    template <class Item>
    std::string operator()(const std::vector<Item>& items) const {
        std::string out = "[";
        for (const auto& item : items) out += (out.size() > 1 ? ", " : "") + (*this)(item);
        return out + "]";
    }
};

std::string_view leaf_of(std::string_view name) {
    return name.substr(name.rfind('.') + 1);
}

}  // namespace

const std::vector<Key>& keys() {
    static const std::vector<Key> all = build_keys();
    return all;
}

const Key* find_key(std::string_view name) {
    for (const Key& key : keys())
        if (key.name == name) return &key;
    return nullptr;
}

const Key* find_key_by_any_name(std::string_view name) {
    if (const Key* key = find_key(name)) return key;
    constexpr std::string_view tree = "net_netfilter_";
    constexpr std::string_view module = "nf_conntrack_";
    const std::string whole = plain(name);
    std::string_view rest = whole;
    if (rest.starts_with(tree)) rest.remove_prefix(tree.size());
    if (rest.starts_with(module)) rest.remove_prefix(module.size());
    for (const Key& key : keys()) {
        const std::string candidate = plain(key.name);
        if (candidate == rest || candidate == "tracker_" + std::string(rest)) return &key;
    }
    return nullptr;
}

std::string_view suggest(std::string_view wrong, const std::vector<std::string_view>& candidates) {
    constexpr std::size_t longest_considered = 48;
    if (wrong.empty() || wrong.size() > longest_considered) return {};
    const std::string_view leaf = leaf_of(wrong);
    const std::size_t allowed = leaf.size() <= 4 ? 1 : leaf.size() <= 8 ? 2 : 3;
    std::size_t best = allowed + 1;
    std::string_view found;
    for (const std::string_view candidate : candidates) {
        std::size_t distance = edit_distance(plain(wrong), plain(candidate));
        // A key in the wrong section, or in none, is as good as one letter wrong.
        if (leaf == leaf_of(candidate)) distance = std::min<std::size_t>(distance, 1);
        if (distance < best) {
            best = distance;
            found = candidate;
        }
    }
    return found;
}

std::string expectation_of(const Range& range) {
    std::string out = range.power_of_two ? "a power of two" : "a whole number";
    if (!range.unit.empty()) out += " of " + std::string(range.unit);
    if (range.unit == "per cent") out = "a percentage";
    out += " from " + std::to_string(range.least) + " to " + std::to_string(range.most);
    if (!range.zero.empty()) out += ", or 0 (" + std::string(range.zero) + ")";
    return out;
}

bool contains(const Range& range, std::int64_t number) {
    if (number == 0 && !range.zero.empty()) return true;
    if (number < range.least || number > range.most) return false;
    return !range.power_of_two || std::has_single_bit(static_cast<std::uint64_t>(number));
}

std::string expectation_of(const Key& key) {
    switch (key.type) {
        case Type::boolean:
            return "true or false";
        case Type::integer:
            return expectation_of(key.range);
        case Type::integers:
            return "a list of different whole numbers from " + std::to_string(key.range.least) + " to " +
                   std::to_string(key.range.most);
        case Type::text:
        case Type::texts:
            return key.text_expectation;
        case Type::choice:
            break;
    }
    std::string out;
    for (std::size_t i = 0; i < key.words.size(); ++i) {
        if (i != 0) out += i + 1 == key.words.size() ? " or " : ", ";
        out += '"' + std::string(key.words[i]) + '"';
    }
    return out;
}

std::string literal(const Value& value) {
    return std::visit(LiteralWriter{}, value);
}

const std::vector<TableKey>& pair_keys() {
    static const std::vector<TableKey> all{
        {"name", false, "What people and counters call the pair; left out: pair1, pair2 and so on.",
         "1 to 31 letters, digits, '_', '-' and '.', different from the other pairs"},
        {"ports", false,
         "The two ends of the wire: a PCI address, \"af_xdp:INTERFACE\" or \"af_packet:INTERFACE\" for an "
         "ordinary "
         "interface, or a virtual device with its arguments such as \"net_tap0,iface=tap0\".",
         "two different devices, each used once in the whole file"},
        {"zone", false,
         "The conntrack zone of the flows of this pair; pairs of different zones share no flow.",
         "a whole number from 0 to 65535"},
    };
    return all;
}

}  // namespace sluice::app
