#include "netlink.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace sluice::differential {
namespace {

using Message = std::vector<std::uint8_t>;

/// A message under construction; attributes may be nested.
class Writer {
  public:
    Writer(unsigned subsystem, unsigned type, unsigned flags, std::uint8_t family,
           std::uint16_t resource = 0) {
        bytes_.resize(sizeof(nlmsghdr) + sizeof(nfgenmsg));
        nlmsghdr header{};
        header.nlmsg_type = static_cast<std::uint16_t>(subsystem << 8U | type);
        header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
        std::memcpy(bytes_.data(), &header, sizeof header);
        const nfgenmsg generic{family, NFNETLINK_V0, htons(resource)};
        std::memcpy(bytes_.data() + sizeof header, &generic, sizeof generic);
    }

    void put(unsigned type, const void* value, std::size_t size) {
        const std::size_t at = open(type);
        const auto* first = static_cast<const std::uint8_t*>(value);
        bytes_.insert(bytes_.end(), first, first + size);
        close(at);
    }
    template <class Nested>
    void nest(unsigned type, Nested&& nested) {
        const std::size_t at = open(type | NLA_F_NESTED);
        nested();
        close(at);
    }
    [[nodiscard]] const Message& done() {
        const auto size = static_cast<std::uint32_t>(bytes_.size());
        std::memcpy(bytes_.data(), &size, sizeof size);
        return bytes_;
    }

  private:
    std::size_t open(unsigned type) {
        const std::size_t at = bytes_.size();
        const auto type16 = static_cast<std::uint16_t>(type);
        bytes_.resize(at + sizeof(nlattr));
        std::memcpy(bytes_.data() + at + 2, &type16, sizeof type16);
        return at;
    }
    void close(std::size_t at) {
        const auto size = static_cast<std::uint16_t>(bytes_.size() - at);
        std::memcpy(bytes_.data() + at, &size, sizeof size);
        bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
    }
    Message bytes_;
};

struct Attribute {
    unsigned type;
    const std::uint8_t* value;
    std::size_t size;
    [[nodiscard]] std::uint32_t number() const {  // big endian, 1 to 4 bytes
        std::uint32_t out = 0;
        for (std::size_t i = 0; i < size && i < 4; ++i) out = out << 8 | value[i];
        return out;
    }
};

template <class Visit>
void for_each_attribute(const std::uint8_t* at, std::size_t left, Visit&& visit) {
    while (left >= sizeof(nlattr)) {
        nlattr header;
        std::memcpy(&header, at, sizeof header);
        if (header.nla_len < sizeof header || header.nla_len > left) return;
        visit(Attribute{header.nla_type & static_cast<unsigned>(NLA_TYPE_MASK), at + sizeof header,
                        header.nla_len - sizeof header});
        const std::size_t step = std::min<std::size_t>((header.nla_len + 3U) & ~3U, left);
        at += step;
        left -= step;
    }
}
template <class Visit>
void for_each_nested(const Attribute& attribute, Visit&& visit) {
    for_each_attribute(attribute.value, attribute.size, visit);
}

nlmsghdr header_of(const Message& message) {
    nlmsghdr out{};
    if (message.size() >= sizeof out) std::memcpy(&out, message.data(), sizeof out);
    return out;
}
/// The error an answer reports: 0 for an acknowledgement and for what is no error message at all.
int error_of(const Message& message) {
    if (header_of(message).nlmsg_type != NLMSG_ERROR) return 0;
    nlmsgerr error{};
    std::memcpy(&error, message.data() + sizeof(nlmsghdr), sizeof error.error);
    return -error.error;
}
template <class Visit>
void for_each_of(const Message& message, Visit&& visit) {
    constexpr std::size_t head = sizeof(nlmsghdr) + sizeof(nfgenmsg);
    const std::size_t size = std::min<std::size_t>(header_of(message).nlmsg_len, message.size());
    if (size > head) for_each_attribute(message.data() + head, size - head, visit);
}

std::uint8_t family_of(const Ends& ends) {
    return ends.family == packet::Family::ipv4 ? AF_INET : AF_INET6;
}

void put_tuple(Writer& writer, const Ends& ends) {
    const bool six = ends.family == packet::Family::ipv6;
    const std::uint16_t port_a = htons(ends.port_a), port_b = htons(ends.port_b);
    const std::uint8_t tcp = packet::tcp;
    writer.nest(CTA_TUPLE_ORIG, [&] {
        writer.nest(CTA_TUPLE_IP, [&] {
            writer.put(six ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, six ? ipv6_a : ipv4_a, six ? 16 : 4);
            writer.put(six ? CTA_IP_V6_DST : CTA_IP_V4_DST, six ? ipv6_b : ipv4_b, six ? 16 : 4);
        });
        writer.nest(CTA_TUPLE_PROTO, [&] {
            writer.put(CTA_PROTO_NUM, &tcp, 1);
            writer.put(CTA_PROTO_SRC_PORT, &port_a, 2);
            writer.put(CTA_PROTO_DST_PORT, &port_b, 2);
        });
    });
}

void check(int error, const char* what) {
    if (error != 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(error));
}

}  // namespace

NetlinkSocket::NetlinkSocket()
    : socket_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)), buffer_(65536) {
    if (socket_ < 0) throw std::runtime_error("no netlink socket for netfilter");
    sockaddr_nl own{};
    own.nl_family = AF_NETLINK;
    const timeval patience{5, 0};
    const int room = 4 << 20;
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(socket_, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0)
        throw std::runtime_error("a netlink socket cannot be bound");
}

NetlinkSocket::~NetlinkSocket() {
    if (socket_ >= 0) ::close(socket_);
}

const Message& NetlinkSocket::ask(const Message& message) {
    if (send(socket_, message.data(), message.size(), 0) < 0)
        throw std::runtime_error(std::string("netlink does not take a message: ") + std::strerror(errno));
    buffer_.resize(65536);
    const ssize_t got = recv(socket_, buffer_.data(), buffer_.size(), 0);
    if (got < static_cast<ssize_t>(sizeof(nlmsghdr))) throw std::runtime_error("netlink does not answer");
    buffer_.resize(static_cast<std::size_t>(got));
    return buffer_;
}

const Message* NetlinkSocket::poll() {
    buffer_.resize(65536);
    const ssize_t got = recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got < static_cast<ssize_t>(sizeof(nlmsghdr))) return nullptr;
    buffer_.resize(static_cast<std::size_t>(got));
    return &buffer_;
}

std::optional<Entry> ConntrackSocket::find(const Ends& ends) {
    Writer writer(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, 0, family_of(ends));
    put_tuple(writer, ends);
    const Message& answer = socket_.ask(writer.done());
    const int error = error_of(answer);
    if (error == ENOENT) return std::nullopt;
    check(error, "conntrack does not show a flow");
    Entry out;
    for_each_of(answer, [&out, &ends](const Attribute& attribute) {
        if (attribute.type == CTA_STATUS) {
            out.assured = (attribute.number() & IPS_ASSURED) != 0;
        } else if (attribute.type == CTA_TIMEOUT) {
            out.timeout = attribute.number();
        } else if (attribute.type == CTA_PROTOINFO) {
            for_each_nested(attribute, [&out](const Attribute& protocol) {
                for_each_nested(protocol, [&out](const Attribute& value) {
                    if (value.type == CTA_PROTOINFO_TCP_STATE) out.state = static_cast<State>(value.number());
                });
            });
        } else if (attribute.type == CTA_TUPLE_ORIG) {
            for_each_nested(attribute, [&out, &ends](const Attribute& part) {
                if (part.type != CTA_TUPLE_PROTO) return;
                for_each_nested(part, [&out, &ends](const Attribute& value) {
                    if (value.type == CTA_PROTO_SRC_PORT)
                        out.originator = value.number() == ends.port_a ? End::a : End::b;
                });
            });
        }
    });
    return out;
}

void ConntrackSocket::set_timeout(const Ends& ends, std::uint32_t seconds) {
    Writer writer(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, NLM_F_ACK, family_of(ends));
    put_tuple(writer, ends);
    const std::uint32_t wire = htonl(seconds);
    writer.put(CTA_TIMEOUT, &wire, sizeof wire);
    check(error_of(socket_.ask(writer.done())), "conntrack does not set a timeout");
}

void ConntrackSocket::remove(const Ends& ends) {
    Writer writer(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, family_of(ends));
    put_tuple(writer, ends);
    const int error = error_of(socket_.ask(writer.done()));
    if (error != ENOENT) check(error, "conntrack does not delete a flow");
}

Status InvalidLog::open() {
    constexpr std::uint16_t group = 0;  // where remarks go unless a rule says otherwise
    const auto configure = [this](unsigned attribute, const void* value, std::size_t size) {
        Writer writer(NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG, NLM_F_ACK, AF_UNSPEC, group);
        writer.put(attribute, value, size);
        return error_of(socket_.ask(writer.done()));
    };
    const nfulnl_msg_config_cmd bind_group{NFULNL_CFG_CMD_BIND};
    nfulnl_msg_config_mode text_only{};
    text_only.copy_mode = NFULNL_COPY_META;
    const std::uint32_t at_once = htonl(1);
    for (const int error : {configure(NFULA_CFG_CMD, &bind_group, sizeof bind_group),
                            configure(NFULA_CFG_MODE, &text_only, sizeof text_only),
                            configure(NFULA_CFG_QTHRESH, &at_once, sizeof at_once)})
        if (error != 0) return Error{std::string("nfnetlink_log: ") + std::strerror(error)};
    return success();
}

std::string InvalidLog::take() {
    std::string out;
    while (const Message* message = socket_.poll())
        for_each_of(*message, [&out](const Attribute& attribute) {
            if (attribute.type != NFULA_PREFIX || attribute.size == 0) return;
            std::string text(reinterpret_cast<const char*>(attribute.value), attribute.size - 1);
            while (!text.empty() && text.back() == ' ') text.pop_back();
            if (const std::string_view prefix = "nf_ct_proto_6: "; text.starts_with(prefix))
                text.erase(0, prefix.size());
            out.append(out.empty() ? "" : "; ").append(text);
        });
    return out;
}

}  // namespace sluice::differential
