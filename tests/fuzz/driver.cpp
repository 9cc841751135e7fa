// Runs a fuzz target without libFuzzer: each input of its corpus, then a number of seeded random mutations of
// them. So the targets are ordinary tests, under any compiler and sanitizer, and a failure can be played
// again.
//
//     NAME_fuzz [--runs=N] [--seed=N] FILE|FOLDER...
//
// SLUICE_FUZZ_PERCENT scales N.
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz.hpp"

extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t longest_input = 4096;
/// Under sanitizers fewer of them take as long.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr unsigned long share_of_runs = 12;
#else
constexpr unsigned long share_of_runs = 1;
#endif

std::mt19937 random_source;  // NOLINT(cert-msc32-c,cert-msc51-cpp): deterministic on purpose
Bytes current;
std::string current_name;
std::string failed_path;

std::size_t below(std::size_t bound) {
    return static_cast<std::size_t>(random_source()) % bound;
}

/// Keeps the input that failed and says how to play it again. Called once, when all is lost anyway.
void keep_failed_input() {
    std::ofstream(failed_path, std::ios::binary)
        .write(reinterpret_cast<const char*>(current.data()), static_cast<std::streamsize>(current.size()));
    std::fprintf(stderr,
                 "failed on %s; the input is kept in %s\n  play it again with what happens told: "
                 "SLUICE_FUZZ_TELL=1 THIS-PROGRAM %s\n",
                 current_name.c_str(), failed_path.c_str(), failed_path.c_str());
}

void on_abort(int /*signal*/) {
    keep_failed_input();
    std::signal(SIGABRT, SIG_DFL);
    std::abort();
}

void run(const Bytes& input, const std::string& name) {
    current = input;
    current_name = name;
    // Of its exact size, so that the address sanitizer sees a read beyond it.
    const std::vector<std::uint8_t> exact(input.begin(), input.end());
    (void)LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

Bytes read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::filesystem::path> files_of(const std::vector<std::string>& arguments) {
    std::vector<std::filesystem::path> out;
    for (const std::string& argument : arguments) {
        if (!std::filesystem::is_directory(argument)) {
            out.emplace_back(argument);
            continue;
        }
        for (const auto& entry : std::filesystem::directory_iterator(argument)) out.push_back(entry.path());
    }
    std::sort(out.begin(), out.end());
    return out;
}

void mutate(Bytes& bytes, const Bytes& other) {
    std::size_t size = std::min(bytes.size(), longest_input);
    bytes.resize(longest_input);
    if (LLVMFuzzerCustomMutator != nullptr)
        size = LLVMFuzzerCustomMutator(bytes.data(), size, longest_input,
                                       static_cast<unsigned>(random_source()));
    else
        size = LLVMFuzzerMutate(bytes.data(), size, longest_input);
    bytes.resize(size);
    if (below(8) != 0 || other.empty()) return;
    // The beginning of one input and the end of another.
    bytes.resize(below(size + 1));
    const std::size_t from = below(other.size());
    bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size) {
    constexpr std::uint8_t telling_bytes[] = {0, 1, 0x7F, 0x80, 0xFF, 4, 6, 8, 20, 40, 64};
    for (std::size_t edits = 1 + below(6); edits != 0; --edits) {
        const std::size_t at = below(size + 1);
        const std::size_t length = std::min<std::size_t>(1 + below(16), size - at);
        switch (below(6)) {
            case 0:
                if (at < size) data[at] = static_cast<std::uint8_t>(data[at] ^ (1U << below(8)));
                break;
            case 1:
                if (at < size) data[at] = static_cast<std::uint8_t>(random_source());
                break;
            case 2:
                if (at < size) data[at] = telling_bytes[below(std::size(telling_bytes))];
                break;
            case 3:  // a piece is left out
                std::memmove(data + at, data + at + length, size - at - length);
                size -= length;
                break;
            case 4:  // a piece is repeated in front of itself
                if (size + length > max_size) break;
                std::memmove(data + at + length, data + at, size - at);
                size += length;
                break;
            default:  // a byte more
                if (size == max_size) break;
                std::memmove(data + at + 1, data + at, size - at);
                data[at] = static_cast<std::uint8_t>(random_source());
                ++size;
                break;
        }
    }
    return size;
}

int main(int count, char** arguments) {
    unsigned long runs = 0, seed = 1;
    std::vector<std::string> where;
    for (int i = 1; i < count; ++i) {
        const std::string_view argument = arguments[i];
        if (argument.rfind("--runs=", 0) == 0)
            runs = std::stoul(arguments[i] + 7) / share_of_runs;
        else if (argument.rfind("--seed=", 0) == 0)
            seed = std::stoul(arguments[i] + 7);
        else
            where.emplace_back(argument);
    }
    if (const char* percent = std::getenv("SLUICE_FUZZ_PERCENT")) runs = runs * std::stoul(percent) / 100;

    const auto folder = std::filesystem::temp_directory_path();
    failed_path = (folder / (std::filesystem::path(arguments[0]).filename().string() + ".failed")).string();
    std::signal(SIGABRT, on_abort);
    if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(keep_failed_input);

    std::vector<Bytes> corpus;
    for (const auto& path : files_of(where)) {
        corpus.push_back(read(path));
        run(corpus.back(), path.string());
    }
    const std::size_t files = corpus.size();
    if (corpus.empty()) corpus.emplace_back();
    random_source.seed(static_cast<std::mt19937::result_type>(seed));
    for (unsigned long i = 0; i < runs; ++i) {
        Bytes input = corpus[below(corpus.size())];
        mutate(input, corpus[below(corpus.size())]);
        run(input, "mutation " + std::to_string(i) + " of seed " + std::to_string(seed));
    }
    std::printf("%zu inputs of the corpus and %lu mutations of them (seed %lu): nothing found\n", files, runs,
                seed);
    return 0;
}
