#include "support/image_writers.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/aligned_buffer.h"
#include "base/fd.h"
#include "support/loop_device.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kBlock = 4 * kKiB;

// Mostly a few blocks, sometimes one byte or a large part; aligned or not.
Extent random_range(const ImageUnderTest& image, std::mt19937_64& random, bool aligned = false) {
  const std::uint64_t longest = random() % 8 == 0 ? image.bytes / 4 : 8 * kBlock;
  std::uint64_t length = 1 + random() % longest;
  std::uint64_t offset = random() % (image.bytes - length);
  if (aligned || random() % 2 == 0) {
    offset = align_down(offset, kBlock);
    length = std::min(align_up(length, kBlock), image.bytes - offset);
  }
  return {offset, length};
}

UniqueFd open_file(const std::string& path, int flags) {
  return UniqueFd(::open(path.c_str(), flags | O_CLOEXEC));
}

void fill(std::byte* bytes, std::uint64_t length, std::mt19937_64& random) {
  const auto first = static_cast<unsigned>(random());
  for (std::uint64_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>(first + i * 7);
}

void write_to(const std::string& path, int flags, const ImageUnderTest& image,
              std::mt19937_64& random) {
  const bool direct = (flags & O_DIRECT) != 0;
  const Extent range = random_range(image, random, direct);
  const UniqueFd fd = open_file(path, O_WRONLY | flags);
  AlignedBuffer bytes(align_up(range.length, kBlock));
  fill(bytes.data(), range.length, random);
  static_cast<void>(
      ::pwrite(fd.get(), bytes.data(), range.length, static_cast<off_t>(range.offset)));
}

void map_and_write(const std::string& path, const ImageUnderTest& image, std::mt19937_64& random,
                   bool sync) {
  const UniqueFd fd = open_file(path, O_RDWR);
  void* const memory =
      ::mmap(nullptr, image.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return;
  const Extent range = random_range(image, random);
  fill(static_cast<std::byte*>(memory) + range.offset, range.length, random);
  if (sync) ::msync(memory, image.bytes, MS_SYNC);
  ::munmap(memory, image.bytes);
}

void allocate(const std::string& path, int mode, const ImageUnderTest& image,
              std::mt19937_64& random, bool aligned = false) {
  const Extent range = random_range(image, random, aligned);
  const UniqueFd fd = open_file(path, O_RDWR);
  static_cast<void>(::fallocate(fd.get(), mode, static_cast<off_t>(range.offset),
                                static_cast<off_t>(range.length)));
}

void share(const std::string& from, std::uint64_t offset, const ImageUnderTest& image,
           const Extent& into) {
  const UniqueFd source = open_file(from, O_RDONLY);
  const UniqueFd target = open_file(image.path, O_RDWR);
  file_clone_range range = {};
  range.src_fd = source.get();
  range.src_offset = offset;
  range.src_length = into.length;
  range.dest_offset = into.offset;
  static_cast<void>(::ioctl(target.get(), FICLONERANGE, &range));
}

// Equal ranges become shared: the image's locations become the other's.
void dedupe(const std::string& with, const ImageUnderTest& image, const Extent& range) {
  const UniqueFd source = open_file(with, O_RDONLY);
  const UniqueFd target = open_file(image.path, O_RDWR);
  alignas(file_dedupe_range)
      std::array<std::byte, sizeof(file_dedupe_range) + sizeof(file_dedupe_range_info)>
          storage = {};
  auto* const request = reinterpret_cast<file_dedupe_range*>(storage.data());
  request->src_offset = range.offset;
  request->src_length = range.length;
  request->dest_count = 1;
  request->info[0].dest_fd = target.get();
  request->info[0].dest_offset = range.offset;
  static_cast<void>(::ioctl(source.get(), FIDEDUPERANGE, request));
}

void discard(const ImageUnderTest& image, std::mt19937_64& random, unsigned long request) {
  if (image.device.empty()) return;
  const Extent range = random_range(image, random, true);
  std::array<std::uint64_t, 2> bytes = {range.offset, range.length};
  const UniqueFd fd = open_file(image.device, O_RDWR);
  static_cast<void>(::ioctl(fd.get(), request, bytes.data()));
}

// Through the device if there is one.
const std::string& front_of(const ImageUnderTest& image) {
  return image.device.empty() ? image.path : image.device;
}

void set_size(const ImageUnderTest& image, std::uint64_t bytes) {
  static_cast<void>(::truncate(image.path.c_str(), static_cast<off_t>(bytes)));
}

using Image = ImageUnderTest;
using Random = std::mt19937_64;

const std::vector<ImageWriter>& all() {
  static const std::vector<ImageWriter> writers = {
      {"buffered", [](const Image& i, Random& r) { write_to(front_of(i), 0, i, r); }},
      {"buffered, to the file", [](const Image& i, Random& r) { write_to(i.path, 0, i, r); }},
      {"buffered, synchronous",
       [](const Image& i, Random& r) { write_to(front_of(i), O_SYNC, i, r); }},
      {"direct", [](const Image& i, Random& r) { write_to(front_of(i), O_DIRECT, i, r); }},
      {"direct, to the file", [](const Image& i, Random& r) { write_to(i.path, O_DIRECT, i, r); }},
      {"mapped", [](const Image& i, Random& r) { map_and_write(front_of(i), i, r, false); }},
      {"mapped, to the file",
       [](const Image& i, Random& r) { map_and_write(i.path, i, r, false); }},
      {"mapped and synced", [](const Image& i, Random& r) { map_and_write(i.path, i, r, true); }},
      {"punch hole",
       [](const Image& i, Random& r) {
         allocate(front_of(i), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, i, r, !i.device.empty());
       }},
      {"zero range",
       [](const Image& i, Random& r) {
         allocate(front_of(i), FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, i, r, !i.device.empty());
       }},
      {"preallocate", [](const Image& i, Random& r) { allocate(i.path, 0, i, r); }},
      {"preallocate, then write a part",
       [](const Image& i, Random& r) {
         allocate(i.path, 0, i, r);
         write_to(front_of(i), 0, i, r);
       }},
      {"unshare",
       [](const Image& i, Random& r) { allocate(i.path, FALLOC_FL_UNSHARE_RANGE, i, r); }},
      {"discard", [](const Image& i, Random& r) { discard(i, r, BLKDISCARD); }},
      {"zero out", [](const Image& i, Random& r) { discard(i, r, BLKZEROOUT); }},
      {"reflink from another file",
       [](const Image& i, Random& r) {
         share(i.scratch, align_down(r() % (i.bytes / 2), kBlock), i,
               {align_down(r() % (i.bytes / 2), kBlock), kBlock * (1 + r() % 16)});
       }},
      {"reflink within the image",
       [](const Image& i, Random& r) {
         share(i.path, align_down(r() % (i.bytes / 2), kBlock), i,
               {align_down(i.bytes / 2 + r() % (i.bytes / 4), kBlock), kBlock * (1 + r() % 16)});
       }},
      {"reflink back from the clone",
       [](const Image& i, Random& r) {
         const Extent range = random_range(i, r, true);
         if (!i.clone.empty()) share(i.clone, range.offset, i, range);
       }},
      {"dedupe with the clone",
       [](const Image& i, Random& r) {
         if (!i.clone.empty()) dedupe(i.clone, i, random_range(i, r, true));
       }},
      {"write, then dedupe with another file",
       [](const Image& i, Random& r) {
         const Extent range = random_range(i, r, true);
         AlignedBuffer bytes(range.length);
         {
           const UniqueFd other = open_file(i.scratch, O_RDONLY);
           static_cast<void>(
               ::pread(other.get(), bytes.data(), range.length, static_cast<off_t>(range.offset)));
           const UniqueFd fd = open_file(i.path, O_WRONLY);
           static_cast<void>(
               ::pwrite(fd.get(), bytes.data(), range.length, static_cast<off_t>(range.offset)));
         }
         dedupe(i.scratch, i, range);
       }},
      {"copy_file_range",
       [](const Image& i, Random& r) {
         const Extent range = random_range(i, r);
         const UniqueFd source = open_file(i.scratch, O_RDONLY);
         const UniqueFd target = open_file(i.path, O_WRONLY);
         off_t from = static_cast<off_t>(range.offset);
         off_t to = from;
         static_cast<void>(
             ::copy_file_range(source.get(), &from, target.get(), &to, range.length, 0));
       }},
      {"truncate down and up",
       [](const Image& i, Random& r) {
         set_size(i, i.bytes - 1 - r() % (i.bytes / 8));
         if (r() % 2 == 0) write_to(i.path, 0, {i.path, i.bytes / 2, {}, {}, {}}, r);
         set_size(i, i.bytes);
       },
       true},
      {"truncate up and down",
       [](const Image& i, Random& r) {
         set_size(i, i.bytes + 1 + r() % i.bytes);
         write_to(i.path, 0, {i.path, i.bytes + kBlock, {}, {}, {}}, r);
         set_size(i, i.bytes);
       },
       true},
      {"collapse and insert",
       [](const Image& i, Random& r) {
         allocate(i.path, FALLOC_FL_COLLAPSE_RANGE, i, r, true);
         set_size(i, i.bytes);
         allocate(i.path, FALLOC_FL_INSERT_RANGE, i, r, true);
         set_size(i, i.bytes);
       },
       true},
      {"defragment",
       [](const Image& i, Random&) {
         const UniqueFd fd = open_file(i.path, O_RDWR);
         btrfs_ioctl_defrag_range_args range = {};
         range.len = ~std::uint64_t{0};
         range.flags = BTRFS_DEFRAG_RANGE_START_IO;
         range.extent_thresh = 32 * kMiB;
         if (::ioctl(fd.get(), BTRFS_IOC_DEFRAG_RANGE, &range) == 0) return;
         try {
           run_program({"xfs_fsr", i.path});
         } catch (const std::exception&) {  // not installed, or not XFS
         }
       }},
  };
  return writers;
}

}  // namespace

const std::vector<ImageWriter>& image_writers() { return all(); }

}  // namespace blkrewind::test
