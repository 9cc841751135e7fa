// From the tree of a TOML text, and from overrides, into a Configuration, by the table of keys.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/configuration.hpp"
#include "app/configuration_faults.hpp"
#include "app/configuration_inspection.hpp"
#include "app/configuration_keys.hpp"
#include "app/configuration_rules.hpp"

namespace sluice::app {

/// "KEY=VALUE", taken apart.
struct Override {
    std::string_view text;  ///< whole
    std::string_view name;  ///< as typed
    std::string_view value;
};

/// Nothing when there is no '=' or no name before it.
[[nodiscard]] std::optional<Override> split_override(std::string_view text);

class Reader {
  public:
    /// Both outlive the reader; `into` starts out with the defaults.
    Reader(Configuration& into, Faults& faults)
        : into_(into), faults_(faults), rules_(into, faults), profiles_(into, faults) {}

    /// `root` outlives the reader.
    void read(const Node& root);
    void apply(const std::string& override_text);
    /// What no key can be judged for alone; after everything was read.
    void check_together();
    [[nodiscard]] bool given(std::string_view key) const { return given_.count(std::string(key)) != 0; }
    [[nodiscard]] std::vector<std::string> all_given() const;

  private:
    void read_section(const Node& section, const std::string& name);
    void unknown(const Node& member, const std::string& name, const Source& source);
    void store(const Key& key, const Node& node, const Source& source);
    [[nodiscard]] std::optional<Value> convert(const Key& key, const Node& node, const Source& source);
    [[nodiscard]] std::optional<Value> convert_list(const Key& key, const Node& node, const Source& source);
    /// `text`: the item as text, for texts; when it is not good, how to show it, or empty.
    [[nodiscard]] bool good_item(const Key& key, const Node& item, std::string& text) const;

    void read_pairs(const Node& list, const Source& source);
    void read_pair(const Node& table, const Source& source);
    void read_pair_name(const Node& node, const Source& source, std::string& name);
    void read_pair_ports(const Node& node, const Source& source, dpdk::PairOptions& pair);
    void read_pair_zone(const Node& node, const Source& source);

    void read_services(const Node& list, const Source& source);
    void read_service(const Node& table, const Source& source);
    void read_service_part(const Node& member, const Source& source);
    void check_services();
    void check_sources();
    void check_thresholds();
    void check_service_thresholds();
    void check_service_map();

    void check_cpus();
    void check_state();
    void check_sizes();
    void check_ether_types();
    void check_flow_records();
    void check_web();
    [[nodiscard]] Source source_of(std::string_view key) const;

    Configuration& into_;
    Faults& faults_;
    std::map<std::string, Source> given_;
    std::map<std::string, unsigned> devices_;  ///< identity to the line that names it

    /// What a [[guard.service]] has of its own; the rest is that of [guard], which may come later.
    struct ServicePart {
        Source at;
        std::vector<std::pair<const Key*, Value>> own;
        std::map<std::string, Source> given;
    };
    std::vector<ServicePart> services_;
    RuleReader rules_;
    ProfileReader profiles_;
};

/// The place `at` when `source` is the file; an override is one place as a whole.
[[nodiscard]] Source place(const Source& source, const Position& at);

/// 1 to 31 letters, digits, '_', '-' and '.': what a pair or a service may be called.
[[nodiscard]] bool is_table_name(std::string_view name);

/// "found 8", "found \"maybe\"", "found a list": the second half of a fault.
[[nodiscard]] std::string found(const Node& node);

}  // namespace sluice::app
