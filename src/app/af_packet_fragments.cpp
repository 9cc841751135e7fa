// Keeps the kernel from putting IPv4 fragments together before we see them.
//
// DPDK 22.11's af_packet driver joins a fanout group with PACKET_FANOUT_FLAG_DEFRAG even for a single queue
// (packet(7)). The kernel then hands over whole datagrams, cut off at the size of a ring's frame: what should
// have crossed the box as fragments would be refused as malformed. The driver has no argument against it, and
// a socket cannot leave its group; so sluiced stands in for the C library's setsockopt, which a program's own
// definition takes the place of, also for the drivers that are loaded at run time, and takes out that one
// flag. tests/e2e sends fragments through af_packet.

#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

extern "C" int setsockopt(int descriptor, int level, int option, const void* value,
                          socklen_t length) noexcept {
    std::uint32_t fanout = 0;  // group, type and flags, see packet(7)
    if (level == SOL_PACKET && option == PACKET_FANOUT && value != nullptr && length == sizeof fanout) {
        std::memcpy(&fanout, value, sizeof fanout);
        fanout &= ~(std::uint32_t{PACKET_FANOUT_FLAG_DEFRAG} << 16U);
        value = &fanout;
    }
    return static_cast<int>(syscall(SYS_setsockopt, descriptor, level, option, value, length));
}
