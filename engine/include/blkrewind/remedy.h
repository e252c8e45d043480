// What the caller can do about an error, as a value: verbs and arguments, for front ends to put
// into words of their own. A command line renders commands, a server what its callers can send, an
// embedder switches on `verb` and calls the engine.
//
// Values; nothing is shared, any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "blkrewind/export.h"

namespace blkrewind {

// What a step does. The operations are those of Engine.
enum class Verb : std::uint8_t {
  kAdvice,      // no operation: `text` says what to do
  kRunProgram,  // another program of the machine: kProgram, kOption and kOperand arguments
  kRepeat,      // the same call again, with these arguments in place of its own
  kSnapshot,
  kList,
  kDelete,
  kRollback,
  kUndo,
  kResume,
  kExport,
  kImport,
  kVerify,
  kDiskRegister,
  kDiskAdopt,
  kDiskAttach,
  kDiskDetach,
  kDiskForget,
  kInstanceCreate,
  kInstanceShow,
  kInstanceStop,
  kInstanceUnlock,
  kInstanceSet,
  kStoreInit,
  kStoreGc,
  kStoreUpgrade,
  kTrackStart,
  kTrackStop,
  kTrackStatus,
};
inline constexpr int kVerbs = static_cast<int>(Verb::kTrackStatus) + 1;

// What an argument is. Those named flags have no value.
enum class Parameter : std::uint8_t {
  kTarget,         // path of a device or image file, or a disk id
  kDisk,           // disk id
  kPath,           // path of a device or image file
  kSnapshot,       // snapshot id, name, or "latest"
  kFile,           // path of a raw image
  kInstance,       // instance id
  kReason,         // of a lock: "security"
  kExpiresAt,      // a time, or "never"
  kArrears,        // "yes" or "no"
  kSource,         // of tracking: "bitmap" or "extents"
  kChangeSource,   // of a rollback: "auto", "scan", "bitmap" or "extents"
  kOfDisk,         // whose snapshot is meant: path of a device or image file, or a disk id
  kFreezeLimit,    // of a snapshot: "5s"
  kDeadline,       // of a snapshot: "5m"
  kHook,           // of a snapshot: path of a program
  kNoUndo,         // flag: keep no undo snapshot
  kRaw,            // flag: take an image file byte by byte
  kNewDisk,        // flag: the target is another disk than the one it looks like
  kWithSnapshots,  // flag: delete the disk's snapshots too
  kProgram,        // of kRunProgram: its name
  kOption,         // of kRunProgram: a word to be written as it is
  kOperand,        // of kRunProgram: a path or a name, to be quoted where a shell reads it
};
inline constexpr int kParameters = static_cast<int>(Parameter::kOperand) + 1;

// In snake_case, as in JSON: "disk_forget", "with_snapshots".
[[nodiscard]] BLKREWIND_API std::string_view to_string(Verb verb);
[[nodiscard]] BLKREWIND_API std::string_view to_string(Parameter parameter);

// True for those that have no value.
[[nodiscard]] BLKREWIND_API bool is_flag(Parameter parameter);

struct Argument {
  Parameter parameter = Parameter::kTarget;
  std::string value;  // empty: the caller chooses; or a flag

  bool operator==(const Argument&) const = default;
};

// How a step follows the one before it.
enum class Link : std::uint8_t {
  kOr,    // instead of it
  kThen,  // after it
};

struct RemedyStep {
  Verb verb = Verb::kAdvice;
  Link link = Link::kOr;            // no meaning in the first step, where it stays kOr
  std::string text;                 // an imperative without a command: "unmount it"
  std::vector<Argument> arguments;  // in the order in which they are written

  bool operator==(const RemedyStep&) const = default;
};

struct BLKREWIND_API Remedy {
  std::string reason;  // a fact that the message leaves out: "/dev/vdb is mounted on /mnt"
  std::vector<RemedyStep> steps;  // most likely first

  Remedy() = default;
  // One step without an operation; no step for an empty text. Implicit: most remedies are that.
  Remedy(std::string advice);
  Remedy(const char* advice);
  // One step.
  Remedy(Verb verb, std::string text, std::vector<Argument> arguments = {});

  [[nodiscard]] bool empty() const { return reason.empty() && steps.empty(); }
  // The first step that says `verb`; nullptr when there is none.
  [[nodiscard]] const RemedyStep* find(Verb verb) const;

  // Adds the steps of `other`, and returns the sum. A reason of `other`
  // is dropped where there is one already.
  [[nodiscard]] Remedy or_else(Remedy other) &&;
  [[nodiscard]] Remedy and_then(Remedy other) &&;
  [[nodiscard]] Remedy because(std::string fact) &&;

  // Reason and steps in one sentence, each step in the words of the caller.
  [[nodiscard]] std::string sentence(
      const std::function<std::string(const RemedyStep&)>& words_of) const;
  // Reason and texts in one sentence, without any command: for logs.
  [[nodiscard]] std::string to_string() const;

  bool operator==(const Remedy&) const = default;
};

// Another program of the machine: `command` is its name and its options, separated by single
// blanks, none of which needs quotes; `operands` are what it is to work on.
[[nodiscard]] BLKREWIND_API Remedy run_program(std::string text, std::string_view command,
                                               std::vector<std::string> operands = {});

}  // namespace blkrewind
