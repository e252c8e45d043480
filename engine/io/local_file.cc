#include "io/local_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/remedies.h"
#include "host/partition_table.h"
#include "host/settle_caches.h"
#include "host/stays.h"
#include "host/sysfs.h"
#include "io/preallocation.h"

namespace blkrewind::io {
namespace {

constexpr std::uint32_t kMaxRequestBytes = 1 * kMiB;
constexpr std::uint32_t kPageBytes = 4096;

// The kernel splits requests longer than max_sectors_kb (Documentation/ABI/stable/sysfs-block), so
// longer requests gain nothing. For a file on a file system without a device of its own (btrfs,
// tmpfs, overlay) there is no such limit.
std::uint32_t max_request_bytes_of(dev_t device) {
  const std::string sysfs =
      "/sys/dev/block/" + std::to_string(major(device)) + ":" + std::to_string(minor(device));
  auto kib = host::read_number(sysfs + "/queue/max_sectors_kb");
  if (!kib) kib = host::read_number(sysfs + "/../queue/max_sectors_kb");  // a partition
  if (!kib) return kMaxRequestBytes;
  const std::uint64_t bytes = align_down(*kib * kKiB, kPageBytes);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(bytes, kPageBytes, kMaxRequestBytes));
}

Error open_error(int sys_errno, const std::string& path, const OpenOptions& options) {
  Error error = system_error(sys_errno, std::string(options.unnamed ? "cannot create a file in "
                                                    : options.create_new ? "cannot create "
                                                                         : "cannot open ") +
                                            path);
  switch (sys_errno) {
    case EEXIST:
      error.code = Errc::kAlreadyExists;
      break;
    case EBUSY:
      error.remedy =
          run_program("unmount it, or stop the program that holds it", "fuser -v", {path});
      break;
    case EROFS:
      error.remedy =
          Remedy("make the device or its file system writable").because("it is read-only");
      break;
    case ENOENT:
      error.remedy = "check the name";
      break;
    case EMFILE:
    case ENFILE:
      error.remedy = raise_open_files();
      break;
    default:
      break;
  }
  return error;
}

tl::unexpected<Error> not_a_disk(const std::string& path) {
  return fail(Errc::kInvalidArgument, path + " is neither a block device nor a regular file",
              "name a block device or an image file");
}

// The equivalent of O_EXCL on a block device. Requests in flight hold the open file description, so
// after a process is killed its image stays locked until none of its requests can complete any
// more. 0, or EBUSY if another process holds it.
int claim_image(int fd, Access access) {
  struct flock whole = {};
  whole.l_type = access == Access::kReadWrite ? F_WRLCK : F_RDLCK;
  whole.l_whence = SEEK_SET;  // with l_start = l_len = 0: the whole file
  while (::fcntl(fd, F_OFD_SETLK, &whole) != 0) {
    if (errno == EINTR) continue;
    // Any other error: a file system without locks, which no user of the image can take.
    return errno == EAGAIN || errno == EACCES ? EBUSY : 0;
  }
  return 0;
}

bool is_usable(mode_t mode) { return S_ISREG(mode) || S_ISBLK(mode); }

bool is_same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_rdev == b.st_rdev &&
         (a.st_mode & S_IFMT) == (b.st_mode & S_IFMT);
}

tl::unexpected<Error> replaced(const std::string& path) {
  return fail(Errc::kBusy, path + " was given to another file while it was being opened",
              "see what it is now, then try again");
}

// Before opening it for writing: a writer cannot tell whether it is the only one.
host::Answer ask_other_writers(const std::string& path, const struct stat& named) {
  const UniqueFd fd(host::open_past_leases(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
  struct stat status = {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0 || !is_same_file(status, named)) {
    return host::Answer::kUnknown;
  }
  return host::open_for_writing_elsewhere(fd.get());
}

}  // namespace

Result<std::unique_ptr<File>> LocalFile::open(const std::string& path, const OpenOptions& options) {
  const int access = options.access == Access::kReadWrite ? O_RDWR : O_RDONLY;
  int flags = access | O_CLOEXEC | O_NOCTTY;
  struct stat named = {};
  host::Answer other_writers = host::Answer::kUnknown;
  if (options.unnamed) {
    flags |= O_TMPFILE;
  } else if (options.create_new) {
    flags |= O_CREAT | O_EXCL;  // O_EXCL: nor through a symbolic link
  } else {
    // Checked first, because opening a FIFO blocks and opening a tape rewinds it.
    if (::stat(path.c_str(), &named) != 0) {
      return tl::unexpected(open_error(errno, path, options));
    }
    if (!is_usable(named.st_mode)) return not_a_disk(path);
    // On a regular file O_EXCL without O_CREAT means nothing (open(2)).
    if (options.exclusive_device && S_ISBLK(named.st_mode)) flags |= O_EXCL;
    if (options.exclusive_device && S_ISREG(named.st_mode) && access == O_RDWR) {
      other_writers = ask_other_writers(path, named);
    }
  }

  // O_DIRECT is set afterwards, by fcntl: with O_CREAT a file system without direct I/O would
  // create the file and then refuse to open it.
  int opened = -1;
  do {
    opened = ::open(path.c_str(), flags, 0600);
  } while (opened < 0 && errno == EINTR);
  if (opened < 0) return tl::unexpected(open_error(errno, path, options));

  UniqueFd fd(opened);
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0) {
    return tl::unexpected(system_error(errno, "cannot query the type of " + path));
  }
  // What was asked of the path above must be true of what is open.
  const bool is_new = options.create_new || options.unnamed;
  if (!is_new && !is_same_file(status, named)) return replaced(path);
  return adopt(path, std::move(fd), options, other_writers);
}

Result<std::unique_ptr<File>> LocalFile::adopt(const std::string& path, UniqueFd fd,
                                               const OpenOptions& options,
                                               host::Answer other_writers) {
  if (options.create_new && options.in_place) {
    // Only while the file is empty, and only on btrfs (ioctl_iflags(2)).
    int attributes = 0;
    if (::ioctl(fd.get(), FS_IOC_GETFLAGS, &attributes) == 0) {
      attributes |= FS_NOCOW_FL;
      (void)::ioctl(fd.get(), FS_IOC_SETFLAGS, &attributes);
    }
  }
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0) {
    return tl::unexpected(system_error(errno, "cannot query the type of " + path));
  }
  std::unique_ptr<LocalFile> file(new LocalFile(path, std::move(fd)));
  file->access_flags_ = options.access == Access::kReadWrite ? O_RDWR : O_RDONLY;
  file->other_writers_ = other_writers;
  BLKREWIND_TRY(file->learn(options, status));
  return file;
}

Status LocalFile::learn(const OpenOptions& options, const struct stat& status) {
  if (!is_usable(status.st_mode)) return not_a_disk(path_);
  exclusive_ = options.exclusive_device;
  is_block_device_ = S_ISBLK(status.st_mode);
  max_request_bytes_ = max_request_bytes_of(is_block_device_ ? status.st_rdev : status.st_dev);
  if (is_block_device_) device_ = status.st_rdev;
  if (is_block_device_) BLKREWIND_TRY(learn_block_device(options, status.st_rdev));
  if (options.exclusive_device && !is_block_device_) {
    const int error = claim_image(fd_.get(), options.access);
    if (error != 0) return tl::unexpected(open_error(error, path_, options));
    only_opener_ = host::is_only_opener(fd_.get());
    const Extent all = {0, static_cast<std::uint64_t>(status.st_size)};
    if (options.access == Access::kReadWrite && is_fully_allocated(fd_.get(), all)) {
      zero_method_ = ZeroMethod::kZeroRange;
    }
  }
  if (options.direct) learn_alignment();
  return {};
}

Status LocalFile::learn_block_device(const OpenOptions& options, dev_t device) {
  int sector = 0;
  if (::ioctl(fd_.get(), BLKSSZGET, &sector) != 0 || sector <= 0) {
    return tl::unexpected(system_error(errno, "cannot query the sector size of " + path_));
  }
  sector_bytes_ = static_cast<std::uint32_t>(sector);
  // The kernel opens a read-only device for writing and refuses the writes (EPERM), which would be
  // too late.
  int read_only = 0;
  if (options.access == Access::kReadWrite && ::ioctl(fd_.get(), BLKROGET, &read_only) == 0 &&
      read_only != 0) {
    return tl::unexpected(open_error(EROFS, path_, options));
  }
  if (options.exclusive_device) {
    BLKREWIND_ASSIGN(const std::uint64_t size, size_bytes());
    loop_holes_ = LoopHoles::below(fd_.get(), device, size);
    if (options.access == Access::kReadWrite && loop_holes_ && loop_holes_->is_fully_allocated()) {
      zero_method_ = ZeroMethod::kZeroRange;
    }
  }
  return {};
}

void LocalFile::learn_alignment() {
  std::uint32_t alignment = is_block_device_ ? sector_bytes_ : kPageBytes;
  struct statx status = {};
  if (::statx(fd_.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 &&
      (status.stx_mask & STATX_DIOALIGN) != 0) {
    // Zero: this file cannot do direct I/O (statx(2)), e.g. encrypted or with journalled data.
    if (status.stx_dio_offset_align == 0) return;
    alignment = std::max(status.stx_dio_offset_align, status.stx_dio_mem_align);
  }
  const int flags = ::fcntl(fd_.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd_.get(), F_SETFL, flags | O_DIRECT) != 0) return;  // buffered
  direct_ = true;
  alignment_bytes_ = alignment;
}

Result<std::uint64_t> LocalFile::size_bytes() {
  if (is_block_device_) {
    std::uint64_t size = 0;
    if (::ioctl(fd_.get(), BLKGETSIZE64, &size) != 0) {
      return tl::unexpected(system_error(errno, "cannot query the size of " + path_));
    }
    return size;
  }
  struct stat status = {};
  if (::fstat(fd_.get(), &status) != 0) {
    return tl::unexpected(system_error(errno, "cannot query the size of " + path_));
  }
  return static_cast<std::uint64_t>(status.st_size);
}

Result<std::uint64_t> LocalFile::end_bytes() {
  BLKREWIND_ASSIGN(const std::uint64_t size, size_bytes());
  return loop_holes_ == nullptr ? size : std::min(size, loop_holes_->end_bytes());
}

Result<Extent> LocalFile::next_data(std::uint64_t offset) {
  BLKREWIND_ASSIGN(const std::uint64_t size, size_bytes());
  if (offset >= size) return Extent{size, 0};
  const Extent rest{offset, size - offset};
  if (loop_holes_ != nullptr) return loop_holes_->next_data(offset).value_or(rest);
  if (is_block_device_) return rest;

  const off_t data = ::lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) {
    if (errno == ENXIO) return Extent{size, 0};  // a hole up to the end
    if (errno == EINVAL) return rest;            // a file system without holes
    return tl::unexpected(system_error(errno, "cannot search for data in " + path_).at(rest));
  }
  const off_t hole = ::lseek(fd_.get(), data, SEEK_HOLE);
  if (hole < 0) {
    return tl::unexpected(system_error(errno, "cannot search for holes in " + path_).at(rest));
  }
  return Extent{static_cast<std::uint64_t>(data), static_cast<std::uint64_t>(hole - data)};
}

bool LocalFile::share(File& source, const Extent& extent, std::uint64_t offset) {
  const auto* from = dynamic_cast<LocalFile*>(&source);
  if (is_block_device_ || from == nullptr || from->is_block_device_) return false;
  file_clone_range range{};
  range.src_fd = from->fd();
  range.src_offset = extent.offset;
  range.src_length = extent.length;
  range.dest_offset = offset;
  return ::ioctl(fd_.get(), FICLONERANGE, &range) == 0;
}

Status LocalFile::settle_caches(host::CacheUse use) {
  if (!is_block_device_) return {};
  const int buffered = buffered_fd();
  if (buffered < 0) return fail(system_error(-buffered, "cannot open " + path_ + " a second time"));
  return host::settle_caches_of(device_, buffered, use);
}

host::PartitionUpdate LocalFile::update_partitions() {
  if (!is_block_device_) return {};
  const int buffered = buffered_fd();
  if (buffered < 0) return {};
  return host::update_partitions_of(device_, fd_.get(), buffered);
}

Result<bool> LocalFile::reserve(const Extent& extent) {
  if (is_block_device_) return false;
  while (::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(extent.offset),
                     static_cast<off_t>(extent.length)) != 0) {
    if (errno == EINTR) continue;
    // Not supported by this file system: NFS, exFAT, many FUSE ones.
    if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) return false;
    return tl::unexpected(system_error(errno, "cannot reserve blocks for " + path_).at(extent));
  }
  return true;
}

Result<std::uint64_t> LocalFile::allocated_bytes() {
  struct stat status = {};
  if (::fstat(fd_.get(), &status) != 0) {
    return tl::unexpected(system_error(errno, "cannot query what " + path_ + " takes"));
  }
  // st_blocks is in units of 512 bytes, whatever the block size of the file system (stat(2)).
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

void LocalFile::drop_cache() {
  // Only advice; a direct read bypasses the cache in any case.
  (void)::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED);
}

Status LocalFile::truncate(std::uint64_t size_bytes) {
  if (is_block_device_) {
    return fail(Errc::kInvalidArgument, path_ + " is a block device, its size cannot be set");
  }
  while (::ftruncate(fd_.get(), static_cast<off_t>(size_bytes)) != 0) {
    if (errno == EINTR) continue;
    return tl::unexpected(
        system_error(errno, "cannot set the size of " + path_ + " to " + format_bytes(size_bytes)));
  }
  return {};
}

bool LocalFile::is_direct(std::uint64_t offset, std::uint64_t length,
                          const std::byte* address) const {
  return direct_ &&
         is_aligned(offset | length | reinterpret_cast<std::uintptr_t>(address), alignment_bytes_);
}

int LocalFile::buffered_fd() {
  if (!direct_) return fd_.get();
  const std::lock_guard guard(buffered_mutex_);
  if (buffered_.valid()) return buffered_.get();
  // Through the open descriptor, because the name may refer to another file by now. Never O_EXCL:
  // this process holds the device already, and a second claim would find it busy.
  const std::string self = "/proc/self/fd/" + std::to_string(fd_.get());
  buffered_.reset(::open(self.c_str(), access_flags_ | O_CLOEXEC | O_NOCTTY));
  return buffered_.valid() ? buffered_.get() : -errno;
}

void LocalFile::refuse_zero_method(ZeroMethod failed) {
  // Only from `failed` on: another thread may have advanced further already.
  zero_method_.compare_exchange_strong(failed, next_zero_method(failed), std::memory_order_relaxed);
}

}  // namespace blkrewind::io
