// Snapshots (snapshot.hpp) as files. A file is there whole or not at all: it is written under another name,
// forced to the disk and then renamed. Readable by its owner alone.
//
// Any thread; no function throws, apart from std::bad_alloc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/base/result.hpp"
#include "sluice/control/snapshot.hpp"

namespace sluice::control {

class SnapshotFile {
  public:
    /// Begins to write `path` (as `path`.new). Errors name the file and say what the system said.
    [[nodiscard]] static Result<std::unique_ptr<SnapshotFile>> create(const std::string& path,
                                                                      const SnapshotHead& head);
    /// Without commit() nothing is left of it.
    ~SnapshotFile();
    SnapshotFile(const SnapshotFile&) = delete;
    SnapshotFile& operator=(const SnapshotFile&) = delete;

    void add(const pipeline::SavedFlow& flow);
    /// `flows` records as append_flow() made them.
    void add(std::string_view records, std::uint64_t flows);
    /// Finishes the file and gives it its name, in place of one that has it. How many flows it holds; the
    /// first error of all since create().
    [[nodiscard]] Result<std::uint64_t> commit();

  private:
    struct Open;
    explicit SnapshotFile(std::unique_ptr<Open> open);
    void write_out();
    std::unique_ptr<Open> open_;
};

/// Reads and checks a file of at most `most_bytes`, which is no symbolic link. The error is a sentence that
/// begins with the file's name.
[[nodiscard]] Result<Snapshot> read_snapshot(const std::string& path, std::uint64_t most_bytes);

}  // namespace sluice::control
