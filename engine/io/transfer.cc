#include "io/transfer.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "io/buffer_pool.h"

namespace blkrewind::io {
namespace {

// The kernel transfers at most 0x7ffff000 bytes per call (read(2)); a power of two keeps the next
// call aligned.
constexpr std::uint64_t kMaxCallBytes = 1 * kGiB;
constexpr int kMaxAgain = 64;

}  // namespace

Transfer::Transfer(const Request& request, LocalFile& file)
    : request_(request), file_(&file), finished_(false) {
  check();
  if (!finished_) plan();
}

void Transfer::finish(int error) {
  finished_ = true;
  error_ = error;
}

void Transfer::check() {
  if (request_.op == Op::kFlush) return;
  constexpr auto kMaxOffset = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const Extent& extent = request_.extent;
  if (extent.offset > kMaxOffset || extent.length > kMaxOffset - extent.offset) {
    return finish(EINVAL);
  }
  const bool transfers = request_.op == Op::kRead || request_.op == Op::kWrite;
  if (transfers && request_.data == nullptr && !extent.empty()) return finish(EINVAL);
  if (extent.empty()) return finish(0);

  if (file_->is_block_device()) {
    if (request_.op == Op::kDiscard) return finish(EOPNOTSUPP);
    if (request_.op == Op::kWriteZeroes) {
      // With KEEP_SIZE the kernel would silently truncate the range at the end of the device.
      const auto size = file_->size_bytes();
      if (!size) return finish(size.error().sys_errno != 0 ? size.error().sys_errno : EIO);
      if (extent.end() > *size) return finish(ENOSPC);
    }
  }
}

void Transfer::plan() {
  if (request_.op == Op::kFlush) {
    step_ = {Step::Kind::kSync, file_->fd(), {}, nullptr, 0, false};
    return;
  }
  const Extent remaining{request_.extent.offset + done_bytes_,
                         request_.extent.length - done_bytes_};
  if (remaining.empty()) return finish(0);
  switch (request_.op) {
    case Op::kRead:
      return plan_transfer(Step::Kind::kRead, remaining, request_.data + done_bytes_);
    case Op::kWrite:
      return plan_transfer(Step::Kind::kWrite, remaining, request_.data + done_bytes_);
    case Op::kWriteZeroes:
      return plan_zeroing(remaining);
    case Op::kDiscard:
      step_ = {Step::Kind::kFallocate,
               file_->fd(),
               {remaining.offset, std::min(remaining.length, kMaxZeroPieceBytes)},
               nullptr,
               fallocate_mode(ZeroMethod::kPunch),
               false};
      return;
    case Op::kFlush:
      break;
  }
  std::abort();
}

void Transfer::plan_transfer(Step::Kind kind, Extent extent, std::byte* data) {
  extent.length = std::min(extent.length, kMaxCallBytes);
  int fd = file_->fd();
  if (buffered_only_ || !file_->is_direct(extent.offset, extent.length, data)) {
    fd = file_->buffered_fd();
    if (fd < 0) return finish(-fd);
  }
  step_ = {kind, fd, extent, data, 0, false};
}

void Transfer::plan_zeroing(Extent remaining) {
  const ZeroMethod method = file_->zero_method();
  if (method == ZeroMethod::kWrite && !file_->is_block_device()) {
    // Plain writes must not extend a file; bytes past its end read as zeroes anyway.
    const auto size = file_->size_bytes();
    if (!size) return finish(size.error().sys_errno != 0 ? size.error().sys_errno : EIO);
    if (remaining.offset >= *size) return finish(0);
    remaining.length = std::min(remaining.length, *size - remaining.offset);
  }
  const auto zeroes = zero_bytes();
  if (zeroes.empty()) return finish(ENOMEM);
  const ZeroPiece piece = first_zero_piece(remaining, method, file_->sector_bytes(), zeroes.size());
  zero_method_ = piece.method;
  if (piece.method == ZeroMethod::kWrite) {
    return plan_transfer(Step::Kind::kWrite, piece.extent, const_cast<std::byte*>(zeroes.data()));
  }
  step_ = {Step::Kind::kFallocate,       file_->fd(), piece.extent, nullptr,
           fallocate_mode(piece.method), false};
}

void Transfer::advance(std::int64_t result) {
  if (finished_) std::abort();
  if (result < 0) return fail_step(static_cast<int>(-result));
  again_ = 0;
  switch (step_.kind) {
    case Step::Kind::kSync:
      return finish(0);
    case Step::Kind::kFallocate:
      done_bytes_ += step_.extent.length;
      return plan();
    case Step::Kind::kRead:
    case Step::Kind::kWrite:
      break;
  }
  const auto moved = static_cast<std::uint64_t>(result);
  if (moved > step_.extent.length) std::abort();
  if (moved == 0) return take_end_of_file();
  done_bytes_ += moved;
  plan();
}

void Transfer::take_end_of_file() {
  if (step_.kind == Step::Kind::kRead) {
    missing_bytes_ = request_.extent.length - done_bytes_;
    std::memset(request_.data + done_bytes_, 0, missing_bytes_);
    return finish(file_->is_block_device() ? EIO : 0);
  }
  finish(EIO);  // a write that transfers nothing
}

void Transfer::fail_step(int error) {
  // The kernel reports a failed flush once; a retry would report success (fsync(2)).
  if (step_.kind == Step::Kind::kSync) return finish(error);
  if (error == EINTR) return;
  if (error == EAGAIN && ++again_ <= kMaxAgain) {
    step_.must_block = true;
    return;
  }
  if (step_.kind == Step::Kind::kFallocate) {
    if (request_.op != Op::kWriteZeroes || !means_unsupported(error)) return finish(error);
    file_->refuse_zero_method(zero_method_);
    return plan();
  }
  if (error == EINVAL && !buffered_only_ && step_.fd == file_->fd()) {
    // The file system needs a coarser alignment than it reported.
    buffered_only_ = true;
    return plan();
  }
  finish(error);
}

}  // namespace blkrewind::io
