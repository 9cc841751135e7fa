// Segments of any kind through a tracker whose guard answers, proxies, limits and hides. Whatever leaves is
// whole, no RST is answered, every packet is accounted for, and when the flows are gone nothing is left.
#include "fuzz.hpp"
#include "support/arbitrary_guarded_traffic.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sluice;
    fuzz::Input input(data, size);
    std::uint32_t mixed = 0;
    test::ArbitraryTraffic traffic(input.flag(), [&] {
        mixed = (mixed ^ input.u8()) * 0x9E37'79B1U + 1;  // sequence numbers want more than a byte
        return mixed >> 8;
    });
    while (!input.empty()) {
        traffic.step();
        fuzz::require(traffic.fault() == nullptr, traffic.fault());
    }
    traffic.finish();
    fuzz::require(traffic.fault() == nullptr, traffic.fault());
    return 0;
}
