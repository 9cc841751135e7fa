// Two judges, one conversation. How a difference is put down to its cause:
//
//   *Resynchronise by leaving out.* The segments are shown to both judges one by one. When the judges agree
//   (verdict, state, assured, timeout, originator) the segment is kept. When they do not, the difference
//   belongs to that segment: it is classified, the segment is left out, and the conversation is played anew,
//   on other ports, from the segments kept so far. So every segment is judged by two trackers that have
//   agreed on everything before it, and there is no "it went wrong earlier" among the classes.
//
//   *The whole conversation too.* Then nothing is left out. A segment on which the judges differ here, but
//   not above, is a consequence of those left out: it is counted beside the class of the last of them before
//   it.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "classes.hpp"
#include "conversations.hpp"
#include "difference.hpp"
#include "kernel_judge.hpp"
#include "sluice_judge.hpp"

namespace sluice::differential {

/// What was seen of one class.
struct Count {
    std::array<std::size_t, source_count> differences{};  ///< by Source
    std::size_t stricter = 0;                             ///< of these, refused by sluice alone
    std::size_t consequences = 0;
};

struct Summary {
    std::size_t conversations = 0, segments = 0, replayed = 0;
    std::size_t both_pass = 0;                          ///< segments that both let pass, in agreement
    std::array<std::size_t, source_count> by_source{};  ///< segments
    /// Segments of whole conversations, by Source, that one lets pass and the other refuses.
    std::array<std::size_t, source_count> only_sluice_refuses{}, only_kernel_refuses{};
    std::array<std::size_t, source_count>
        without_flow{};  ///< of the first: sluice has no flow for it (any more)
    std::map<std::string_view, Count> classes;
    std::set<std::string_view> shown;                 ///< classes that a script of their own has shown
    std::vector<std::string> failures;                ///< in the order found, with their conversations
    std::map<std::string, std::size_t> unclassified;  ///< signature of a difference in no class, how often
};

class Comparison {
  public:
    explicit Comparison(KernelJudge& kernel) : kernel_(kernel) {}

    void compare(const Conversation& conversation);
    [[nodiscard]] const Summary& summary() const { return summary_; }

  private:
    struct Both {
        Judgement ours, kernels;
    };
    void begin();
    [[nodiscard]] Both judge(const Step& step);
    /// Plays `past` anew and then shows `step`; again when this machine slept meanwhile.
    [[nodiscard]] Both replay(const std::vector<Past>& past, const Step* step);
    void leave_out(std::map<std::size_t, std::string_view>& causes);
    void classify(const Difference& difference, std::string_view& cause);
    void play_whole(const std::map<std::size_t, std::string_view>& causes);
    bool check_what_kernel_says(const std::string& said, const std::vector<Past>& past, const Step& step,
                                const Both& both);
    void fail(const std::string& what, const std::vector<Past>& past, const Step& step, const Both& both);

    KernelJudge& kernel_;
    SluiceJudge sluice_;
    const Conversation* conversation_ = nullptr;
    std::uint32_t plays_ = 0;
    std::uint16_t identification_ = 0;
    Summary summary_;
};

}  // namespace sluice::differential
