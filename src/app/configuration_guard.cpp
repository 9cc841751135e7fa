#include "app/configuration_guard.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "app/configuration_key_kinds.hpp"

namespace sluice::app {

using namespace key_kinds;

namespace {

Key of_service(Key key) {
    key.of_service = true;
    return key;
}

template <class Field>
Key mode(const Head& head, Field field) {
    using guard::Mode;
    return choice<Mode>(
        head,
        {{"off", Mode::off}, {"monitor", Mode::monitor}, {"auto", Mode::automatic}, {"always", Mode::always}},
        field);
}

constexpr Range syns{1, 100'000'000, "SYNs a second", "", false};
constexpr Range flows{1, 100'000'000, "flows", "", false};
constexpr Range numbers{0, 4095, "", "", false};

void add_thresholds(std::vector<Key>& out) {
    out.push_back(of_service(number(
        {"guard.alarm_rate", may, on_reload,
         "Unfinished SYNs a second of a service from which an attack is reported."},
        syns, [](auto& c) -> auto& { return c.guard.policy.alarm.rate; })));
    out.push_back(of_service(number(
        {"guard.activate_rate", may, on_reload,
         "Unfinished SYNs a second from which a service is defended (mode auto)."},
        syns, [](auto& c) -> auto& { return c.guard.policy.activate.rate; })));
    out.push_back(of_service(number(
        {"guard.maximum_rate", may, on_reload,
         "Unfinished SYNs a second from which a service gets no more SYNs than so many (mode auto)."},
        syns, [](auto& c) -> auto& { return c.guard.policy.maximum.rate; })));
    out.push_back(of_service(number(
        {"guard.alarm_half_open", may, on_reload,
         "Half-open connections of a service from which an attack is reported."},
        flows, [](auto& c) -> auto& { return c.guard.policy.alarm.half_open; })));
    out.push_back(of_service(number(
        {"guard.activate_half_open", may, on_reload,
         "Half-open connections from which a service is defended (mode auto)."},
        flows, [](auto& c) -> auto& { return c.guard.policy.activate.half_open; })));
    out.push_back(of_service(number(
        {"guard.maximum_half_open", may, on_reload,
         "Half-open connections from which a service gets no more SYNs a second than guard.maximum_rate."},
        flows, [](auto& c) -> auto& { return c.guard.policy.maximum.half_open; })));
}

void add_judgement(std::vector<Key>& out) {
    out.push_back(of_service(number(
        {"guard.baseline_multiple", expert, on_reload,
         "Alarm and activate rise to so many times what a service usually leaves unfinished; 0: they stay as "
         "configured."},
        {0, 100, "", "", false}, [](auto& c) -> auto& { return c.guard.policy.baseline_multiple; })));
    out.push_back(of_service(number(
        {"guard.baseline_ceiling", expert, on_reload,
         "But to no more than so many times what is configured."},
        {1, 1000, "", "", false}, [](auto& c) -> auto& { return c.guard.policy.baseline_ceiling; })));
    Key leave = start({"guard.leave_share", expert, on_reload,
                       "A level is left when the numbers have been below this part of its threshold for "
                       "guard.stay."},
                      Type::integer);
    leave.range = {1, 100, "per cent", "", false};
    leave.get = [](const Configuration& c) {
        return Value(static_cast<std::int64_t>(std::llround(c.guard.policy.leave_share * 100)));
    };
    leave.set = [](Configuration& c, const Value& value) {
        c.guard.policy.leave_share = static_cast<double>(std::get<std::int64_t>(value)) / 100;
        return true;
    };
    out.push_back(of_service(std::move(leave)));
    Key stay = start({"guard.stay", may, on_reload,
                      "How long a level is held after the last moment that called for it; shorter pauses do "
                      "not end an attack."},
                     Type::integer);
    stay.range = {1, 86'400, "seconds", "", false};
    stay.get = [](const Configuration& c) {
        return Value(static_cast<std::int64_t>(c.guard.policy.stay / 1000));
    };
    stay.set = [](Configuration& c, const Value& value) {
        c.guard.policy.stay = static_cast<guard::Milliseconds>(std::get<std::int64_t>(value)) * 1000;
        return true;
    };
    out.push_back(of_service(std::move(stay)));
    out.push_back(of_service(flag(
        {"guard.defend_unanswered", expert, on_reload,
         "Defend a service whose server has stopped answering as if it were flooded."},
        [](auto& c) -> auto& { return c.guard.policy.defend_unanswered; })));
    out.push_back(of_service(number(
        {"guard.source_alarm", expert, on_reload,
         "Unfinished SYNs a second from which a source is limited while the service it sends to is "
         "defended."},
        syns, [](auto& c) -> auto& { return c.guard.policy.source_alarm; })));
    out.push_back(of_service(number(
        {"guard.source_floor", expert, on_reload,
         "SYNs a second that a limited source may always send; twice what it completes, when that is more."},
        syns, [](auto& c) -> auto& { return c.guard.policy.source_floor; })));
}

template <class Field>
Key prefix_list(const Head& head, Field field) {
    Key key = start(head, Type::texts);
    key.most_items = 1024;
    key.text_expectation =
        "a list of addresses and prefixes without bits beyond their length, such as \"192.0.2.0/24\" or "
        "\"2001:db8::/48\"";
    key.get = [field](const Configuration& c) {
        std::vector<std::string> texts;
        for (const control::SourcePrefix& prefix : field(c)) texts.push_back(text_of(prefix));
        return Value(texts);
    };
    key.set = [field](Configuration& c, const Value& value) {
        std::vector<control::SourcePrefix> prefixes;
        for (const std::string& text : std::get<std::vector<std::string>>(value)) {
            const auto prefix = parse_prefix(text);
            if (!prefix) return false;
            prefixes.push_back({prefix->address, prefix->length});
        }
        field(c) = prefixes;
        return true;
    };
    return key;
}

void add_answers(std::vector<Key>& out) {
    using pipeline::Proof;
    out.push_back(of_service(choice<Proof>(
        {"guard.proof", may, on_reload,
         "How a client shows its address while its service is defended: by a SYN cookie, the flow proxied "
         "from then on (proxy); by the RST that a wrong answer calls for (reset); by asking twice "
         "(second_syn)."},
        {{"proxy", Proof::proxy}, {"reset", Proof::reset}, {"second_syn", Proof::second_syn}},
        [](auto& c) -> auto& { return c.guard.rules.proof; })));
    out.push_back(of_service(flag(
        {"guard.hide_sequence_numbers", expert, on_reload,
         "Replace the initial sequence numbers of servers by ones that nobody can guess (RFC 6528), at all "
         "times."},
        [](auto& c) -> auto& { return c.guard.rules.hides_sequence; })));
    constexpr Range rate{0, 100'000'000, "SYNs a second", "as many as come", false};
    out.push_back(of_service(number(
        {"guard.syn_rate", expert, on_reload,
         "SYNs a second that a service gets at the most, whatever its level."},
        rate, [](auto& c) -> auto& { return c.guard.rules.syn_rate; })));
    out.push_back(of_service(number(
        {"guard.source_rate", expert, on_reload,
         "SYNs a second that one source may send to a service, whatever its level."},
        rate, [](auto& c) -> auto& { return c.guard.rules.source_rate; })));
    out.push_back(prefix_list(
        {"guard.allow", may, on_reload,
         "Sources whose SYNs pass untouched, never limited and never asked for a proof."},
        [](auto& c) -> auto& { return c.guard.allowed; }));
    out.push_back(prefix_list(
        {"guard.deny", may, on_reload,
         "Sources whose SYNs are dropped; of allow and deny the longest prefix counts."},
        [](auto& c) -> auto& { return c.guard.denied; }));
}

void add_services(std::vector<Key>& out) {
    out.push_back(flag(
        {"guard.learn", may, on_reload,
         "Take an address and port where handshakes are completed for a service; false: those known stay "
         "until they are idle."},
        [](auto& c) -> auto& { return c.guard.learn; }));
    out.push_back(number(
        {"guard.learnt_idle", expert, on_reload,
         "How long a learnt service is remembered after its last completed handshake."},
        {1, 2'000'000, "seconds", "", false}, [](auto& c) -> auto& { return c.guard.learnt_idle; }));
    out.push_back(mode(
        {"guard.unlisted_mode", expert, on_reload,
         "The mode for SYNs to what is no service: other addresses and ports, scans of them, connections "
         "outwards."},
        [](auto& c) -> auto& { return c.guard.unlisted_mode; }));
    out.push_back(number(
        {"guard.group_ipv4", expert, on_reload,
         "Services whose addresses share so many bits are also judged together, against floods spread over "
         "a network."},
        {8, 32, "bits", "none are", false}, [](auto& c) -> auto& { return c.guard.group_ipv4; }));
    out.push_back(number(
        {"guard.group_ipv6", expert, on_reload, "The same for IPv6."}, {16, 128, "bits", "none are", false},
        [](auto& c) -> auto& { return c.guard.group_ipv6; }));
    out.push_back(flag(
        {"guard.enabled", expert, on_restart,
         "Count SYNs at all; false: neither memory nor time is spent on floods, whatever the modes."},
        [](auto& c) -> auto& { return c.guard.enabled; }));
    out.push_back(number(
        {"guard.max_services", expert, on_restart, "Room for [[guard.service]]; 128 bytes each and worker."},
        numbers, [](auto& c) -> auto& { return c.guard.max_services; }));
    out.push_back(number(
        {"guard.max_learnt", expert, on_restart,
         "Most services learnt at a time; 128 bytes each and worker."},
        numbers, [](auto& c) -> auto& { return c.guard.max_learnt; }));
    out.push_back(number(
        {"guard.proxied_handshakes", expert, on_restart,
         "Handshakes with servers on behalf of clients that each worker can have under way."},
        {1, 65'534, "", "", false}, [](auto& c) -> auto& { return c.limits.proxied_handshakes; }));
}

}  // namespace

void add_guard_keys(std::vector<Key>& out) {
    out.push_back(of_service(mode(
        {"guard.mode", will, on_reload,
         "What is done about floods of SYNs: nothing (off), said (monitor), said and answered (auto), "
         "answered all the time (always)."},
        [](auto& c) -> auto& { return c.guard.policy.mode; })));
    add_thresholds(out);
    add_judgement(out);
    add_answers(out);
    add_services(out);
}

const std::vector<TableKey>& service_keys() {
    static const std::vector<TableKey> all{
        {"name", true, "What people call the service; left out: its address and port.",
         "1 to 31 letters, digits, '_', '-' and '.', different from the other services"},
        {"address", true, "The address that is protected, or the prefix.",
         "an address or a prefix without bits beyond its length, such as \"192.0.2.1\", \"192.0.2.0/24\" or "
         "\"2001:db8::/48\""},
        {"port", true, "The port; left out: all of them together.",
         "a whole number from 1 to 65535, or \"all\""},
    };
    return all;
}

std::optional<AddressPrefix> parse_prefix(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::string address(text.substr(0, slash));
    if (address.find('\0') != std::string::npos) return std::nullopt;
    AddressPrefix out;
    std::array<std::uint8_t, 16> bytes{};
    unsigned longest = 128;
    if (inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) {
        out.address = guard::Address::ipv4(bytes.data());
        longest = 32;
    } else if (inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) {
        out.address = guard::Address::ipv6(bytes.data());
    } else {
        return std::nullopt;
    }
    unsigned length = longest;
    if (slash != std::string_view::npos) {
        const std::string_view digits = text.substr(slash + 1);
        if (digits.empty() || digits.size() > 3 ||
            digits.find_first_not_of("0123456789") != std::string_view::npos)
            return std::nullopt;
        length = static_cast<unsigned>(std::stoul(std::string(digits)));
        if (length > longest) return std::nullopt;
    }
    out.length = static_cast<std::uint8_t>(128 - longest + length);
    const guard::Address mask = guard::ServiceMap::mask_of(out.length);
    if ((out.address.high & ~mask.high) != 0 || (out.address.low & ~mask.low) != 0) return std::nullopt;
    return out;
}

std::string text_of(const control::SourcePrefix& prefix) {
    const bool ipv4 = prefix.address.is_ipv4() && prefix.length >= 96;
    return guard::text_of(prefix.address) + '/' + std::to_string(prefix.length - (ipv4 ? 96 : 0));
}

std::uint32_t& threshold(guard::Policy& policy, std::size_t quantity, std::size_t step) {
    const std::array<guard::Threshold*, 3> all{&policy.alarm, &policy.activate, &policy.maximum};
    return quantity == 0 ? all[step]->rate : all[step]->half_open;
}

void put_in_order(guard::Policy& policy, std::size_t quantity, const std::array<bool, 3>& given) {
    const auto at = [&](std::size_t step) -> std::uint32_t& { return threshold(policy, quantity, step); };
    for (std::size_t step = 1; step < 3; ++step)
        if (!given[step]) at(step) = std::max(at(step), at(step - 1));
    for (std::size_t step = 2; step-- > 0;)
        if (!given[step]) at(step) = std::min(at(step), at(step + 1));
}

}  // namespace sluice::app
