// The configuration over arbitrary text. The input: a byte (who reads it, how many overrides), the overrides,
// each behind a byte of length, then the file. A configuration that is taken is sound in every key; one that
// is not is refused in words fit for a terminal.
#include <string>
#include <vector>

#include "app/configuration.hpp"
#include "app/configuration_keys.hpp"
#include "fuzz.hpp"

namespace {

using namespace sluice;
using namespace sluice::app;
using fuzz::require;

void check_taken(const Configuration& taken) {
    for (const Key& key : keys()) {
        const Value value = key.get(taken);
        if (key.type == Type::integer)
            require(contains(key.range, std::get<std::int64_t>(value)), "an integer is in its range");
        Configuration scratch;
        require(key.set(scratch, value), "a value that was taken can be given");
    }
    require(taken.limits.ipv4_flows >= 1 && taken.limits.ipv6_flows >= 1, "both tables have room");
    require(!describe(taken).empty(), "what was taken can be told");
    const auto changes = reloadable_changes(taken, taken);
    require(changes.ok() && changes->empty(), "nothing differs from itself");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const std::uint8_t control = input.u8();
    std::vector<std::string> overrides((control >> 1) & 3U);
    for (std::string& one : overrides) {
        const auto bytes = input.bytes(input.u8());
        one.assign(bytes.begin(), bytes.end());
    }
    const auto rest = input.rest();
    const std::string text(rest.begin(), rest.end());
    const auto result = load_text(text, "file", overrides, (control & 1U) != 0 ? Use::daemon : Use::replay);
    if (result) {
        check_taken(*result);
        return 0;
    }
    require(!result.error().empty(), "a refusal has a sentence");
    for (const char c : result.error())
        require((c >= 0x20 && c < 0x7F) || c == '\n', "a message is fit for a terminal");
    return 0;
}
