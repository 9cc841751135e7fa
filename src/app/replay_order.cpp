#include "app/replay_order.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace sluice::app {

void OrderedLines::line(std::string_view text) {
    if (places_.empty()) {
        sink_.write(text);
        return;
    }
    Place& last = places_.back();
    if (last.spilled > 0 || waiting_bytes_ + text.size() > memory_limit_) {
        spill(last, text);
        return;
    }
    last.after += text;
    waiting_bytes_ += text.size();
}

void OrderedLines::hold(std::uint64_t number) {
    Place place;
    place.number = number;
    places_.push_back(std::move(place));
    ++undecided_;
}

bool OrderedLines::decide(std::uint64_t number, std::string_view text) {
    const auto place = std::lower_bound(places_.begin(), places_.end(), number,
                                        [](const Place& p, std::uint64_t n) { return p.number < n; });
    if (place == places_.end() || place->number != number || place->decided) return false;
    place->decided = true;
    place->text = text;
    waiting_bytes_ += text.size();
    --undecided_;
    release();
    return true;
}

void OrderedLines::release() {
    while (!places_.empty() && places_.front().decided) {
        const Place& front = places_.front();
        sink_.write(front.text);
        sink_.write(front.after);
        if (front.spilled > 0) emit_spilled(front);
        waiting_bytes_ -= front.text.size() + front.after.size();
        places_.pop_front();
    }
    if (places_.empty()) file_.reset();
}

void OrderedLines::spill(Place& place, std::string_view text) {
    if (!failure_.empty()) return;
    if (!file_) file_.reset(std::tmpfile());
    if (!file_ || std::fseek(file_.get(), 0, SEEK_END) != 0) {
        failure_ = fmt::format("no temporary file for lines that wait for a fragmented datagram: {}",
                               std::strerror(errno));
        return;
    }
    if (place.spilled == 0) place.spilled_at = std::ftell(file_.get());
    if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size()) {
        failure_ =
            fmt::format("cannot write lines that wait for a fragmented datagram to a temporary file: {}",
                        std::strerror(errno));
        return;
    }
    place.spilled += text.size();
}

void OrderedLines::emit_spilled(const Place& place) {
    std::array<char, 1U << 16> piece;
    std::size_t left = place.spilled;
    bool good = std::fseek(file_.get(), place.spilled_at, SEEK_SET) == 0;
    while (good && left > 0) {
        const std::size_t got = std::fread(piece.data(), 1, std::min(left, piece.size()), file_.get());
        sink_.write({piece.data(), got});
        left -= got;
        good = got > 0;
    }
    if (left > 0 && failure_.empty())
        failure_ = fmt::format("cannot read back lines from a temporary file: {}", std::strerror(errno));
}

Status OrderedLines::status() const {
    if (failure_.empty()) return success();
    return Error{failure_};
}

}  // namespace sluice::app
