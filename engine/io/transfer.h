// The execution of one request, as a sequence of system calls.
//
// Both queues use this: it decides which system call comes next and interprets its result. Short
// transfers are continued, EINTR is retried, EAGAIN a bounded number of times, unaligned requests
// use the buffered descriptor, bytes past the end of a file read as zeroes and past the end of a
// device are an error, and zeroing falls back from one method to the next. It executes no call
// itself.
#pragma once

#include <cstddef>
#include <cstdint>

#include "io/local_file.h"
#include "io/queue.h"

namespace blkrewind::io {

// A system call to execute. Its result is passed to Transfer::advance().
struct Step {
  enum class Kind : std::uint8_t { kRead, kWrite, kFallocate, kSync };
  Kind kind = Kind::kRead;
  int fd = -1;
  Extent extent;
  std::byte* data = nullptr;  // kRead, kWrite; never written to by kWrite
  int mode = 0;               // kFallocate
  bool must_block = false;    // the last attempt returned EAGAIN
};

class Transfer {
 public:
  Transfer() = default;
  // `request.file` is `file`; both, and the request's bytes, outlive the transfer.
  Transfer(const Request& request, LocalFile& file);

  [[nodiscard]] bool finished() const { return finished_; }
  [[nodiscard]] Completion completion() const {
    return {request_.user_data, error_, missing_bytes_};
  }
  // The call to make next; only while not finished.
  [[nodiscard]] const Step& step() const { return step_; }
  // `result`: the result of the call of step(), or minus its errno.
  void advance(std::int64_t result);

 private:
  void finish(int error);
  void check();
  void plan();
  void plan_transfer(Step::Kind kind, Extent extent, std::byte* data);
  void plan_zeroing(Extent remaining);
  void fail_step(int error);
  void take_end_of_file();

  Request request_;
  LocalFile* file_ = nullptr;
  std::uint64_t done_bytes_ = 0;
  Step step_;
  ZeroMethod zero_method_ = ZeroMethod::kPunch;  // of the step, while zeroing
  int again_ = 0;                                // consecutive EAGAIN results
  bool buffered_only_ = false;                   // the direct descriptor returned EINVAL
  bool finished_ = true;
  int error_ = 0;
  std::uint64_t missing_bytes_ = 0;  // for a read: past the end of the file
};

}  // namespace blkrewind::io
