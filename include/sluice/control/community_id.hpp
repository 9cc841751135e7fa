// Community ID v1: a name for a flow that Zeek, Suricata, Wireshark and others give it too
// (github.com/corelight/community-id-spec).
#pragma once

#include <string>

#include "sluice/pipeline/flow_view.hpp"

namespace sluice::control {

/// "1:…", with the default seed 0. Empty for SCTP, whose ports belong into it and are not kept.
[[nodiscard]] std::string community_id(const pipeline::FlowView& flow);

}  // namespace sluice::control
