// What the configuration of inspection needs beside the table of keys: its rows, and [[inspection.profile]].
#pragma once

#include <list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/configuration.hpp"
#include "app/configuration_faults.hpp"
#include "app/configuration_keys.hpp"

namespace sluice::app {

inline constexpr std::string_view table_of_profiles = "inspection.profile";

/// The keys of [inspection].
void add_inspection_keys(std::vector<Key>& out);

/// [[inspection.profile]], with the files of signatures that they name. Read last, as overrides replace the
/// list whole and files are read once.
class ProfileReader {
  public:
    /// Both outlive the reader.
    ProfileReader(Configuration& into, Faults& faults) : into_(into), faults_(faults) {}

    /// What stands under "inspection.profile"; `list` outlives the reader. The last that was given counts.
    void take(const Node& list, const Source& source) {
        list_ = &list;
        source_ = source;
    }
    /// The same of an override.
    void take(Node&& list, const Source& source) { take(owned_.emplace_back(std::move(list)), source); }
    /// Once all else but the rules has been read.
    void finish();

  private:
    void read_profile(const Node& table, const Source& source);
    [[nodiscard]] bool read_part(InspectionProfile& profile, const Node& member, const Source& source);
    [[nodiscard]] bool read_files(InspectionProfile& profile, const Node& node, const Source& source);
    void check_name(const InspectionProfile& profile, const Source& source);
    void join_signatures(InspectionProfile& profile, const Source& source);

    Configuration& into_;
    Faults& faults_;
    const Node* list_ = nullptr;
    Source source_;
    std::list<Node> owned_;
    std::vector<policy::SignatureSet> read_;  ///< of the profile being read, a file each
};

}  // namespace sluice::app
