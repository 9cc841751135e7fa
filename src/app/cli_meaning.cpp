#include "app/cli_meaning.hpp"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <bitset>
#include <iterator>
#include <optional>
#include <utility>

#include "sluice/base/time.hpp"
#include "sluice/control/text.hpp"
#include "sluice/pipeline/settings.hpp"

namespace sluice::app {
namespace {

using control::AddressMatch;
using control::Filter;
using control::Format;
using control::NewFlow;
using control::Query;

template <class... Arguments>
Error error(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    return Error{fmt::format(text, std::forward<Arguments>(arguments)...)};
}

/// Of dropped packets, for who does not say how many.
constexpr std::size_t usual_examples = 3;

/// As conntrack compares the words of -u and -o.
bool same_word(std::string_view one, std::string_view other) {
    return one.size() == other.size() && strncasecmp(one.data(), other.data(), one.size()) == 0;
}

/// Collects the options into a filter; commands that do not filter take their parts from it.
class Meaning {
  public:
    explicit Meaning(Arguments& out) : out_(out), filter_(out.query.filter) {}

    Status take(const Given& given);
    Status conclude();

  private:
    [[nodiscard]] bool has(OptionId id) const { return given_[static_cast<std::size_t>(id)]; }

    Status take_flow_part(const Given& given);
    Status take_address(std::optional<AddressMatch>& match, std::string_view text);
    Status take_mask(std::optional<packet::Address>& mask, std::string_view text);
    template <class Number>
    Status take_number(const Given& given, std::optional<Number>& number,
                       std::uint64_t highest = std::numeric_limits<Number>::max());
    Status take_status(std::string_view text);
    Status take_mark(std::string_view text);
    Status take_output(std::string_view text);
    Status take_events(std::string_view text);
    Status take_buffer(const Given& given);
    Status take_examples(const Given& given);
    Status apply_masks();
    Status check_protocol_parts() const;
    Status conclude_whole_tuple() const;
    Status conclude_update();
    Status conclude_insert();
    Status conclude_own_rows();
    Status check_reply_tuple() const;

    Arguments& out_;
    Filter& filter_;
    std::bitset<static_cast<std::size_t>(OptionId::count_)> given_;
    std::optional<packet::Address> source_mask_, destination_mask_;
    std::optional<std::uint32_t> timeout_;
    control::EventMask events_ = 0;  ///< named so far
    bool prefixes_ = false;          ///< some address has a prefix
    bool unset_ = false;             ///< -u UNSET
    bool unreplied_ = false;         ///< -u UNREPLIED
};

Status Meaning::take(const Given& given) {
    given_.set(static_cast<std::size_t>(given.option->id));
    switch (given.option->id) {
        case OptionId::timeout:
            return take_number(given, timeout_, max_lifetime_seconds);
        case OptionId::output:
            return take_output(given.value);
        case OptionId::event_mask:
            return take_events(given.value);
        case OptionId::buffer_size:
            return take_buffer(given);
        case OptionId::zero:
            out_.query.zero = true;
            return success();
        case OptionId::json:
            out_.json = true;
            out_.query.format.style = Format::Style::json;
            return success();
        case OptionId::reasons:
            out_.by_reason = true;
            return success();
        case OptionId::counts:
            out_.counts = true;
            return success();
        case OptionId::watch:
            out_.watch = true;
            return success();
        case OptionId::examples:
            return take_examples(given);
        case OptionId::verbose:
            if (out_.query.examples == 0) out_.query.examples = usual_examples;
            return success();
        case OptionId::story:
            out_.story = true;
            return success();
        case OptionId::services:
            out_.query.services = true;
            return success();
        case OptionId::reset:
            out_.query.reset = true;
            return success();
        case OptionId::socket:
            if (given.value.empty()) return error("`--socket' needs the path of a socket");
            out_.socket = given.value;
            return success();
        default:
            return take_flow_part(given);
    }
}

Status Meaning::take_flow_part(const Given& given) {
    switch (given.option->id) {
        case OptionId::source:
            return take_address(filter_.original.source, given.value);
        case OptionId::destination:
            return take_address(filter_.original.destination, given.value);
        case OptionId::reply_source:
            return take_address(filter_.reply.source, given.value);
        case OptionId::reply_destination:
            return take_address(filter_.reply.destination, given.value);
        case OptionId::mask_source:
            return take_mask(source_mask_, given.value);
        case OptionId::mask_destination:
            return take_mask(destination_mask_, given.value);
        case OptionId::protocol:
            filter_.protocol = control::parse_protocol(given.value);
            return filter_.protocol ? success() : error("`{}' unsupported protocol", given.value);
        case OptionId::family: {
            if (given.value != "ipv4" && given.value != "ipv6")
                return error("`{}' unsupported protocol", given.value);
            const auto family = given.value == "ipv4" ? packet::Family::ipv4 : packet::Family::ipv6;
            if (filter_.family && *filter_.family != family) return error("mismatched address family");
            filter_.family = family;
            return success();
        }
        case OptionId::source_port:
            return take_number(given, filter_.original.source_port);
        case OptionId::destination_port:
            return take_number(given, filter_.original.destination_port);
        case OptionId::reply_source_port:
            return take_number(given, filter_.reply.source_port);
        case OptionId::reply_destination_port:
            return take_number(given, filter_.reply.destination_port);
        case OptionId::icmp_type:
            return take_number(given, filter_.icmp_type);
        case OptionId::icmp_code:
            return take_number(given, filter_.icmp_code);
        case OptionId::icmp_id:
            return take_number(given, filter_.icmp_id);
        case OptionId::state: {
            const auto pair = control::pair_of_state(given.value);
            if (!pair) return error("unknown TCP state `{}'", given.value);
            filter_.state = tcp::text_of(*pair).conntrack_name;
            return success();
        }
        case OptionId::status:
            return take_status(given.value);
        case OptionId::mark:
            return take_mark(given.value);
        case OptionId::zone:
            return take_number(given, filter_.zone);
        case OptionId::vlan:
            return take_number(given, filter_.vlan, 4094);
        case OptionId::port_pair:
            return take_number(given, filter_.port_pair, pipeline::max_port_pairs - 1);
        case OptionId::one_way_zone:
        case OptionId::nat:
            filter_.nothing = true;
            return success();
        default:
            return success();
    }
}

Status Meaning::take_address(std::optional<AddressMatch>& match, std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = control::parse_address(text.substr(0, slash));
    if (!address) return error("Invalid IP address `{}'", text);
    if (filter_.family && *filter_.family != address->family) return error("mismatched address family");
    filter_.family = address->family;
    unsigned bits = address->family == packet::Family::ipv4 ? 32 : 128;
    if (slash != std::string_view::npos) {
        const auto prefix = control::parse_number(text.substr(slash + 1), bits);
        if (!prefix) return error("Invalid netmask in `{}': a prefix has 0 to {} bits", text, bits);
        if (*prefix != bits) prefixes_ = true;
        bits = static_cast<unsigned>(*prefix);
    }
    match = AddressMatch{address->address, control::prefix_mask(address->family, bits)};
    return success();
}

Status Meaning::take_mask(std::optional<packet::Address>& mask, std::string_view text) {
    const auto address = control::parse_address(text);
    if (!address) return error("Invalid IP address `{}'", text);
    if (filter_.family && *filter_.family != address->family) return error("mismatched address family");
    filter_.family = address->family;
    mask = address->address;
    return success();
}

template <class Number>
Status Meaning::take_number(const Given& given, std::optional<Number>& number, std::uint64_t highest) {
    const auto value = control::parse_number(given.value, highest);
    if (!value)
        return error("`{}' is no value for `--{}': a whole number from 0 to {} is", given.value,
                     given.option->names[0], highest);
    number = static_cast<Number>(*value);
    return success();
}

Status Meaning::take_status(std::string_view text) {
    while (true) {
        const std::size_t comma = text.find(',');
        const std::string_view word = text.substr(0, comma);
        if (same_word(word, "ASSURED"))
            filter_.status_set |= control::assured_bit;
        else if (same_word(word, "SEEN_REPLY"))
            filter_.status_set |= control::seen_reply_bit;
        else if (same_word(word, "FIXED_TIMEOUT"))
            filter_.status_set |= control::fixed_timeout_bit;
        else if (same_word(word, "UNREPLIED"))
            unreplied_ = true, filter_.status_clear |= control::seen_reply_bit;
        else if (same_word(word, "UNSET"))
            unset_ = true, filter_.status_clear |=
                           control::assured_bit | control::seen_reply_bit | control::fixed_timeout_bit;
        else if (same_word(word, "EXPECTED") || same_word(word, "OFFLOAD") || same_word(word, "HW_OFFLOAD"))
            filter_.nothing = true;
        else
            return error("Bad parameter `{}'", word);
        if (comma == std::string_view::npos) return success();
        text.remove_prefix(comma + 1);
    }
}

Status Meaning::take_mark(std::string_view text) {
    constexpr std::uint64_t highest = 0xFFFFFFFFU;
    const std::size_t slash = text.find('/');
    const auto value = control::parse_number(text.substr(0, slash), highest);
    const auto mask =
        slash == std::string_view::npos ? highest : control::parse_number(text.substr(slash + 1), highest);
    if (!value || !mask) return error("`{}' is no mark: MARK or MARK/MASK, decimal or 0x… is", text);
    filter_.mark = Filter::Mark{static_cast<std::uint32_t>(*value), static_cast<std::uint32_t>(*mask)};
    return success();
}

Status Meaning::take_output(std::string_view text) {
    Format& format = out_.query.format;
    bool save = false, other = false;
    while (true) {
        const std::size_t comma = text.find(',');
        const std::string_view word = text.substr(0, comma);
        if (same_word(word, "save"))
            save = true;
        else
            other = true;
        if (same_word(word, "extended"))
            format.extended = true;
        else if (same_word(word, "id"))
            format.id = true;
        else if (same_word(word, "ktimestamp"))
            format.start_time = true;
        else if (same_word(word, "json"))
            format.style = Format::Style::json;
        else if (same_word(word, "xml"))
            return error("there is no XML here: use `-o json'");
        else if (same_word(word, "timestamp"))
            format.time = out_.command == Command::events;  // of a listing it says nothing
        // These say something of what no flow here has.
        else if (!same_word(word, "save") && !same_word(word, "labels") && !same_word(word, "userspace"))
            return error("Bad parameter `{}'", word);
        if (comma == std::string_view::npos) break;
        text.remove_prefix(comma + 1);
    }
    if (save && other)
        return error("cannot combine save output with any other output type, use -o save only");
    if (save) format.style = Format::Style::save;
    return success();
}

Status Meaning::take_events(std::string_view text) {
    constexpr std::pair<std::string_view, control::EventMask> words[] = {
        {"ALL", control::all_events},
        {"NEW", pipeline::only(pipeline::EventKind::created)},
        {"UPDATES", pipeline::only(pipeline::EventKind::updated)},
        {"DESTROY", pipeline::only(pipeline::EventKind::destroyed)},
        {"FLOODS", control::flood_events},
        {"ALERT", control::alert_events},
        {"ALERTS", control::alert_events}};
    if (events_ == 0) out_.query.events = 0;
    while (true) {
        const std::size_t comma = text.find(',');
        const std::string_view word = text.substr(0, comma);
        const auto* const known = std::find_if(std::begin(words), std::end(words),
                                               [&](const auto& one) { return same_word(one.first, word); });
        if (known == std::end(words)) return error("Bad parameter `{}'", word);
        out_.query.events = events_ |= known->second;
        if (comma == std::string_view::npos) return success();
        text.remove_prefix(comma + 1);
    }
}

/// Taken as near as may be, as the kernel does with conntrack's.
Status Meaning::take_buffer(const Given& given) {
    std::optional<std::uint32_t> bytes;
    if (auto taken = take_number(given, bytes); !taken) return taken;
    out_.query.buffer_bytes =
        std::clamp<std::size_t>(*bytes, control::least_event_buffer, control::most_event_buffer);
    return success();
}

Status Meaning::take_examples(const Given& given) {
    std::optional<std::size_t> examples;
    if (auto taken = take_number(given, examples, pipeline::DropExamples::kept); !taken) return taken;
    if (*examples == 0)
        return error("`--examples 0' shows none: 1 to {} are kept", pipeline::DropExamples::kept);
    out_.query.examples = *examples;
    return success();
}

Status Meaning::apply_masks() {
    if (source_mask_) {
        if (!filter_.original.source) return error("Can't use --mask-src without --src");
        filter_.original.source->mask = *source_mask_;
    }
    if (destination_mask_) {
        if (!filter_.original.destination) return error("Can't use --mask-dst without --dst");
        filter_.original.destination->mask = *destination_mask_;
    }
    return success();
}

/// Options of one protocol beside another protocol's name are a mistake, not an empty listing.
Status Meaning::check_protocol_parts() const {
    if (!filter_.protocol) return success();
    const bool ports = has(OptionId::source_port) || has(OptionId::destination_port) ||
                       has(OptionId::reply_source_port) || has(OptionId::reply_destination_port);
    if (ports && !control::has_ports(*filter_.protocol))
        return error("ports go with `-p tcp' or `-p udp' only");
    if (has(OptionId::state) && *filter_.protocol != packet::tcp)
        return error("`--state' goes with `-p tcp' only");
    const bool icmp = has(OptionId::icmp_type) || has(OptionId::icmp_code) || has(OptionId::icmp_id);
    if (icmp && !control::is_icmp(*filter_.protocol))
        return error("ICMP types, codes and ids go with `-p icmp' or `-p icmpv6' only");
    return success();
}

/// -G and -I are about exactly one flow.
Status Meaning::conclude_whole_tuple() const {
    if (!filter_.protocol) return error("You need to supply the `--protonum' option for this command");
    if (!filter_.original.source || !filter_.original.destination)
        return error("you have to specify `--src' and `--dst'");
    if (prefixes_) return error("this command takes whole addresses, no prefixes");
    if (control::has_ports(*filter_.protocol) &&
        (!filter_.original.source_port || !filter_.original.destination_port))
        return error("you have to specify `--sport' and `--dport'");
    if (control::is_icmp(*filter_.protocol) && !filter_.icmp_type)
        return error("You need to supply the `--icmp-type' option for this command");
    return success();
}

/// Without NAT the reply tuple is the mirror of the original one; `-o save` prints both.
Status Meaning::check_reply_tuple() const {
    const auto& there = filter_.original;
    const auto& back = filter_.reply;
    const bool mirror = (!back.source || back.source == there.destination) &&
                        (!back.destination || back.destination == there.source) &&
                        (!back.source_port || back.source_port == there.destination_port) &&
                        (!back.destination_port || back.destination_port == there.source_port);
    return mirror ? success()
                  : error("the reply direction must mirror the original one: there is no NAT here");
}

/// Timeout, mark and status of an update say what to set, not what to match.
Status Meaning::conclude_update() {
    control::Change& change = out_.query.change;
    change = {timeout_, filter_.mark, filter_.status_set};
    if (filter_.nothing || filter_.status_clear != 0)
        return error("of a flow's status ASSURED, SEEN_REPLY and FIXED_TIMEOUT can be set, none taken back");
    filter_.mark.reset();
    filter_.status_set = 0;
    return change.timeout_seconds || change.mark || change.status != 0
               ? success()
               : error("what should be updated? give `--timeout', `--mark' or `--status'");
}

Status Meaning::conclude_insert() {
    if (auto whole = conclude_whole_tuple(); !whole) return whole;
    if (auto mirrored = check_reply_tuple(); !mirrored) return mirrored;
    if (!timeout_) return error("You need to supply the `--timeout' option for this command");
    if (*filter_.protocol == packet::tcp && !filter_.state)
        return error("You need to supply the `--state' option for this command");
    if (filter_.nothing || unreplied_ || (unset_ && filter_.status_set != 0))
        return error("a new flow's status is UNSET, or any of ASSURED, SEEN_REPLY and FIXED_TIMEOUT");
    if (filter_.icmp_code.value_or(0) != 0) return error("the code of an ICMP query is 0");
    NewFlow& flow = out_.query.flow;
    flow.family = *filter_.family;
    flow.protocol = *filter_.protocol;
    flow.source = filter_.original.source->address;
    flow.destination = filter_.original.destination->address;
    flow.source_port = filter_.original.source_port.value_or(0);
    flow.destination_port = filter_.original.destination_port.value_or(0);
    flow.icmp_type = filter_.icmp_type.value_or(0);
    flow.icmp_id = filter_.icmp_id.value_or(0);
    if (filter_.state) flow.pair = *control::pair_of_state(*filter_.state);
    flow.status = filter_.status_set;
    flow.timeout_seconds = *timeout_;
    flow.mark = filter_.mark ? filter_.mark->value : 0;
    flow.zone = filter_.zone.value_or(0);
    flow.vlan = filter_.vlan;
    flow.port_pair = filter_.port_pair.value_or(0);
    filter_ = Filter{};
    return success();
}

/// Rows are no flows: of the formats only JSON says anything of them.
Status Meaning::conclude_own_rows() {
    const Format& format = out_.query.format;
    if (format.extended || format.id || format.start_time || format.style == Format::Style::save)
        return error("of the formats `{}' has `json' alone", control::name_of(out_.query.kind));
    out_.json = format.style == Format::Style::json;
    return success();
}

Status Meaning::conclude() {
    if (timeout_ && *timeout_ == 0)
        return error("a flow lives a second at least: `--timeout 0' is no timeout");
    if (auto masks = apply_masks(); !masks) return masks;
    if (auto parts = check_protocol_parts(); !parts) return parts;
    switch (out_.command) {
        case Command::list:
            out_.query.kind = Query::Kind::list;
            return success();
        case Command::count:
            out_.query.kind = Query::Kind::count;
            return success();
        case Command::remove:
            out_.query.kind = Query::Kind::remove;
            return success();
        case Command::get:
            out_.query.kind = Query::Kind::get;
            return conclude_whole_tuple();
        case Command::insert:
            out_.query.kind = Query::Kind::insert;
            return conclude_insert();
        case Command::update:
            out_.query.kind = Query::Kind::update;
            return conclude_update();
        case Command::flush:
            out_.query.kind = Query::Kind::flush;
            return success();
        case Command::stats:
            out_.query.kind = out_.by_reason ? Query::Kind::reasons : Query::Kind::stats;
            return success();
        case Command::reasons:
            out_.query.kind = Query::Kind::reasons;
            return success();
        case Command::floods:
            out_.query.kind = Query::Kind::floods;
            return conclude_own_rows();
        case Command::signatures:
            out_.query.kind = Query::Kind::signatures;
            return conclude_own_rows();
        case Command::drops:
            out_.query.kind = Query::Kind::drops;
            return conclude_own_rows();
        case Command::reload:
            out_.query.kind = Query::Kind::reload;
            return success();
        case Command::events:
            out_.query.kind = Query::Kind::events;
            return success();
        default:
            return success();
    }
}

}  // namespace

Status understand(const std::vector<Given>& given, Arguments& out) {
    Meaning meaning(out);
    for (const auto& option : given)
        if (auto taken = meaning.take(option); !taken) return taken;
    return meaning.conclude();
}

}  // namespace sluice::app
