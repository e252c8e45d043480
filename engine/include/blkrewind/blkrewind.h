// The C interface of blkrewind: snapshots and rollback of block devices, for programs in C and for
// bindings of other languages. C++ programs use blkrewind/engine.h.
//
//   blkrewind_open_options options = BLKREWIND_INIT(blkrewind_open_options);
//   blkrewind_engine* engine = NULL;
//   blkrewind_error* error = NULL;
//   options.store = "/var/lib/blkrewind";
//   if (blkrewind_open(&options, &engine, &error) != BLKREWIND_OK) {
//     fprintf(stderr, "%s\n", blkrewind_error_message(error));
//     blkrewind_error_free(error);
//     return 1;
//   }
//   blkrewind_rollback(engine, "/dev/loop0", "before", NULL, NULL, NULL, NULL);
//   blkrewind_close(engine);
//
// Life cycle: open, any number of operations by any thread, close. A `target` is a block device, an
// image file or a disk id ("d-..."). A `snapshot` is an id ("s-..."), a name, or "latest". Names
// are looked up first among the snapshots of the target's disk. The rules that decide whether an
// operation may run are those of blkrewind/engine.h, and so is what it promises.
//
// Errors. A call that can fail returns BLKREWIND_OK or another blkrewind_code. Its last parameter,
// which may be NULL, receives NULL, or what went wrong, to be freed by blkrewind_error_free(). (It
// is NULL after a failure too if there was no memory left for it.) A NULL where the comment does
// not allow one is BLKREWIND_INVALID_ARGUMENT. Other results are set to NULL first, and stay NULL
// after a failure.
//
// Texts end with a NUL byte. What is passed in is copied by the call. What is handed out is never
// NULL, and empty where there is nothing to say; it belongs to the struct or handle that it is
// from. Names are UTF-8, paths are bytes as the kernel has them.
//
// Structs grow at their end, by later versions, and begin with their size in bytes. Options are
// made by the caller with BLKREWIND_INIT(): zero is the default of each member, a struct of an
// earlier version is completed by defaults, and one of a later version is accepted as long as what
// this version does not know is zero; otherwise BLKREWIND_UNSUPPORTED. A pointer to options may be
// NULL: all are defaults. Receipts and infos are made by the library, and are not changed
// afterwards; their size says which members this version has. Those that a call hands out are freed
// by blkrewind_free(); those that a callback gets are valid until it returns.
//
// Callbacks get the caller's `user` as their first argument, and run on the thread that made the
// call (but for the log's). They must return (no longjmp), and must not use the engine or reader of
// that call unless their comment allows it.
//
// Threads. Any function may be called from any thread, several at a time on one engine or reader.
// Closing and freeing are the exceptions: no other call may be using what is closed or freed. Only
// blkrewind_cancel_set() may be called by a signal handler.
//
// Units are in the names. Times are seconds since the epoch, UTC; 0 means never. Digests are 32
// hexadecimal digits. Flags are 0 or 1.
//
// NOLINTBEGIN(modernize-*,readability-identifier-naming): it is C.
#ifndef BLKREWIND_BLKREWIND_H_
#define BLKREWIND_BLKREWIND_H_

#include <stddef.h>
#include <stdint.h>

#include "blkrewind/export.h"
#include "blkrewind/version.h"

// Options of a type, all of them defaults.
#ifdef __cplusplus
#define BLKREWIND_INIT(type)      \
  [] {                            \
    type defaults{};              \
    defaults.size = sizeof(type); \
    return defaults;              \
  }()
extern "C" {
#else
#define BLKREWIND_INIT(type) \
  { .size = sizeof(type) }
#endif

// ---- Version

// Of the library that runs, "MAJOR.MINOR.PATCH"; BLKREWIND_VERSION_STRING is that of the headers.
BLKREWIND_API const char* blkrewind_version(void);

// ---- Errors

enum blkrewind_code {
  BLKREWIND_OK = 0,
  BLKREWIND_INVALID_ARGUMENT = 1,  // the caller asked for something that makes no sense
  BLKREWIND_NOT_FOUND = 2,         // no such device, disk, snapshot or store
  BLKREWIND_ALREADY_EXISTS = 3,    // a name or id is taken
  BLKREWIND_PRECONDITION = 4,      // refused by a rule; nothing was touched
  BLKREWIND_IO = 5,                // the device or the store failed to read, write or flush
  BLKREWIND_NO_SPACE = 6,          // the file system under the store is full
  BLKREWIND_INTEGRITY = 7,         // a digest did not match, or a structure is damaged
  BLKREWIND_UNSUPPORTED = 8,       // of a later version, or the kernel lacks what is needed
  BLKREWIND_BUSY = 9,              // another process or call holds the device or the disk
  BLKREWIND_CANCELLED = 10,        // by the monitor of the call
  BLKREWIND_INTERNAL = 11          // a bug in blkrewind
};

// "Busy"; for a code that this version does not know, "Internal".
BLKREWIND_API const char* blkrewind_code_name(int code);

typedef struct blkrewind_error blkrewind_error;

// A range of bytes of a device: [offset_bytes, offset_bytes + length_bytes).
typedef struct blkrewind_extent {
  uint64_t offset_bytes;
  uint64_t length_bytes;
} blkrewind_extent;

// A blkrewind_code. Of this and the functions below, `error` may be NULL: BLKREWIND_OK, 0, "".
BLKREWIND_API int blkrewind_error_code(const blkrewind_error* error);
// The errno of the system call that failed; 0: none did.
BLKREWIND_API int blkrewind_error_errno(const blkrewind_error* error);
// Where a rule of the cloud API ResetDisk refused: its code, "IncorrectDiskStatus"; otherwise "".
BLKREWIND_API const char* blkrewind_error_api_code(const blkrewind_error* error);
// One line: what failed, the text of the errno, the extent, and what was being done.
BLKREWIND_API const char* blkrewind_error_message(const blkrewind_error* error);
// What the caller can do about it, in one line, without commands; "" if nothing is known.
BLKREWIND_API const char* blkrewind_error_remedy(const blkrewind_error* error);
// 1, and the bytes of the device or file that the message names are in *extent, which may be NULL;
// 0: it names none.
BLKREWIND_API int blkrewind_error_extent(const blkrewind_error* error, blkrewind_extent* extent);
// `error` may be NULL.
BLKREWIND_API void blkrewind_error_free(blkrewind_error* error);

// Frees a receipt or an info that a call has handed out; `value` may be NULL.
BLKREWIND_API void blkrewind_free(const void* value);

// ---- Log

enum blkrewind_log_level {
  BLKREWIND_LOG_OFF = 0,
  BLKREWIND_LOG_ERROR = 1,
  BLKREWIND_LOG_WARNING = 2,
  BLKREWIND_LOG_INFO = 3,
  BLKREWIND_LOG_DEBUG = 4
};

// `text` is one message, without a line break at its end, valid during the call. Runs on any thread
// of the process that uses the library, one at a time. What it logs itself is dropped, and it
// must not call blkrewind_set_log().
typedef void (*blkrewind_log_callback)(void* user, int level, const char* text);

// For the whole process. Messages up to `level` go to `callback`, or to standard error if that is
// NULL. Initially BLKREWIND_LOG_OFF. When it returns, no thread runs the former callback any more.
// BLKREWIND_INVALID_ARGUMENT: no such level; nothing is changed.
BLKREWIND_API int blkrewind_set_log(int level, blkrewind_log_callback callback, void* user);

// ---- Progress and cancellation

typedef struct blkrewind_progress {
  size_t size;
  const char* phase;  // "scan", "restore", "verify", "export", "reclaim"
  uint64_t done_bytes;
  uint64_t total_bytes;
} blkrewind_progress;

// About ten times per second. Other than 0 cancels the operation.
typedef int (*blkrewind_progress_callback)(void* user, const blkrewind_progress* progress);

// A flag that cancels operations: set by another thread or a signal handler.
typedef struct blkrewind_cancel blkrewind_cancel;

// NULL: no memory is left.
BLKREWIND_API blkrewind_cancel* blkrewind_cancel_new(void);
// Each operation that was given `cancel` stops at its next safe point, and so do those that are
// given it later, until it is reset. For these, `cancel` may be NULL: nothing happens.
BLKREWIND_API void blkrewind_cancel_set(blkrewind_cancel* cancel);
BLKREWIND_API void blkrewind_cancel_reset(blkrewind_cancel* cancel);
// No operation may still use it.
BLKREWIND_API void blkrewind_cancel_free(blkrewind_cancel* cancel);

// Of a long operation; any member may be NULL. An operation that was cancelled returns
// BLKREWIND_CANCELLED: a snapshot leaves no trace, a rollback that had started to write can be
// resumed or undone. A progress callback that cancels does so by setting `cancel`, if there is one.
typedef struct blkrewind_monitor {
  size_t size;
  blkrewind_progress_callback progress;
  void* user;  // of `progress`
  blkrewind_cancel* cancel;
} blkrewind_monitor;

// ---- Engine

typedef struct blkrewind_engine blkrewind_engine;

typedef struct blkrewind_open_options {
  size_t size;
  const char* store;  // its directory; NULL: "/var/lib/blkrewind"
  // Flag: the store will be written to. It is created if the directory is missing or empty, and
  // refused (BLKREWIND_UNSUPPORTED) if its format is one that this version only reads.
  uint32_t create;
  uint32_t without_io_uring;        // flag
  uint32_t threads;                 // 0: one per core, at most 4
  uint32_t accept_available_disks;  // flag: as in the current ResetDisk API; 0: In_use only (2016)
  uint64_t buffer_bytes;            // of one operation; 0: 32 MiB
} blkrewind_open_options;

// Reads the index of the store, and changes nothing unless it creates the store.
BLKREWIND_API int blkrewind_open(const blkrewind_open_options* options, blkrewind_engine** engine,
                                 blkrewind_error** error);
// Readers that are open stay usable: what they need is closed with the last of them. `engine` may
// be NULL.
BLKREWIND_API void blkrewind_close(blkrewind_engine* engine);

// ---- Snapshots

// How an operation finds out what may have changed since the device equalled its base snapshot.
enum blkrewind_change_source {
  BLKREWIND_CHANGES_AUTO = 0,    // the cheapest source that is valid now
  BLKREWIND_CHANGES_SCAN = 1,    // read everything
  BLKREWIND_CHANGES_BITMAP = 2,  // a bitmap in the kernel; an error if it is not valid now
  BLKREWIND_CHANGES_EXTENTS = 3  // a clone of the image file; an error if it is not valid now
};

enum blkrewind_in_use {
  BLKREWIND_IN_USE_AUTO = 0,    // also of a device that is in use
  BLKREWIND_IN_USE_ONLINE = 1,  // in the way that allows others to use it, also if none does
  BLKREWIND_IN_USE_OFFLINE = 2  // only of a device that nothing else uses
};

// What the device was like while a snapshot of it was taken. Each is of one instant.
enum blkrewind_taken_from {
  BLKREWIND_TAKEN_OFFLINE = 0,  // nothing else used it
  BLKREWIND_TAKEN_FROZEN = 1,   // what was mounted from it was frozen
  BLKREWIND_TAKEN_QUIET = 2     // in use; nothing was written while the last of it was read
};

typedef struct blkrewind_snapshot_options {
  size_t size;
  const char* name;         // NULL: none
  const char* description;  // NULL: none
  // Of a disk that is registered by this call; 0: 64 KiB. A registered disk with another chunk size
  // is an error.
  uint32_t chunk_bytes;
  uint32_t change_source;  // a blkrewind_change_source
  // Flag: registers an image file as raw bytes, even if they are those of another image format
  // (qcow2, vmdk, vdi, vhd, vhdx, ...), which is refused otherwise.
  uint32_t raw;
  uint32_t reserved;  // 0
  // Of a device in use: see OnlineOptions in blkrewind/engine.h.
  uint32_t in_use;            // a blkrewind_in_use
  uint32_t freeze_limit_ms;   // 0: 2000
  uint32_t deadline_seconds;  // 0: 60
  uint32_t max_passes;        // 0: 20
  const char* hook;           // NULL: none
} blkrewind_snapshot_options;

typedef struct blkrewind_snapshot_receipt {
  size_t size;
  const char* snapshot_id;
  const char* name;
  const char* disk_id;
  const char* change_source;  // "scan", "bitmap", "extents"
  const char* root_digest;
  const char* recognised_by;  // the evidence that identified the device
  uint64_t device_bytes;
  uint64_t scanned_bytes;  // read from the device; known holes are not read
  uint64_t changed_bytes;  // bytes of chunks that differ from the parent snapshot
  uint64_t stored_bytes;   // bytes of chunks written to the store
  uint64_t zero_bytes;     // bytes of chunks that are all zero
  double elapsed_seconds;
  double scan_seconds;       // of them: to read scanned_bytes, compare and store what is new
  uint32_t disk_registered;  // flag: by this call
  uint32_t taken_from;       // a blkrewind_taken_from
  uint64_t frozen_us;        // how long file systems were frozen for it, in microseconds
  uint64_t last_pass_bytes;  // read while they were frozen, or while it was quiet
  uint32_t passes;           // over what had been written meanwhile, the last included
  uint32_t frozen_count;
  const char* const* frozen;  // mount points of the file systems that were frozen
} blkrewind_snapshot_receipt;

// Reads the device, also while others use it, and registers it by its first snapshot. `receipt` may
// be NULL.
BLKREWIND_API int blkrewind_snapshot(blkrewind_engine* engine, const char* target,
                                     const blkrewind_snapshot_options* options,
                                     const blkrewind_monitor* monitor,
                                     blkrewind_snapshot_receipt** receipt, blkrewind_error** error);

typedef struct blkrewind_delete_receipt {
  size_t size;
  const char* snapshot_id;
  uint64_t reclaimed_bytes;  // bytes of the store freed on the file system
  double elapsed_seconds;
} blkrewind_delete_receipt;

// BLKREWIND_BUSY: it is open, in this process or another. `receipt` may be NULL.
BLKREWIND_API int blkrewind_delete(blkrewind_engine* engine, const char* snapshot,
                                   const blkrewind_monitor* monitor,
                                   blkrewind_delete_receipt** receipt, blkrewind_error** error);

enum blkrewind_snapshot_kind {
  BLKREWIND_KIND_USER = 0,   // taken on request
  BLKREWIND_KIND_UNDO = 1,   // the data that a rollback was about to overwrite
  BLKREWIND_KIND_IMPORT = 2  // read from an image file
};

enum blkrewind_snapshot_status {
  BLKREWIND_PROGRESSING = 0,
  BLKREWIND_ACCOMPLISHED = 1,
  BLKREWIND_FAILED = 2
};

typedef struct blkrewind_tag {
  const char* key;
  const char* value;
} blkrewind_tag;

typedef struct blkrewind_snapshot_info {
  size_t size;
  const char* id;  // "s-..."
  const char* name;
  const char* description;
  const char* disk_id;
  const char* root_digest;  // empty unless accomplished
  int64_t created_at;
  uint64_t device_bytes;
  uint64_t stored_bytes;  // bytes of chunks that this snapshot added to the store
  uint64_t zero_bytes;    // bytes of chunks that are all zero
  uint32_t chunk_bytes;
  uint32_t kind;            // a blkrewind_snapshot_kind
  uint32_t status;          // a blkrewind_snapshot_status
  uint32_t damaged;         // flag: a digest was found that does not match
  uint32_t retention_days;  // 0: kept until it is deleted
  uint32_t tag_count;
  const blkrewind_tag* tags;  // by key
  uint64_t frozen_us;         // how long file systems were frozen for it, in microseconds
  uint32_t taken_from;        // a blkrewind_taken_from
  uint32_t reserved;          // 0
} blkrewind_snapshot_info;

typedef struct blkrewind_disk_info {
  size_t size;
  const char* id;    // "d-..."
  const char* path;  // where the device was seen last
  const char* instance_id;
  // In_use, Available, Creating, ReIniting; empty: unknown (`trouble`)
  const char* status;
  // Of a rollback that has started to write and has not finished: it is running, or was interrupted
  // and can be resumed or undone. Empty: there is none.
  const char* pending_snapshot_id;
  const char* pending_undo_snapshot_id;   // what undo would restore; or empty
  const char* last_rollback_snapshot_id;  // target of the rollback that undo would undo; or empty
  const char* undo_snapshot_id;           // what undo would restore then; or empty
  const char* base_snapshot_id;           // what the device equalled last; or empty
  uint64_t device_bytes;
  int64_t registered_at;
  uint32_t chunk_bytes;
  uint32_t pending_running;  // flag: another call or process is working on the disk
  int32_t attached;          // its device is attached now, at `path`: 1, 0, or -1: unknown
  // Why the disk's log cannot be read: its snapshots and rollbacks are then unknown. Otherwise
  // NULL.
  const blkrewind_error* trouble;
} blkrewind_disk_info;

// `snapshots` are `count` pointers, oldest first. Other than 0 ends the list.
typedef int (*blkrewind_visit_disk)(void* user, const blkrewind_disk_info* disk,
                                    const blkrewind_snapshot_info* const* snapshots, size_t count);

// Calls `visit` with one disk after another and its snapshots. `target` may be NULL: all disks. A
// list that was ended by `visit` is BLKREWIND_OK.
BLKREWIND_API int blkrewind_list(blkrewind_engine* engine, const char* target,
                                 blkrewind_visit_disk visit, void* user, blkrewind_error** error);

// ---- Rollback

// What is read back from the device, bypassing the caches, after it was written and flushed.
enum blkrewind_verify_after {
  BLKREWIND_VERIFY_AUTO = 0,     // what was written, if that is cheap
  BLKREWIND_VERIFY_NONE = 1,     // the receipt's digest is the expected one, not a verified one
  BLKREWIND_VERIFY_WRITTEN = 2,  // what was written
  BLKREWIND_VERIFY_ALL = 3       // the whole device, which also shows changes that were missed
};

typedef struct blkrewind_rollback_options {
  size_t size;
  uint32_t dry_run;        // flag: only compute the totals of the plan
  uint32_t without_undo;   // flag: do not save the data that will be overwritten
  uint32_t change_source;  // a blkrewind_change_source
  uint32_t verify_after;   // a blkrewind_verify_after
} blkrewind_rollback_options;

// Of undo and resume.
typedef struct blkrewind_undo_options {
  size_t size;
  uint32_t verify_after;  // a blkrewind_verify_after
  uint32_t reserved;      // 0
} blkrewind_undo_options;

typedef struct blkrewind_rollback_receipt {
  size_t size;
  const char* request_id;  // UUID in upper case
  const char* disk_id;
  const char* snapshot_id;
  const char* undo_snapshot_id;  // or empty
  // Of a resume, or an undo of an interrupted rollback: the snapshot of data that had been written
  // to the device since the interruption, saved before it was overwritten; or empty.
  const char* kept_snapshot_id;
  const char* change_source;   // "scan", "bitmap", "extents"
  const char* verified_after;  // what was read back and matched: "none", "written", "all"
  const char* root_digest;     // of the device afterwards; expected if nothing was read back
  const char* recognised_by;   // the evidence that identified the device
  // "unchanged", "reread", or "stale": the kernel's partitions do not match the device until
  // partition_remedy is done. Empty: there is no table, or the device is not a whole disk.
  const char* partition_table;
  const char* partition_reason;
  const char* partition_remedy;
  uint64_t device_bytes;
  uint64_t scanned_bytes;      // read from the device to find out what differs
  uint64_t changed_bytes;      // bytes of chunks that differ, or that may differ
  uint64_t restored_bytes;     // streamed from the store to the device
  uint64_t zeroed_bytes;       // punched or written as zeroes
  uint64_t undo_stored_bytes;  // bytes of chunks that the undo snapshot added to the store
  uint64_t kept_bytes;
  uint64_t extents;           // merged requests of the plan
  uint64_t read_back_bytes;   // of the written data
  uint64_t rechecked_bytes;   // of the whole device, if "all"
  uint64_t unreadable_bytes;  // sectors that could not be read, and were written anew
  uint64_t marked_bytes;      // placeholders for bytes that could not be read by an undo snapshot
  double elapsed_seconds;
  double scan_seconds;                 // of them: to find out what differs
  double verify_seconds;               // of them, without undo: to verify what will be written
  double restore_seconds;              // of them: to write it back
  uint32_t dry_run;                    // flag
  uint32_t ended_interrupted;          // flag: it ended a rollback that had been interrupted
  size_t unreadable_count;             // of `unreadable`
  const blkrewind_extent* unreadable;  // the first extents of unreadable_bytes
} blkrewind_rollback_receipt;

// Writes to the target what differs from the snapshot. `receipt` may be NULL.
BLKREWIND_API int blkrewind_rollback(blkrewind_engine* engine, const char* target,
                                     const char* snapshot,
                                     const blkrewind_rollback_options* options,
                                     const blkrewind_monitor* monitor,
                                     blkrewind_rollback_receipt** receipt, blkrewind_error** error);
// Undoes the last rollback, or an interrupted one. The undo can itself be undone. `receipt` may be
// NULL.
BLKREWIND_API int blkrewind_undo(blkrewind_engine* engine, const char* target,
                                 const blkrewind_undo_options* options,
                                 const blkrewind_monitor* monitor,
                                 blkrewind_rollback_receipt** receipt, blkrewind_error** error);
// Finishes an interrupted rollback. `receipt` may be NULL.
BLKREWIND_API int blkrewind_resume(blkrewind_engine* engine, const char* target,
                                   const blkrewind_undo_options* options,
                                   const blkrewind_monitor* monitor,
                                   blkrewind_rollback_receipt** receipt, blkrewind_error** error);

// ---- The content of a snapshot

// A snapshot as a device that can only be read. Every byte is compared with its digest before it is
// handed out; a chunk that does not match is an error of the reads that touch it, and of no other.
// While it is open its snapshot cannot be deleted, by this process or another (BLKREWIND_BUSY).
// That ends when the reader is closed, or with the process.
typedef struct blkrewind_reader blkrewind_reader;

// `target` may be NULL: the name is looked up among all snapshots.
BLKREWIND_API int blkrewind_open_snapshot(blkrewind_engine* engine, const char* snapshot,
                                          const char* target, blkrewind_reader** reader,
                                          blkrewind_error** error);
// `reader` may be NULL. Before or after blkrewind_close() of its engine.
BLKREWIND_API void blkrewind_reader_close(blkrewind_reader* reader);

// As it was when it was opened; valid until the reader is closed. NULL if `reader` is.
BLKREWIND_API const blkrewind_snapshot_info* blkrewind_reader_info(const blkrewind_reader* reader);

// Fills `length_bytes` bytes of `buffer` from `offset_bytes` on. Any offset and length within the
// snapshot; BLKREWIND_INVALID_ARGUMENT beyond its end. BLKREWIND_INTEGRITY: a chunk or a part of
// the tree is damaged, which the error names; BLKREWIND_IO: the store cannot be read. After an
// error the content of `buffer` is unspecified. `buffer` may be NULL if the length is 0.
BLKREWIND_API int blkrewind_reader_read(blkrewind_reader* reader, void* buffer, size_t length_bytes,
                                        uint64_t offset_bytes, blkrewind_error** error);

// `data`: 1, or 0: it reads as zeroes. Other than 0 ends the walk.
typedef int (*blkrewind_visit_extent)(void* user, const blkrewind_extent* extent, int data);

// Calls `visit` with the ranges of `within` in ascending order, without gaps, neighbours of one
// kind merged. `within` may be NULL: all of the snapshot. The granule is a chunk; the cost is that
// of the tree, not of the content. `visit` may read. A walk that it ended is BLKREWIND_OK.
BLKREWIND_API int blkrewind_reader_extents(blkrewind_reader* reader, const blkrewind_extent* within,
                                           blkrewind_visit_extent visit, void* user,
                                           blkrewind_error** error);

// Other than 0 ends the walk.
typedef int (*blkrewind_visit_change)(void* user, const blkrewind_extent* extent);

// Calls `visit` with the ranges of `within` in which the snapshot of `reader` may differ from that
// of `other`, in ascending order and merged. `within` may be NULL: all of the snapshot. The granule
// is a chunk; the cost is proportional to the difference. BLKREWIND_INVALID_ARGUMENT: they are of
// different disks, sizes or chunk sizes. `visit` may read. A walk that it ended is BLKREWIND_OK.
BLKREWIND_API int blkrewind_reader_changed_since(blkrewind_reader* reader, blkrewind_reader* other,
                                                 const blkrewind_extent* within,
                                                 blkrewind_visit_change visit, void* user,
                                                 blkrewind_error** error);

// ---- Tracking of changes

typedef struct blkrewind_tracker_info {
  size_t size;
  const char* source;            // "bitmap", "extents"
  const char* reason;            // why it is not valid
  const char* base_snapshot_id;  // if valid: the snapshot since which changes are recorded
  uint64_t changed_bytes;        // if valid: how much may have changed since
  uint64_t granule_bytes;        // the resolution at which changes are recorded
  uint64_t memory_bytes;         // kernel memory; for extents space on the file system
  uint32_t valid;  // flag: the next operation can use it instead of reading everything
} blkrewind_tracker_info;

typedef struct blkrewind_tracking_info {
  size_t size;
  const char* disk_id;
  const char* path;
  size_t tracker_count;  // 0: every operation scans
  const blkrewind_tracker_info* const* trackers;
} blkrewind_tracking_info;

// Starts recording where the target changes, so that operations need not read the whole device.
// `source`: BLKREWIND_CHANGES_BITMAP, _EXTENTS, or _AUTO: a bitmap for a block device, extents for
// an image file. Registers the target if it is not registered yet, for which chunk_bytes and raw of
// `options` count. Earlier changes are unknown: the next snapshot or rollback still reads
// everything. `info` may be NULL.
BLKREWIND_API int blkrewind_track_start(blkrewind_engine* engine, const char* target, int source,
                                        const blkrewind_snapshot_options* options,
                                        blkrewind_tracking_info** info, blkrewind_error** error);
// Stops all trackers of the target; it is no error if there are none.
BLKREWIND_API int blkrewind_track_stop(blkrewind_engine* engine, const char* target,
                                       blkrewind_error** error);
BLKREWIND_API int blkrewind_track_status(blkrewind_engine* engine, const char* target,
                                         blkrewind_tracking_info** info, blkrewind_error** error);

#ifdef __cplusplus
}
#endif

#endif  // BLKREWIND_BLKREWIND_H_
// NOLINTEND(modernize-*,readability-identifier-naming)
