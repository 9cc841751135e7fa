// Information elements and their meanings: RFC 7012 and IANA's registry "IPFIX Entities"; those of the
// reverse direction: RFC 5103, under its enterprise number 29305.
#include "sluice/control/ipfix.hpp"

#include <fixbuf/public.h>
#include <netdb.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "sluice/control/collector_name.hpp"
#include "sluice/control/text.hpp"

namespace sluice::control {
namespace {

constexpr std::uint64_t nanoseconds_per_millisecond = 1'000'000;

/// A flow as libfixbuf is handed it: host order, and no gaps, for it reads one field behind the other.
struct IpfixRecord {
    std::uint64_t start, end;  ///< milliseconds since 1970
    std::uint64_t octets, packets, reverse_octets, reverse_packets;
    std::uint64_t id;
    packet::Address source6, destination6;
    std::uint32_t source4, destination4;
    std::uint16_t source_port, destination_port;
    std::uint16_t vlan;
    std::uint8_t protocol, end_reason;
};
static_assert(sizeof(packet::Address) == 16);
static_assert(sizeof(IpfixRecord) == 7 * 8 + 2 * 16 + 2 * 4 + 3 * 2 + 2);

/// Which flows a field is told of.
enum Told : unsigned { always = 0, of_ipv4 = 1, of_ipv6 = 2, with_counters = 4, with_start = 8 };

struct IpfixField {
    const char* element;
    std::uint16_t bytes;
    unsigned told;
};
/// In the order of IpfixRecord.
constexpr IpfixField ipfix_fields[] = {
    {"flowStartMilliseconds", 8, with_start},
    {"flowEndMilliseconds", 8, always},
    {"octetDeltaCount", 8, with_counters},
    {"packetDeltaCount", 8, with_counters},
    {"reverseOctetDeltaCount", 8, with_counters},
    {"reversePacketDeltaCount", 8, with_counters},
    {"flowId", 8, always},
    {"sourceIPv6Address", 16, of_ipv6},
    {"destinationIPv6Address", 16, of_ipv6},
    {"sourceIPv4Address", 4, of_ipv4},
    {"destinationIPv4Address", 4, of_ipv4},
    {"sourceTransportPort", 2, always},
    {"destinationTransportPort", 2, always},
    {"vlanId", 2, always},
    {"protocolIdentifier", 1, always},
    {"flowEndReason", 1, always},
};

std::uint32_t host_order(const packet::Address& address) {
    return std::uint32_t{address[0]} << 24U | std::uint32_t{address[1]} << 16U |
           std::uint32_t{address[2]} << 8U | address[3];
}

/// flowEndReason (136).
std::uint8_t end_reason_of(const pipeline::FlowView& flow, flow::Removal why) {
    constexpr std::uint8_t idle_timeout = 1, end_detected = 3, forced_end = 4, lack_of_resources = 5;
    switch (why) {
        case flow::Removal::evicted:
            return lack_of_resources;
        case flow::Removal::deleted:
            return forced_end;
        case flow::Removal::replaced:
            return end_detected;
        case flow::Removal::expired:
            break;
    }
    if (flow.protocol != packet::tcp) return idle_timeout;
    const Lifetime lifetime = tcp::text_of(static_cast<tcp::Pair>(flow.state.tcp.pair)).lifetime;
    return lifetime == Lifetime::time_wait || lifetime == Lifetime::close ? end_detected : idle_timeout;
}

IpfixRecord record_of(const pipeline::FlowView& flow, std::uint64_t wall_nanoseconds, std::uint8_t reason) {
    IpfixRecord out{};
    out.start = flow.start_nanoseconds / nanoseconds_per_millisecond;
    out.end = wall_nanoseconds / nanoseconds_per_millisecond;
    out.octets = flow.account.bytes[0];
    out.packets = flow.account.packets[0];
    out.reverse_octets = flow.account.bytes[1];
    out.reverse_packets = flow.account.packets[1];
    out.id = flow.id;
    if (flow.family == packet::Family::ipv4) {
        out.source4 = host_order(flow.source);
        out.destination4 = host_order(flow.destination);
    } else {
        out.source6 = flow.source;
        out.destination6 = flow.destination;
    }
    out.source_port = flow.source_port;
    out.destination_port = flow.destination_port;
    // Where routers put the type and the code of ICMP, and collectors look for them; the code of a query is
    // 0.
    if (is_icmp(flow.protocol)) out.destination_port = static_cast<std::uint16_t>(flow.icmp_type << 8U);
    if (flow.outer_vlan != flow::Domain::no_tag) out.vlan = flow.outer_vlan;
    out.protocol = flow.protocol;
    out.end_reason = reason;
    return out;
}

/// libfixbuf's errors, freed.
class Complaint {
  public:
    Complaint() = default;
    ~Complaint() { g_clear_error(&error_); }
    Complaint(const Complaint&) = delete;
    Complaint& operator=(const Complaint&) = delete;
    [[nodiscard]] GError** out() {
        g_clear_error(&error_);
        return &error_;
    }
    [[nodiscard]] std::string text() const {
        return std::string("libfixbuf: ") + (error_ != nullptr ? error_->message : "no reason was given");
    }

  private:
    GError* error_ = nullptr;
};

}  // namespace

// ---- Records into messages

/// The session belongs to the buffer, as the templates do to the session.
struct IpfixEncoder::Library {
    fbInfoModel_t* model = nullptr;
    fBuf_t* buffer = nullptr;
    fbSession_t* session = nullptr;
    fbExporter_t* exporter = nullptr;
    std::uint16_t inner = 0;               ///< template of IpfixRecord
    std::array<std::uint16_t, 2> outer{};  ///< by family
    std::array<std::uint8_t, max_message_bytes> message{};
    bool begun = false;  ///< something was added since the last message

    ~Library() {
        if (buffer != nullptr) fBufFree(buffer);
        if (model != nullptr) fbInfoModelFree(model);
    }
    [[nodiscard]] std::uint16_t add_template(bool internal, unsigned told, Complaint& complaint) {
        fbTemplate_t* const made = fbTemplateAlloc(model);
        for (const IpfixField& field : ipfix_fields) {
            if (!internal && (field.told & ~told) != 0) continue;
            std::string name(field.element);
            fbInfoElementSpec_t spec{name.data(), field.bytes, 0};
            if (fbTemplateAppendSpec(made, &spec, 0, complaint.out()) == 0) {
                fbTemplateFreeUnused(made);
                return 0;
            }
        }
        return fbSessionAddTemplate(session, internal ? 1 : 0, FB_TID_AUTO, made, complaint.out());
    }
    [[nodiscard]] bool append(packet::Family family, IpfixRecord record) {
        Complaint complaint;
        if (fBufSetExportTemplate(buffer, outer[family == packet::Family::ipv4 ? 0 : 1], complaint.out()) ==
                0 ||
            fBufAppend(buffer, reinterpret_cast<std::uint8_t*>(&record), sizeof record, complaint.out()) == 0)
            return false;
        return begun = true;
    }
};

IpfixEncoder::IpfixEncoder() : library_(std::make_unique<Library>()) {}
IpfixEncoder::~IpfixEncoder() = default;

Result<std::unique_ptr<IpfixEncoder>> IpfixEncoder::create(std::uint32_t domain, Fields fields) {
    std::unique_ptr<IpfixEncoder> out(new IpfixEncoder);
    Library& library = *out->library_;
    library.model = fbInfoModelAlloc();
    library.session = fbSessionAlloc(library.model);
    fbSessionSetDomain(library.session, domain);
    const unsigned told = (fields.counters ? with_counters : 0U) | (fields.start ? with_start : 0U);
    // Before there is a buffer: a template that is added later goes into it at once.
    Complaint complaint;
    library.inner = library.add_template(true, ~0U, complaint);
    library.outer[0] = library.add_template(false, told | of_ipv4, complaint);
    library.outer[1] = library.add_template(false, told | of_ipv6, complaint);
    library.exporter =
        fbExporterAllocBuffer(library.message.data(), static_cast<std::uint16_t>(library.message.size()));
    library.buffer = fBufAllocForExport(library.session, library.exporter);
    fBufSetAutomaticMode(library.buffer, 0);
    if (library.inner == 0 || library.outer[0] == 0 || library.outer[1] == 0 ||
        fBufSetInternalTemplate(library.buffer, library.inner, complaint.out()) == 0)
        return Error{complaint.text()};
    return out;
}

bool IpfixEncoder::add_templates() {
    Complaint complaint;
    if (fbSessionExportTemplates(library_->session, complaint.out()) == 0) return false;
    return library_->begun = true;
}

bool IpfixEncoder::add(const pipeline::FlowView& flow, const Happening& end) {
    return library_->append(flow.family, record_of(flow, end.wall_nanoseconds, end_reason_of(flow, end.why)));
}

bool IpfixEncoder::add_active(const pipeline::FlowView& flow, std::uint64_t wall_nanoseconds) {
    constexpr std::uint8_t active_timeout = 2;
    return library_->append(flow.family, record_of(flow, wall_nanoseconds, active_timeout));
}

std::span<const std::byte> IpfixEncoder::finish() {
    if (!std::exchange(library_->begun, false)) return {};
    Complaint complaint;
    if (fBufEmit(library_->buffer, complaint.out()) == 0) return {};
    return std::as_bytes(std::span(library_->message)).first(fbExporterGetMsgLen(library_->exporter));
}

// ---- Messages to the collector

IpfixExporter::IpfixExporter(std::unique_ptr<IpfixEncoder> encoder, const IpfixOptions& options)
    : encoder_(std::move(encoder)),
      refresh_(options.template_refresh_seconds),
      active_timeout_(options.active_timeout_seconds) {}

IpfixExporter::~IpfixExporter() {
    if (socket_ >= 0) close(socket_);
}

Result<std::unique_ptr<IpfixExporter>> IpfixExporter::create(const IpfixOptions& options,
                                                             IpfixEncoder::Fields fields) {
    auto encoder = IpfixEncoder::create(options.domain, fields);
    if (!encoder) return Error{encoder.error()};
    const auto collector = parse_collector_name(options.collector);
    if (!collector) return Error{"ipfix.collector: no address or name with a port behind it"};
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int failed =
        getaddrinfo(collector->host.c_str(), std::to_string(collector->port).c_str(), &hints, &found);
    if (failed != 0 || found == nullptr)
        return Error{"ipfix.collector: " + collector->host + " cannot be looked up (" + gai_strerror(failed) +
                     "); give its address"};
    std::unique_ptr<IpfixExporter> out(new IpfixExporter(std::move(*encoder), options));
    std::memcpy(&out->collector_, found->ai_addr, found->ai_addrlen);
    out->collector_bytes_ = found->ai_addrlen;
    freeaddrinfo(found);
    return out;
}

/// 0, or errno.
int IpfixExporter::open_socket() {
    const int made = socket(collector_.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0) return errno;
    // Connected, so that the kernel tells of what the collector's host answers.
    if (connect(made, reinterpret_cast<const sockaddr*>(&collector_), collector_bytes_) != 0) {
        const int error = errno;
        close(made);
        return error;
    }
    socket_ = made;
    return 0;
}

/// UDP: a collector that was started later, or that has lost one, learns them so (RFC 7011, 8.4).
void IpfixExporter::put_templates() {
    const auto now = std::chrono::steady_clock::now();
    if (now < templates_due_) return;
    if (!encoder_->add_templates()) {
        send_message();
        if (!encoder_->add_templates()) return;
    }
    templates_due_ = now + refresh_;
}

void IpfixExporter::tell_active(FlowTables tables) {
    if (active_timeout_.count() != 0) active_.emplace(std::move(tables), active_timeout_);
}

/// `add()` puts a record into the message that is being made, or says that it cannot.
template <class Add>
void IpfixExporter::put(Add&& add) {
    put_templates();
    bool added = add();
    if (!added) {
        send_message();
        added = add();
    }
    if (added)
        ++records_;
    else
        lost_.add();
}

bool IpfixExporter::take(const ToldEvent& event) {
    pipeline::FlowView flow = event.flow;
    if (active_) active_->end(flow);
    put([&] { return encoder_->add(flow, event.happening); });
    return true;
}

void IpfixExporter::turn(bool last) {
    if (active_)
        active_->look(
            [&](const pipeline::FlowView& flow, std::uint64_t wall_nanoseconds) {
                put([&] { return encoder_->add_active(flow, wall_nanoseconds); });
            },
            last);
    put_templates();
    send_message();
}

/// Nothing here waits: what the kernel does not take at once is lost.
void IpfixExporter::send_message() {
    const std::span<const std::byte> message = encoder_->finish();
    const std::uint64_t records = std::exchange(records_, 0);
    if (message.empty()) {
        lost_.add(records);
        return;
    }
    int error = socket_ < 0 ? open_socket() : 0;
    bool sent = false;
    while (error == 0 && !sent) {
        sent = send(socket_, message.data(), message.size(), MSG_NOSIGNAL) >= 0;
        if (!sent && errno != EINTR) error = errno;
    }
    // Of the message before: nobody has taken it. This one has not been tried yet.
    if (error == ECONNREFUSED) {
        lost_.add(sent_before_);
        sent = send(socket_, message.data(), message.size(), MSG_NOSIGNAL) >= 0;
    }
    set_error(error);
    (sent ? written_ : lost_).add(records);
    sent_before_ = sent ? records : 0;
}

}  // namespace sluice::control
