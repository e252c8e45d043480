#include "support/memory_env.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "base/aligned_buffer.h"

namespace blkrewind::sim {
namespace {

constexpr std::uint32_t kAlignmentBytes = 4096;

class MemoryFile final : public io::File {
 public:
  MemoryFile(std::string path, std::shared_ptr<MemoryEnv::Inode> inode, bool writable)
      : path_(std::move(path)), inode_(std::move(inode)), writable_(writable) {}

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] std::uint32_t alignment_bytes() const override { return kAlignmentBytes; }
  [[nodiscard]] std::uint32_t max_request_bytes() const override { return 1 * kMiB; }
  [[nodiscard]] Result<std::uint64_t> size_bytes() override { return inode_->bytes.size_bytes(); }
  [[nodiscard]] Result<Extent> next_data(std::uint64_t offset) override {
    return inode_->bytes.next_data(offset);
  }
  // There is always room.
  [[nodiscard]] Result<bool> reserve(const Extent& /*extent*/) override { return true; }
  [[nodiscard]] Result<std::uint64_t> allocated_bytes() override {
    return inode_->bytes.allocated_bytes();
  }
  [[nodiscard]] Status truncate(std::uint64_t size_bytes) override {
    if (!writable_) return fail(system_error(EINVAL, "cannot set the length of " + path_));
    inode_->bytes.resize(size_bytes);
    return {};
  }

  // How much of the extent lies past the end.
  [[nodiscard]] std::uint64_t missing(const Extent& extent) const {
    const std::uint64_t size = inode_->bytes.size_bytes();
    return extent.end() <= size ? 0 : extent.end() - std::max(size, extent.offset);
  }

  // 0, or an errno.
  int execute(const io::Request& request) {
    const std::size_t length = request.extent.length;
    if (request.op == io::Op::kRead) {
      inode_->bytes.read(request.extent.offset, std::span(request.data, length));
      return 0;
    }
    if (request.op == io::Op::kFlush) return 0;
    if (!writable_) return EBADF;
    if (request.op == io::Op::kWrite) {
      inode_->bytes.write(request.extent.offset, std::span(request.data, length));
    } else {
      inode_->bytes.zero(request.extent);
    }
    return 0;
  }

 private:
  const std::string path_;
  const std::shared_ptr<MemoryEnv::Inode> inode_;
  const bool writable_;
};

// Executes requests as they are submitted, and returns completions in that order.
class MemoryQueue final : public io::Queue {
 public:
  explicit MemoryQueue(const io::QueueOptions& options) : depth_(options.depth) {
    if (options.slots == 0 || options.slot_bytes == 0) return;
    // Not filled: most slots are never touched, and untouched pages cost nothing.
    memory_ = AlignedBuffer(std::size_t{options.slots} * options.slot_bytes);
    for (std::uint32_t i = 0; i < options.slots; ++i) {
      slots_.push_back(
          {i, memory_.data() + std::size_t{i} * options.slot_bytes, options.slot_bytes});
    }
  }

  [[nodiscard]] Status submit(std::span<const io::Request> requests) override {
    if (done_.size() + requests.size() > depth_) {
      return fail(Errc::kInternal, "more requests in flight than the queue is deep");
    }
    for (const io::Request& request : requests) {
      auto* file = dynamic_cast<MemoryFile*>(request.file);
      if (file == nullptr) return fail(Errc::kInternal, "a request for a file of another Env");
      io::Completion completion{.user_data = request.user_data};
      completion.error = file->execute(request);
      if (request.op == io::Op::kRead) completion.missing_bytes = file->missing(request.extent);
      done_.push_back(completion);
    }
    return {};
  }
  [[nodiscard]] Result<std::size_t> wait(std::size_t /*min*/,
                                         std::vector<io::Completion>& out) override {
    const std::size_t count = done_.size();
    out.insert(out.end(), done_.begin(), done_.end());
    done_.clear();
    return count;
  }
  [[nodiscard]] std::size_t in_flight() const override { return done_.size(); }
  [[nodiscard]] std::size_t depth() const override { return depth_; }
  [[nodiscard]] std::span<const io::Slot> slots() const override { return slots_; }

 private:
  const std::size_t depth_;
  AlignedBuffer memory_;
  std::vector<io::Slot> slots_;
  std::vector<io::Completion> done_;
};

class NoLock final : public io::Lock {};

tl::unexpected<Error> cannot(const std::string& what, const std::string& path, int error) {
  Error made = system_error(error, "cannot " + what + " " + path);
  if (error == EEXIST) made.code = Errc::kAlreadyExists;
  return fail(std::move(made));
}

// The name directly below `directory` on the way to `path`; empty when the path is not below it.
std::string step_below(const std::string& directory, const std::string& path) {
  if (!path.starts_with(directory + "/")) return {};
  const std::size_t begin = directory.size() + 1;
  return path.substr(begin, path.find('/', begin) - begin);
}

}  // namespace

MemoryEnv::MemoryEnv(const MemoryFiles& files) {
  for (const auto& [path, bytes] : files) {
    inodes_.emplace(path, std::make_shared<Inode>(Inode{next_inode_++, bytes}));
  }
}

const SparseBytes* MemoryEnv::find(const std::string& path) const {
  const auto found = inodes_.find(path);
  return found == inodes_.end() ? nullptr : &found->second->bytes;
}

MemoryFiles MemoryEnv::files() const {
  MemoryFiles files;
  for (const auto& [path, inode] : inodes_) files.emplace(path, inode->bytes);
  return files;
}

Result<std::shared_ptr<MemoryEnv::Inode>> MemoryEnv::named(const std::string& path) const {
  const auto found = inodes_.find(path);
  if (found == inodes_.end()) return cannot("find", path, ENOENT);
  return found->second;
}

Result<std::unique_ptr<io::File>> MemoryEnv::open(const std::string& path,
                                                  const io::OpenOptions& options) {
  if (options.unnamed) {
    return std::make_unique<MemoryFile>(path, std::make_shared<Inode>(Inode{next_inode_++, {}}),
                                        true);
  }
  if (options.create_new) {
    if (inodes_.contains(path)) return cannot("create", path, EEXIST);
    inodes_.emplace(path, std::make_shared<Inode>(Inode{next_inode_++, {}}));
  }
  BLKREWIND_ASSIGN(auto inode, named(path));
  return std::make_unique<MemoryFile>(path, std::move(inode),
                                      options.access == io::Access::kReadWrite);
}

Result<std::unique_ptr<io::Queue>> MemoryEnv::make_queue(const io::QueueOptions& options) {
  return std::make_unique<MemoryQueue>(options);
}

Status MemoryEnv::make_directory(const std::string& path) {
  BLKREWIND_ASSIGN(const bool there, exists(path));
  if (there) return cannot("make the directory", path, EEXIST);
  directories_.insert(path);
  return {};
}

Status MemoryEnv::rename(const std::string& from, const std::string& to) {
  BLKREWIND_ASSIGN(auto inode, named(from));
  inodes_[to] = std::move(inode);
  inodes_.erase(from);
  return {};
}

Status MemoryEnv::rename_new(const std::string& from, const std::string& to) {
  if (inodes_.contains(to)) return cannot("rename", from, EEXIST);
  return rename(from, to);
}

Status MemoryEnv::remove(const std::string& path) {
  if (inodes_.erase(path) == 0) return cannot("remove", path, ENOENT);
  return {};
}

Status MemoryEnv::sync_directory(const std::string& /*path*/) { return {}; }

Result<std::vector<std::string>> MemoryEnv::list_directory(const std::string& path) {
  BLKREWIND_ASSIGN(const bool there, exists(path));
  if (!there) return cannot("list", path, ENOENT);
  std::set<std::string> names;
  for (const auto& [file, inode] : inodes_) names.insert(step_below(path, file));
  for (const std::string& directory : directories_) names.insert(step_below(path, directory));
  names.erase(std::string());
  return std::vector<std::string>(names.begin(), names.end());
}

Result<bool> MemoryEnv::exists(const std::string& path) {
  return inodes_.contains(path) || directories_.contains(path) ||
         std::ranges::any_of(
             inodes_, [&](const auto& entry) { return !step_below(path, entry.first).empty(); });
}

Result<host::FileId> MemoryEnv::identify(const std::string& path) {
  BLKREWIND_ASSIGN(const auto inode, named(path));
  return host::FileId{1, inode->number};
}

Result<std::uint64_t> MemoryEnv::allocated_bytes(const std::string& path) {
  BLKREWIND_ASSIGN(const auto inode, named(path));
  return inode->bytes.allocated_bytes();
}

Result<std::int64_t> MemoryEnv::modified_at(const std::string& path) {
  BLKREWIND_ASSIGN(const auto inode, named(path));
  return 0;
}

Result<std::unique_ptr<io::Lock>> MemoryEnv::try_lock(const std::string& path,
                                                      std::uint64_t /*offset*/,
                                                      io::LockMode /*mode*/) {
  BLKREWIND_ASSIGN(const auto inode, named(path));
  return std::make_unique<NoLock>();
}

Result<std::unique_ptr<io::Lock>> MemoryEnv::lock(const std::string& path, std::uint64_t offset,
                                                  io::LockMode mode) {
  return try_lock(path, offset, mode);
}

Result<bool> MemoryEnv::is_locked(const std::string& path, std::uint64_t /*offset*/) {
  BLKREWIND_ASSIGN(const auto inode, named(path));
  return false;
}

Result<host::DeviceInfo> MemoryEnv::probe(const std::string& path) {
  BLKREWIND_ASSIGN(const auto inode, named(path));
  host::DeviceInfo info;
  info.path = path;
  info.real_path = path;
  info.size_bytes = inode->bytes.size_bytes();
  info.identity.backing_id = {1, inode->number};
  info.identity.layer = host::Layer::kFile;
  info.identity.place = path;
  info.identity.size_bytes = info.size_bytes;
  info.identity.host_filesystem = "memory";
  info.identity.generation = inode->number;
  return info;
}

Result<host::DeviceInfo> MemoryEnv::probe(io::File& file) { return probe(file.path()); }

Result<bool> MemoryEnv::lives_on(const std::string& /*directory*/,
                                 const host::DeviceInfo& /*device*/) {
  return false;
}

}  // namespace blkrewind::sim
