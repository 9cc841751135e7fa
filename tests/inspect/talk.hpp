// Generated conversations: senders that segment, retransmit and overlap as they please, a network that loses,
// copies and reorders on both sides of us, liars that throw in bytes of their own, and receivers that put
// together what reaches them.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "sluice/base/time.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::inspect::testing {

using tcp::Direction;

inline constexpr std::uint32_t window = 3000;

/// SLUICE_CONVERSATIONS=10000 for all of them.
inline unsigned conversations() {
    const char* const set = std::getenv("SLUICE_CONVERSATIONS");
    return set == nullptr ? 1000 : static_cast<unsigned>(std::strtoul(set, nullptr, 10));
}

/// A frame on its way: data of one direction, an acknowledgement of the other's.
struct Frame {
    Direction direction;
    std::uint32_t offset;
    std::string bytes;
    bool fin;
};

/// Reads what is in its window, the first copy of each byte, in order.
class Receiver {
  public:
    void take(const Frame& frame) {
        const std::uint32_t edge = next() + window;
        for (std::uint32_t i = 0; i < frame.bytes.size(); ++i) {
            const std::uint32_t at = frame.offset + i;
            if (at >= edge || at >= end_) break;
            if (at < text_.size()) continue;
            if (pending_.size() <= at) pending_.resize(at + 1);
            if (!pending_[at]) pending_[at] = frame.bytes[i];
        }
        const auto behind = frame.offset + static_cast<std::uint32_t>(frame.bytes.size());
        if (frame.fin && behind <= edge && behind >= next() && end_ == no_end) end_ = behind;
        if (pending_.size() > end_) pending_.resize(end_);
        while (text_.size() < pending_.size() && pending_[text_.size()]) text_ += *pending_[text_.size()];
    }
    [[nodiscard]] std::uint32_t next() const { return static_cast<std::uint32_t>(text_.size()); }
    [[nodiscard]] const std::string& text() const { return text_; }

  private:
    std::vector<std::optional<char>> pending_;
    std::string text_;
    static constexpr std::uint32_t no_end = 0xFFFFFFFFU;
    std::uint32_t end_ = no_end;  ///< where the FIN says that the data end
};

struct Weather {
    bool lossy_behind = false;  ///< segments are lost between us and the receiver
    bool liars = false;
};

/// One conversation; what lies in the middle is derived from it.
class Talk {
  public:
    Talk(unsigned seed, const Weather& weather) : random_(seed), weather_(weather) {
        for (const int side : {0, 1}) {
            data_[side].resize(random(6000));
            for (char& c : data_[side]) c = static_cast<char>('a' + random(3));
            isn_[side] = 0U - random(8000);
        }
    }
    Talk(const Talk&) = delete;
    Talk& operator=(const Talk&) = delete;
    virtual ~Talk() = default;

    /// `most_steps`: where a liar was first, and what he said was lost, an honest sender is never heard.
    void run(unsigned most_steps) {
        for (unsigned step = 0; step < most_steps && !over(); ++step) {
            const auto side = static_cast<int>(random(2));
            if (random(3) != 0) send(side);
            if (weather_.liars && random(8) == 0) lie(side);
            while (!network_.empty() && (network_.size() > 20 || random(2) == 0))
                carry(random(network_.size()));
            if (random(16) == 0) pass(1 + random(300));
        }
        while (!network_.empty()) carry(0);
        for (unsigned i = 0; i < 20; ++i) pass(100);
    }

    /// Everything arrived.
    [[nodiscard]] bool over() const {
        return receiver_[0].text().size() == data_[0].size() && receiver_[1].text().size() == data_[1].size();
    }
    [[nodiscard]] const std::string& sent(int side) const { return data_[side]; }
    /// How much of it its sender has sent so far.
    [[nodiscard]] std::uint32_t sent_so_far(int side) const { return sent_[side]; }
    [[nodiscard]] const std::string& read(int side) const { return receiver_[side].text(); }
    [[nodiscard]] const Weather& weather() const { return weather_; }

  protected:
    /// Packet `number` arrives in the middle: data, or an acknowledgement of the other direction's.
    virtual void arrives(unsigned number, const Frame& frame) = 0;
    virtual void polls(Tick passed) = 0;
    /// It is let through.
    void leaves(unsigned number) { left_.push_back(number); }

    [[nodiscard]] const Frame& frame(unsigned number) const { return packets_[number]; }
    [[nodiscard]] std::uint32_t isn(int side) const { return isn_[side]; }
    [[nodiscard]] std::uint32_t acknowledged(int side) const { return acknowledged_[side]; }

  private:
    std::uint32_t random(std::size_t below) {
        return below == 0 ? 0 : static_cast<std::uint32_t>(random_() % below);
    }

    void send(int side) {
        const std::string& data = data_[side];
        const std::uint32_t acknowledged = acknowledged_[side];
        const auto edge =
            std::min<std::uint32_t>(acknowledged + window, static_cast<std::uint32_t>(data.size()));
        std::uint32_t from = sent_[side];
        if (random(3) == 0) {  // once more, or a part of it
            from = acknowledged;
            if (random(2) == 0 && from < sent_[side]) from += random(sent_[side] - from);
        }
        if (random(20) == 0) from = random(acknowledged + 1);  // something old
        const std::uint32_t length = std::min(1 + random(700), edge - std::min(from, edge));
        if (length == 0) return;
        const std::uint32_t end = from + length;
        sent_[side] = std::max(sent_[side], end);
        network_.push_back(
            {static_cast<Direction>(side), from, data.substr(from, length), end == data.size()});
        if (random(10) == 0) network_.push_back(network_.back());
    }

    /// Bytes that the sender never sent, anywhere near the window.
    void lie(int side) {
        const auto size = static_cast<std::uint32_t>(data_[side].size());
        const std::uint32_t middle = acknowledged_[side];
        const std::uint32_t offset = middle - std::min(middle, 500U) + random(window + 1000);
        if (offset >= size) return;
        std::string bytes(std::min(1 + random(400), size - offset), 'x');
        for (char& c : bytes) c = static_cast<char>('a' + random(3));
        network_.push_back({static_cast<Direction>(side), offset, bytes, false});
    }

    void carry(std::size_t which) {
        const Frame frame = network_[which];
        network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(which));
        if (random(8) == 0) return;  // lost before it reached us
        arrive(frame);
        deliver();
    }
    void arrive(const Frame& frame) {
        packets_.push_back(frame);
        arrives(static_cast<unsigned>(packets_.size() - 1), frame);
    }

    void pass(Tick passed) {
        polls(passed);
        deliver();
    }

    /// What left goes on to its receiver, who acknowledges at once.
    void deliver() {
        for (; delivered_ < left_.size(); ++delivered_) {
            const Frame frame = packets_[left_[delivered_]];
            if (frame.bytes.empty()) continue;  // an acknowledgement
            const auto side = static_cast<int>(frame.direction);
            if (weather_.lossy_behind && random(8) == 0) continue;
            receiver_[side].take(frame);
            // A lost acknowledgement leaves us, and an honest sender, with an older window than a liar may
            // hit.
            if (!weather_.liars && random(4) == 0) continue;
            acknowledged_[side] = receiver_[side].next();
            arrive({static_cast<Direction>(1 - side), 0, "", false});
        }
    }

    std::mt19937 random_;
    Weather weather_;
    std::vector<Frame> network_, packets_;
    std::vector<unsigned> left_;
    std::size_t delivered_ = 0;
    std::string data_[2];
    std::uint32_t isn_[2], sent_[2] = {}, acknowledged_[2] = {};
    Receiver receiver_[2];
};

}  // namespace sluice::inspect::testing
