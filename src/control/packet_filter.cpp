#include "sluice/control/packet_filter.hpp"

#include <pcap/pcap.h>

#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>

namespace sluice::control {
namespace {

using nlohmann::json;

/// Of the frame: what libpcap takes for all of it.
constexpr int whole_frame = 65'535;

}  // namespace

Result<PacketFilter> PacketFilter::compile(const std::string& expression) {
    const std::unique_ptr<pcap_t, void (*)(pcap_t*)> ethernet(pcap_open_dead(DLT_EN10MB, whole_frame),
                                                              pcap_close);
    if (ethernet == nullptr) return Error{"libpcap cannot compile filters: it has no memory"};
    bpf_program compiled{};
    if (pcap_compile(ethernet.get(), &compiled, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0)
        return Error{"the filter `" + expression + "' is none: " + pcap_geterr(ethernet.get())};
    PacketFilter out;
    const bool fits = compiled.bf_len <= most_filter_instructions;
    if (fits) out.instructions_.reserve(compiled.bf_len);
    for (unsigned i = 0; fits && i < compiled.bf_len; ++i) {
        const bpf_insn& one = compiled.bf_insns[i];
        out.instructions_.push_back({one.code, one.jt, one.jf, one.k});
    }
    pcap_freecode(&compiled);
    if (!fits)
        return Error{"the filter `" + expression + "' is longer than " +
                     std::to_string(most_filter_instructions) + " instructions"};
    if (!out.harmless())
        return Error{"the filter `" + expression + "' loops (protochain does), which is not allowed here"};
    return out;
}

bool PacketFilter::harmless() const {
    static_assert(sizeof(Instruction) == sizeof(bpf_insn) &&
                  offsetof(Instruction, code) == offsetof(bpf_insn, code) &&
                  offsetof(Instruction, if_true) == offsetof(bpf_insn, jt) &&
                  offsetof(Instruction, if_false) == offsetof(bpf_insn, jf) &&
                  offsetof(Instruction, operand) == offsetof(bpf_insn, k));
    // libpcap lets an unconditional jump go backwards.
    for (std::size_t i = 0; i < instructions_.size(); ++i)
        if (instructions_[i].code == (BPF_JMP | BPF_JA) &&
            i + 1 + std::size_t{instructions_[i].operand} >= instructions_.size())
            return false;
    return bpf_validate(reinterpret_cast<const bpf_insn*>(instructions_.data()),
                        static_cast<int>(instructions_.size())) != 0;
}

bool PacketFilter::matches(std::span<const std::uint8_t> bytes, std::uint32_t length) const {
    return everything() || bpf_filter(reinterpret_cast<const bpf_insn*>(instructions_.data()), bytes.data(),
                                      length, static_cast<u_int>(bytes.size())) != 0;
}

json PacketFilter::to_json() const {
    json out = json::array();
    for (const Instruction& one : instructions_)
        out.push_back({one.code, one.if_true, one.if_false, one.operand});
    return out;
}

Result<PacketFilter> PacketFilter::from_json(const json& list) {
    const Error wrong{
        "program is no list of [code, offset, offset, number] that ends and stays in the packet"};
    if (!list.is_array() || list.empty()) return wrong;
    if (list.size() > most_filter_instructions)
        return Error{"program has more than " + std::to_string(most_filter_instructions) + " instructions"};
    const auto fits = [](const json& value, std::uint64_t highest) {
        return value.is_number_unsigned() && value.get<std::uint64_t>() <= highest;
    };
    PacketFilter out;
    out.instructions_.reserve(list.size());
    for (const json& one : list) {
        if (!one.is_array() || one.size() != 4 || !fits(one[0], UINT16_MAX) || !fits(one[1], UINT8_MAX) ||
            !fits(one[2], UINT8_MAX) || !fits(one[3], UINT32_MAX))
            return wrong;
        out.instructions_.push_back({one[0].get<std::uint16_t>(), one[1].get<std::uint8_t>(),
                                     one[2].get<std::uint8_t>(), one[3].get<std::uint32_t>()});
    }
    if (!out.harmless()) return wrong;
    return out;
}

}  // namespace sluice::control
