// Rules compiled into DPDK's ACL library: the matcher of the daemon. Its work for a packet grows with what
// the rules look at, hardly with their number.
#pragma once

#include <memory>

#include "sluice/policy/rule_set.hpp"

struct rte_acl_ctx;

namespace sluice::dpdk {

class AclMatcher final : public policy::Matcher {
  public:
    using Matcher::match;

    /// After the EAL's start; takes up to seconds and much memory for many rules, so not on the packet path.
    /// `node` is where the workers are; -1: anywhere. Fails with a sentence when memory is short.
    [[nodiscard]] static Result<std::unique_ptr<const policy::Matcher>> build(const policy::RuleSet& rules,
                                                                              int node);
    ~AclMatcher() override;

    void match(std::span<const policy::FirstPacket> packets,
               std::span<policy::RuleNumber> out) const override;

  private:
    AclMatcher() = default;
    template <class Family>
    void match_family(std::span<const policy::FirstPacket> packets, std::span<policy::RuleNumber> out) const;

    rte_acl_ctx* ipv4_ = nullptr;  ///< null: no rule is about this family
    rte_acl_ctx* ipv6_ = nullptr;
};

}  // namespace sluice::dpdk
