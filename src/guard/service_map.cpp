#include "sluice/guard/service_map.hpp"

#include <algorithm>
#include <bit>
#include <tuple>

#include "sluice/base/words.hpp"

namespace sluice::guard {
namespace {

bool sits_within(const Address& address, const Address& mask) {
    return (address.high & ~mask.high) == 0 && (address.low & ~mask.low) == 0;
}

}  // namespace

std::string text_of(Source source) {
    return source.is_ipv4() ? text_of(Address{0, Address::mapped | (source.word & 0xFFFF'FFFF)})
                            : text_of(Address{source.word, 0}) + "/64";
}

std::string text_of(const Service& service) {
    const bool ipv4 = service.address.is_ipv4() && service.prefix_length >= 96;
    std::string where = text_of(service.address);
    if (service.prefix_length < 128) where += joined('/', service.prefix_length - (ipv4 ? 96 : 0));
    if (!ipv4) where = '[' + where + ']';
    return where + ':' + (service.port == 0 ? "all" : std::to_string(service.port));
}

bool ServiceMap::place(std::span<const Service> services) {
    std::fill(entries_.begin(), entries_.end(), Entry{});
    for (const Service& service : services) {
        const auto* const shape = std::find_if(shapes_.begin(), shapes_.end(), [&](const Shape& one) {
            return one.prefix_length == service.prefix_length && (one.port_mask == 0) == (service.port == 0);
        });
        const auto number = static_cast<unsigned>(shape - shapes_.begin());
        Entry* const first = &entries_[home(number, service.address, service.port)];
        Entry* const entry = std::find_if(first, first + most_steps + 1,
                                          [](const Entry& one) { return one.number == no_service; });
        if (entry == first + most_steps + 1) return false;
        *entry = {service.address, service.port, static_cast<std::uint16_t>(number), service.number};
    }
    return true;
}

Result<ServiceMap> ServiceMap::build(std::span<const Service> services) {
    ServiceMap map;
    if (services.size() > most_services)
        return Error{joined(grouped(services.size()), " protected services are too many: at most ",
                            grouped(most_services))};
    std::vector<Shape> shapes;
    for (const Service& service : services) {
        if (service.number == no_service) return Error{text_of(service) + ": a service's number starts at 1"};
        if (service.prefix_length > 128)
            return Error{
                joined("a prefix of ", unsigned{service.prefix_length}, " bits is too long: at most 128")};
        const Shape shape{mask_of(service.prefix_length),
                          static_cast<std::uint16_t>(service.port == 0 ? 0 : 0xFFFF), service.prefix_length};
        if (!sits_within(service.address, shape.mask))
            return Error{text_of(service) + ": the address has bits beyond its prefix: set them to 0"};
        if (std::find(shapes.begin(), shapes.end(), shape) == shapes.end()) shapes.push_back(shape);
    }
    if (shapes.size() > most_shapes)
        return Error{joined("the protected services have ", shapes.size(),
                            " different prefix lengths, with and without a port; at most ", most_shapes)};
    std::sort(shapes.begin(), shapes.end(), [](const Shape& a, const Shape& b) {
        return a.prefix_length != b.prefix_length ? a.prefix_length > b.prefix_length
                                                  : a.port_mask > b.port_mask;
    });
    std::copy(shapes.begin(), shapes.end(), map.shapes_.begin());

    std::vector<Service> sorted(services.begin(), services.end());
    const auto where = [](const Service& one) {
        return std::tuple(one.prefix_length, one.port, one.address.high, one.address.low);
    };
    std::sort(sorted.begin(), sorted.end(),
              [&](const Service& a, const Service& b) { return where(a) < where(b); });
    const auto twice =
        std::adjacent_find(sorted.begin(), sorted.end(),
                           [&](const Service& a, const Service& b) { return where(a) == where(b); });
    if (twice != sorted.end()) return Error{text_of(*twice) + " is protected twice: leave one out"};

    map.shape_count_ = static_cast<unsigned>(shapes.size());
    for (std::size_t places = std::bit_ceil(std::max<std::size_t>(services.size(), 4) * 4);; places *= 2) {
        map.shift_ = 64 - static_cast<unsigned>(std::countr_zero(places));
        map.entries_.resize(places + most_steps);
        for (unsigned attempt = 0; attempt < 64; ++attempt) {
            map.seed_ += 0xA076'1D64'78BD'642FU;
            if (map.place(sorted)) return map;
        }
    }
}

}  // namespace sluice::guard
