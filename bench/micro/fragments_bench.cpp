// Tracker/Fragments: data segments of established connections that come in two fragments each. The pieces
// wait for one another, TCP's checksum is summed over both (no card does it for fragments), then the segment
// is judged.
#include <algorithm>
#include <stdexcept>

#include "mbuf_pool.hpp"
#include "plain_judge.hpp"
#include "tracker_box.hpp"
#include "world.hpp"

namespace sluice::bench::fragments_bench {
namespace {

class Fragments {
  public:
    explicit Fragments(std::uint32_t flows)
        : box_(TrackerBox::limits(flows, false), pipeline::Settings{}),
          world_(flows, Shape{.checksums = true}),
          judge_(box_.settings(), flows) {
        constexpr std::uint8_t handshake[] = {flag_syn, flag_syn | flag_ack, flag_ack};
        for (std::uint32_t flow = 0; flow < flows; ++flow)
            for (unsigned step = 0; step < 3; ++step) {
                pool_.receive(0, world_.write(pool_.frame(0), flow, step % 2, handshake[step], 0));
                box_->process(pool_.burst(0, 1), now_, box_.out);
                if (judge_.follows(flow))
                    judge_.hold_against(box_.out.judged[0].decision, pool_.bytes(0),
                                        pipeline::ChecksumState::good, now_.tick);
            }
        refill();
        judge_pool();
    }
    [[nodiscard]] std::uint32_t packets() const { return pool_.size(); }

    void refill() {
        for (std::uint32_t i = 0; i < pool_.size(); i += 2) {
            flow_[i / 2] = world_.pick();
            write_whole(flow_[i / 2], world_.random() & 1U);
            split(i);
        }
        ++now_.tick;
    }
    [[gnu::noinline]] void pass() {
        for (std::uint32_t at = 0; at < pool_.size(); at += burst) box_.poll(pool_.burst(at, burst), now_);
    }
    void report(benchmark::State& state) const {
        box_.require_all_accepted();
        if (box_.counters().held.read() != 0) throw std::runtime_error("fragments are still waiting");
        box_.report(state);
    }

  private:
    static constexpr std::uint32_t payload = 1'200;
    static constexpr std::uint32_t first_piece = 608;  ///< of TCP header and payload
    static constexpr std::uint32_t network = 14, transport = network + 20;

    void write_whole(std::uint32_t flow, unsigned side) {
        length_ = world_.write(whole_.data(), flow, side, flag_ack, payload);
    }
    /// Two buffers from the frame in whole_.
    void split(std::uint32_t buffer) {
        constexpr std::uint16_t more_fragments = 0x2000;
        const std::uint32_t lengths[2] = {first_piece, length_ - transport - first_piece};
        ++identification_;
        for (unsigned i = 0; i < 2; ++i) {
            std::uint8_t* const frame = pool_.frame(buffer + i);
            std::copy_n(whole_.data(), transport, frame);
            std::copy_n(whole_.data() + transport + i * first_piece, lengths[i], frame + transport);
            store(frame + network + 2, be16(static_cast<std::uint16_t>(20 + lengths[i])));
            store(frame + network + 4, be16(identification_));
            store(frame + network + 6,
                  be16(static_cast<std::uint16_t>(i == 0 ? more_fragments : first_piece / 8)));
            pool_.receive(buffer + i, transport + lengths[i], RTE_MBUF_F_RX_IP_CKSUM_GOOD);
        }
    }
    /// Each pair gives one decision, that on the whole segment.
    void judge_pool() {
        for (std::uint32_t at = 0; at < pool_.size(); at += burst) {
            box_->process(pool_.burst(at, burst), now_, box_.out);
            if (box_.out.size != burst / 2)
                throw std::runtime_error("not every two fragments are one datagram");
            for (unsigned i = 0; i < burst / 2; ++i) {
                const pipeline::Decision& decision = box_.out.judged[i].decision;
                if (!decision.datagram || decision.action != pipeline::Action::pass ||
                    decision.state != pipeline::CtState::established || decision.reason != Reason::none)
                    throw std::runtime_error("a datagram in fragments was not accepted");
                const std::uint32_t flow = flow_[at / 2 + i];
                if (judge_.follows(flow)) judge_.hold_against(decision, put_together(at + 2 * i), now_.tick);
            }
        }
        if (judge_.compared() == 0) throw std::runtime_error("no datagram was compared");
    }
    [[nodiscard]] std::span<const std::uint8_t> put_together(std::uint32_t buffer) {
        const auto first = pool_.bytes(buffer), second = pool_.bytes(buffer + 1);
        std::copy(first.begin(), first.end(), whole_.data());
        std::copy(second.begin() + transport, second.end(), whole_.data() + first.size());
        const std::size_t length = first.size() + second.size() - transport;
        store(whole_.data() + network + 2, be16(static_cast<std::uint16_t>(length - network)));
        store(whole_.data() + network + 6, be16(0));
        return {whole_.data(), length};
    }

    TrackerBox box_;
    World world_;
    MbufPool pool_;
    PlainJudge judge_;
    std::array<std::uint8_t, 2048> whole_{};
    std::uint32_t length_ = 0;
    std::uint16_t identification_ = 0;
    std::vector<std::uint32_t> flow_ = std::vector<std::uint32_t>(MbufPool::usual_size / 2);
    pipeline::Now now_{.tick = 1000};
};

void fragments(benchmark::State& state) {
    guarded(state, [&] {
        const auto flows = static_cast<std::uint32_t>(state.range(0));
        auto& subject = Kept::get("Tracker/Fragments/" + std::to_string(flows),
                                  [&] { return std::make_unique<Fragments>(flows); });
        measure_passes(
            state, subject.packets(), [&] { subject.refill(); }, [&] { subject.pass(); });
        subject.report(state);
    });
}
BENCHMARK(fragments)->Name("Tracker/Fragments")->ArgName("flows")->Arg(1'000)->Arg(1'000'000);

}  // namespace
}  // namespace sluice::bench::fragments_bench
