// Bytes: the operations of a queue and an open file.
#include "support/simulated_disk.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace blkrewind::sim {
namespace {

// The content of the buffer after a failed read.
constexpr int kScribble = 0xdb;

Extent moved(Extent extent, std::int64_t by) {
  extent.offset += static_cast<std::uint64_t>(by);
  return extent;
}

}  // namespace

SimulatedDisk::SimulatedDisk(State state, std::uint64_t seed, std::uint64_t crash_after)
    : random_(seed) {
  inside_.state = std::move(state);
  inside_.crash_after = crash_after;
}

LoggedOp SimulatedDisk::begin(OpKind kind, const std::string& path, Fault& fault) {
  LoggedOp op;
  op.kind = kind;
  op.path = normalized(path);
  fault.error = 0;
  if (inside_.power_is_off || (is_mutating(kind) && inside_.mutations >= inside_.crash_after)) {
    inside_.power_is_off = true;
    op.error = EIO;
    return op;
  }
  if (is_mutating(kind)) {
    if (inside_.records_moments) inside_.moments.push_back(inside_.moment());
    ++inside_.mutations;
    ++inside_.state.clock;
  }
  if (is_mutating(kind) || kind == OpKind::kRead) {
    op.number = ++inside_.operations;
    op.mutation = inside_.mutations;
  }
  if (auto hit = inside_.faults.match(kind, op.path)) {
    fault = *std::move(hit);
    op.error = fault.error;
  }
  return op;
}

int SimulatedDisk::finish(LoggedOp op, int error) {
  if (op.number != 0) {
    op.error = error;
    inside_.log.push_back(std::move(op));
  }
  return error;
}

int SimulatedDisk::execute(const InFlight& op, std::uint64_t* missing) {
  const std::lock_guard guard(mutex_);
  const OpKind kind = op_kind(op.request.op);
  Fault fault;
  LoggedOp logged = begin(kind, op.handle.path, fault);
  if (kind != OpKind::kFlush) {
    logged.extent = op.request.extent;
  }
  const bool executed = logged.number != 0;
  if (inside_.on_change && executed && kind != OpKind::kRead && kind != OpKind::kFlush) {
    inside_.on_change(op.handle.path, op.request.extent);
  }
  const std::uint64_t length = op.request.extent.length;
  int error = logged.error;
  if (op.request.extent.offset + length < length) {
    return finish(std::move(logged), EINVAL);
  }
  if (kind == OpKind::kFlush) {
    error = executed ? flush(op, fault, error) : error;
  } else if (kind != OpKind::kRead && error == 0 && !op.handle.writable) {
    error = EBADF;
  } else if (kind == OpKind::kRead && error == 0) {
    error = read(op, moved(op.request.extent, fault.misdirect_bytes), missing);
  } else if (fault.dropped && error == 0) {
    // A medium that fails silently.
  } else if (kind == OpKind::kWrite && executed) {
    logged.data_digest = XXH3_64bits(op.request.data, length);
    Extent target = moved(op.request.extent, fault.misdirect_bytes);
    if (error != 0) {
      target.length = std::min(length, fault.applied_bytes);
    }
    const int write_error = target.empty() ? 0 : write(op, target, logged);
    error = error != 0 ? error : write_error;
  } else if (error == 0) {
    error = zero(op, logged);
  }
  if (kind == OpKind::kRead && error != 0 && length != 0) {
    std::memset(op.request.data, kScribble, length);
  }
  return finish(std::move(logged), error);
}

int SimulatedDisk::read(const InFlight& op, Extent extent, std::uint64_t* missing) {
  const Inode& inode = inside_.state.at(op.handle.inode);
  const std::uint64_t size = inode.now.size_bytes();
  if (extent.end() > size) *missing = extent.end() - std::max(size, extent.offset);
  constexpr std::uint64_t kSectorBytesHere = 512;
  const auto bad = inode.unreadable.lower_bound(align_down(extent.offset, kSectorBytesHere));
  if (bad != inode.unreadable.end() && bad->first < extent.end()) return bad->second;
  if (inode.type == InodeType::kBlockDevice && extent.end() > inode.now.size_bytes()) {
    return EIO;
  }
  inode.now.read(extent.offset, {op.request.data, extent.length});
  for (auto it = inode.rotten.lower_bound(extent.offset);
       it != inode.rotten.end() && it->first < extent.end(); ++it) {
    op.request.data[it->first - extent.offset] ^= std::byte{it->second};
  }
  return 0;
}

int SimulatedDisk::write(const InFlight& op, Extent extent, const LoggedOp& logged) {
  Inode& inode = inside_.state.at(op.handle.inode);
  int error = 0;
  // Like the kernel: the part that fits is written.
  if (inode.type == InodeType::kBlockDevice && extent.end() > inode.now.size_bytes()) {
    error = ENOSPC;
    extent.length = inode.now.size_bytes() - std::min(inode.now.size_bytes(), extent.offset);
  }
  // Nothing is written to blocks that do not exist.
  if (inode.type == InodeType::kFile && !inside_.state.has_room(op.handle.path, inode, extent)) {
    return ENOSPC;
  }
  if (!extent.empty()) {
    DataOp pending{logged, std::make_shared<const std::vector<std::byte>>(
                               op.request.data, op.request.data + extent.length)};
    pending.logged.extent = extent;
    make_pending(inode, std::move(pending));
  }
  return error;
}

int SimulatedDisk::zero(const InFlight& op, const LoggedOp& logged) {
  Inode& inode = inside_.state.at(op.handle.inode);
  const Extent extent = op.request.extent;
  if (inode.type == InodeType::kBlockDevice) {
    if (logged.kind == OpKind::kDiscard) {
      return EOPNOTSUPP;
    }
    if (extent.end() > inode.now.size_bytes()) {
      return ENOSPC;
    }
  }
  if (!extent.empty()) {
    make_pending(inode, {logged, nullptr});
  }
  return 0;
}

void SimulatedDisk::make_pending(Inode& inode, DataOp op) {
  const Extent written = op.logged.extent;
  std::erase_if(inode.unreadable, [&](const auto& sector) {
    return sector.first >= written.offset && sector.first < written.end();
  });
  apply(inode.now, op, op.logged.extent);
  inode.modified_at = inside_.state.clock;
  inode.unflushed.push_back(std::move(op));
}

int SimulatedDisk::flush(const InFlight& op, const Fault& fault, int error) {
  Inode& inode = inside_.state.at(op.handle.inode);
  // In the order of execution, so those that are covered come first.
  const auto covered_end =
      std::find_if(inode.unflushed.begin(), inode.unflushed.end(),
                   [&](const DataOp& pending) { return pending.logged.number > op.flush_covers; });
  if (error == 0) {
    for (auto it = inode.unflushed.begin(); it != covered_end; ++it) {
      apply(inode.durable, *it, it->logged.extent);
    }
    inode.unflushed.erase(inode.unflushed.begin(), covered_end);
    inode.reserved_durable = inode.reserved_now;
  } else if (fault.flush_loss != FlushLoss::kKeep) {
    inode.unflushed.erase(inode.unflushed.begin(), covered_end);
    if (fault.flush_loss == FlushLoss::kVanish) {
      inode.now = inode.durable;
      for (const DataOp& pending : inode.unflushed) {
        apply(inode.now, pending, pending.logged.extent);
      }
    }
  }
  return error;
}

int SimulatedDisk::truncate(const Handle& handle, std::uint64_t size_bytes) {
  const std::lock_guard guard(mutex_);
  Fault fault;
  LoggedOp logged = begin(OpKind::kTruncate, handle.path, fault);
  logged.extent = {size_bytes, 0};
  int error = logged.error;
  Inode& inode = inside_.state.at(handle.inode);
  if (error == 0) {
    if (!handle.writable || inode.type != InodeType::kFile) {
      error = EINVAL;
    } else {
      make_pending(inode, {logged, nullptr});
      // Reserved blocks past the new end are freed (truncate of ext4, XFS, btrfs and tmpfs).
      std::erase_if(inode.reserved_now,
                    [&](const auto& range) { return range.first >= size_bytes; });
      for (auto& [begin, end] : inode.reserved_now) {
        end = std::min(end, align_up(size_bytes, SparseBytes::kPageBytes));
      }
    }
  }
  return finish(std::move(logged), error);
}

Outcome<bool> SimulatedDisk::reserve(const Handle& handle, Extent extent) {
  const std::lock_guard guard(mutex_);
  if (!inside_.state.can_reserve) return false;
  Fault fault;
  LoggedOp logged = begin(OpKind::kReserve, handle.path, fault);
  logged.extent = extent;
  int error = logged.error;
  if (error == 0) {
    Inode& inode = inside_.state.at(handle.inode);
    if (!handle.writable || inode.type != InodeType::kFile) {
      error = EBADF;
    } else if (!inside_.state.has_room(handle.path, inode, extent)) {
      error = ENOSPC;
    } else {
      // Merged with the ranges that it touches.
      std::uint64_t begin = extent.offset;
      std::uint64_t end = extent.end();
      std::erase_if(inode.reserved_now, [&](const auto& range) {
        if (range.first > end || range.second < begin) return false;
        begin = std::min(begin, range.first);
        end = std::max(end, range.second);
        return true;
      });
      inode.reserved_now[begin] = end;
    }
  }
  if (finish(std::move(logged), error) != 0) return tl::unexpected(error);
  return true;
}

Outcome<std::uint64_t> SimulatedDisk::allocated_bytes(const Handle& handle) {
  const std::lock_guard guard(mutex_);
  Fault fault;
  if (const int error = begin(OpKind::kLook, handle.path, fault).error; error != 0) {
    return tl::unexpected(error);
  }
  return inside_.state.allocated_bytes(inside_.state.at(handle.inode));
}

Outcome<std::uint64_t> SimulatedDisk::size_bytes(const Handle& handle) {
  const std::lock_guard guard(mutex_);
  Fault fault;
  if (const int error = begin(OpKind::kLook, handle.path, fault).error; error != 0) {
    return tl::unexpected(error);
  }
  return inside_.state.at(handle.inode).now.size_bytes();
}

Outcome<Extent> SimulatedDisk::next_data(const Handle& handle, std::uint64_t offset) {
  const std::lock_guard guard(mutex_);
  Fault fault;
  if (const int error = begin(OpKind::kLook, handle.path, fault).error; error != 0) {
    return tl::unexpected(error);
  }
  const Inode& inode = inside_.state.at(handle.inode);
  const std::uint64_t size = inode.now.size_bytes();
  if (inode.type == InodeType::kBlockDevice) {
    return Extent{std::min(offset, size), size - std::min(offset, size)};
  }
  return inode.now.next_data(offset);
}

std::uint64_t SimulatedDisk::operations() {
  const std::lock_guard guard(mutex_);
  return inside_.operations;
}

void SimulatedDisk::count_unaligned() {
  const std::lock_guard guard(mutex_);
  ++inside_.unaligned_requests;
}

std::uint64_t SimulatedDisk::next_seed() {
  const std::lock_guard guard(mutex_);
  return random_.next();
}

}  // namespace blkrewind::sim
