#include "sluice/control/snapshot_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "snapshot_checksum.hpp"

namespace sluice::control {
namespace {

constexpr std::size_t buffer_bytes = 1U << 20U;

class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number_ >= 0) close(number_);
    }
    [[nodiscard]] int number() const { return number_; }

  private:
    int number_;
};

Error failed(const std::string& path, const std::string& what) {
    return Error{path + ": cannot be " + what + ": " + std::strerror(errno)};
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

struct SnapshotFile::Open {
    Open(std::string its_path, std::string its_working_name, int number)
        : path(std::move(its_path)), working_name(std::move(its_working_name)), descriptor(number) {}
    ~Open() { close(descriptor); }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;

    /// After a failure what comes is thrown away.
    void write(std::string_view bytes) {
        while (!bytes.empty() && error == 0) {
            const ssize_t taken = ::write(descriptor, bytes.data(), bytes.size());
            if (taken >= 0)
                bytes.remove_prefix(static_cast<std::size_t>(taken));
            else if (errno != EINTR)
                error = errno;
        }
    }

    std::string path, working_name;
    int descriptor;
    SnapshotChecksum checksum;
    std::string buffer;
    std::uint64_t flows = 0;
    int error = 0;  ///< errno of the first failure
    bool committed = false;
};

SnapshotFile::SnapshotFile(std::unique_ptr<Open> open) : open_(std::move(open)) {}

SnapshotFile::~SnapshotFile() {
    if (!open_->committed) unlink(open_->working_name.c_str());
}

Result<std::unique_ptr<SnapshotFile>> SnapshotFile::create(const std::string& path,
                                                           const SnapshotHead& head) {
    const std::string working_name = path + ".new";
    // What an earlier attempt left behind, which nobody finished.
    if (unlink(working_name.c_str()) != 0 && errno != ENOENT) return failed(path, "written");
    const int number = open(working_name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (number < 0) return failed(path, "written");
    std::unique_ptr<SnapshotFile> out(new SnapshotFile(std::make_unique<Open>(path, working_name, number)));
    out->open_->buffer.reserve(buffer_bytes + max_snapshot_record);
    append_head(out->open_->buffer, head);
    return out;
}

void SnapshotFile::add(const pipeline::SavedFlow& flow) {
    append_flow(open_->buffer, flow);
    ++open_->flows;
    if (open_->buffer.size() >= buffer_bytes) write_out();
}

void SnapshotFile::add(std::string_view records, std::uint64_t flows) {
    open_->buffer += records;
    open_->flows += flows;
    if (open_->buffer.size() >= buffer_bytes) write_out();
}

void SnapshotFile::write_out() {
    open_->checksum.add(open_->buffer);
    open_->write(open_->buffer);
    open_->buffer.clear();
}

Result<std::uint64_t> SnapshotFile::commit() {
    const std::uint64_t flows = open_->flows;
    open_->buffer.append(reinterpret_cast<const char*>(&flows), sizeof flows);
    write_out();
    open_->write(open_->checksum.value());
    if (open_->error == 0 && fsync(open_->descriptor) != 0) open_->error = errno;
    if (open_->error == 0 && std::rename(open_->working_name.c_str(), open_->path.c_str()) != 0)
        open_->error = errno;
    if (open_->error != 0) {
        errno = open_->error;
        return failed(open_->path, "written");
    }
    open_->committed = true;
    // The new name, too, is to outlive a loss of power; where folders cannot be forced to the disk it may
    // not.
    const Descriptor folder(open(folder_of(open_->path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.number() >= 0) (void)fsync(folder.number());
    return flows;
}

Result<Snapshot> read_snapshot(const std::string& path, std::uint64_t most_bytes) {
    // Non-blocking, so that a pipe without a writer is refused for what it is.
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW));
    if (file.number() < 0) return failed(path, "read");
    struct stat status {};
    if (fstat(file.number(), &status) != 0) return failed(path, "read");
    if (!S_ISREG(status.st_mode)) return Error{path + ": cannot be read: it is no ordinary file"};
    if (static_cast<std::uint64_t>(status.st_size) > most_bytes)
        return Error{path + ": holds " + std::to_string(status.st_size) +
                     " bytes, more than a snapshot that fits can have (" + std::to_string(most_bytes) + ")"};
    std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
    for (std::size_t at = 0; at < bytes.size();) {
        const ssize_t got = ::read(file.number(), bytes.data() + at, bytes.size() - at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return failed(path, "read");
        if (got == 0) bytes.resize(at);
        at += static_cast<std::size_t>(got);
    }
    auto snapshot = Snapshot::read(std::move(bytes));
    if (!snapshot) return Error{path + ": " + snapshot.error()};
    return snapshot;
}

}  // namespace sluice::control
