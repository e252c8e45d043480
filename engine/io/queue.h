// One I/O queue over many files.
//
// A queue belongs to the thread that created it: every call on it must come from that thread,
// unless QueueOptions::changes_threads. A completion is the whole extent or an error: short
// transfers, EINTR and EAGAIN are re-issued internally (EAGAIN a bounded number of times). Requests
// are independent of each other; only waiting orders them.
//
// The bytes behind a request's `data` must stay valid until wait() has returned its completion. For
// direct I/O the fast path needs offset, length and address aligned to the file's
// `alignment_bytes()`; other requests are served through the file's buffered descriptor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/units.h"

namespace blkrewind::io {

class File;

enum class Op : std::uint8_t {
  kRead,         // reading past the end of a regular file yields zero bytes up to `length`, and
                 // the completion reports how many
  kWrite,        // extends a regular file; past the end of a device: ENOSPC
  kWriteZeroes,  // the extent reads as zeroes after the next flush; never a discard.
                 // On a regular file it punches a hole (and never changes the size)
  kDiscard,  // the store no longer needs the bytes: punches a hole, keeps the size. Regular files
             // only
  kFlush,    // everything completed on this file before the submission is durable (fdatasync)
};

struct Request {
  Op op = Op::kRead;
  File* file = nullptr;
  Extent extent;              // ignored by kFlush
  std::byte* data = nullptr;  // kRead, kWrite; `extent.length` bytes
  std::uint64_t user_data = 0;
};

struct Completion {
  std::uint64_t user_data = 0;
  int error = 0;  // 0, or a positive errno
  // kRead: this many bytes of the extent are past the end of the file or device. A device also
  // returns EIO: then a sector before its end cannot be read.
  std::uint64_t missing_bytes = 0;
};

// A slice of the queue's own memory, page-aligned and registered with the kernel if possible.
struct Slot {
  std::uint32_t index = 0;
  std::byte* data = nullptr;
  std::size_t size_bytes = 0;
};

class Queue {
 public:
  virtual ~Queue() = default;
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Accepts all requests or fails as a whole (kInternal: more than `depth()` in flight).
  [[nodiscard]] virtual Status submit(std::span<const Request> requests) = 0;

  // Appends finished requests to `out`; blocks until at least `min` have finished (0: does not
  // block). `min` is limited to the number in flight. Returns the number appended.
  [[nodiscard]] virtual Result<std::size_t> wait(std::size_t min, std::vector<Completion>& out) = 0;

  [[nodiscard]] virtual std::size_t in_flight() const = 0;
  [[nodiscard]] virtual std::size_t depth() const = 0;

  // The queue's buffer slots, parts of one mapping. Empty if it was created without. Requests whose
  // `data` is inside a slot automatically use the registered buffer.
  [[nodiscard]] virtual std::span<const Slot> slots() const = 0;

 protected:
  Queue() = default;
};

// Blocking helpers: one request, waited for. The queue must be idle (nothing in flight). The error
// names the file, the extent and the errno.
[[nodiscard]] Status read_now(Queue& queue, File& file, Extent extent, std::byte* data);
// The same, and returns the number of bytes that exist: the file may end before the extent does.
[[nodiscard]] Result<std::uint64_t> read_there_now(Queue& queue, File& file, Extent extent,
                                                   std::byte* data);
[[nodiscard]] Status write_now(Queue& queue, File& file, Extent extent, const std::byte* data);
[[nodiscard]] Status flush_now(Queue& queue, File& file);
[[nodiscard]] Status discard_now(Queue& queue, File& file, Extent extent);

// The Error of a failed request: "cannot read /dev/loop0 [offset .., length ..]: Input/output
// error"; of ECANCELED, which only a cancel flag is: "cancelled".
[[nodiscard]] Error request_error(Op op, const File& file, Extent extent, int sys_errno);
// The data ended at `offset`, before the expected end.
[[nodiscard]] Error ended_error(const File& file, std::uint64_t offset);

// An errno by which a medium reports that it cannot read these sectors, although others may be
// readable: EIO, and the codes that block/blk-core.c (blk_errors) uses for a medium, protection or
// integrity error. Not the removal of the device (ENODEV, ENXIO, ENOMEDIUM), nor a limit of this
// process.
[[nodiscard]] bool means_bad_sector(int sys_errno);

}  // namespace blkrewind::io
