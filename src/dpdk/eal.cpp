#include "eal.hpp"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_pdump.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

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

/// The type of process that the argument at `i` asks for; nothing when it is about something else.
std::optional<std::string> process_type(const std::vector<std::string>& extra, std::size_t i) {
    const std::size_t equals = extra[i].find('=');
    if (!abbreviates(extra[i].substr(0, equals), "--proc-type", "--p")) return std::nullopt;
    if (equals != std::string::npos) return extra[i].substr(equals + 1);
    return i + 1 < extra.size() ? extra[i + 1] : "";
}

/// DPDK leaves files behind that hold the huge pages of a process that shared them, until the next one
/// starts: PREFIXmap_N in every file system of huge pages. `prefix` is ours alone by now.
void remove_page_files(const std::string& prefix) {
    std::ifstream mounts("/proc/mounts");
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string device, folder, type;
        words >> device >> folder >> type;
        if (type != "hugetlbfs") continue;
        std::error_code failed;
        for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end;
             at.increment(failed)) {
            std::error_code ignored;
            if (begins(at->path().filename().string(), (prefix + "map_").c_str()))
                std::filesystem::remove(at->path(), ignored);
        }
    }
}

}  // namespace

bool asks_for_company(const std::vector<std::string>& extra) {
    for (std::size_t i = 0; i < extra.size(); ++i)
        if (process_type(extra, i) == "primary") return true;
    return false;
}

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
        const auto type = process_type(extra, i);
        if (type && *type != "primary") {
            return Error{"the EAL argument --proc-type takes only primary here, not '" + *type +
                         "': sluiced owns its ports, and others may attach to it, but it to none"};
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
        // state. Nor does anybody else.
        if (!asks_for_company(request.extra)) out.emplace_back("--in-memory");
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
    std::unique_ptr<Eal> eal(new Eal(asks_for_company(request.extra)));
    if (eal->shared_ && rte_pdump_init() < 0) {
        const int fault = rte_errno;
        return Error{std::string("DPDK's packet capture did not start (") + rte_strerror(fault) +
                     "): without --proc-type=primary in daemon.eal_arguments it is not needed"};
    }
    return eal;
}

void Eal::quiet() {
    static FILE* nowhere = std::fopen("/dev/null", "w");
    if (nowhere != nullptr) rte_openlog_stream(nowhere);
}

Eal::~Eal() {
    const std::string folder = rte_eal_get_runtime_dir();
    if (shared_) rte_pdump_uninit();
    rte_eal_cleanup();
    const std::size_t slash = folder.rfind('/');
    if (shared_ && slash != std::string::npos) {
        std::error_code ignored;
        remove_page_files(folder.substr(slash + 1));
        std::filesystem::remove_all(folder, ignored);
    }
    // Empty by now; DPDK leaves the folders themselves.
    rmdir(folder.c_str());
    if (slash != std::string::npos) rmdir(folder.substr(0, slash).c_str());
}

}  // namespace sluice::dpdk
