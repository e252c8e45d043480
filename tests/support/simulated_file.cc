#include "support/simulated_file.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace blkrewind::sim {
namespace {

bool is_direct_aligned(const io::Request& request) {
  return is_aligned(request.extent.offset, kDirectAlignmentBytes) &&
         is_aligned(request.extent.length, kDirectAlignmentBytes) &&
         reinterpret_cast<std::uintptr_t>(request.data) % kDirectAlignmentBytes == 0;
}

}  // namespace

Error op_error(OpKind kind, const std::string& path, int error) {
  Error made = system_error(error, "cannot " + std::string(to_string(kind)) + " " + path);
  // As in the real Env.
  if (error == EEXIST) {
    made.code = Errc::kAlreadyExists;
  } else if (error == EISDIR || (error == EINVAL && kind == OpKind::kTruncate)) {
    made.code = Errc::kInvalidArgument;
  }
  return made;
}

SimulatedFile::SimulatedFile(std::shared_ptr<SimulatedDisk> disk, Handle handle)
    : disk_(std::move(disk)), handle_(std::move(handle)) {}

SimulatedFile::~SimulatedFile() { disk_->close(handle_); }

std::uint32_t SimulatedFile::alignment_bytes() const {
  return handle_.direct ? kDirectAlignmentBytes : 1;
}

Result<std::uint64_t> SimulatedFile::size_bytes() {
  const auto size = disk_->size_bytes(handle_);
  if (!size) {
    return fail(op_error(OpKind::kLook, handle_.path, size.error()));
  }
  return *size;
}

Result<Extent> SimulatedFile::next_data(std::uint64_t offset) {
  const auto data = disk_->next_data(handle_, offset);
  if (!data) {
    return fail(op_error(OpKind::kLook, handle_.path, data.error()).at({offset, 0}));
  }
  return *data;
}

Result<bool> SimulatedFile::reserve(const Extent& extent) {
  const auto reserved = disk_->reserve(handle_, extent);
  if (!reserved) return fail(op_error(OpKind::kReserve, handle_.path, reserved.error()).at(extent));
  return *reserved;
}

Result<std::uint64_t> SimulatedFile::allocated_bytes() {
  const auto bytes = disk_->allocated_bytes(handle_);
  if (!bytes) return fail(op_error(OpKind::kLook, handle_.path, bytes.error()));
  return *bytes;
}

Status SimulatedFile::truncate(std::uint64_t size_bytes) {
  if (const int error = disk_->truncate(handle_, size_bytes); error != 0) {
    return fail(op_error(OpKind::kTruncate, handle_.path, error));
  }
  return {};
}

Status SimulatedFile::settle_caches(host::CacheUse use) {
  return disk_->with([&](auto& inside) {
    return inside.on_settle ? inside.on_settle(handle_.path, use) : Status{};
  });
}

SimulatedQueue::SimulatedQueue(std::shared_ptr<SimulatedDisk> disk, const io::QueueOptions& options)
    : disk_(std::move(disk)),
      depth_(options.depth),
      thread_(std::this_thread::get_id()),
      random_(disk_->next_seed()) {
  if (options.slots == 0 || options.slot_bytes == 0) {
    return;
  }
  const std::size_t bytes = std::size_t{options.slots} * options.slot_bytes;
  // Fresh pages are zero, and untouched ones cost nothing.
  void* mapping =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) std::abort();
  memory_ = static_cast<std::byte*>(mapping);
  memory_bytes_ = bytes;
  for (std::uint32_t i = 0; i < options.slots; ++i) {
    slots_.push_back({i, memory_ + std::size_t{i} * options.slot_bytes, options.slot_bytes});
  }
}

SimulatedQueue::~SimulatedQueue() {
  if (memory_ != nullptr) ::munmap(memory_, memory_bytes_);
}

Status SimulatedQueue::check_thread() const {
  if (std::this_thread::get_id() != thread_) {
    return fail(Errc::kInternal, "a queue was used by a thread that did not make it");
  }
  return {};
}

Status SimulatedQueue::submit(std::span<const io::Request> requests) {
  BLKREWIND_TRY(check_thread());
  if (in_flight_.size() + requests.size() > depth_) {
    return fail(Errc::kInternal, "more requests in flight than the queue is deep");
  }
  std::vector<InFlight> taken;
  const std::uint64_t operations = disk_->operations();
  for (const io::Request& request : requests) {
    const auto* file = dynamic_cast<const SimulatedFile*>(request.file);
    if (file == nullptr || file->disk() != disk_.get()) {
      return fail(Errc::kInternal, "a request for a file of another Env");
    }
    const bool moves_bytes = request.op == io::Op::kRead || request.op == io::Op::kWrite;
    if (moves_bytes && request.data == nullptr && !request.extent.empty()) {
      return fail(Errc::kInternal, "a request without a buffer for " + file->path());
    }
    if (moves_bytes && file->handle().direct && !is_direct_aligned(request)) {
      disk_->count_unaligned();
    }
    taken.push_back({request, file->handle(), operations});
  }
  in_flight_.insert(in_flight_.end(), taken.begin(), taken.end());
  return {};
}

Result<std::size_t> SimulatedQueue::wait(std::size_t min, std::vector<io::Completion>& out) {
  BLKREWIND_TRY(check_thread());
  std::size_t count = std::min(min, in_flight_.size());
  if (random_.percent(50)) {
    count += random_.below(in_flight_.size() - count + 1);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto it =
        in_flight_.begin() + static_cast<std::ptrdiff_t>(random_.below(in_flight_.size()));
    io::Completion completion{.user_data = it->request.user_data};
    completion.error = disk_->execute(*it, &completion.missing_bytes);
    out.push_back(completion);
    in_flight_.erase(it);
  }
  return count;
}

}  // namespace blkrewind::sim
