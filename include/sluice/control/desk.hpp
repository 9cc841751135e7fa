// The one place that talks to the workers' mailboxes. Each mailbox has a single producer, and its answers
// come back in the order of the requests; the desk remembers who asked for what, so that many clients can
// share them.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "sluice/control/workers.hpp"

namespace sluice::control {

/// Used by the control thread alone.
class Desk {
  public:
    /// `workers` outlives the desk; their number does not change.
    explicit Desk(const Workers& workers) : workers_(workers), waiting_(workers.all.size()) {}

    /// Posts a request; false when the mailbox is full: try again after the next collect().
    [[nodiscard]] bool post(unsigned worker, const pipeline::Request& request, std::uint64_t ticket) {
        Tickets& tickets = waiting_[worker];
        if (tickets.count() == pipeline::Mailbox::slots) return false;
        if (!workers_.all[worker].mailbox->post(request)) return false;
        tickets.ring[tickets.head++ % pipeline::Mailbox::slots] = ticket;
        return true;
    }

    /// Takes every answer there is: on_answer(ticket, worker, answered request).
    template <class OnAnswer>
    void collect(OnAnswer&& on_answer) {
        pipeline::Request answered;
        for (unsigned worker = 0; worker < waiting_.size(); ++worker) {
            Tickets& tickets = waiting_[worker];
            while (tickets.count() > 0 && workers_.all[worker].mailbox->collect(answered))
                on_answer(tickets.ring[tickets.tail++ % pipeline::Mailbox::slots], worker, answered);
        }
    }

    /// Some answer is still to come.
    [[nodiscard]] bool waiting() const {
        for (const auto& tickets : waiting_)
            if (tickets.count() > 0) return true;
        return false;
    }

  private:
    struct Tickets {
        std::array<std::uint64_t, pipeline::Mailbox::slots> ring{};
        std::uint32_t head = 0, tail = 0;
        [[nodiscard]] std::uint32_t count() const { return head - tail; }
    };

    const Workers& workers_;
    std::vector<Tickets> waiting_;
};

}  // namespace sluice::control
