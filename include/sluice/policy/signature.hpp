// What a signature is, and a set of them: immutable once built, and swapped whole. How they are matched is
// sluice/inspect's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/result.hpp"

namespace sluice::policy {

enum class SignatureAction : std::uint8_t {
    alert,  ///< say so, nothing else
    drop,   ///< and drop what carried it, and all data of the flow from there on
    reset,  ///< and close the flow at both ends
    mark,   ///< and mark the flow
};
enum class Severity : std::uint8_t { low, medium, high, critical };

/// Which way the bytes go that a signature looks at; the client is who opened the flow.
enum class Toward : std::uint8_t { server, client, either };

/// icmp: echo, timestamp and the other queries of ICMP and ICMPv6.
enum class Transport : std::uint8_t { tcp, udp, icmp, any };

struct PortRange {
    std::uint16_t first, last;
    friend bool operator==(const PortRange&, const PortRange&) = default;
};

/// Where a signature applies, by transport and the server's port.
struct SignatureService {
    Transport transport = Transport::any;
    bool except = false;           ///< all ports but those
    std::vector<PortRange> ports;  ///< none: all

    /// A flow of this IP protocol, to this port where the protocol has ports.
    [[nodiscard]] bool covers(std::uint8_t protocol, std::uint16_t port) const;
    friend bool operator==(const SignatureService&, const SignatureService&) = default;
};

struct Signature {
    std::uint32_t id = 0;     ///< 1 or more, the operator's own
    std::string name;         ///< what a hit means, for people
    std::string pattern;      ///< PCRE syntax, over bytes
    bool caseless = false;    ///< flag i
    bool dot_all = false;     ///< flag s: a dot is any byte, a line's end too
    bool multi_line = false;  ///< flag m: ^ and $ at each line
    Toward toward = Toward::either;
    SignatureService service;
    std::uint32_t offset = 0;  ///< bytes from the start of the data before which a match may not begin
    std::uint32_t depth = 0;   ///< a match ends within so many bytes from `offset`; 0: anywhere
    SignatureAction action = SignatureAction::alert;
    Severity severity = Severity::medium;
    std::uint32_t mark = 0;  ///< for SignatureAction::mark
    unsigned line = 0;       ///< of its file, for messages
    std::uint32_t file = 0;  ///< which of the set's files, in the order in which they were given
    friend bool operator==(const Signature&, const Signature&) = default;
};

/// What a person may write for `service`: "any", "icmp", "tcp", "udp/53", "tcp/25,587,8000-8999", "tcp/not
/// 80". The error says what was expected.
[[nodiscard]] Result<SignatureService> parse_service(std::string_view text);

/// "i", "is", "" …: into the signature's flags. The error says what was expected.
[[nodiscard]] Status parse_flags(std::string_view text, Signature& into);

/// "FILE:LINE: " in front of what is said about a signature.
[[nodiscard]] std::string place_of(std::string_view file, unsigned line);

class SignatureSet {
  public:
    static constexpr std::size_t most_signatures = 32'768;
    static constexpr std::size_t longest_pattern = 900;  ///< bytes; a line of a file has 1,000
    static constexpr std::size_t longest_name = 120;

    /// An empty set.
    SignatureSet() = default;

    /// `file` is named in messages. All or nothing: the error has a line for each of the first few faults.
    [[nodiscard]] static Result<SignatureSet> create(std::string file, std::vector<Signature> signatures);

    /// Several sets as one, at most most_signatures in all, with ids that differ over all of them. The error
    /// as create()'s.
    [[nodiscard]] static Result<SignatureSet> join(std::vector<SignatureSet> sets);

    [[nodiscard]] const std::vector<Signature>& all() const { return signatures_; }
    [[nodiscard]] const Signature& operator[](std::size_t number) const { return signatures_[number]; }
    [[nodiscard]] std::size_t size() const { return signatures_.size(); }
    [[nodiscard]] const std::vector<std::string>& files() const { return files_; }
    /// The names of all its files, for what is said about all of it.
    [[nodiscard]] std::string file() const;
    /// "FILE:LINE: " in front of what is said about one of its signatures.
    [[nodiscard]] std::string place(const Signature& signature) const;
    /// Whether any of them may drop or reset: what carries data of such a flow must wait for its scan.
    [[nodiscard]] bool may_block() const;

  private:
    static Result<SignatureSet> check(std::vector<std::string> files, std::vector<Signature> signatures);

    std::vector<std::string> files_;
    std::vector<Signature> signatures_;
};

}  // namespace sluice::policy
