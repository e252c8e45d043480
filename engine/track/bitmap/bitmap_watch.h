// A watch (watch.h) by a program in the kernel of its own.
//
// No write is under way when as much has ended as has begun. The program counts both, from when it
// was attached: `begun` before the first bit of a write is set, `ended` after its last one is.
//
// With a request queue it counts sectors of the target. A bio counts when it is announced as begun,
// whole and once: its splits and remainders are not announced, and a repeat of one that would have
// had to wait (REQ_NOWAIT) is a new bio. Its sectors count as ended when block_rq_complete says
// that so many bytes of a request are done. Requests are made of bios and parts of bios; merging
// keeps the sum. A request that ends piece by piece, or with an error, ends with the sum of its
// bytes; the one that is ended a second time by the flush machinery has none left then. What never
// became a request (REQ_NOWAIT again) is announced by block_bio_complete with its sectors still on
// it. Ends of any other kind, and merged discards that end in parts, make the watch void
// (BLKREWIND_ESCAPED_UNCOUNTED).
//
// Without a request queue it counts bios of the table (kernel/changes.bpf.c). One whose end is
// never announced leaves the table when its address comes up again; until then quiet() is false.
//
// Open: on a loop device with direct I/O (6.18) the end of one in some thousand requests is not
// counted, and the kernel reports no skipped event. quiet() is false from then on, which is safe
// and useless. Found by flip_race --on direct.
//
// `ended` is read before `begun`. If they are equal, everything that had begun at the first reading
// had ended, and all of its bits are seen by a reading after that.
//
// What was under way already when the program was attached was not counted as begun. start_watch()
// waits until the kernel reports no write in flight, twice, and the sums have not moved between;
// what had ended without a beginning by then is taken off. It cannot see a write that the kernel
// has not handed to the driver at both readings, and that began before: one that waits in a plug or
// a scheduler, or a bio between its announcement and the driver. With a request queue its end sets
// its marks, and is taken off as well when quiet() meets it. Open: if it ends between two calls of
// quiet(), it makes up for as many sectors of a write that has begun and not ended, and quiet() may
// be true while that one is under way. A freeze, which waits for the writes of its file systems,
// closes this for them; raw writers have no such help. Without a request queue, where the way to
// the driver is a function call, such a write is not seen: it is over long before the first flip()
// in any use of a watch but a test.
#pragma once

#include <memory>

#include "blkrewind/error.h"
#include "track/tracker.h"
#include "track/watch.h"

namespace blkrewind::track {

// kUnsupported: as of start_bitmap(). kBusy: for 10 seconds there was no moment without a write.
[[nodiscard]] Result<std::unique_ptr<Watch>> start_bitmap_watch(const TrackedDisk& disk);

}  // namespace blkrewind::track
