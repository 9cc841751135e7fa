#include "sluice/inspect/compile_program.hpp"

#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice::inspect {
namespace {

using policy::Signature;
using policy::SignatureSet;

// ---- Signatures as bytes, between two processes of one executable

class Packer {
  public:
    template <class Number>
    void number(Number value) {
        static_assert(std::is_trivially_copyable_v<Number>);
        out_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void text(const std::string& value) {
        number(value.size());
        out_ += value;
    }
    [[nodiscard]] std::string take() { return std::move(out_); }

  private:
    std::string out_;
};

/// Total over any bytes: what is missing reads as zero, and good() says so.
class Unpacker {
  public:
    explicit Unpacker(std::string_view in) : in_(in) {}

    template <class Number>
    void number(Number& value) {
        static_assert(std::is_trivially_copyable_v<Number>);
        const std::string_view bytes = cut(sizeof value);
        if (good_) std::memcpy(&value, bytes.data(), sizeof value);
    }
    template <class Number>
    [[nodiscard]] Number number() {
        Number value{};
        number(value);
        return value;
    }
    [[nodiscard]] std::string text() { return std::string(cut(number<std::size_t>())); }
    [[nodiscard]] bool good() const { return good_; }
    [[nodiscard]] bool at_end() const { return good_ && in_.empty(); }

  private:
    std::string_view cut(std::size_t length) {
        good_ = good_ && length <= in_.size();
        if (!good_) return {};
        const std::string_view out = in_.substr(0, length);
        in_.remove_prefix(length);
        return out;
    }

    std::string_view in_;
    bool good_ = true;
};

/// Of each signature what is compiled, and what is said of it.
std::string packed(const SignatureSet& signatures, const CompileLimits& limits) {
    Packer out;
    out.number(limits);
    out.number(signatures.files().size());
    for (const std::string& file : signatures.files()) out.text(file);
    out.number(signatures.size());
    for (const Signature& signature : signatures.all()) {
        out.number(signature.id);
        out.text(signature.name);
        out.text(signature.pattern);
        out.number(std::array{signature.caseless, signature.dot_all, signature.multi_line});
        out.number(signature.toward);
        out.number(signature.service.transport);
        out.number(signature.offset);
        out.number(signature.depth);
        out.number(signature.action);
        out.number(signature.mark);
        out.number(signature.line);
        out.number(signature.file);
    }
    return out.take();
}

struct Task {
    SignatureSet signatures;
    CompileLimits limits;
};

std::optional<Task> unpacked(std::string_view bytes) {
    Unpacker in(bytes);
    Task task;
    in.number(task.limits);
    std::vector<std::string> files;
    for (auto left = in.number<std::size_t>(); left != 0 && in.good(); --left) files.push_back(in.text());
    std::vector<std::vector<Signature>> by_file(files.size());
    for (auto left = in.number<std::size_t>(); left != 0 && in.good(); --left) {
        Signature signature;
        in.number(signature.id);
        signature.name = in.text();
        signature.pattern = in.text();
        const auto flags = in.number<std::array<bool, 3>>();
        signature.caseless = flags[0];
        signature.dot_all = flags[1];
        signature.multi_line = flags[2];
        in.number(signature.toward);
        in.number(signature.service.transport);
        in.number(signature.offset);
        in.number(signature.depth);
        in.number(signature.action);
        in.number(signature.mark);
        in.number(signature.line);
        in.number(signature.file);
        if (signature.file >= by_file.size()) return std::nullopt;
        by_file[signature.file].push_back(std::move(signature));
    }
    if (!in.at_end()) return std::nullopt;
    std::vector<SignatureSet> sets;
    sets.reserve(files.size());
    for (std::size_t i = 0; i < files.size(); ++i) {
        auto set = SignatureSet::create(std::move(files[i]), std::move(by_file[i]));
        if (!set) return std::nullopt;
        sets.push_back(std::move(*set));
    }
    auto joined = SignatureSet::join(std::move(sets));
    if (!joined) return std::nullopt;
    task.signatures = std::move(*joined);
    return task;
}

// ---- Processes

bool send_all(int socket, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

/// All there is until the other end closes; nothing when asked to stop.
std::optional<std::string> receive_all(int socket, const std::stop_token& stop) {
    constexpr int patience_milliseconds = 100;
    std::string out;
    std::string chunk(256U << 10U, '\0');
    for (;;) {
        if (stop.stop_requested()) return std::nullopt;
        pollfd watched{socket, POLLIN, 0};
        if (::poll(&watched, 1, patience_milliseconds) <= 0) continue;
        const ssize_t got = ::recv(socket, chunk.data(), chunk.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return out;
        out.append(chunk, 0, static_cast<std::size_t>(got));
    }
}

/// The program with `socket` as its standard input and output and no other descriptor of ours, in a process
/// group of its own; an error number, or 0.
int start(const std::string& executable, int socket, pid_t& child) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&files, socket, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, socket, STDOUT_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::string name = executable, argument(compile_argument);
    char* const arguments[] = {name.data(), argument.data(), nullptr};
    const int fault = posix_spawn(&child, executable.c_str(), &files, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return fault;
}

}  // namespace

Result<std::string> compile_by_program(const std::string& executable, const SignatureSet& signatures,
                                       const CompileLimits& limits, const std::stop_token& stop) {
    const auto failed = [&](const std::string& why) {
        return Error{signatures.file() + ": cannot be compiled: " + why};
    };
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return failed(std::strerror(errno));
    pid_t child = 0;
    const int fault = start(executable, ends[1], child);
    ::close(ends[1]);
    std::optional<std::string> answer = "";
    if (fault == 0) {
        // When it is gone already the answer is missing too, which is found below.
        (void)send_all(ends[0], packed(signatures, limits));
        ::shutdown(ends[0], SHUT_WR);
        answer = receive_all(ends[0], stop);
        if (!answer) ::kill(-child, SIGKILL);
        while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    ::close(ends[0]);
    if (fault != 0) return failed(executable + ": " + std::strerror(fault));
    if (!answer) return failed("it was stopped");
    if (answer->empty()) return failed("the program that compiles went away");
    const bool compiled = answer->front() == 'd';
    answer->erase(0, 1);
    if (!compiled) return Error{std::move(*answer)};
    return std::move(*answer);
}

int compile_program_main() {
    const auto bytes = receive_all(STDIN_FILENO, {});
    const auto task = unpacked(*bytes);
    if (!task) return 1;
    const auto compiled = compile_in_child(task->signatures, task->limits);
    const std::string answer = (compiled ? 'd' : 'e') + (compiled ? *compiled : compiled.error());
    return send_all(STDOUT_FILENO, answer) ? 0 : 1;
}

}  // namespace sluice::inspect
