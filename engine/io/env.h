// What blkrewind needs of the machine: files, directories, locks and queues.
//
// Everything that changes a byte or a name in a store or on a device goes through this interface,
// so that a simulated Env (tests/support) can record, lose, reorder or fail it. An Env may be used
// by several threads at once; each File by several queues at once.
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
  bool direct = true;       // O_DIRECT if the file system supports it, otherwise buffered
  bool create_new = false;  // O_CREAT | O_EXCL, mode 0600
  // The path is a folder, and what is opened a new file in it without a name, which goes with the
  // File (O_TMPFILE). Read and write. Not every file system has such files.
  bool unnamed = false;
  // Of a new file: overwriting it needs no free space, on file systems that copy on write either
  // (FS_NOCOW_FL of btrfs, which then keeps no checksums of it). Without effect elsewhere.
  bool in_place = false;
  // Exclusive access: O_EXCL without O_CREAT on a block device; a lock of the open file description
  // on an image file (shared if read-only), if its file system supports locks. Either lasts until
  // the last request on it has ended, even if the process is killed.
  bool exclusive_device = false;
};

// An open file or block device; closed by its destructor.
class File {
 public:
  virtual ~File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] virtual const std::string& path() const = 0;
  // Offsets, lengths and addresses of direct requests must be multiples of this; 1 if buffered.
  [[nodiscard]] virtual std::uint32_t alignment_bytes() const = 0;
  // The longest useful request on this file: min(1 MiB, max_sectors_kb).
  [[nodiscard]] virtual std::uint32_t max_request_bytes() const = 0;
  // Queries the kernel each time.
  [[nodiscard]] virtual Result<std::uint64_t> size_bytes() = 0;
  // The end of its bytes: the size, or less for a loop device whose file was truncated.
  [[nodiscard]] virtual Result<std::uint64_t> end_bytes() { return size_bytes(); }
  // The first data range at or after `offset` (SEEK_DATA, then SEEK_HOLE); everything before it
  // reads as zeroes. Empty extent at end of file. A loop device that was opened exclusively knows
  // the holes of the file below it; another block device, or a file system without holes, returns
  // {offset, size - offset}.
  [[nodiscard]] virtual Result<Extent> next_data(std::uint64_t offset) = 0;
  // Makes this file's bytes from `offset` on share the blocks of `source`'s extent, without copying
  // (reflink). Not durable before the next flush. False: not supported for this pair of files, and
  // the bytes have to be written.
  [[nodiscard]] virtual bool share(File& source, const Extent& extent, std::uint64_t offset) {
    (void)source, (void)extent, (void)offset;
    return false;
  }
  // Makes the caches of other nodes over the same bytes (whole disk, partitions) agree with the
  // medium: written back, dropped, and verified. kPrecondition, naming what to close, if that is
  // not possible. A regular file has one cache, so nothing is done.
  [[nodiscard]] virtual Status settle_caches(host::CacheUse use) {
    (void)use;
    return {};
  }
  // Updates the kernel's partitions to the table on a whole disk. Call it after the flush.
  [[nodiscard]] virtual host::PartitionUpdate update_partitions() { return {}; }
  // Allocates blocks for the extent, which may be past the end of a regular file without changing
  // its length: a later write there needs no free space. Existing bytes are kept. Not durable
  // before the next flush. False: not supported by this file system. kNoSpace: it is full (or a
  // quota is exhausted), and a part may have been allocated.
  [[nodiscard]] virtual Result<bool> reserve(const Extent& extent) {
    (void)extent;
    return false;
  }
  // The space that the file occupies on its file system, including allocated blocks past its end.
  [[nodiscard]] virtual Result<std::uint64_t> allocated_bytes() { return size_bytes(); }
  // Makes the next reads come from the medium rather than from the kernel's cache, as far as
  // possible. Call it after a flush.
  virtual void drop_cache() {}
  // Sets the length of a regular file. Not durable before the next flush.
  [[nodiscard]] virtual Status truncate(std::uint64_t size_bytes) = 0;

 protected:
  File() = default;
};

// A file whose bytes are had without a queue: a stream, or bytes that were read before. Requests on
// it are served in the thread that submits them (make_serving_queue()).
class ServedFile : public File {
 public:
  [[nodiscard]] virtual Completion serve(const Request& request) = 0;

 protected:
  ServedFile() = default;
};

// A held lock; released by its destructor, or when the process ends.
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
  // Maximum number of requests in flight. 1: for what makes one request after another; those are
  // ordinary system calls, because a ring takes longer to set up than most of them.
  std::uint32_t depth = 64;
  // Used by one thread at a time, but not always the same, and idle when it changes.
  bool changes_threads = false;
  std::uint32_t slots = 0;       // buffer slots
  std::uint32_t slot_bytes = 0;  // size of a slot in bytes, a multiple of 4096
};

class Stream;  // stream.h

class Env {
 public:
  virtual ~Env() = default;
  Env() = default;
  Env(const Env&) = delete;
  Env& operator=(const Env&) = delete;

  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& path,
                                                           const OpenOptions& options) = 0;
  // What comes once, in order, if the path leads to such: a pipe, a socket, a character device; or
  // "-", standard input. `size_bytes`: how much is expected. Null: it is something else.
  [[nodiscard]] virtual Result<std::unique_ptr<Stream>> open_stream(const std::string& path,
                                                                    std::uint64_t size_bytes);
  [[nodiscard]] virtual Result<std::unique_ptr<Queue>> make_queue(const QueueOptions& options) = 0;

  // Operations on names. None is durable before sync_directory() of the directory that contains the
  // name.
  [[nodiscard]] virtual Status make_directory(const std::string& path) = 0;  // 0700
  [[nodiscard]] virtual Status rename(const std::string& from, const std::string& to) = 0;
  // The same, but never replaces a file: kAlreadyExists if `to` exists, kUnsupported if the file
  // system cannot guarantee that.
  [[nodiscard]] virtual Status rename_new(const std::string& from, const std::string& to) = 0;
  [[nodiscard]] virtual Status remove(const std::string& path) = 0;
  [[nodiscard]] virtual Status sync_directory(const std::string& path) = 0;
  [[nodiscard]] virtual Result<std::vector<std::string>> list_directory(
      const std::string& path) = 0;
  [[nodiscard]] virtual Result<bool> exists(const std::string& path) = 0;
  // Device and inode that the path refers to now, to detect a replaced file.
  [[nodiscard]] virtual Result<host::FileId> identify(const std::string& path) = 0;
  // The space that the file occupies on its file system, without holes.
  [[nodiscard]] virtual Result<std::uint64_t> allocated_bytes(const std::string& path) = 0;
  // Seconds since the epoch.
  [[nodiscard]] virtual Result<std::int64_t> modified_at(const std::string& path) = 0;

  // An advisory lock on one byte of the file (open file description locks: threads exclude each
  // other as processes do). Does not wait: nullptr if another process or thread holds a conflicting
  // lock.
  [[nodiscard]] virtual Result<std::unique_ptr<Lock>> try_lock(const std::string& path,
                                                               std::uint64_t offset,
                                                               LockMode mode) = 0;
  // The same, but waits.
  [[nodiscard]] virtual Result<std::unique_ptr<Lock>> lock(const std::string& path,
                                                           std::uint64_t offset, LockMode mode) = 0;
  // Whether any process holds that byte exclusively. Takes no lock, so it never blocks another
  // process.
  [[nodiscard]] virtual Result<bool> is_locked(const std::string& path, std::uint64_t offset) = 0;

  // The processes that hold a lock on that byte, as far as they are visible: "fio (process 4711)",
  // several with commas. Empty: none is.
  [[nodiscard]] virtual std::string lock_holders(const std::string& path, std::uint64_t offset) {
    (void)path, (void)offset;
    return {};
  }

  // Size, sector size, identity and users of the path. Changes nothing. For lists and answers:
  // processes that have it open for writing are not searched, and the path may refer to another
  // device by the time the answer is used.
  [[nodiscard]] virtual Result<host::DeviceInfo> probe(const std::string& path) = 0;
  // The same for the file that `file` has open, whatever its path refers to now, including other
  // processes that have it open for writing: operations rely on this. The file's own hold does not
  // count. kBusy if the path it was opened by now refers to another file.
  [[nodiscard]] virtual Result<host::DeviceInfo> probe(File& file) = 0;

  // This machine, with all names below `folder` resolved from the directory that this call opens,
  // for files that another user may have created (folder.h). Null: names of this Env cannot lead
  // elsewhere, so it can be used itself. The result must not outlive this Env.
  [[nodiscard]] virtual Result<std::unique_ptr<Env>> beneath(const std::string& folder) {
    (void)folder;
    return std::unique_ptr<Env>();
  }

  // The same without checking its users, if they do not matter.
  [[nodiscard]] virtual Result<host::DeviceInfo> examine(const std::string& path) {
    return probe(path);
  }

  // The block devices that are attached now, without their users. Nameless ones of `content_bytes`
  // bytes are read for the UUIDs of their content; 0: none. (attached.h)
  [[nodiscard]] virtual Result<std::vector<host::DeviceInfo>> attached(
      std::uint64_t content_bytes) {
    (void)content_bytes;
    return std::vector<host::DeviceInfo>{};
  }

  // Whether rewriting `device` could change bytes of the file system that holds `directory`
  // (lives_on.h). kPrecondition if that cannot be determined.
  [[nodiscard]] virtual Result<bool> lives_on(const std::string& directory,
                                              const host::DeviceInfo& device) = 0;
};

// The real machine. `allow_io_uring` false: synchronous queues (also used if the kernel refuses
// io_uring with EPERM or ENOSYS). `refuse_writers` false: probe(File&) does not search for other
// writers; only for tests of change tracking, which write to the device beside the engine on
// purpose.
struct LocalEnvOptions {
  bool allow_io_uring = true;
  bool refuse_writers = true;
};
[[nodiscard]] std::unique_ptr<Env> make_local_env(const LocalEnvOptions& options = {});

}  // namespace blkrewind::io
