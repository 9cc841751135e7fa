// Where conversations begin, for the tests that search.
#pragma once

#include "joint.hpp"

namespace sluice::test {

/// Two closed endpoints with `octets` of buffer each, and a network that does nothing unasked. Their numbers
/// wrap in every conversation. Both heed the acknowledgement of a segment that brings nothing else new, as
/// stacks do.
[[nodiscard]] rfc9293::World stage(std::uint16_t octets, std::uint8_t scale_a = rfc9293::no_scale,
                                   std::uint8_t scale_b = rfc9293::no_scale);

/// The same with an open connection, made over a perfect network with the tracker in the middle.
[[nodiscard]] Joint established(rfc9293::World world);

/// What a user may do beside opening.
[[nodiscard]] rfc9293::Allowance user(std::uint8_t octets, std::uint8_t close, std::uint8_t retransmit);

}  // namespace sluice::test
