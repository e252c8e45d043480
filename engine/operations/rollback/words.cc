#include "operations/rollback/words.h"

#include <utility>

#include "base/remedies.h"

namespace blkrewind {
namespace {

void name_extents(Error& error, const pipeline::ExtentTally& tally) {
  if (tally.count() == 1) {
    error.extent = tally.named().front();  // printed after the message
  } else {
    error.message += ":" + tally.text();
  }
}

}  // namespace

Error to_be_resumed(Error error, const format::DiskRecord& disk, bool has_undo) {
  Remedy ways = ways_out(disk.path, has_undo);
  // What was refused, or has no room, has to be put right first.
  const bool first = error.sys_errno == 0 || error.code == Errc::kNoSpace;
  if (!first || error.remedy.empty()) return std::move(error).with_remedy(std::move(ways));
  error.remedy = std::move(error.remedy).and_then(std::move(ways));
  return error;
}

Error in_doubt(Error error, const format::DiskRecord& disk, bool begun) {
  error.message +=
      begun ? "; whether the rollback stands or has ended is known when the log is read again"
            : "; whether the rollback has begun is known when the log is read again, and "
              "nothing was written to the device";
  error.remedy = Remedy("see that the store's medium has room and works")
                     .and_then({Verb::kList,
                                "see whether a rollback stands, which has to be ended first",
                                {{Parameter::kTarget, disk.path}}})
                     .because(error.remedy.reason);
  return error;
}

Remedy loss_remedy(const format::DiskRecord& disk) {
  return Remedy("bring the store's files back from a copy and do it again")
      .or_else({Verb::kExport,
                "export what can be read of the snapshots",
                {{Parameter::kSnapshot, {}}, {Parameter::kFile, {}}}})
      .and_then({Verb::kDiskForget,
                 "end the rollback as it stands",
                 {{Parameter::kTarget, disk.path}, {Parameter::kWithSnapshots, {}}}});
}

Remedy choose_another() {
  return Remedy("choose another snapshot").and_then({Verb::kVerify, "see what else is damaged"});
}

namespace {

Remedy make_room() {
  return Remedy("make room on the file system of the store")
      .or_else(
          {Verb::kDelete, "delete snapshots, which needs no room", {{Parameter::kSnapshot, {}}}});
}

}  // namespace

Error no_room(Error error, bool with_undo) {
  error.message = "the store has no room, and the device is untouched: " + error.message;
  error.remedy = make_room();
  if (!with_undo) return error;
  error.remedy =
      std::move(error.remedy)
          .or_else({Verb::kRepeat, "do without an undo snapshot", {{Parameter::kNoUndo, {}}}});
  return error;
}

Error no_room_to_keep(Error error) {
  error.message =
      "the store has no room for what was written to the device since the rollback was "
      "interrupted, and the device is as it was found: " +
      error.message;
  return std::move(error).with_remedy(make_room());
}

Error corrupt_before_writing(const pipeline::BadChunk& bad, const format::Geometry& geometry) {
  Error error = pipeline::bad_chunk_error(bad, geometry);
  error.message += "; nothing was written to the device";
  return std::move(error).with_remedy(choose_another());
}

Error unfinished_chunks(const store::History& history, const pipeline::RestoreOutcome& outcome,
                        const format::Geometry& geometry) {
  const bool lost = !outcome.bad.empty();
  Error error =
      lost ? pipeline::bad_chunk_error(outcome.bad.front(), geometry)
           : pipeline::unreadable_chunk_error(history, outcome.unreadable.front(), geometry);
  error.message += "; of the " + std::to_string(outcome.chunks) + " chunks that differed, " +
                   std::to_string(outcome.failed()) +
                   (lost ? " are lost so" : " could not be read now") +
                   ", and all the others have been restored";
  return error;
}

Error lost_error(const pipeline::ExtentTally& lost, const std::string& device) {
  Error error;
  error.code = Errc::kIo;
  error.message = std::to_string(lost.bytes()) + " bytes were written to " + device +
                  " and flushed, and read back otherwise: the device, or what lies below it, lost "
                  "them";
  name_extents(error, lost);
  return error;
}

Error missed_error(const pipeline::ExtentTally& missed, const std::string& change_source,
                   const WayBack& back) {
  Error error;
  error.code = back.way.intent == Way::Intent::kNew ? Errc::kIntegrity : Errc::kIo;
  error.message = "after the rollback by " + change_source + ", " + std::to_string(missed.bytes()) +
                  " bytes of " + back.device.info.path + " are not what snapshot " +
                  back.wanted.id + " holds";
  name_extents(error, missed);
  error.remedy = Remedy(Verb::kRollback, "roll back once more and read everything",
                        {{Parameter::kTarget, back.locked.disk.path},
                         {Parameter::kSnapshot, back.wanted.id},
                         {Parameter::kChangeSource, "scan"}})
                     .and_then("report this: a change source must miss nothing");
  return error;
}

}  // namespace blkrewind
