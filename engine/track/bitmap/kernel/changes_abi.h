/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What the program in the kernel and the engine share: the layout of the map `control`. Plain C,
 * for both compilers. The engine writes all of it except `escaped` and the counters; the program
 * reads.
 *
 * The map `bits` holds BLKREWIND_GENERATIONS bitmaps of `words` 64-bit words, one after the other.
 */
#ifndef BLKREWIND_CHANGES_ABI_H
#define BLKREWIND_CHANGES_ABI_H

#include <linux/types.h>

#define BLKREWIND_GENERATIONS 2
#define BLKREWIND_CHANGES_VERSION 2
#define BLKREWIND_ID_BYTES 32

/* Bits of `escaped`: operations whose extent cannot be told. */
#define BLKREWIND_ESCAPED_PASSTHROUGH 1 /* a raw command of the driver: SG_IO, NVMe passthrough */
#define BLKREWIND_ESCAPED_ZONE 2        /* a zone was reset or appended to */
#define BLKREWIND_ESCAPED_MERGED 4      /* a request of more discards than can be followed */
#define BLKREWIND_ESCAPED_SKIPPED 16    /* set by the engine: the kernel skipped an event */
#define BLKREWIND_ESCAPED_UNMARKED 8    /* a mark that could not be set; cannot happen */
#define BLKREWIND_ESCAPED_OVERFLOW 32   /* more bios under way than there are places for */
#define BLKREWIND_ESCAPED_UNCOUNTED 64  /* for a watch: an end that the sums do not cover */

/* The bios under way of a device without a request queue: the map `under_way`, of
 * BLKREWIND_BUCKETS buckets (otherwise one). A bio may be at any place of two buckets. */
#define BLKREWIND_BUCKETS 1024
#define BLKREWIND_PLACES 16

struct blkrewind_bucket {      /* NOLINT(readability-identifier-naming): C's */
  __u64 bio[BLKREWIND_PLACES]; /* its address; 0: free */
  __u64 sector[BLKREWIND_PLACES];
  __u64 sectors[BLKREWIND_PLACES]; /* written last and cleared first; 0: nothing is known yet */
};

struct blkrewind_control { /* NOLINT(readability-identifier-naming): C's */
  /* The epoch: what must still be so for the bits to mean anything. */
  __u32 version;
  __u32 major; /* of the whole disk */
  __u32 minor;
  __u32 granule_shift; /* bytes that one bit stands for, as a power of two */
  __u64 first_sector;  /* where the target begins on the disk; sectors are of 512 bytes */
  __u64 sectors;       /* of the target */
  __u64 words;         /* of one generation */
  __u64 diskseq;
  __u64 loop_device; /* of a loop device: what it shows */
  __u64 loop_inode;
  __u64 loop_offset;
  __u64 table; /* of a device-mapper device: a hash of its table */
  char boot_id[64];
  char store_uuid[64];
  char disk_id[64];

  /* Counts up; its lowest bit is the generation that is marked now. */
  __u32 active;
  __u32 escaped;

  /* While `self` is the process of an operation: sectors that it and others began to change, and
   * sectors whose change is complete. */
  __u32 self;
  __u32 bios;    /* the device has no request queue */
  __u64 skipped; /* events, when the active generation began */
  __u64 own_sectors;
  __u64 foreign_sectors;
  __u64 completed_sectors;

  /* For a watch: what began and what ended since it was attached. Of a device with a request queue
   * sectors of the target, of another one bios that touch it. See bitmap_watch.h. */
  __u64 begun;
  __u64 ended;

  /* Ids of snapshots; empty: none. See generations.h. */
  char base[BLKREWIND_GENERATIONS][BLKREWIND_ID_BYTES];
  char pending[BLKREWIND_ID_BYTES];
  char distrusted[128]; /* why, if the bits turned out to be wrong */
};

#endif
