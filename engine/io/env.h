// What blkrewind asks of the machine below it: files, directories, locks and queues.
//
// Everything that changes a byte or a name in a store or on a device goes through this interface,
// so that a simulated one (tests/support) can record it, lose it, reorder it or fail it.
// An Env may be used by several threads at once; each File by several queues at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "host/device_info.h"
#include "host/partition_table.h"
#include "host/settle_caches.h"
#include "io/queue.h"

namespace blkrewind::io {

enum class Access : std::uint8_t { kReadOnly, kReadWrite };

struct OpenOptions {
  Access access = Access::kReadOnly;
  bool direct = true;       // O_DIRECT where the file system takes it, else buffered
  bool create_new = false;  // O_CREAT | O_EXCL, mode 0600
  // The path is a folder, and what is opened a new file in it without a name, which goes with the
  // File (O_TMPFILE). Read and write. Not every file system has such files.
  bool unnamed = false;
  // Of a new file: overwriting it needs no free space, on file systems that copy on write either
  // (FS_NOCOW_FL of btrfs, which then keeps no checksums of it). Without effect elsewhere.
  bool in_place = false;
  // Nobody else may hold it: O_EXCL without O_CREAT on a block device; a lock of the open file
  // description on an image file (shared when read-only), where its file system has locks. Either
  // lasts until the last request on it has ended, also when the process was killed.
  bool exclusive_device = false;
};

// An open file or block device; closed by its destructor.
class File {
 public:
  virtual ~File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] virtual const std::string& path() const = 0;
  // Offsets, lengths and addresses of direct requests are multiples of this; 1 when buffered.
  [[nodiscard]] virtual std::uint32_t alignment_bytes() const = 0;
  // The longest request that pays on this file: min(1 MiB, max_sectors_kb).
  [[nodiscard]] virtual std::uint32_t max_request_bytes() const = 0;
  // Asks the kernel now.
  [[nodiscard]] virtual Result<std::uint64_t> size_bytes() = 0;
  // Where its bytes end: the size, but of a loop device whose file was cut below it less than that.
  [[nodiscard]] virtual Result<std::uint64_t> end_bytes() { return size_bytes(); }
  // The first data range at or after `offset` (SEEK_DATA, then SEEK_HOLE): what lies before it
  // reads as zeroes. Empty extent at end of file. A loop device that was opened exclusively knows
  // the holes of the file below it; another block device, or a file system without holes, answers
  // {offset, size - offset}.
  [[nodiscard]] virtual Result<Extent> next_data(std::uint64_t offset) = 0;
  // Lets this file's bytes from `offset` on be those of `source`'s extent, without copying them
  // (reflink). Not durable before the next flush. False: it did not work, and the bytes have to be
  // written; most pairs of files cannot.
  [[nodiscard]] virtual bool share(File& source, const Extent& extent, std::uint64_t offset) {
    (void)source, (void)extent, (void)offset;
    return false;
  }
  // Lets the caches of other nodes over the same bytes (whole disk, partitions) agree with what is
  // on the medium: written back, dropped, and proved. kPrecondition, with what to close, when that
  // cannot be done. A file has one cache, and nothing to settle.
  [[nodiscard]] virtual Status settle_caches(host::CacheUse use) {
    (void)use;
    return {};
  }
  // Tells the kernel of the partitions in the table on a whole disk. To be called when all is
  // flushed.
  [[nodiscard]] virtual host::PartitionUpdate update_partitions() { return {}; }
  // Sets blocks aside for the extent, which may lie past the end of a regular file, whose length
  // stays: a write there needs no free space later. Bytes that are there stay. Not durable before
  // the next flush. False: this file system sets nothing aside. kNoSpace: it is full (or a quota
  // is used up), and a part may have been set aside.
  [[nodiscard]] virtual Result<bool> reserve(const Extent& extent) {
    (void)extent;
    return false;
  }
  // What the file takes on its file system now, blocks that were set aside included.
  [[nodiscard]] virtual Result<std::uint64_t> allocated_bytes() { return size_bytes(); }
  // Lets the next reads come from the medium rather than from the kernel's cache, as far as the
  // kernel can be asked for that. After a flush.
  virtual void drop_cache() {}
  // Sets the length of a regular file. Not durable before the next flush.
  [[nodiscard]] virtual Status truncate(std::uint64_t size_bytes) = 0;

 protected:
  File() = default;
};

// A held lock; released by its destructor (or by the end of the process).
class Lock {
 public:
  virtual ~Lock() = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 protected:
  Lock() = default;
};

enum class LockMode : std::uint8_t { kShared, kExclusive };

struct QueueOptions {
  std::uint32_t depth = 64;      // requests in flight at once
  std::uint32_t slots = 0;       // buffer slots
  std::uint32_t slot_bytes = 0;  // bytes a slot, a multiple of 4096
};

class Env {
 public:
  virtual ~Env() = default;
  Env() = default;
  Env(const Env&) = delete;
  Env& operator=(const Env&) = delete;

  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& path,
                                                           const OpenOptions& options) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Queue>> make_queue(const QueueOptions& options) = 0;

  // Names. None is durable before sync_directory() of the directory that holds it.
  [[nodiscard]] virtual Status make_directory(const std::string& path) = 0;  // 0700
  [[nodiscard]] virtual Status rename(const std::string& from, const std::string& to) = 0;
  // The same, but never in the place of another file: kAlreadyExists when `to` is a name already,
  // kUnsupported where the file system cannot promise that.
  [[nodiscard]] virtual Status rename_new(const std::string& from, const std::string& to) = 0;
  [[nodiscard]] virtual Status remove(const std::string& path) = 0;
  [[nodiscard]] virtual Status sync_directory(const std::string& path) = 0;
  [[nodiscard]] virtual Result<std::vector<std::string>> list_directory(
      const std::string& path) = 0;
  [[nodiscard]] virtual Result<bool> exists(const std::string& path) = 0;
  // Device and inode of what the path names now, to tell whether a file was replaced under us.
  [[nodiscard]] virtual Result<host::FileId> identify(const std::string& path) = 0;
  // What the file takes on its file system; holes take nothing.
  [[nodiscard]] virtual Result<std::uint64_t> allocated_bytes(const std::string& path) = 0;
  // Seconds since the epoch.
  [[nodiscard]] virtual Result<std::int64_t> modified_at(const std::string& path) = 0;

  // An advisory lock on one byte of the file (open file description locks: threads exclude each
  // other as processes do). Does not wait: nullptr when somebody holds a conflicting one.
  [[nodiscard]] virtual Result<std::unique_ptr<Lock>> try_lock(const std::string& path,
                                                               std::uint64_t offset,
                                                               LockMode mode) = 0;
  // The same, but waits.
  [[nodiscard]] virtual Result<std::unique_ptr<Lock>> lock(const std::string& path,
                                                           std::uint64_t offset, LockMode mode) = 0;
  // Whether somebody holds that byte exclusively. Takes no lock, so it is in nobody's way.
  [[nodiscard]] virtual Result<bool> is_locked(const std::string& path, std::uint64_t offset) = 0;

  // What the path is: size, sector, identity, and who uses it. Touches nothing. For lists and
  // answers: which processes have it open for writing is not looked at, and the path may mean
  // another device by the time that the answer is used.
  [[nodiscard]] virtual Result<host::DeviceInfo> probe(const std::string& path) = 0;
  // The same of what `file` has open, whatever its path means by now, and who else has it open for
  // writing: what an operation goes by. The file's own hold is no use. kBusy when the path that it
  // was opened by leads elsewhere now.
  [[nodiscard]] virtual Result<host::DeviceInfo> probe(File& file) = 0;

  // This machine with the names beneath `folder` taken from the folder that this call opens, for
  // files that another user may have put there (folder.h). Null: names of this Env lead nowhere
  // else, so it is as good itself. The result does not outlive this Env.
  [[nodiscard]] virtual Result<std::unique_ptr<Env>> beneath(const std::string& folder) {
    (void)folder;
    return std::unique_ptr<Env>();
  }

  // The same without asking who uses it, for when that does not matter.
  [[nodiscard]] virtual Result<host::DeviceInfo> examine(const std::string& path) {
    return probe(path);
  }

  // The block devices that are attached now, without their uses. The UUIDs of the content are read
  // of those of `content_bytes` that nothing else tells; 0: of none. (attached.h)
  [[nodiscard]] virtual Result<std::vector<host::DeviceInfo>> attached(
      std::uint64_t content_bytes) {
    (void)content_bytes;
    return std::vector<host::DeviceInfo>{};
  }

  // Could rewriting `device` change bytes of the file system that holds `directory`? (lives_on.h)
  // kPrecondition when that cannot be told.
  [[nodiscard]] virtual Result<bool> lives_on(const std::string& directory,
                                              const host::DeviceInfo& device) = 0;
};

// The real machine. `allow_io_uring` false: synchronous queues (also chosen by itself where the
// kernel refuses io_uring with EPERM or ENOSYS).
// `refuse_writers` false: probe(File&) does not look who else has it open for writing. For the
// tests of change tracking, which write beside the engine on purpose.
struct LocalEnvOptions {
  bool allow_io_uring = true;
  bool refuse_writers = true;
};
[[nodiscard]] std::unique_ptr<Env> make_local_env(const LocalEnvOptions& options = {});

}  // namespace blkrewind::io
