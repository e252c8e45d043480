#include "io/queue.h"

#include <cerrno>
#include <string>

#include "io/env.h"
#include "io/local_file.h"

namespace blkrewind::io {
namespace {

Status run_now(Queue& queue, const Request& request) {
  if (queue.in_flight() != 0) {
    return fail(Errc::kInternal, "a blocking request was made on a queue that is not idle");
  }
  BLKREWIND_TRY(queue.submit({&request, 1}));
  std::vector<Completion> done;
  while (done.empty()) BLKREWIND_TRY(queue.wait(1, done));
  if (done.front().error == 0) return {};
  return tl::unexpected(
      request_error(request.op, *request.file, request.extent, done.front().error));
}

const char* verb(Op op) {
  switch (op) {
    case Op::kRead:
      return "read";
    case Op::kWrite:
      return "write";
    case Op::kWriteZeroes:
      return "zero";
    case Op::kDiscard:
      return "give back a range of";
    case Op::kFlush:
      return "flush";
  }
  return "use";
}

}  // namespace

Status read_now(Queue& queue, File& file, Extent extent, std::byte* data) {
  return run_now(queue, {Op::kRead, &file, extent, data, 0});
}

Status write_now(Queue& queue, File& file, Extent extent, const std::byte* data) {
  // A write only reads the bytes; Request has one pointer for both directions.
  return run_now(queue, {Op::kWrite, &file, extent, const_cast<std::byte*>(data), 0});
}

Status flush_now(Queue& queue, File& file) {
  return run_now(queue, {Op::kFlush, &file, {}, nullptr, 0});
}

Status discard_now(Queue& queue, File& file, Extent extent) {
  return run_now(queue, {Op::kDiscard, &file, extent, nullptr, 0});
}

Error request_error(Op op, const File& file, Extent extent, int sys_errno) {
  Error error = system_error(sys_errno, std::string("cannot ") + verb(op) + " " + file.path());
  if (op != Op::kFlush) error.extent = extent;
  const auto* local = dynamic_cast<const LocalFile*>(&file);
  const bool is_device = local != nullptr && local->is_block_device();
  switch (sys_errno) {
    case EIO:
    case ENODEV:
    case ENXIO:
      error.hint = "look for the cause in the kernel log (dmesg) and check " + file.path();
      break;
    case ENOSPC:
      // A device has no free space to run out of: the extent lies past its end, or the thin pool
      // or file system under it is full.
      if (is_device) {
        error.code = Errc::kIo;
        error.hint = "the device ends before that, or what it is stored on is full";
      }
      break;
    case EBADF:
      if (op != Op::kRead) error.hint = "it was opened for reading only";
      break;
    default:
      break;
  }
  return error;
}

}  // namespace blkrewind::io
