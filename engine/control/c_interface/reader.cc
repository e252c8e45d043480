// Readers of snapshots in the C interface.
#include <cstddef>

#include "blkrewind/snapshot_reader.h"
#include "control/c_interface/call.h"
#include "control/c_interface/values.h"

using blkrewind::Extent;
using blkrewind::SnapshotReader;
using blkrewind::Status;
using blkrewind::c_interface::Arena;
using blkrewind::c_interface::call;
using blkrewind::c_interface::clear;
using blkrewind::c_interface::need;
using blkrewind::c_interface::shown;
using blkrewind::c_interface::text;

struct blkrewind_reader {
  blkrewind_reader(std::shared_ptr<blkrewind::Engine> of, SnapshotReader opened)
      : engine(std::move(of)), reader(std::move(opened)), info(shown(arena, reader.info())) {}

  const std::shared_ptr<blkrewind::Engine> engine;  // ends after the reader
  SnapshotReader reader;
  Arena arena;
  const blkrewind_snapshot_info info;
};

namespace {

Extent range_of(const blkrewind_reader& reader, const blkrewind_extent* within) {
  if (within == nullptr) return {0, reader.reader.size_bytes()};
  return {within->offset_bytes, within->length_bytes};
}

}  // namespace

int blkrewind_open_snapshot(blkrewind_engine* engine, const char* snapshot, const char* target,
                            blkrewind_reader** reader, blkrewind_error** error) {
  clear(reader);
  return call(error, [&]() -> Status {
    BLKREWIND_TRY(need(engine != nullptr, "engine"));
    BLKREWIND_TRY(need(snapshot != nullptr, "snapshot"));
    BLKREWIND_TRY(need(reader != nullptr, "reader"));
    BLKREWIND_ASSIGN(auto opened, engine->engine->open_snapshot(snapshot, text(target)));
    *reader = new blkrewind_reader(engine->engine, std::move(opened));
    return {};
  });
}

void blkrewind_reader_close(blkrewind_reader* reader) { delete reader; }

const blkrewind_snapshot_info* blkrewind_reader_info(const blkrewind_reader* reader) {
  return reader == nullptr ? nullptr : &reader->info;
}

int blkrewind_reader_read(blkrewind_reader* reader, void* buffer, size_t length_bytes,
                          uint64_t offset_bytes, blkrewind_error** error) {
  return call(error, [&]() -> Status {
    BLKREWIND_TRY(need(reader != nullptr, "reader"));
    BLKREWIND_TRY(need(buffer != nullptr || length_bytes == 0, "buffer"));
    return reader->reader.read(offset_bytes, {static_cast<std::byte*>(buffer), length_bytes});
  });
}

int blkrewind_reader_extents(blkrewind_reader* reader, const blkrewind_extent* within,
                             blkrewind_visit_extent visit, void* user, blkrewind_error** error) {
  return call(error, [&]() -> Status {
    BLKREWIND_TRY(need(reader != nullptr, "reader"));
    BLKREWIND_TRY(need(visit != nullptr, "visit"));
    return reader->reader.extents(range_of(*reader, within), [&](Extent extent, bool data) {
      const blkrewind_extent found = {extent.offset, extent.length};
      return visit(user, &found, data ? 1 : 0) == 0;
    });
  });
}

int blkrewind_reader_changed_since(blkrewind_reader* reader, blkrewind_reader* other,
                                   const blkrewind_extent* within, blkrewind_visit_change visit,
                                   void* user, blkrewind_error** error) {
  return call(error, [&]() -> Status {
    BLKREWIND_TRY(need(reader != nullptr, "reader"));
    BLKREWIND_TRY(need(other != nullptr, "other"));
    BLKREWIND_TRY(need(visit != nullptr, "visit"));
    return reader->reader.changed_since(
        other->reader, range_of(*reader, within), [&](Extent extent) {
          const blkrewind_extent found = {extent.offset, extent.length};
          return visit(user, &found) == 0;
        });
  });
}
