#include "sluice/pipeline/syn_guard.hpp"

#include <array>
#include <new>

#include "sluice/base/siphash.hpp"

namespace sluice::pipeline {
namespace {

// A key of its own for each use: nothing learnt of one keyed function then says anything of another.
std::uint64_t derived(const flow::Secret& secret, std::uint8_t use, std::uint8_t word) {
    return siphash(std::array<std::uint8_t, 2>{use, word}, {secret.words[2], secret.words[3]});
}

}  // namespace

std::size_t SynGuard::bytes_needed(const Limits& limits) {
    if (limits.guarded_services == 0) return 0;
    return flow::arena_bytes<SynGuard>(1) +
           flow::arena_bytes<guard::ServiceCounters>(limits.guarded_services);
}

SynGuard* SynGuard::create(const Limits& limits, const flow::Secret& secret, std::span<std::byte> arena) {
    if (limits.guarded_services == 0) return nullptr;
    flow::Arena memory(arena);
    auto* const place = memory.take<SynGuard>(1);
    auto* const services = memory.take<guard::ServiceCounters>(limits.guarded_services);
    for (std::size_t i = 0; i < limits.guarded_services; ++i) ::new (&services[i]) guard::ServiceCounters;
    const flow::Secret sources{
        {derived(secret, 's', 0), derived(secret, 's', 1), derived(secret, 's', 2), derived(secret, 's', 3)}};
    return ::new (place) SynGuard({services, limits.guarded_services}, sources,
                                  {derived(secret, 'c', 0), derived(secret, 'c', 1)});
}

}  // namespace sluice::pipeline
