// A replay in memory whose flows are told as stories.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "app/explain_render.hpp"
#include "app/explain_story.hpp"
#include "replay_run.hpp"

namespace sluice::test {

class Telling {
  public:
    explicit Telling(const app::StoryChoice& choice = {}, const pipeline::Settings& settings = {},
                     const pipeline::Limits& limits = small_tables())
        : settings_(settings), collector_(choice) {
        auto engine = app::ReplayEngine::create(limits, settings_, 1, collector_);
        if (!engine.ok()) throw std::runtime_error(engine.error());
        engine_ = std::move(*engine);
    }

    /// `at`: seconds since the start.
    Telling& packet(double at, const Bytes& bytes) {
        app::CapturedPacket packet;
        packet.bytes = bytes;
        packet.length = static_cast<std::uint32_t>(bytes.size());
        packet.nanoseconds = start_of_capture + std::llround(at * 1e9);
        engine_->feed(packet);
        return *this;
    }
    Telling& packet(double at, const PacketBuilder& builder) { return packet(at, builder.build()); }

    [[nodiscard]] const app::StoryCollector& collector() const { return collector_; }
    [[nodiscard]] const app::Story& story(std::uint64_t flow = 1) const {
        return collector_.stories().at(flow);
    }
    /// Segments and folds, one a line, for a failure's message and for comparing.
    [[nodiscard]] std::string table(const app::TextStyle& style = {}) const {
        std::string out;
        for (const auto& [number, story] : collector_.stories()) append_table(out, story, style);
        return out;
    }
    /// What the command prints.
    [[nodiscard]] std::string told(const app::TextStyle& style = {}) {
        engine_->finish();
        std::string out;
        for (const auto& [number, story] : collector_.stories()) {
            append_table(out, story, style);
            append_ladder(out, story, style);
            out += '\n';
        }
        return out;
    }
    void finish() { engine_->finish(); }

  private:
    pipeline::Settings settings_;
    app::StoryCollector collector_;
    std::unique_ptr<app::ReplayEngine> engine_;
};

}  // namespace sluice::test
