#include "sluice/inspect/database.hpp"

#include <hs/hs.h>

#include <cstring>

#include "cache.hpp"
#include "compiler.hpp"

namespace sluice::inspect {

Result<std::shared_ptr<const Database>> Database::compile(policy::SignatureSet signatures,
                                                          const CompileLimits& limits,
                                                          const std::string& cache_folder,
                                                          const Compile& compile) {
    if (hs_valid_platform() != HS_SUCCESS)
        return Error{"Hyperscan does not run on this processor: it needs SSSE3"};
    std::shared_ptr<Database> database(new Database(std::move(signatures)));
    const policy::SignatureSet& set = database->signatures_;
    const CacheFile cache(cache_folder, identity_of(set, limits));
    if (!cache_folder.empty()) {
        const auto kept = cache.read();
        database->came_from_cache_ = kept && database->load(*kept);
        if (database->came_from_cache_) return std::shared_ptr<const Database>(std::move(database));
    }
    const auto compiled = compile ? compile(set, limits) : compile_in_child(set, limits);
    if (!compiled) return Error{compiled.error()};
    if (!database->load(*compiled)) return Error{set.file() + ": no memory for the compiled signatures"};
    if (!cache_folder.empty()) {
        const Status written = cache.write(*compiled);
        if (!written) database->cache_fault_ = written.error();
    }
    return std::shared_ptr<const Database>(std::move(database));
}

Database::~Database() {
    for (void* part : parts_) hs_free_database(static_cast<hs_database_t*>(part));
}

bool Database::load(const std::string& compiled) {
    std::size_t at = 0;
    for (void*& part : parts_) {
        std::uint64_t length = 0;
        if (compiled.size() - at < sizeof length) return false;
        std::memcpy(&length, compiled.data() + at, sizeof length);
        at += sizeof length;
        if (length == 0) continue;
        if (compiled.size() - at < length) return false;
        hs_free_database(static_cast<hs_database_t*>(part));
        part = nullptr;
        hs_database_t* database = nullptr;
        if (hs_deserialize_database(compiled.data() + at, length, &database) != HS_SUCCESS) return false;
        part = database;
        at += length;
    }
    return at == compiled.size();
}

std::size_t Database::stream_bytes(tcp::Direction direction) const {
    std::size_t bytes = 0;
    const auto* const database = static_cast<const hs_database_t*>(part(false, direction));
    return database != nullptr && hs_stream_size(database, &bytes) == HS_SUCCESS ? bytes : 0;
}

}  // namespace sluice::inspect
