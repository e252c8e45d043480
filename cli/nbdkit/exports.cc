#include "cli/nbdkit/exports.h"

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "blkrewind/remedy.h"
#include "blkrewind/text.h"
#include "blkrewind/units.h"

namespace blkrewind::nbd {
namespace {

// A disk id, a slash and a name.
constexpr std::size_t kExportNameMax = 30 + 1 + 128;

std::string_view kind_of(const SnapshotInfo& snapshot) {
  switch (snapshot.kind) {
    case SnapshotKind::kUser:
      return "snapshot";
    case SnapshotKind::kUndo:
      return "undo snapshot";
    case SnapshotKind::kImport:
      return "import";
  }
  return "snapshot";
}

std::string time_of(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  char text[64];
  if (gmtime_r(&time, &parts) == nullptr) return {};
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts)};
}

}  // namespace

Result<Wanted> wanted(std::string_view export_name, const std::string& only_disk) {
  if (export_name.empty()) {
    return fail(Errc::kInvalidArgument, "no export was named",
                "name one of the exports that the server lists");
  }
  if (!is_printable_text(export_name, kExportNameMax)) {
    return fail(Errc::kInvalidArgument, "the name of the export is too long, or not printable text",
                "name one of the exports that the server lists");
  }
  const std::size_t slash = export_name.find('/');
  if (slash == std::string_view::npos) return Wanted{std::string(export_name), only_disk};
  Wanted found{std::string(export_name.substr(slash + 1)),
               std::string(export_name.substr(0, slash))};
  if (!is_valid_id("d-", found.disk_id)) {
    return fail(Errc::kInvalidArgument, "an export is named DISK/SNAPSHOT, and DISK is an id",
                "name one of the exports that the server lists");
  }
  if (!only_disk.empty() && found.disk_id != only_disk) {
    return fail(Errc::kNotFound, "this server serves snapshots of " + only_disk + " only",
                "name one of the exports that the server lists");
  }
  return found;
}

std::string export_name(const SnapshotInfo& snapshot) {
  return snapshot.name.empty() ? snapshot.id : snapshot.disk_id + "/" + snapshot.name;
}

std::string description(const SnapshotInfo& snapshot) {
  std::string text(kind_of(snapshot));
  text += " " + snapshot.id + " of " + snapshot.disk_id + ", " +
          format_bytes(snapshot.device_bytes) + ", " + time_of(snapshot.created_at);
  if (snapshot.damaged) text += ", damaged";
  if (!snapshot.description.empty()) text += ": " + snapshot.description;
  return text;
}

std::string line_of(const Error& error) {
  std::string line = error.to_string();
  if (error.remedy.empty()) return line;
  const auto words_of = [](const RemedyStep& step) {
    const bool of_disk = std::ranges::any_of(step.arguments, [](const Argument& argument) {
      return argument.parameter == Parameter::kOfDisk;
    });
    return of_disk ? step.text + ", with disk=" : step.text;
  };
  return line + " (" + error.remedy.sentence(words_of) + ")";
}

int errno_of_open(const Error& error) {
  if (error.sys_errno == ENOMEM) return ENOMEM;
  switch (error.code) {
    case Errc::kNotFound:
      return ENOENT;
    case Errc::kBusy:
      return EBUSY;
    case Errc::kInvalidArgument:
      return EINVAL;
    case Errc::kUnsupported:
      return ENOTSUP;
    default:
      return EIO;
  }
}

int errno_of_read(const Error& error) { return error.sys_errno == ENOMEM ? ENOMEM : EIO; }

}  // namespace blkrewind::nbd
