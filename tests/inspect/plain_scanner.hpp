// A scanner that knows nothing but fixed strings, and keeps all it was given: the oracle of the tests.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sluice/tcp/segment.hpp"

namespace sluice::inspect::testing {

class PlainScanner {
  public:
    using Stream = std::uint32_t;
    static constexpr Stream none = 0xFFFFFFFFU;
    static constexpr Stream nothing = 0xFFFFFFFEU;

    explicit PlainScanner(std::vector<std::string> patterns) : patterns_(std::move(patterns)) {}

    Stream open(std::uint32_t /*flow*/, tcp::Direction direction) {
        if (!looks[static_cast<int>(direction)]) return nothing;
        if (streams_left == 0) return none;
        --streams_left;
        texts_.push_back({{}, std::vector<bool>(patterns_.size()), direction, true});
        return static_cast<Stream>(texts_.size() - 1);
    }
    template <class OnMatch>
    void scan(Stream stream, std::span<const std::uint8_t> bytes, OnMatch&& on_match) {
        Text& text = texts_.at(stream);
        if (!text.is_open) ++misused;
        const std::size_t before = text.bytes.size();
        text.bytes.append(bytes.begin(), bytes.end());
        for (std::uint32_t i = 0; i < patterns_.size(); ++i) {
            const std::size_t length = patterns_[i].size();
            const std::size_t at = text.bytes.find(patterns_[i], before < length ? 0 : before - length + 1);
            if (text.found[i] || at == std::string::npos) continue;
            text.found[i] = true;
            on_match(i, at + length);
        }
    }
    template <class OnMatch>
    void end(Stream stream, OnMatch&& /*on_match*/) {
        discard(stream);
        ++ended;
    }
    void discard(Stream stream) {
        if (!texts_.at(stream).is_open) ++misused;
        texts_.at(stream).is_open = false;
        ++streams_left;
    }

    [[nodiscard]] const std::string& text(Stream stream) const { return texts_.at(stream).bytes; }
    /// What the first stream of this direction was given.
    [[nodiscard]] const std::string& text(tcp::Direction direction) const {
        static const std::string empty;
        for (const Text& text : texts_)
            if (text.direction == direction) return text.bytes;
        return empty;
    }
    [[nodiscard]] std::size_t opened() const { return texts_.size(); }

    std::uint32_t streams_left = 1000;
    bool looks[2] = {true, true};
    unsigned ended = 0;
    unsigned misused = 0;  ///< streams that were used or given back after they had been

  private:
    struct Text {
        std::string bytes;
        std::vector<bool> found;
        tcp::Direction direction;
        bool is_open;
    };
    std::vector<std::string> patterns_;
    std::vector<Text> texts_;
};

}  // namespace sluice::inspect::testing
