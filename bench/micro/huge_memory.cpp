#include "huge_memory.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <fstream>
#include <new>
#include <sstream>
#include <string>

namespace sluice::bench {
namespace {

constexpr std::size_t round_up(std::size_t bytes) {
    return (bytes + HugeMemory::page - 1) / HugeMemory::page * HugeMemory::page;
}

std::byte* map(std::size_t bytes, int more_flags) {
    void* const start =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | more_flags, -1, 0);
    return start == MAP_FAILED ? nullptr : static_cast<std::byte*>(start);
}

}  // namespace

HugeMemory::HugeMemory(std::size_t bytes) : bytes_(bytes), mapped_bytes_(round_up(bytes)) {
    constexpr int huge = MAP_HUGETLB | 21 << MAP_HUGE_SHIFT;
    mapped_ = data_ = map(mapped_bytes_, huge);
    explicit_ = mapped_ != nullptr;
    if (!explicit_) {
        mapped_bytes_ += page;
        mapped_ = map(mapped_bytes_, 0);
        if (mapped_ == nullptr) throw std::bad_alloc();
        data_ = mapped_ + (page - reinterpret_cast<std::uintptr_t>(mapped_) % page) % page;
        ::madvise(data_, round_up(bytes), MADV_HUGEPAGE);
    }
    for (std::size_t i = 0; i < bytes; i += 4096) const_cast<volatile std::byte&>(data_[i]) = std::byte{0};
}

HugeMemory::~HugeMemory() {
    ::munmap(mapped_, mapped_bytes_);
}

double HugeMemory::huge_share() const {
    const auto first = reinterpret_cast<std::uintptr_t>(data_), last = first + bytes_;
    std::ifstream smaps("/proc/self/smaps");
    std::size_t resident = 0, huge = 0;
    bool inside = false;
    for (std::string line; std::getline(smaps, line);) {
        std::istringstream words(line);
        std::string name;
        words >> name;
        std::uintptr_t from = 0, to = 0;
        if (char dash = 0; name.find('-') != std::string::npos &&
                           std::istringstream(name) >> std::hex >> from >> dash >> to) {
            inside = from < last && to > first;
        } else if (std::size_t kilobytes = 0; inside && words >> kilobytes) {
            // Explicit huge pages do not count as resident.
            if (name == "Rss:" || name == "Private_Hugetlb:") resident += kilobytes;
            if (name == "AnonHugePages:" || name == "Private_Hugetlb:") huge += kilobytes;
        }
    }
    return resident == 0 ? 0 : static_cast<double>(huge) / static_cast<double>(resident);
}

}  // namespace sluice::bench
