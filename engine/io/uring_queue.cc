#include "io/uring_queue.h"

#include <liburing.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "io/buffer_pool.h"
#include "io/local_file.h"
#include "io/sync_queue.h"
#include "io/transfer.h"

namespace blkrewind::io {
namespace {

// Best first; each is tried when the kernel says EINVAL to the one before.
constexpr unsigned kBase = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL;
constexpr std::array<unsigned, 5> kLadder = {
    kBase | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER |
        IORING_SETUP_DEFER_TASKRUN,                                  // 6.1
    kBase | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER,  // 6.0
    kBase | IORING_SETUP_COOP_TASKRUN,                               // 5.19
    IORING_SETUP_CQSIZE,                                             // 5.5
    0,
};

constexpr unsigned kMaxRegisteredSlots = 1U << 14;  // IORING_MAX_REG_BUFFERS of the kernel
constexpr int kMaxRefusals = 1000;  // failures of io_uring_enter in a row before the queue gives up

// liburing declares the write with a const address.
void prepare_write_fixed(io_uring_sqe* sqe, int fd, void* data, unsigned length, __u64 offset,
                         int slot) {
  io_uring_prep_write_fixed(sqe, fd, data, length, offset, slot);
}

class UringQueue final : public Queue {
 public:
  UringQueue(std::size_t depth, BufferPool pool) : pool_(std::move(pool)), transfers_(depth) {
    free_.reserve(depth);
    done_.reserve(depth);
    for (std::size_t index = depth; index > 0; --index) {
      free_.push_back(static_cast<std::uint32_t>(index - 1));
    }
  }
  ~UringQueue() override;

  Status start(bool changes_threads);
  Status submit(std::span<const Request> requests) override;
  Result<std::size_t> wait(std::size_t min, std::vector<Completion>& out) override;

  std::size_t in_flight() const override { return transfers_.size() - free_.size() + done_.size(); }
  std::size_t depth() const override { return transfers_.size(); }
  std::span<const Slot> slots() const override { return pool_.slots(); }

 private:
  void prepare_registration();
  [[nodiscard]] bool register_slot(std::uint32_t slot);
  void issue(std::uint32_t index);
  void proceed(std::uint32_t index);
  void reap(bool go_on);
  [[nodiscard]] Status enter(unsigned wait_for);

  BufferPool pool_;
  io_uring ring_ = {};
  bool started_ = false;
  // Slots are registered one by one when they are first used: registering takes their memory, and
  // small work uses few of them.
  bool register_slots_ = false;
  std::vector<bool> registered_;

  std::vector<Transfer> transfers_;  // the index is the user data of the kernel's entries
  std::vector<std::uint32_t> free_;
  std::vector<Completion> done_;  // finished, not yet returned
  std::size_t issued_ = 0;        // entries in the ring without a completion
  int refusals_ = 0;
};

Status UringQueue::start(bool changes_threads) {
  int error = EINVAL;
  for (const unsigned flags : kLadder) {
    if (changes_threads && (flags & IORING_SETUP_SINGLE_ISSUER) != 0) continue;
    io_uring_params params = {};
    params.flags = flags;
    // Every transfer has at most one entry in the kernel, so this many answers never overflow.
    params.cq_entries = static_cast<unsigned>(transfers_.size());
    // It is compared with the submission ring after both are rounded up to a power of two.
    error = -io_uring_queue_init_params(static_cast<unsigned>(transfers_.size()), &ring_, &params);
    if (error != EINVAL) {
      started_ = error == 0;
      break;
    }
  }
  // IORING_FEAT_RW_CUR_POS came with 5.6, as did the read, write and fallocate operations.
  if (started_ && (ring_.features & IORING_FEAT_RW_CUR_POS) == 0) error = ENOSYS;
  if (error != 0) {
    return tl::unexpected(system_error(error, "cannot set up io_uring"));
  }
  prepare_registration();
  return {};
}

void UringQueue::prepare_registration() {
  const std::size_t count = pool_.slots().size();
  if (count == 0 || count > kMaxRegisteredSlots) return;
  register_slots_ =
      io_uring_register_buffers_sparse(&ring_, static_cast<unsigned>(count)) == 0;  // 5.19
  if (register_slots_) registered_.assign(count, false);
}

bool UringQueue::register_slot(std::uint32_t slot) {
  if (registered_.empty()) return false;
  if (registered_[slot]) return true;
  if (!register_slots_) return false;
  iovec memory = {pool_.slots()[slot].data, pool_.slots()[slot].size_bytes};
  const __u64 tag = 0;  // no effect on an unregistered one
  if (io_uring_register_buffers_update_tag(&ring_, slot, &memory, &tag, 1) != 1) {
    // ENOMEM: more than RLIMIT_MEMLOCK. Registered slots stay so, the others are used unregistered.
    register_slots_ = false;
    return false;
  }
  registered_[slot] = true;
  return true;
}

UringQueue::~UringQueue() {
  if (!started_) return;
  // The kernel must be done with the caller's memory, and no write may complete after the
  // destructor.
  while (issued_ > 0) {
    reap(false);
    if (issued_ > 0 && !enter(1)) break;
  }
  io_uring_queue_exit(&ring_);
}

Status UringQueue::submit(std::span<const Request> requests) {
  BLKREWIND_TRY(check_requests(requests, in_flight(), depth()));
  for (const Request& request : requests) {
    const std::uint32_t index = free_.back();
    free_.pop_back();
    transfers_[index] = Transfer(request, static_cast<LocalFile&>(*request.file));
    proceed(index);
  }
  const int result = io_uring_submit(&ring_);
  // Entries that the kernel does not accept now stay in the ring and are submitted by the next
  // wait().
  if (result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY) return {};
  return tl::unexpected(system_error(-result, "cannot submit requests to io_uring"));
}

// Puts the next step of a transfer into the ring, or the transfer among the finished ones.
void UringQueue::proceed(std::uint32_t index) {
  if (!transfers_[index].finished()) return issue(index);
  done_.push_back(transfers_[index].completion());
  free_.push_back(index);
}

void UringQueue::issue(std::uint32_t index) {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  if (sqe == nullptr) std::abort();  // one entry per transfer: the ring has room for all
  const Step& step = transfers_[index].step();
  const auto length = static_cast<unsigned>(step.extent.length);
  switch (step.kind) {
    case Step::Kind::kRead:
    case Step::Kind::kWrite: {
      const bool reads = step.kind == Step::Kind::kRead;
      const auto slot = pool_.slot_of(step.data, step.extent.length);
      if (slot && register_slot(*slot)) {
        const auto prepare = reads ? io_uring_prep_read_fixed : prepare_write_fixed;
        prepare(sqe, step.fd, step.data, length, step.extent.offset, static_cast<int>(*slot));
      } else if (reads) {
        io_uring_prep_read(sqe, step.fd, step.data, length, step.extent.offset);
      } else {
        io_uring_prep_write(sqe, step.fd, step.data, length, step.extent.offset);
      }
      break;
    }
    case Step::Kind::kFallocate:
      io_uring_prep_fallocate(sqe, step.fd, step.mode, static_cast<off_t>(step.extent.offset),
                              static_cast<off_t>(step.extent.length));
      break;
    case Step::Kind::kSync:
      io_uring_prep_fsync(sqe, step.fd, IORING_FSYNC_DATASYNC);
      break;
  }
  if (step.must_block) sqe->flags |= IOSQE_ASYNC;
  sqe->user_data = index;
  ++issued_;
}

// Processes the completions. `go_on` false: the queue is being destroyed, no transfer takes another
// step.
void UringQueue::reap(bool go_on) {
  io_uring_cqe* cqe = nullptr;
  while (io_uring_peek_cqe(&ring_, &cqe) == 0 && cqe != nullptr) {
    const auto index = static_cast<std::uint32_t>(cqe->user_data);
    std::int64_t result = cqe->res;
    io_uring_cqe_seen(&ring_, cqe);
    --issued_;
    if (!go_on) continue;
    // The queue never cancels a request: the kernel had no thread for it (RLIMIT_NPROC, pids.max;
    // io_wq_enqueue). The calling thread executes it instead.
    if (result == -ECANCELED) result = run_step(transfers_[index].step());
    transfers_[index].advance(result);
    proceed(index);
  }
}

Status UringQueue::enter(unsigned wait_for) {
  // Without waiting, submitting alone would not run the work that DEFER_TASKRUN deferred.
  const int result = wait_for > 0 ? io_uring_submit_and_wait(&ring_, wait_for)
                                  : io_uring_submit_and_get_events(&ring_);
  if (result >= 0 || result == -EINTR) {
    refusals_ = 0;
    return {};
  }
  const bool passes = result == -EAGAIN || result == -EBUSY;
  if (passes && ++refusals_ <= kMaxRefusals) {
    ::sched_yield();
    return {};
  }
  return tl::unexpected(system_error(-result, "io_uring does not accept or complete requests"));
}

Result<std::size_t> UringQueue::wait(std::size_t min, std::vector<Completion>& out) {
  min = std::min(min, in_flight());
  reap(true);
  bool entered = false;
  // Polls the kernel once if no completion is available, even without waiting.
  const auto must_look = [&] { return min == 0 && !entered && done_.empty() && issued_ > 0; };
  while (done_.size() < min || io_uring_sq_ready(&ring_) > 0 || must_look()) {
    const std::size_t missing = done_.size() < min ? min - done_.size() : 0;
    BLKREWIND_TRY(enter(static_cast<unsigned>(missing)));
    reap(true);
    entered = true;
  }
  const std::size_t count = done_.size();
  out.insert(out.end(), done_.begin(), done_.end());
  done_.clear();
  return count;
}

}  // namespace

bool means_no_uring(int sys_errno) {
  return sys_errno == EPERM || sys_errno == EACCES || sys_errno == ENOSYS || sys_errno == ENOMEM ||
         sys_errno == EMFILE || sys_errno == ENFILE;
}

Result<std::unique_ptr<Queue>> make_uring_queue(const QueueOptions& options) {
  BLKREWIND_TRY(check_queue_options(options));
  BLKREWIND_ASSIGN(BufferPool pool, BufferPool::make(options.slots, options.slot_bytes));
  auto queue = std::make_unique<UringQueue>(options.depth, std::move(pool));
  BLKREWIND_TRY(queue->start(options.changes_threads));
  return queue;
}

}  // namespace blkrewind::io
