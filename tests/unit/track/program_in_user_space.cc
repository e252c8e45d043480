#include "unit/track/program_in_user_space.h"

#include <linux/bpf.h>
#include <linux/types.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kWordsMax = 64;

blkrewind_control the_control_map;
std::uint64_t the_bits_map[kWordsMax * BLKREWIND_GENERATIONS];
blkrewind_bucket the_under_way_map[BLKREWIND_BUCKETS];

// A pointer to the requested object.
struct Place {
  void* at;
  template <class T>
  operator T*() const {  // NOLINT(google-explicit-constructor)
    return static_cast<T*>(at);
  }
};

}  // namespace

namespace program {

#define SEC(name)
#define BPF_PROG(name, ...) name(__VA_ARGS__)
#define __uint(name, value) int(*name)[value]
#define __type(name, value) value* name
#undef __always_inline
#define __always_inline inline
#define __noinline
#if defined(__x86_64__)
#define __TARGET_ARCH_x86
#endif

template <class Map>
Place bpf_map_lookup_elem(const Map* map, const __u32* key);

inline std::uint64_t bpf_get_current_pid_tgid() {
  maybe_stall();
  return std::uint64_t{processor().process} << 32;
}

inline long bpf_probe_read_kernel(void* into, std::uint32_t size, const void* from) {
  std::memcpy(into, from, size);
  return 0;
}

template <class Context>
long bpf_loop(std::uint64_t count, long (*step)(__u32, Context*), Context* context, int) {
  for (__u32 i = 0; i < count; ++i) {
    if (step(i, context) != 0) return i;
  }
  return static_cast<long>(count);
}

#define const  // constants that are set before loading
#include "track/bitmap/kernel/changes.bpf.c"
#undef const

template <class Map>
Place bpf_map_lookup_elem(const Map* map, const __u32* key) {
  maybe_stall();
  if (static_cast<const void*>(map) == &control) return {&the_control_map};
  if (static_cast<const void*>(map) == &under_way) return {&the_under_way_map[*key]};
  return {*key < std::size(the_bits_map) ? &the_bits_map[*key] : nullptr};
}

gendisk disk = {7, 1};
block_device device = {&disk};
request_queue queue = {&disk};

}  // namespace program

void load_program(const ProgramShape& shape) {
  the_control_map = {};
  std::fill(std::begin(the_bits_map), std::end(the_bits_map), 0);
  program::disk_major = static_cast<__u32>(program::disk.major);
  program::disk_minor = static_cast<__u32>(program::disk.first_minor);
  program::first_sector = shape.first_sector;
  program::end_sector = shape.first_sector + shape.sectors;
  program::granule_shift = shape.granule_shift - 9;
  program::words = (shape.sectors >> (shape.granule_shift - 9)) / 64 + 1;
  the_control_map.words = program::words;
  program::bios = shape.bios ? 1 : 0;
  program::counts = shape.counts ? 1 : 0;
  the_control_map.granule_shift = shape.granule_shift;
  the_control_map.bios = program::bios;
  the_control_map.first_sector = shape.first_sector;
  the_control_map.sectors = shape.sectors;
  std::fill(std::begin(the_under_way_map), std::end(the_under_way_map), blkrewind_bucket{});
}

blkrewind_control& program_control() { return the_control_map; }
std::span<std::uint64_t> program_bits() {
  return {the_bits_map, the_control_map.words * BLKREWIND_GENERATIONS};
}

std::span<blkrewind_bucket> program_under_way() {
  if (program::bios == 0) return {};
  return the_under_way_map;
}

Processor& processor() {
  thread_local Processor one;
  return one;
}

void maybe_stall() {
  Processor& here = processor();
  here.random = here.random * 6364136223846793005U + 1442695040888963407U;
  if ((here.random >> 33) % 1000 >= here.stalls) return;
  if (here.stall_spins == 0) return;
  // Some last longer than one operation.
  const std::uint64_t most = here.stall_spins * ((here.random >> 12) % 8 == 0 ? 40 : 1);
  for (std::uint64_t left = (here.random >> 20) % most; left > 0; --left) {
    ::sched_yield();
  }
}

void write_is_queued(std::uint64_t sector, std::uint32_t sectors) {
  program::bio bio = {};
  bio_is_queued(&bio, sector, sectors);
}

void write_is_complete(std::uint64_t sector, std::uint32_t sectors) {
  program::request request = {};
  request.q = &program::queue;
  request.cmd_flags = program::OP_WRITE;
  request.__sector = sector;
  program::on_complete(&request, 0, sectors << 9);
}

void bio_is_queued(void* memory, std::uint64_t sector, std::uint32_t sectors) {
  auto* bio = new (memory) program::bio{};
  bio->bi_bdev = &program::device;
  bio->bi_opf = program::OP_WRITE;
  bio->bi_iter = {sector, sectors << 9};
  program::on_queue(bio);
}

void bio_is_complete(void* memory, BioEnd end) {
  auto* bio = static_cast<program::bio*>(memory);
  if (end == BioEnd::kUsedUp) {
    bio->bi_iter.bi_sector += bio->bi_iter.bi_size >> 9;
    bio->bi_iter.bi_size = 0;
  }
  if (end == BioEnd::kWouldWait) bio->bi_status = program::STATUS_AGAIN;
  program::on_bio_complete(nullptr, bio);
}

std::size_t bio_bytes() { return sizeof(program::bio); }

}  // namespace blkrewind::test
