// Flows that have ended, told to a collector: IPFIX messages (RFC 7011) of biflow records (RFC 5103) over
// UDP.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "sluice/base/result.hpp"
#include "sluice/control/active_flows.hpp"
#include "sluice/control/event_writer.hpp"
#include "sluice/control/flow_log_options.hpp"

namespace sluice::control {

/// Records into messages; the one place that knows libfixbuf.
class IpfixEncoder {
  public:
    /// No message is longer, so that none is fragmented on an Ethernet with some tunnel in the way.
    static constexpr std::size_t max_message_bytes = 1400;

    struct Fields {
        bool counters = false;  ///< packets and bytes of each direction (tracker.acct)
        bool start = false;     ///< when the flow began (tracker.timestamp)
    };
    /// The error is libfixbuf's: out of memory, or a library of another version.
    [[nodiscard]] static Result<std::unique_ptr<IpfixEncoder>> create(std::uint32_t domain, Fields fields);
    ~IpfixEncoder();
    IpfixEncoder(const IpfixEncoder&) = delete;
    IpfixEncoder& operator=(const IpfixEncoder&) = delete;

    /// Puts the templates into the message that is being made. False: not into this one, for want of room or
    /// because libfixbuf keeps them apart from flows; finish() begins another. So with add().
    [[nodiscard]] bool add_templates();
    /// A flow that has ended.
    [[nodiscard]] bool add(const pipeline::FlowView& flow, const Happening& end);
    /// A flow that goes on, as it is now.
    [[nodiscard]] bool add_active(const pipeline::FlowView& flow, std::uint64_t wall_nanoseconds);
    /// The message made of what was added since the last call; empty when nothing was. Good until the next
    /// call of anything here.
    [[nodiscard]] std::span<const std::byte> finish();

  private:
    struct Library;
    IpfixEncoder();
    std::unique_ptr<Library> library_;
};

/// Sends them. What no collector takes is lost: UDP does not say so, except where its host answers that
/// nobody is there.
class IpfixExporter final : public EventSink {
  public:
    /// Looks the collector's name up, which may take some seconds; whether it answers is not tried. The error
    /// names what was wrong.
    [[nodiscard]] static Result<std::unique_ptr<IpfixExporter>> create(const IpfixOptions& options,
                                                                       IpfixEncoder::Fields fields);
    ~IpfixExporter() override;
    IpfixExporter(const IpfixExporter&) = delete;
    IpfixExporter& operator=(const IpfixExporter&) = delete;

    /// Before the first turn: has flows of these tables told while they live, if the options say so.
    void tell_active(FlowTables tables);

    [[nodiscard]] bool take(const ToldEvent& event) override;
    void turn(bool last) override;

  private:
    IpfixExporter(std::unique_ptr<IpfixEncoder> encoder, const IpfixOptions& options);
    template <class Add>
    void put(Add&& add);
    void put_templates();
    void send_message();
    [[nodiscard]] int open_socket();

    std::unique_ptr<IpfixEncoder> encoder_;
    const std::chrono::seconds refresh_, active_timeout_;
    std::optional<ActiveFlows> active_;
    sockaddr_storage collector_{};
    socklen_t collector_bytes_ = 0;
    int socket_ = -1;
    std::uint64_t records_ = 0;      ///< in the message that is being made
    std::uint64_t sent_before_ = 0;  ///< in the message before: what an answer of its host is about
    std::chrono::steady_clock::time_point templates_due_{};
};

}  // namespace sluice::control
