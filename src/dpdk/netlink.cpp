#include "netlink.hpp"

#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <span>

namespace sluice::dpdk {
namespace {

/// Room for the answer to a question about one link: a few kilobytes, more with many virtual functions.
using Answer = std::array<char, 32768>;

template <class Body>
struct Question {
    nlmsghdr header;
    Body body;
    alignas(NLMSG_ALIGNTO) rtattr attribute;
    std::uint32_t value;
};

/// Sends `question` and has `see` look at each attribute of the answer. False when there was none.
template <class Body, class See>
bool ask(const Question<Body>& question, std::size_t length, See&& see) {
    const int socket = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (socket < 0) return false;
    const timeval patience{.tv_sec = 2, .tv_usec = 0};
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    alignas(nlmsghdr) Answer answer;
    const bool sent = send(socket, &question, length, 0) == static_cast<ssize_t>(length);
    const ssize_t size = sent ? recv(socket, answer.data(), answer.size(), 0) : -1;
    close(socket);
    if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(Body)))) return false;
    nlmsghdr header;
    std::memcpy(&header, answer.data(), sizeof header);
    if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_len > static_cast<std::size_t>(size)) return false;

    std::size_t at = NLMSG_SPACE(sizeof(Body));
    while (at + sizeof(rtattr) <= header.nlmsg_len) {
        rtattr attribute;
        std::memcpy(&attribute, answer.data() + at, sizeof attribute);
        if (attribute.rta_len < sizeof attribute || at + attribute.rta_len > header.nlmsg_len) break;
        see(attribute.rta_type,
            std::span<const char>(answer.data() + at + RTA_LENGTH(0), RTA_PAYLOAD(&attribute)));
        at += RTA_ALIGN(attribute.rta_len);
    }
    return true;
}

std::optional<int> number(std::span<const char> payload) {
    if (payload.size() < sizeof(int)) return std::nullopt;
    int out = 0;
    std::memcpy(&out, payload.data(), sizeof out);
    return out;
}

}  // namespace

std::optional<LinkPeer> link_peer(const std::string& interface) {
    Question<ifinfomsg> question{};
    const std::size_t length = NLMSG_LENGTH(sizeof(ifinfomsg));
    question.header.nlmsg_len = static_cast<std::uint32_t>(length);
    question.header.nlmsg_type = RTM_GETLINK;
    question.header.nlmsg_flags = NLM_F_REQUEST;
    question.body.ifi_index = static_cast<int>(if_nametoindex(interface.c_str()));
    if (question.body.ifi_index == 0) return std::nullopt;
    LinkPeer peer;
    const bool answered = ask(question, length, [&](unsigned short type, std::span<const char> payload) {
        if (type == IFLA_LINK) peer.index = number(payload).value_or(0);
        if (type == IFLA_LINK_NETNSID) peer.name_space = number(payload);
    });
    if (!answered || peer.index == 0) return std::nullopt;
    return peer;
}

std::optional<int> number_of_namespace(int descriptor) {
    Question<rtgenmsg> question{};
    // rtgenmsg is one byte; attributes begin at the next multiple of four, where `attribute` lies.
    static_assert(offsetof(Question<rtgenmsg>, attribute) == NLMSG_SPACE(sizeof(rtgenmsg)));
    question.header.nlmsg_type = RTM_GETNSID;
    question.header.nlmsg_flags = NLM_F_REQUEST;
    question.header.nlmsg_len = sizeof question;
    question.attribute.rta_type = NETNSA_FD;
    question.attribute.rta_len = RTA_LENGTH(sizeof(std::uint32_t));
    question.value = static_cast<std::uint32_t>(descriptor);
    std::optional<int> out;
    ask(question, sizeof question, [&](unsigned short type, std::span<const char> payload) {
        if (type == NETNSA_NSID) out = number(payload);
    });
    return out;
}

}  // namespace sluice::dpdk
