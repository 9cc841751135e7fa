#include "sluice/dpdk/mbuf_io.hpp"

#include <rte_errno.h>

namespace sluice::dpdk {

Status MbufIo::register_field() {
    static const rte_mbuf_dynfield field = {
        .name = "sluice_next_fragment",
        .size = sizeof(void*),
        .align = alignof(void*),
        .flags = 0,
    };
    const int offset = rte_mbuf_dynfield_register(&field);
    if (offset < 0) {
        return Error{std::string("no room in the packet buffers for the fragment link (") +
                     rte_strerror(rte_errno) +
                     "): another library in this process has taken all dynamic mbuf fields"};
    }
    next_fragment_offset_ = offset;
    return success();
}

}  // namespace sluice::dpdk
