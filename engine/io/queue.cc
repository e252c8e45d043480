#include "io/queue.h"

#include <cerrno>
#include <string>

#include "io/env.h"
#include "io/local_file.h"
#include "io/stream.h"

namespace blkrewind::io {
namespace {

Result<Completion> run_now(Queue& queue, const Request& request) {
  if (queue.in_flight() != 0) {
    return fail(Errc::kInternal, "a blocking request on a queue that is not idle");
  }
  BLKREWIND_TRY(queue.submit({&request, 1}));
  std::vector<Completion> done;
  while (done.empty()) BLKREWIND_TRY(queue.wait(1, done));
  if (done.front().error == 0) return done.front();
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
      return "free a range of";
    case Op::kFlush:
      return "flush";
  }
  return "use";
}

}  // namespace

Status read_now(Queue& queue, File& file, Extent extent, std::byte* data) {
  BLKREWIND_TRY(run_now(queue, {Op::kRead, &file, extent, data, 0}));
  return {};
}

Result<std::uint64_t> read_there_now(Queue& queue, File& file, Extent extent, std::byte* data) {
  BLKREWIND_ASSIGN(const Completion done, run_now(queue, {Op::kRead, &file, extent, data, 0}));
  return extent.length - done.missing_bytes;
}

Status write_now(Queue& queue, File& file, Extent extent, const std::byte* data) {
  // A write only reads the bytes; Request has one pointer for both directions.
  BLKREWIND_TRY(run_now(queue, {Op::kWrite, &file, extent, const_cast<std::byte*>(data), 0}));
  return {};
}

Status flush_now(Queue& queue, File& file) {
  BLKREWIND_TRY(run_now(queue, {Op::kFlush, &file, {}, nullptr, 0}));
  return {};
}

Status discard_now(Queue& queue, File& file, Extent extent) {
  BLKREWIND_TRY(run_now(queue, {Op::kDiscard, &file, extent, nullptr, 0}));
  return {};
}

Error request_error(Op op, const File& file, Extent extent, int sys_errno) {
  if (sys_errno == ECANCELED) {
    Error cancelled;
    cancelled.code = Errc::kCancelled;
    cancelled.message = "cancelled";
    return cancelled;
  }
  Error error = system_error(sys_errno, std::string("cannot ") + verb(op) + " " + file.path());
  if (op != Op::kFlush) error.extent = extent;
  const auto* local = dynamic_cast<const LocalFile*>(&file);
  const bool is_device = local != nullptr && local->is_block_device();
  switch (sys_errno) {
    case EIO:
    case ENODEV:
    case ENXIO:
      error.remedy = run_program("look for the cause in the kernel log", "dmesg")
                         .and_then("check " + file.path());
      break;
    case ENOSPC:
      // A device has no free space of its own: the extent is past its end, or the thin pool or file
      // system under it is full.
      if (is_device) {
        error.code = Errc::kIo;
        error.remedy =
            Remedy().because("the device ends before that, or what it is stored on is full");
      }
      break;
    case EBADF:
      if (op != Op::kRead) error.remedy = Remedy().because("it was opened for reading only");
      break;
    default:
      break;
  }
  return error;
}

Error ended_error(const File& file, std::uint64_t offset) {
  if (const auto* stream = dynamic_cast<const Stream*>(&file); stream != nullptr) {
    return stream->ended_early(offset);
  }
  Error error;
  error.code = Errc::kIo;
  error.message = file.path() + " has become shorter during use: it ends at " +
                  std::to_string(offset) + " bytes";
  error.remedy =
      "find out which program cut it, or whether its medium was removed; give it its former size "
      "and content, then try again";
  return error;
}

bool means_bad_sector(int sys_errno) {
  switch (sys_errno) {
    case EIO:
    case ENODATA:    // BLK_STS_MEDIUM
    case EILSEQ:     // BLK_STS_PROTECTION
    case EREMOTEIO:  // BLK_STS_TARGET
    case EBADMSG:    // a checksum of the file system (fs-verity, dm-integrity)
    case EUCLEAN:
      return true;
    default:
      return false;
  }
}

}  // namespace blkrewind::io
