#include "sluice/policy/signature.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <unordered_map>

#include "sluice/packet/headers.hpp"

namespace sluice::policy {
namespace {

constexpr std::size_t faults_shown = 10;

/// A port number in front of `text`, which is shortened by it.
std::optional<std::uint16_t> take_port(std::string_view& text) {
    std::uint16_t port = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (fault != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return port;
}

bool take(std::string_view& text, std::string_view word) {
    if (!text.starts_with(word)) return false;
    text.remove_prefix(word.size());
    return true;
}

Error expected_service() {
    return {R"(expected "any", "icmp", "tcp", "udp", "tcp/80,8000-8999" or "tcp/not 80,443")"};
}

bool is_over(Transport transport, std::uint8_t protocol) {
    switch (transport) {
        case Transport::tcp:
            return protocol == packet::tcp;
        case Transport::udp:
            return protocol == packet::udp;
        case Transport::icmp:
            return packet::is_icmp(protocol);
        case Transport::any:
            return true;
    }
    return false;
}

/// What is wrong with one signature, whatever the others are; empty: nothing.
std::string fault_of(const Signature& signature) {
    if (signature.id == 0) return "id: expected a number from 1 to 4294967295";
    if (signature.name.empty()) return "name: expected what a hit means, in a few words, found none";
    if (signature.name.size() > SignatureSet::longest_name)
        return "name: expected at most " + std::to_string(SignatureSet::longest_name) + " bytes, found " +
               std::to_string(signature.name.size());
    if (signature.pattern.empty()) return "pattern: expected a regular expression, found none";
    if (signature.pattern.size() > SignatureSet::longest_pattern)
        return "pattern: expected at most " + std::to_string(SignatureSet::longest_pattern) +
               " bytes, found " + std::to_string(signature.pattern.size());
    if (signature.pattern.find('\0') != std::string::npos)
        return "pattern: expected no NUL byte (write \\x00 for one)";
    if ((signature.mark != 0) != (signature.action == SignatureAction::mark))
        return R"(mark: expected with action = "mark", and only with it)";
    return {};
}

/// The faults of a set, the first few in words.
class Faults {
  public:
    void add(const std::string& place, const std::string& sentence) {
        if (++found_ > faults_shown) return;
        if (!text_.empty()) text_ += '\n';
        text_.append(place).append(sentence);
    }
    [[nodiscard]] bool any() const { return found_ != 0; }
    [[nodiscard]] Error error() const {
        return {found_ > faults_shown ? text_ + "\nand " + std::to_string(found_ - faults_shown) + " more"
                                      : text_};
    }

  private:
    std::string text_;
    std::size_t found_ = 0;
};

}  // namespace

bool SignatureService::covers(std::uint8_t protocol, std::uint16_t port) const {
    if (!is_over(transport, protocol)) return false;
    if (ports.empty()) return true;
    const bool listed = std::any_of(ports.begin(), ports.end(), [port](const PortRange& range) {
        return range.first <= port && port <= range.last;
    });
    return listed != except;
}

Result<SignatureService> parse_service(std::string_view text) {
    SignatureService out;
    if (text == "any") return out;
    if (text == "icmp") {
        out.transport = Transport::icmp;
        return out;
    }
    if (take(text, "tcp"))
        out.transport = Transport::tcp;
    else if (take(text, "udp"))
        out.transport = Transport::udp;
    else
        return expected_service();
    if (text.empty()) return out;
    if (!take(text, "/")) return expected_service();
    out.except = take(text, "not ");
    do {
        const auto first = take_port(text);
        const auto last = take(text, "-") ? take_port(text) : first;
        if (!first || !last || *first > *last) return expected_service();
        out.ports.push_back({*first, *last});
    } while (take(text, ",") && (take(text, " ") || true));
    if (!text.empty()) return expected_service();
    return out;
}

Status parse_flags(std::string_view text, Signature& into) {
    for (const char flag : text) {
        bool& which = flag == 'i' ? into.caseless : flag == 's' ? into.dot_all : into.multi_line;
        if ((flag != 'i' && flag != 's' && flag != 'm') || which)
            return Error{
                "expected letters of i (caseless), s (a dot is any byte) and m (^ and $ at each "
                "line), each once"};
        which = true;
    }
    return success();
}

std::string place_of(std::string_view file, unsigned line) {
    return std::string(file) + ':' + std::to_string(std::max(1U, line)) + ": ";
}

Result<SignatureSet> SignatureSet::create(std::string file, std::vector<Signature> signatures) {
    for (Signature& signature : signatures) signature.file = 0;
    return check({std::move(file)}, std::move(signatures));
}

Result<SignatureSet> SignatureSet::join(std::vector<SignatureSet> sets) {
    std::vector<std::string> files;
    std::vector<Signature> signatures;
    for (SignatureSet& set : sets) {
        const auto before = static_cast<std::uint32_t>(files.size());
        for (std::string& file : set.files_) files.push_back(std::move(file));
        for (Signature& signature : set.signatures_) {
            signature.file += before;
            signatures.push_back(std::move(signature));
        }
    }
    return check(std::move(files), std::move(signatures));
}

Result<SignatureSet> SignatureSet::check(std::vector<std::string> files, std::vector<Signature> signatures) {
    SignatureSet set;
    set.files_ = std::move(files);
    set.signatures_ = std::move(signatures);
    const std::vector<Signature>& all = set.signatures_;
    if (all.size() > most_signatures)
        return Error{set.place(all[most_signatures]) + "expected at most " + std::to_string(most_signatures) +
                     " signatures, found " + std::to_string(all.size())};
    Faults faults;
    std::unordered_map<std::uint32_t, const Signature*> by_id;
    for (const Signature& signature : all) {
        const std::string fault = fault_of(signature);
        if (!fault.empty()) {
            faults.add(set.place(signature), fault);
            continue;
        }
        const auto [found, is_new] = by_id.try_emplace(signature.id, &signature);
        if (is_new) continue;
        const Signature& earlier = *found->second;
        faults.add(set.place(signature),
                   "id: expected another number, found " + std::to_string(signature.id) +
                       ", which the signature of line " + std::to_string(earlier.line) +
                       (earlier.file == signature.file ? "" : " of " + set.files_[earlier.file]) + " has");
    }
    if (faults.any()) return faults.error();
    return set;
}

std::string SignatureSet::file() const {
    std::string out;
    for (const std::string& file : files_) out += (out.empty() ? "" : ", ") + file;
    return out;
}

std::string SignatureSet::place(const Signature& signature) const {
    return place_of(files_[signature.file], signature.line);
}

bool SignatureSet::may_block() const {
    return std::any_of(signatures_.begin(), signatures_.end(), [](const Signature& signature) {
        return signature.action == SignatureAction::drop || signature.action == SignatureAction::reset;
    });
}

}  // namespace sluice::policy
