#include "compiler.hpp"

#include <hs/hs.h>

#include <cstdlib>
#include <limits>
#include <memory>
#include <sstream>

namespace sluice::inspect {
namespace {

using policy::Signature;
using policy::Toward;
using policy::Transport;

/// Narrower patterns are not worth being compiled alone to see what they cost.
constexpr std::uint32_t narrow = 64;

struct Free {
    void operator()(void* memory) const { std::free(memory); }
    void operator()(hs_database_t* database) const { hs_free_database(database); }
    void operator()(hs_compile_error_t* error) const { hs_free_compile_error(error); }
};
using DatabasePointer = std::unique_ptr<hs_database_t, Free>;
using ErrorPointer = std::unique_ptr<hs_compile_error_t, Free>;

unsigned flags_of(const Signature& signature) {
    return HS_FLAG_SINGLEMATCH | (signature.caseless ? unsigned{HS_FLAG_CASELESS} : 0) |
           (signature.dot_all ? unsigned{HS_FLAG_DOTALL} : 0) |
           (signature.multi_line ? unsigned{HS_FLAG_MULTILINE} : 0);
}

std::string message_of(const ErrorPointer& error) {
    std::string text = error && error->message != nullptr ? error->message : "it cannot be compiled";
    while (!text.empty() && (text.back() == '.' || text.back() == '\n')) text.pop_back();
    return text;
}

/// The parts of a set, and what Hyperscan wants to know of each.
struct Part {
    std::vector<const char*> patterns;
    std::vector<unsigned> flags, ids;
    std::vector<hs_expr_ext_t> extras;
    std::vector<const hs_expr_ext_t*> extra_pointers;

    void add(const Signature& signature, unsigned id, const hs_expr_ext_t& extra) {
        patterns.push_back(signature.pattern.c_str());
        flags.push_back(flags_of(signature));
        ids.push_back(id);
        extras.push_back(extra);
    }
    hs_error_t compile(unsigned mode, DatabasePointer& into, ErrorPointer& error) {
        extra_pointers.clear();
        for (const hs_expr_ext_t& extra : extras) extra_pointers.push_back(&extra);
        hs_database_t* database = nullptr;
        hs_compile_error_t* fault = nullptr;
        const hs_error_t result =
            hs_compile_ext_multi(patterns.data(), flags.data(), ids.data(), extra_pointers.data(),
                                 static_cast<unsigned>(patterns.size()), mode, nullptr, &database, &fault);
        into.reset(database);
        error.reset(fault);
        return result;
    }
};

class Compiler {
  public:
    Compiler(const policy::SignatureSet& set, const CompileLimits& limits, Progress& progress,
             const std::function<void(std::uint32_t)>& begin)
        : set_(set), limits_(limits), progress_(progress), begin_(begin) {}

    Result<std::string> run() {
        std::array<Part, 4> parts;
        for (unsigned i = 0; i < set_.size(); ++i) {
            progress_ = i;
            begin_(limits_.pattern_milliseconds);
            auto extra = look_at(set_[i]);
            if (!extra) return Error{extra.error()};
            for (const bool datagram : {false, true})
                for (const Toward toward : {Toward::server, Toward::client})
                    if (belongs(set_[i], datagram, toward))
                        parts[(datagram ? 2 : 0) + static_cast<std::size_t>(toward)].add(set_[i], i, *extra);
        }
        progress_ = all_together;
        begin_(limits_.set_seconds * 1000);
        std::string out;
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const Status added = add(parts[i], i >= 2, out);
            if (!added) return Error{added.error()};
            if (out.size() > limits_.database_bytes)
                return Error{set_.file() + ": the signatures make a database of more than " +
                             std::to_string(limits_.database_bytes >> 20U) + " MiB"};
        }
        return out;
    }

  private:
    static bool belongs(const Signature& signature, bool datagram, Toward toward) {
        return (signature.toward == toward || signature.toward == Toward::either) &&
               (signature.service.transport == Transport::any ||
                (signature.service.transport == Transport::tcp) != datagram);
    }
    [[nodiscard]] Error fault(const Signature& signature, const std::string& sentence) const {
        return {set_.place(signature) + "pattern: " + sentence};
    }

    /// What one signature asks for, if it may.
    Result<hs_expr_ext_t> look_at(const Signature& signature) const {
        hs_expr_info_t* found = nullptr;
        hs_compile_error_t* refusal = nullptr;
        hs_expression_info(signature.pattern.c_str(), flags_of(signature), &found, &refusal);
        const std::unique_ptr<hs_expr_info_t, Free> info(found);
        const ErrorPointer error(refusal);
        if (!info) return fault(signature, message_of(error));
        if (info->max_width == std::numeric_limits<unsigned>::max())
            return fault(signature,
                         "what it matches has no greatest length: write .{0,200} for .* and a{1,50} for a+");
        if (info->max_width > limits_.widest_match)
            return fault(signature, "what it matches may be " + std::to_string(info->max_width) +
                                        " bytes long; at most " + std::to_string(limits_.widest_match) +
                                        " are allowed");
        hs_expr_ext_t extra{};
        if (signature.depth != 0) {
            extra.flags |= HS_EXT_FLAG_MAX_OFFSET;
            extra.max_offset = std::uint64_t{signature.offset} + signature.depth;
            if (info->min_width > signature.depth)
                return fault(signature, "what it matches is " + std::to_string(info->min_width) +
                                            " bytes long or longer, which a depth of " +
                                            std::to_string(signature.depth) + " does not hold");
        }
        if (signature.offset != 0) {
            if (info->min_width != info->max_width)
                return fault(signature, "an offset needs a pattern whose matches all have one length");
            extra.flags |= HS_EXT_FLAG_MIN_OFFSET;
            extra.min_offset = std::uint64_t{signature.offset} + info->min_width;
        }
        if (info->max_width <= narrow) return extra;
        return alone(signature, extra);
    }

    /// Compiled by itself: so that it is known which of many asks for too much.
    Result<hs_expr_ext_t> alone(const Signature& signature, const hs_expr_ext_t& extra) const {
        Part part;
        part.add(signature, 0, extra);
        DatabasePointer database;
        ErrorPointer error;
        if (part.compile(HS_MODE_STREAM, database, error) != HS_SUCCESS)
            return fault(signature, message_of(error));
        std::size_t bytes = 0;
        if (hs_stream_size(database.get(), &bytes) != HS_SUCCESS || bytes > limits_.stream_bytes)
            return fault(signature, "alone it needs " + std::to_string(bytes) +
                                        " bytes for each direction of a flow; at most " +
                                        std::to_string(limits_.stream_bytes) + " are allowed");
        return extra;
    }

    Status add(Part& part, bool datagram, std::string& out) const {
        DatabasePointer database;
        ErrorPointer error;
        std::uint64_t length = 0;
        char* bytes = nullptr;
        if (!part.patterns.empty()) {
            if (part.compile(datagram ? HS_MODE_BLOCK : HS_MODE_STREAM, database, error) != HS_SUCCESS) {
                const int which = error ? error->expression : -1;
                if (which < 0 || static_cast<std::size_t>(which) >= part.ids.size())
                    return Error{set_.file() + ": the signatures together: " + message_of(error)};
                return fault(set_[part.ids[static_cast<std::size_t>(which)]], message_of(error));
            }
            std::size_t stream = 0;
            if (!datagram && hs_stream_size(database.get(), &stream) == HS_SUCCESS &&
                stream > limits_.stream_bytes)
                return Error{set_.file() + ": the signatures together need " + std::to_string(stream) +
                             " bytes for each direction of a flow; at most " +
                             std::to_string(limits_.stream_bytes) + " are allowed"};
            std::size_t size = 0;
            if (hs_serialize_database(database.get(), &bytes, &size) != HS_SUCCESS)
                return Error{set_.file() + ": no memory for the compiled signatures"};
            length = size;
        }
        const std::unique_ptr<char, Free> owner(bytes);
        out.append(reinterpret_cast<const char*>(&length), sizeof length);
        if (length != 0) out.append(bytes, length);
        return success();
    }

    const policy::SignatureSet& set_;
    const CompileLimits& limits_;
    Progress& progress_;
    const std::function<void(std::uint32_t)>& begin_;
};

}  // namespace

Result<std::string> compile_here(const policy::SignatureSet& signatures, const CompileLimits& limits,
                                 Progress& progress, const std::function<void(std::uint32_t)>& begin) {
    return Compiler(signatures, limits, progress, begin).run();
}

std::string identity_of(const policy::SignatureSet& signatures, const CompileLimits& limits) {
    std::ostringstream out;
    hs_platform_info_t platform{};
    hs_populate_platform(&platform);
    out << "sluice signatures 1\n"
        << hs_version() << '\n'
        << platform.tune << ' ' << platform.cpu_features << '\n'
        << limits.widest_match << ' ' << limits.database_bytes << ' ' << limits.stream_bytes << '\n';
    for (const Signature& signature : signatures.all())
        out << flags_of(signature) << ' ' << static_cast<int>(signature.toward) << ' '
            << static_cast<int>(signature.service.transport) << ' ' << signature.offset << ' '
            << signature.depth << ' ' << signature.pattern.size() << ' ' << signature.pattern << '\n';
    return out.str();
}

}  // namespace sluice::inspect
