// Compiles in a process of its own, with a budget of processor time and memory.
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <sstream>

#include "compiler.hpp"
#include "sluice/inspect/database.hpp"

namespace sluice::inspect {
namespace {

/// A number that parent and child both see.
class SharedProgress {
  public:
    SharedProgress()
        : memory_(
              mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
        if (memory_ != MAP_FAILED) new (memory_) Progress(all_together);
    }
    SharedProgress(const SharedProgress&) = delete;
    SharedProgress& operator=(const SharedProgress&) = delete;
    ~SharedProgress() {
        if (memory_ != MAP_FAILED) munmap(memory_, sizeof(Progress));
    }
    [[nodiscard]] bool ok() const { return memory_ != MAP_FAILED; }
    Progress& operator*() { return *static_cast<Progress*>(memory_); }

  private:
    void* memory_;
};

/// From here on so much processor time, or SIGPROF.
void begin_timed(std::uint32_t milliseconds) {
    itimerval timer{};
    timer.it_value.tv_sec = milliseconds / 1000;
    timer.it_value.tv_usec = milliseconds % 1000 * 1000;
    setitimer(ITIMER_PROF, &timer, nullptr);
}

std::size_t mapped_bytes() {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

bool write_all(int file, const std::string& text) {
    std::size_t at = 0;
    while (at < text.size()) {
        const ssize_t written = ::write(file, text.data() + at, text.size() - at);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        at += static_cast<std::size_t>(written);
    }
    return true;
}

/// The child: its first byte says whether a database or a sentence follows.
[[noreturn]] void work(int out, const policy::SignatureSet& signatures, const CompileLimits& limits,
                       Progress& progress) {
    std::signal(SIGPROF, SIG_DFL);
    sigset_t prof;
    sigemptyset(&prof);
    sigaddset(&prof, SIGPROF);
    sigprocmask(SIG_UNBLOCK, &prof, nullptr);
    std::signal(SIGPIPE, SIG_DFL);
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    const rlimit memory{mapped_bytes() + limits.memory_bytes, mapped_bytes() + limits.memory_bytes};
    setrlimit(RLIMIT_AS, &memory);
    std::string answer;
    try {
        const auto compiled = compile_here(signatures, limits, progress, begin_timed);
        answer = compiled ? "d" : "e";
        answer.append(compiled ? *compiled : compiled.error());
    } catch (const std::bad_alloc&) {
        answer = "m";
    }
    ::_exit(write_all(out, answer) ? 0 : 1);
}

/// What the child says until it is done; `wait()` is called ten times a second meanwhile.
template <class Wait>
std::string read_all(int in, Wait&& wait) {
    constexpr int patience_milliseconds = 100;
    std::string out;
    std::string chunk(256U << 10U, '\0');
    for (;;) {
        for (pollfd watched{in, POLLIN, 0}; ::poll(&watched, 1, patience_milliseconds) == 0;) wait();
        const ssize_t got = ::read(in, chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return out;
        out.append(chunk, 0, static_cast<std::size_t>(got));
    }
}

/// Why there is no answer, for people.
Error blame(const policy::SignatureSet& signatures, const CompileLimits& limits, std::uint32_t at,
            bool out_of_time) {
    const bool one = at < signatures.size();
    std::ostringstream out;
    if (one)
        out << signatures.place(signatures[at]) << "pattern: compiling it";
    else
        out << signatures.file() << ": compiling the signatures together";
    out << " needs more than ";
    if (!out_of_time)
        out << (limits.memory_bytes >> 20U) << " MiB of memory";
    else if (one)
        out << limits.pattern_milliseconds << " ms of processor time";
    else
        out << limits.set_seconds << " s of processor time";
    return {out.str()};
}

}  // namespace

Result<std::string> compile_in_child(const policy::SignatureSet& signatures, const CompileLimits& limits,
                                     const std::function<void(std::uint32_t)>& told) {
    SharedProgress progress;
    int ends[2];
    if (!progress.ok() || ::pipe(ends) != 0)
        return Error{signatures.file() + ": cannot be compiled: " + std::strerror(errno)};
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(ends[0]);
        work(ends[1], signatures, limits, *progress);
    }
    ::close(ends[1]);
    if (child < 0) {
        ::close(ends[0]);
        return Error{signatures.file() + ": cannot be compiled: " + std::strerror(errno)};
    }
    std::string answer = read_all(ends[0], [&] {
        const auto signatures_done =
            std::min(static_cast<std::uint32_t>(*progress), static_cast<std::uint32_t>(signatures.size()));
        if (told) told(signatures_done);
    });
    ::close(ends[0]);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    const bool whole = WIFEXITED(status) && WEXITSTATUS(status) == 0 && !answer.empty();
    if (!whole || answer[0] == 'm')
        return blame(signatures, limits, *progress, WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF);
    if (answer[0] == 'e') return Error{answer.substr(1)};
    return answer.substr(1);
}

}  // namespace sluice::inspect
