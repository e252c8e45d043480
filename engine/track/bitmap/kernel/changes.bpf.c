// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
// Sets dirty bits for the extents of a disk that may have changed. Runs in the kernel, at
// tracepoints of the block layer, without any process: programs, links and maps are pinned. (A
// watch pins nothing, and ends with its process.)
//
//   block_bio_queue      an operation enters the queue of the disk, after the offset of its
//                        partition was added and before any byte reaches the medium
//   block_rq_complete    a request has completed, and its issuer has not been notified yet
//   block_bio_complete   the same of a bio, on devices without a request queue
//
// The first and the one of the others that fires set the bits of the same extent. The second is not
// redundant: between the two, the engine may have switched to a new generation, and bytes that
// arrived afterwards must be dirty in the new one.
//
// Devices without a request queue (device mapper, md, zram, brd). A bio's extent is used up when it
// ends, so it is remembered from its beginning to its end, by the bio's address, in a table of the
// bios under way. The kernel marks each bio that it announces (BIO_TRACE_COMPLETION), and
// bio_endio() announces the end of a marked one before it calls bi_end_io. Splits inherit the mark,
// so their ends are announced as well; they were never announced as begun, are not in the table,
// and are passed over: the bio that they were split from ends after all of them.
//
// Nothing depends on seeing every end. Kernels leave out some: older ones of bios that are chained
// to another one, and all of bios that the driver hands on to a device below with a request queue.
// Such a bio stays in the table, and what is in the table counts as being written: whenever the engine switches to a new
// generation it sets the bits of all bios under way in that one too (mark_sets.h), so they err
// towards too much. Either the engine finds the bio in the table, or it switched before the bio was
// entered, and then the beginning of the bio sets the bits in the new generation: entering, setting
// the bits, and reading `active` again are in this order and with full barriers. When an address
// comes up again, its former bio has ended: its extent is marked as at an end, and its place is
// given to the new one. If both buckets of a bio are full the bits are void
// (BLKREWIND_ESCAPED_OVERFLOW).
//
// No event is sent, so nothing can overflow: a dirty bit is one bit in memory.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "changes_abi.h"

typedef __u32 u32;
typedef __u64 u64;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// The fields of kernel structures that are read; their offsets are determined when the program is
// loaded (CO-RE).
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct gendisk {
  int major;
  int first_minor;
};
struct block_device {
  struct gendisk* bd_disk;
};
struct bvec_iter {
  u64 bi_sector;
  u32 bi_size;
};
struct bio {
  struct bio* bi_next;
  struct block_device* bi_bdev;
  u32 bi_opf;
  unsigned char bi_status;
  struct bvec_iter bi_iter;
};
struct request_queue {
  struct gendisk* disk;
};
struct request {
  struct request_queue* q;
  u32 cmd_flags;
  u64 __sector;
  struct bio* bio;
  struct bio* biotail;
};
#pragma clang attribute pop

// include/linux/blk_types.h. Every operation that changes the medium has an odd number;
// driver-private operations start at 32.
enum { OP_MASK = 0xff, OP_WRITE = 1, OP_DISCARD = 3, OP_SECURE_ERASE = 5, OP_WRITE_ZEROES = 9 };
enum { OP_FIRST_PASSTHROUGH = 32 };

enum { STATUS_AGAIN = 12 };  // BLK_STS_AGAIN

enum { SECTOR_SHIFT = 9, MERGED_MAX = 64, MOVES_MAX = 8 };

// Set before the program is loaded; the kernel folds them into the code.
const volatile u32 disk_major;
const volatile u32 disk_minor;
const volatile u64 first_sector;
const volatile u64 end_sector;
const volatile u32 granule_shift;  // of sectors
const volatile u64 words;          // of one generation
const volatile u32 bios;           // the disk has no request queue
const volatile u32 counts;         // for a watch: keep `begun` and `ended`

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct blkrewind_control);
} control SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, BLKREWIND_GENERATIONS);  // times `words`, set before it is loaded
  __type(key, u32);
  __type(value, u64);
} bits SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, BLKREWIND_BUCKETS);
  __type(key, u32);
  __type(value, struct blkrewind_bucket);
} under_way SEC(".maps");

static __always_inline struct blkrewind_control* the_control(void) {
  u32 zero = 0;
  return bpf_map_lookup_elem(&control, &zero);
}

static __always_inline void escape(struct blkrewind_control* c, u32 how) {
  __sync_fetch_and_or(&c->escaped, how);
}

static __always_inline u64 mask_of(u64 first, u64 last) {  // both within one word
  return (~0ULL >> (63 - (last & 63))) & (~0ULL << (first & 63));
}

static __always_inline int set_bits(u64 word, u64 mask) {
  u32 key = word;
  u64* place = bpf_map_lookup_elem(&bits, &key);
  if (!place) return 0;
#if defined(__TARGET_ARCH_x86)
  // Loads are not reordered with loads here, so a bit that is already set needs no barrier.
  if ((*(volatile u64*)place & mask) == mask) return 1;
#endif
  // Because its result is used it is a full barrier: the caller reads `active` after it.
  u64 before = __sync_fetch_and_or(place, mask);
  asm volatile("" : : "r"(before));
  return 1;
}

struct range {
  u64 base;  // first word of the generation
  u64 first;
  u64 last;
  u32 failed;
};

static long set_word(u32 index, struct range* r) {
  u64 word = (r->first >> 6) + index;
  u64 low = word << 6;
  u64 first = low < r->first ? r->first : low;
  u64 last = low + 63 > r->last ? r->last : low + 63;
  if (!set_bits(r->base + word, mask_of(first, last))) r->failed = 1;
  return 0;
}

static __always_inline void set_dirty_in(struct blkrewind_control* c, u32 generation, u64 first,
                                    u64 last) {
  struct range r = {
      .base = (generation & 1) ? words : 0, .first = first, .last = last, .failed = 0};
  if (first >> 6 == last >> 6) {
    if (!set_bits(r.base + (first >> 6), mask_of(first, last))) r.failed = 1;
  } else {
    bpf_loop((last >> 6) - (first >> 6) + 1, set_word, &r, 0);
  }
  if (r.failed) escape(c, BLKREWIND_ESCAPED_UNMARKED);
}

static __always_inline u32 active(struct blkrewind_control* c) {
  return *(volatile u32*)&c->active;
}

// While an operation of the engine counts: adds to the sectors of the engine or of others. After
// reading `active` and before setting the bit, so that an operation that finds the bit in a
// generation which it started while counting also finds the count.
static __always_inline void count(u64* counter, u64 sectors) {
  u64 before = __sync_fetch_and_add(counter, sectors);
  asm volatile("" : : "r"(before));
}

static __always_inline u32 self(struct blkrewind_control* c) { return *(volatile u32*)&c->self; }

// Sets the bits in the generation `before`, which was active when the caller read `active`, and in
// the one that is active once those bits are visible: an engine that switches `active` and then
// reads the old generation either sees the bits there, or the read below sees the new `active`.
//
// A write whose bits are set while `active` is switched may have been submitted, and even counted,
// for an operation that has ended: for the current operation it counts as foreign, and it is
// counted before the bits are set.
//
// A separate function for the verifier, which checks it once and not for each call (5.6 and later);
// its arguments are therefore numbers.
__noinline int mark(u32 before, u64 sector, u64 sectors) {
  struct blkrewind_control* c = the_control();
  u64 end = sector + sectors;
  if (!c || sectors == 0 || end <= first_sector || sector >= end_sector) return 0;
  if (sector < first_sector) sector = first_sector;
  if (end > end_sector) end = end_sector;
  u64 first = (sector - first_sector) >> granule_shift;
  u64 last = (end - 1 - first_sector) >> granule_shift;
  set_dirty_in(c, before, first, last);
  for (int i = 0; i < MOVES_MAX; ++i) {
    u32 after = active(c);
    if (after == before) return 0;
    count(&c->foreign_sectors, 1);
    set_dirty_in(c, after, first, last);
    before = after;
  }
  escape(c, BLKREWIND_ESCAPED_UNMARKED);
  return 0;
}

// The sectors of the target among them. A function of its own for the verifier: see mark().
__noinline u64 of_target(u64 sector, u64 sectors) {
  u64 end = sector + sectors;
  if (sector < first_sector) sector = first_sector;
  if (end > end_sector) end = end_sector;
  return end > sector ? end - sector : 0;
}

static __always_inline u64 hash_of(u64 bio) { return (bio >> 4) * 0x9e3779b97f4a7c15ULL; }

static __always_inline struct blkrewind_bucket* bucket_of(u64 bio, int second) {
  u32 key = (second ? hash_of(bio) >> 44 : hash_of(bio) >> 54) & (BLKREWIND_BUCKETS - 1);
  return bpf_map_lookup_elem(&under_way, &key);
}

// The bio at this place has ended. The place becomes free, and the bio counts as ended, when its
// bits are set.
static __always_inline void leave(struct blkrewind_control* c, struct blkrewind_bucket* b, int i,
                                  u64 bio) {
  u64 sectors = __sync_lock_test_and_set(&b->sectors[i], 0);
  if (sectors == 0) return;  // another processor is at it
  u64 sector = *(volatile u64*)&b->sector[i];
  u32 before = active(c);
  if (self(c) != 0) count(&c->completed_sectors, sectors);
  mark(before, sector, sectors);
  u64 left = __sync_val_compare_and_swap(&b->bio[i], bio, 0);
  asm volatile("" : : "r"(left));
  if (counts) count(&c->ended, 1);
}

// A bio with this address has ended, if there is one.
__noinline int leave_table(u64 bio) {
  struct blkrewind_control* c = the_control();
  if (!c) return 0;
  for (int second = 0; second < 2; ++second) {
    struct blkrewind_bucket* b = bucket_of(bio, second);
    if (!b) return 0;
    for (int i = 0; i < BLKREWIND_PLACES; ++i) {
      if (*(volatile u64*)&b->bio[i] == bio) leave(c, b, i, bio);
    }
  }
  return 0;
}

__noinline int enter_table(u64 bio, u64 sector, u64 sectors) {
  struct blkrewind_control* c = the_control();
  if (!c) return 0;
  if (counts) count(&c->begun, 1);
  for (int second = 0; second < 2; ++second) {
    struct blkrewind_bucket* b = bucket_of(bio, second);
    if (!b) break;
    for (int i = 0; i < BLKREWIND_PLACES; ++i) {
      if (*(volatile u64*)&b->bio[i] != 0) continue;
      if (__sync_val_compare_and_swap(&b->bio[i], 0, bio) != 0) continue;
      *(volatile u64*)&b->sector[i] = sector;
      u64 before = __sync_lock_test_and_set(&b->sectors[i], sectors);
      asm volatile("" : : "r"(before));
      return 0;
    }
  }
  escape(c, BLKREWIND_ESCAPED_OVERFLOW);
  return 0;
}

// As a number, which the verifier does not see in a pointer.
static __always_inline u64 address_of(struct bio* bio) {
  u64 address = 0;
  bpf_probe_read_kernel(&address, sizeof address, &bio);
  return address;
}

static __always_inline int changes_medium(u32 op) { return op & 1; }

static __always_inline int has_extent(u32 op) {
  return op == OP_WRITE || op == OP_DISCARD || op == OP_SECURE_ERASE || op == OP_WRITE_ZEROES;
}

SEC("tp_btf/block_bio_queue")
int BPF_PROG(on_queue, struct bio* bio) {
  u32 op = bio->bi_opf & OP_MASK;
  if (!changes_medium(op)) return 0;
  struct gendisk* disk = bio->bi_bdev->bd_disk;
  if (disk->major != disk_major || disk->first_minor != disk_minor) return 0;
  struct blkrewind_control* c = the_control();
  if (!c) return 0;
  if (!has_extent(op)) {
    escape(c, BLKREWIND_ESCAPED_ZONE);
    return 0;
  }
  u64 sectors = bio->bi_iter.bi_size >> SECTOR_SHIFT;
  u32 before = active(c);
  u32 counting = self(c);
  if (counting != 0) {
    int own = counting == bpf_get_current_pid_tgid() >> 32;
    count(own ? &c->own_sectors : &c->foreign_sectors, sectors);
  }
  u64 inside = of_target(bio->bi_iter.bi_sector, sectors);
  if (inside == 0) return 0;
  if (bios) {
    u64 address = address_of(bio);
    leave_table(address);
    enter_table(address, bio->bi_iter.bi_sector, sectors);
  } else if (counts) {
    count(&c->begun, inside);
  }
  mark(before, bio->bi_iter.bi_sector, sectors);
  return 0;
}

// The discards of one request need not be contiguous.
static __always_inline void set_dirty_merged(struct blkrewind_control* c, u32 before,
                                        struct request* rq, u64 sectors) {
  struct bio* bio = rq->bio;
  u64 inside = 0;
  for (int i = 0; i < MERGED_MAX && bio; ++i) {
    u64 length = bio->bi_iter.bi_size >> SECTOR_SHIFT;
    mark(before, bio->bi_iter.bi_sector, length);
    inside += of_target(bio->bi_iter.bi_sector, length);
    sectors -= length;
    bio = bio->bi_next;
  }
  if (bio) escape(c, BLKREWIND_ESCAPED_MERGED);
  if (!counts) return;
  if (sectors != 0) escape(c, BLKREWIND_ESCAPED_UNCOUNTED);  // a part of them
  if (inside != 0) count(&c->ended, inside);
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(on_complete, struct request* rq, int error, unsigned int bytes) {
  u32 op = rq->cmd_flags & OP_MASK;
  int passthrough = op >= OP_FIRST_PASSTHROUGH;
  // A raw command without data may be any command: write zeroes, format.
  if (!changes_medium(op) && !(passthrough && bytes == 0)) return 0;
  struct gendisk* disk = rq->q->disk;
  if (!disk || disk->major != disk_major || disk->first_minor != disk_minor) return 0;
  struct blkrewind_control* c = the_control();
  if (!c) return 0;
  if (passthrough) {
    escape(c, BLKREWIND_ESCAPED_PASSTHROUGH);
    return 0;
  }
  if (!has_extent(op)) {
    escape(c, BLKREWIND_ESCAPED_ZONE);
    return 0;
  }
  u64 sectors = bytes >> SECTOR_SHIFT;
  u32 before = active(c);
  if (self(c) != 0) count(&c->completed_sectors, sectors);
  if (op == OP_DISCARD && rq->bio != rq->biotail) {
    set_dirty_merged(c, before, rq, sectors);
  } else {
    mark(before, rq->__sector, sectors);
    u64 inside = counts ? of_target(rq->__sector, sectors) : 0;
    if (inside != 0) count(&c->ended, inside);
  }
  return 0;
}

// Of a disk with a request queue this is the end of a bio, or of the rest of one, that never became
// a request: with REQ_NOWAIT, where it would have had to wait. Requests end as block_rq_complete
// says, and take the mark from their bios.
static __always_inline void end_without_request(struct bio* bio) {
  struct gendisk* disk = bio->bi_bdev->bd_disk;
  if (disk->major != disk_major || disk->first_minor != disk_minor) return;
  u64 inside = of_target(bio->bi_iter.bi_sector, bio->bi_iter.bi_size >> SECTOR_SHIFT);
  struct blkrewind_control* c = the_control();
  if (!c || !counts || inside == 0) return;
  if (bio->bi_status != STATUS_AGAIN) escape(c, BLKREWIND_ESCAPED_UNCOUNTED);
  count(&c->ended, inside);
}

// Whichever disk it ends on: the driver may have handed it to one below.
SEC("tp_btf/block_bio_complete")
int BPF_PROG(on_bio_complete, struct request_queue* q, struct bio* bio) {
  if (!changes_medium(bio->bi_opf & OP_MASK)) return 0;
  if (bios) {
    leave_table(address_of(bio));
  } else {
    end_without_request(bio);
  }
  return 0;
}
