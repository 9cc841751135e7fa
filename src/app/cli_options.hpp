// Every option of the `sluice` command, once: how it is spelt, what it takes, which commands know it. The
// parser, the checks and the help are made from this table.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::app {

enum class Command : std::uint8_t {
    none,
    list,
    get,
    remove,
    insert,
    update,
    flush,
    count,
    stats,
    reasons,
    floods,
    reload,
    version,
    help,
    events,
    signatures,
    drops,
};

/// A set of commands.
using Commands = std::uint32_t;
[[nodiscard]] constexpr Commands only(Command command) {
    return 1U << static_cast<unsigned>(command);
}

struct CommandText {
    Command command;
    char letter;                             ///< conntrack's dash form; 0: none
    std::array<std::string_view, 2> dashed;  ///< its long forms
    std::array<std::string_view, 2> words;   ///< by name: `sluice list`
    std::string_view help;
};
[[nodiscard]] std::span<const CommandText> command_texts();

enum class OptionId : std::uint8_t {
    source,
    destination,
    reply_source,
    reply_destination,
    mask_source,
    mask_destination,
    protocol,
    family,
    source_port,
    destination_port,
    reply_source_port,
    reply_destination_port,
    icmp_type,
    icmp_code,
    icmp_id,
    state,
    status,
    mark,
    zone,
    one_way_zone,
    nat,
    vlan,
    port_pair,
    timeout,
    output,
    zero,
    json,
    reasons,
    counts,
    services,
    reset,
    socket,
    event_mask,
    buffer_size,
    watch,
    examples,
    verbose,
    story,
    unavailable,
    count_,
};

struct OptionText {
    OptionId id;
    char letter;                            ///< 0: none
    std::array<std::string_view, 3> names;  ///< long forms, without dashes
    std::string_view value;                 ///< what it takes, for the help; empty: nothing
    Commands commands;                      ///< that know it
    std::string_view help;
};
[[nodiscard]] std::span<const OptionText> option_texts();

}  // namespace sluice::app
