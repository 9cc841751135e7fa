// What signatures find, for people and for programs: lines for the log, rows of events and of the listing.
#pragma once

#include <string>
#include <string_view>

#include "sluice/control/format.hpp"
#include "sluice/pipeline/flow_view.hpp"
#include "sluice/pipeline/inspection.hpp"

namespace sluice::control {

/// An alert with what its Inspection knows of it.
struct AlertNews {
    const pipeline::Alert& alert;
    /// Null when the Inspection it belongs to is gone: then its signature is known by number alone.
    const policy::Signature* signature = nullptr;
    std::string_view profile;  ///< its name; empty with no signature
    pipeline::FlowView flow;   ///< addresses and ports alone
};

/// `inspection` is the alert's, or null.
[[nodiscard]] AlertNews news_of(const pipeline::Alert& alert, unsigned worker,
                                const pipeline::Inspection* inspection);

[[nodiscard]] std::string_view name_of(policy::SignatureAction action);
[[nodiscard]] std::string_view name_of(policy::Severity severity);

/// "high 1005 (name), profile web: tcp 192.0.2.1:40000 to 192.0.2.2:80, from the client, before byte 345:
/// reset". No character of it can move a terminal's cursor.
[[nodiscard]] std::string alert_line(const AlertNews& news);

/// The log's line behind a tag, or a JSON object; docs/command.md names its keys. A style `save` there is
/// not.
void append_alert(std::string& out, const AlertNews& news, const Format& format);

/// A row of `signatures`: what the signature is and what all workers have counted of it.
void append_signature(std::string& out, const pipeline::Inspection& inspection,
                      pipeline::ProfileNumber profile, std::size_t signature);

}  // namespace sluice::control
