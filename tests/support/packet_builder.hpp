// Frames for tests, written as they are read: PacketBuilder().ethernet().vlan(10).ipv4("10.0.0.1",
// "10.0.0.2") .tcp(40000, 80).flags(syn).option(option::mss(1460)).build(). Lengths and checksums are right
// unless a test breaks them by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/packet/headers.hpp"

namespace sluice::test {

using Bytes = std::vector<std::uint8_t>;

/// TCP options as wire bytes, unpadded.
namespace option {
Bytes end();
Bytes no_operation();
Bytes mss(std::uint16_t value);
Bytes window_scale(std::uint8_t shift);
Bytes sack_permitted();
Bytes sack(std::initializer_list<std::pair<std::uint32_t, std::uint32_t>> blocks);  ///< {left, right} edges
Bytes timestamps(std::uint32_t value, std::uint32_t echo);
Bytes fast_open(std::size_t cookie_length);
Bytes fast_open_experiment(std::size_t cookie_length);
Bytes md5_signature();
Bytes ao_signature();
Bytes raw(std::uint8_t kind, std::uint8_t length,
          std::size_t body_length);  ///< says `length`, whatever it has
}  // namespace option

/// Builds one frame. Call the layers outermost first; the settings of a layer in any order behind it. Setting
/// a broken field ("…_as") keeps whatever is asked for while everything else stays right.
class PacketBuilder {
  public:
    // ---- Link. Without one of these the packet is raw IP.
    PacketBuilder& ethernet();  ///< 02:00:00:00:00:01 to 02:00:00:00:00:02
    PacketBuilder& macs(std::initializer_list<std::uint8_t> source,
                        std::initializer_list<std::uint8_t> destination);
    PacketBuilder& vlan(std::uint16_t id, std::uint16_t tag_type = 0x8100, std::uint8_t priority = 0);
    PacketBuilder& ether_type_as(std::uint16_t type);  ///< instead of the network layer's
    PacketBuilder& snap();                             ///< 802.3: a length, LLC, SNAP, then the EtherType
    PacketBuilder& linux_cooked_v1();
    PacketBuilder& linux_cooked_v2();
    PacketBuilder& bsd_loopback(std::uint32_t family, bool swapped);

    // ---- Network. Addresses in their usual spelling.
    PacketBuilder& ipv4(std::string_view source, std::string_view destination);
    PacketBuilder& ipv6(std::string_view source, std::string_view destination);
    /// Either family, told by the spelling.
    PacketBuilder& ip(std::string_view source, std::string_view destination);
    PacketBuilder& hop_limit(std::uint8_t value);
    PacketBuilder& identification(std::uint32_t value);
    PacketBuilder& dont_fragment();
    PacketBuilder& ipv4_options(const Bytes& options);  ///< padded with zeros to a multiple of 4
    PacketBuilder& version_as(std::uint8_t version);
    PacketBuilder& header_words_as(std::uint8_t ihl);   ///< IPv4's header length field
    PacketBuilder& ip_length_as(std::uint16_t length);  ///< IPv4's total length, IPv6's payload length
    PacketBuilder& wrong_ip_checksum();
    /// Makes this packet a fragment by its header alone: what follows is its fragmentable part, as it is.
    /// IPv6: adds a fragment header here in the chain.
    PacketBuilder& fragment(std::size_t offset, bool more, std::uint32_t identification);

    // ---- IPv6 extension headers, in the order called. `length` is in bytes, a multiple of 8, at least 8.
    PacketBuilder& hop_by_hop(std::size_t length = 8);
    PacketBuilder& hop_by_hop(const Bytes& options);  ///< 6, 14, 22 … bytes
    PacketBuilder& destination_options(std::size_t length = 8);
    PacketBuilder& routing(std::uint8_t type, std::uint8_t segments_left, std::size_t length = 24);
    PacketBuilder& authentication(std::size_t length = 24);  ///< a multiple of 4, at least 12
    /// Any header that begins with a next header and a length byte of the given value.
    PacketBuilder& extension(std::uint8_t kind, std::uint8_t length_field, std::size_t length);

    // ---- Upper layer
    PacketBuilder& tcp(std::uint16_t source_port, std::uint16_t destination_port);
    PacketBuilder& sequence(std::uint32_t value);
    PacketBuilder& acknowledgement(std::uint32_t value);  ///< the ACK flag is set apart, by flags()
    PacketBuilder& flags(unsigned tcp_flags);
    PacketBuilder& window(std::uint16_t value);
    PacketBuilder& option(const Bytes& option);  ///< appended; padded with NOPs to a multiple of 4 in the end
    PacketBuilder& header_bytes_as(unsigned length);  ///< TCP's data offset, 0 to 60
    PacketBuilder& udp(std::uint16_t source_port, std::uint16_t destination_port);
    PacketBuilder& udp_length_as(std::uint16_t length);
    PacketBuilder& without_checksum();  ///< UDP: the field is 0
    PacketBuilder& icmp(std::uint8_t type, std::uint8_t code, std::uint16_t identifier = 0,
                        std::uint16_t number = 0);
    PacketBuilder& icmpv6(std::uint8_t type, std::uint8_t code, std::uint16_t identifier = 0,
                          std::uint16_t number = 0);
    /// An ICMP or ICMPv6 error (by the family) that quotes the first `limit` bytes of `packet` from its IP
    /// header on.
    PacketBuilder& icmp_error(std::uint8_t type, std::uint8_t code, const PacketBuilder& packet,
                              std::size_t limit = 576);
    /// Any protocol, the known ones too: the payload is all there is behind the IP headers.
    PacketBuilder& protocol(std::uint8_t number);
    PacketBuilder& wrong_transport_checksum();

    PacketBuilder& payload(std::size_t length);  ///< bytes 0, 1, 2 …
    PacketBuilder& payload(const Bytes& bytes);
    PacketBuilder& link_padding(std::size_t length);  ///< zeros behind the IP packet

    [[nodiscard]] Bytes build() const;
    /// The datagram cut into fragments of `piece` bytes of the fragmentable part each (a multiple of 8; the
    /// last is shorter), in order. IPv6: extension headers go into every fragment, as unfragmentable.
    [[nodiscard]] std::vector<Bytes> build_fragments(std::size_t piece) const;
    /// The IP packet alone.
    [[nodiscard]] Bytes build_ip() const;
    [[nodiscard]] packet::LinkLayer link() const { return link_; }

  private:
    struct Extension {
        std::uint8_t kind;
        Bytes bytes;  ///< the next-header byte still 0
    };
    [[nodiscard]] Bytes build_link(std::size_t behind) const;
    [[nodiscard]] Bytes build_transport() const;
    [[nodiscard]] Bytes build_tcp() const;
    [[nodiscard]] Bytes build_network(const Bytes& behind) const;
    [[nodiscard]] Bytes build_ipv4(const Bytes& behind) const;
    [[nodiscard]] Bytes build_ipv6(const Bytes& behind) const;
    void write_transport_checksum(Bytes& transport) const;

    packet::LinkLayer link_ = packet::LinkLayer::raw_ip;
    Bytes link_header_;  ///< without the EtherType
    struct Tag {
        std::uint16_t type, control;
    };
    std::vector<Tag> tags_;
    std::optional<std::uint16_t> ether_type_;
    bool snap_ = false;
    std::size_t padding_ = 0;

    packet::Family family_ = packet::Family::none;
    packet::Address source_{}, destination_{};
    std::uint8_t hop_limit_ = 64;
    std::uint32_t identification_ = 0;
    bool dont_fragment_ = false;
    Bytes ipv4_options_;
    std::optional<std::uint8_t> version_, header_words_;
    std::optional<std::uint16_t> ip_length_;
    bool wrong_ip_checksum_ = false;
    std::size_t fragment_offset_ = 0;
    bool fragment_more_ = false;
    std::vector<Extension> extensions_;

    std::uint8_t protocol_ = 59;
    bool plain_payload_ = true;
    std::uint16_t source_port_ = 0, destination_port_ = 0;
    std::uint32_t sequence_ = 0, acknowledgement_ = 0;
    std::uint8_t flags_ = 0;
    std::uint16_t window_ = 65535;
    Bytes options_;
    std::optional<unsigned> header_bytes_;
    std::optional<std::uint16_t> udp_length_;
    bool without_checksum_ = false;
    std::uint8_t icmp_type_ = 0, icmp_code_ = 0;
    bool wrong_transport_checksum_ = false;
    Bytes payload_;
};

/// "10.0.0.1" or "2001:db8::1" as the parser reports it.
[[nodiscard]] packet::Address address(std::string_view text);

/// The Internet checksum, written plainly: the tests' own, apart from the project's.
[[nodiscard]] std::uint16_t plain_checksum(std::span<const std::uint8_t> bytes);

}  // namespace sluice::test
