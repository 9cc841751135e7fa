#include "eal.hpp"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "sluice/dpdk/telemetry.hpp"

namespace sluice::dpdk {
namespace {

bool begins(const std::string& text, const char* prefix) {
    return text.rfind(prefix, 0) == 0;
}

/// getopt_long takes a long option for what it begins, down to the `shortest` that is not ambiguous.
bool abbreviates(const std::string& word, const std::string& option, const char* shortest) {
    return begins(word, shortest) && begins(option, word.c_str());
}

}  // namespace

bool asks_for_log(const std::vector<std::string>& extra) {
    return std::any_of(extra.begin(), extra.end(),
                       [](const std::string& a) { return begins(a, "--log-level"); });
}

Status check_eal_arguments(const std::vector<std::string>& extra) {
    for (std::size_t i = 0; i < extra.size(); ++i) {
        const std::size_t equals = extra[i].find('=');
        const std::string name = extra[i].substr(0, equals);
        if (abbreviates(name, "--help", "--he") || begins(name, "-h")) {
            return Error{"the EAL argument " + name +
                         " does not start anything; the arguments are described in DPDK's guide, \"EAL "
                         "parameters\" (https://doc.dpdk.org/guides/linux_gsg/linux_eal_parameters.html)"};
        }
        if (!abbreviates(name, "--proc-type", "--p")) continue;
        const std::string following = i + 1 < extra.size() ? extra[i + 1] : "";
        const std::string type = equals != std::string::npos ? extra[i].substr(equals + 1) : following;
        if (type != "primary") {
            return Error{"the EAL argument --proc-type takes only primary here, not '" + type +
                         "': sluiced owns its ports and shares no memory with another DPDK process"};
        }
    }
    return success();
}

std::vector<std::string> eal_arguments(const EalRequest& request) {
    std::vector<std::string> out;
    std::string lcores;
    for (std::size_t lcore = 0; lcore < request.processors.size(); ++lcore) {
        lcores +=
            (lcore == 0 ? "" : ",") + std::to_string(lcore) + "@" + std::to_string(request.processors[lcore]);
    }
    out.insert(out.end(), {"--lcores", lcores, "--main-lcore", "0"});
    if (request.huge_pages) {
        // Pages without files: nothing stays behind when the process is killed, and two daemons share no
        // state.
        out.emplace_back("--in-memory");
        if (request.node >= 0) {
            out.insert(out.end(),
                       {"--socket-mem", std::string(2 * static_cast<std::size_t>(request.node), '0')});
            std::string& list = out.back();
            for (std::size_t i = 1; i < list.size(); i += 2) list[i] = ',';
            list += std::to_string(request.megabytes);
        } else {
            out.insert(out.end(), {"-m", std::to_string(request.megabytes)});
        }
    } else {
        out.insert(out.end(), {"--no-huge", "--no-shconf", "-m", std::to_string(request.megabytes)});
    }
    out.insert(out.end(), {"--file-prefix", "sluice"});
    // To the EAL, --telemetry behind --no-telemetry says nothing.
    if (!asks_for_telemetry(request.extra)) out.emplace_back("--no-telemetry");
    if (request.pci.empty()) out.emplace_back("--no-pci");
    for (const std::string& address : request.pci) out.insert(out.end(), {"-a", address});
    out.insert(out.end(), request.extra.begin(), request.extra.end());
    return out;
}

Hush::Hush(bool loud) {
    if (loud) return;
    std::fflush(stdout);
    std::fflush(stderr);
    file_ = memfd_create("sluice-hush", MFD_CLOEXEC);
    if (file_ < 0) return;
    output_ = dup(STDOUT_FILENO);
    error_ = dup(STDERR_FILENO);
    dup2(file_, STDOUT_FILENO);
    dup2(file_, STDERR_FILENO);
}

Hush::~Hush() {
    if (file_ < 0) return;
    std::fflush(stdout);
    std::fflush(stderr);
    dup2(output_, STDOUT_FILENO);
    dup2(error_, STDERR_FILENO);
    for (const int descriptor : {file_, output_, error_}) close(descriptor);
}

std::string Hush::heard() const {
    if (file_ < 0) return {};
    std::fflush(stdout);
    std::fflush(stderr);
    std::array<char, 16384> tail{};
    const off_t size = lseek(file_, 0, SEEK_END);
    const off_t from = size > static_cast<off_t>(tail.size()) ? size - static_cast<off_t>(tail.size()) : 0;
    const ssize_t got = pread(file_, tail.data(), tail.size(), from);
    std::string out(tail.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    if (from != 0) out.erase(0, out.find('\n') + 1);
    while (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
}

Result<std::unique_ptr<Eal>> Eal::start(const EalRequest& request) {
    // Before the start every line goes to standard error, where a Hush hears it.
    rte_openlog_stream(stderr);
    std::vector<std::string> words = eal_arguments(request);
    words.insert(words.begin(), "sluiced");
    // The EAL keeps pointers into these and permutes them.
    static std::vector<std::string> kept;
    kept = std::move(words);
    static std::vector<char*> arguments;
    arguments.clear();
    for (std::string& word : kept) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    if (rte_eal_init(static_cast<int>(kept.size()), arguments.data()) < 0) {
        const int fault = rte_errno;
        return Error{std::string("DPDK did not start (") + rte_strerror(fault) +
                     "): check daemon.eal_arguments and what stands behind -- on the command line"};
    }
    return std::unique_ptr<Eal>(new Eal);
}

void Eal::quiet() {
    static FILE* nowhere = std::fopen("/dev/null", "w");
    if (nowhere != nullptr) rte_openlog_stream(nowhere);
}

Eal::~Eal() {
    const std::string folder = rte_eal_get_runtime_dir();
    rte_eal_cleanup();
    // Empty by now; DPDK leaves the folders themselves.
    rmdir(folder.c_str());
    const std::size_t slash = folder.rfind('/');
    if (slash != std::string::npos) rmdir(folder.substr(0, slash).c_str());
}

}  // namespace sluice::dpdk
