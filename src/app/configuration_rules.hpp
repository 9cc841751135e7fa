// [[rule]] and [[set]]: read last, for rules name sets and pairs that may stand below them.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/configuration.hpp"
#include "app/configuration_faults.hpp"
#include "app/configuration_keys.hpp"
#include "sluice/pipeline/inspection.hpp"

namespace sluice::app {

class RuleReader {
  public:
    /// Both outlive the reader.
    RuleReader(Configuration& into, Faults& faults) : into_(into), faults_(faults) {}

    /// What stands under "rule" or "set"; `list` outlives the reader. The last that was given counts.
    void take(std::string_view table, const Node& list, const Source& source);
    /// The same of an override.
    void take(std::string_view table, Node&& list, const Source& source) {
        take(table, owned_.emplace_back(std::move(list)), source);
    }
    /// Once all else has been read.
    void finish();

  private:
    struct Given {
        const Node* list = nullptr;
        Source source;
    };

    void read_tables(std::string_view table, const Given& given);
    void read_set(const Node& table, const Source& source);
    void read_set_file(const Node& node, const Source& source, std::vector<policy::Prefix>& prefixes);
    void read_rule(const Node& table, const Source& source);
    void read_part(policy::Rule& rule, const Node& member, const Source& source);
    void check_name(std::string_view table, const std::string& name, const Source& source);
    [[nodiscard]] bool read_action(policy::Rule& rule, const Node& node) const;
    [[nodiscard]] bool read_prefixes(std::vector<policy::Prefix>& prefixes, const Node& item) const;
    [[nodiscard]] bool read_interface(std::uint64_t& interfaces, const Node& item) const;

    Configuration& into_;
    Faults& faults_;
    Given rules_, sets_;
    std::list<Node> owned_;
    std::map<std::string, std::vector<policy::Prefix>> by_name_;  ///< sets
    std::map<std::string, unsigned> rule_names_;                  ///< to the number of the rule
    std::vector<policy::Rule> read_;
    std::vector<Source> places_;  ///< of the rules
};

/// Has `workers` of a replay obey the configuration's rules, one after the other; a daemon compiles them.
/// `inspection` has the profiles that they name; null: there are none.
void obey_rules(Configuration& configuration, unsigned workers,
                std::shared_ptr<const pipeline::Inspection> inspection);

/// What is worth saying of a configuration that is right: rules that never decide, with their lines; flow
/// records with nothing in them.
[[nodiscard]] std::vector<std::string> warnings_of(const Configuration& configuration);

}  // namespace sluice::app
