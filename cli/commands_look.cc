// open, close
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "blkrewind/text.h"
#include "cli/commands.h"
#include "cli/look/copy_out.h"
#include "cli/look/opened.h"
#include "cli/look/snapshot_files.h"
#include "cli/mount/mount_point.h"
#include "cli/mount/mount_table.h"
#include "cli/of_disk.h"
#include "cli/remedy_text.h"
#include "cli/signals.h"

namespace blkrewind::cli {
namespace {

struct OpenArguments {
  std::string snapshot;
  std::string folder;
  std::string disk;
  std::optional<std::string> partition;
  std::optional<std::string> path;
  std::optional<std::string> to;
};

Status check_free(const std::string& folder) {
  BLKREWIND_ASSIGN(const std::vector<MountLine> mounts, mount_table());
  if (std::ranges::find(mounts, folder, &MountLine::point) == mounts.end()) return {};
  return fail(Errc::kAlreadyExists, "a file system is mounted on " + folder + " already",
              "close the snapshot if that is one, or name another folder");
}

Status show_in_folder(const SnapshotFiles& files, const std::string& folder) {
  BLKREWIND_TRY(check_free(folder));
  return attach_mount(files.mount, folder);
}

// Returns where.
Result<std::string> show(const Session& session, const SnapshotFiles& files,
                         const OpenArguments& arguments) {
  if (!arguments.folder.empty()) {
    BLKREWIND_ASSIGN(std::string folder, check_mount_point(arguments.folder, session.store()));
    BLKREWIND_TRY(show_in_folder(files, folder));
    return folder;
  }
  BLKREWIND_ASSIGN(const OwnedFd lock, lock_open_folder());
  std::string folder =
      default_folder(files.snapshot.id, arguments.partition ? files.part.number : 0);
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(system_error(errno, "cannot create the folder " + folder));
  }
  const Status shown = show_in_folder(files, folder);
  if (shown) return folder;
  rmdir(folder.c_str());  // refused where another one is mounted
  return fail(shown.error());
}

Json json_of_opened(const SnapshotFiles& files) {
  return {{"snapshot_id", files.snapshot.id},
          {"disk_id", files.snapshot.disk_id},
          {"table", files.table.empty() ? Json(nullptr) : Json(files.table)},
          {"partition", files.part.number == 0 ? Json(nullptr) : Json(files.part.number)},
          {"file_system", files.part.type},
          {"label", files.part.label.empty() ? Json(nullptr) : Json(files.part.label)},
          {"options", files.mount.options},
          {"journal_replayed", !files.mount.as_it_was}};
}

Status open_in_folder(Session& session, const SnapshotFiles& files,
                      const OpenArguments& arguments) {
  BLKREWIND_ASSIGN(const std::string folder, show(session, files, arguments));
  Json json = json_of_opened(files);
  json["path"] = folder;
  json["loop"] = files.loop;
  const std::string name = files.snapshot.name.empty() ? "" : " (" + files.snapshot.name + ")";
  return session.receipt(
      json,
      "opened " + files.snapshot.id + printable(name) + " on " + printable(folder) + "\n" +
          Facts()
              .add("file system",
                   printable(files.part.type +
                             (files.part.label.empty() ? "" : " " + cli::quoted(files.part.label))))
              .add("partition", files.part.number == 0 ? ""
                                                       : std::to_string(files.part.number) +
                                                             " of the " + files.table + " table")
              .add("options", files.mount.options)
              .add("journal", files.mount.as_it_was ? kJournalNotReplayed : "")
              .add("close with", "blkrewind close " + printable(shell_word(folder)))
              .text());
}

Status copy(Session& session, const SnapshotFiles& files, const std::string& path,
            const std::string& to) {
  CopyOptions options;
  options.cancel = &cancel_flag();
  options.explain = [&](Error error) { return files.explained(std::move(error)); };
  options.warn = [&](const std::string& text) {
    if (session.json() || session.options().quiet) return;
    static_cast<void>(session.err().write("blkrewind: " + printable(text) + "\n"));
  };
  const bool to_stdout = to == "-";
  const int root = files.mount.root.get();
  BLKREWIND_ASSIGN(CopyReceipt done, to_stdout ? write_out(root, path, STDOUT_FILENO, options)
                                               : copy_out(root, path, to, options));
  Json json = json_of_opened(files);
  add_path(json, path);
  json.update({{"to", to},
               {"files", done.files},
               {"folders", done.folders},
               {"links", done.links},
               {"bytes", done.bytes},
               {"left_out", done.left_out},
               {"failed", done.failed}});
  const bool receipt_is_shown = !to_stdout && !done.first_failure;
  if (files.mount.as_it_was && !receipt_is_shown) {
    options.warn("the journal of the file system was " + std::string(kJournalNotReplayed));
  }
  if (done.first_failure) {
    Error error = std::move(*done.first_failure);
    error.context.push_back("copying " + path + " of snapshot " + files.snapshot.id +
                            ", of which " + counted(done.files, "file") + " and " +
                            counted(done.folders, "folder") + " were copied, and " +
                            std::to_string(done.failed) + " could not be read in full");
    return fail(std::move(error));
  }
  const std::string text =
      "copied " + printable(path) + " of " + files.snapshot.id + " to " + printable(to) + "\n" +
      Facts()
          .add("files", std::to_string(done.files))
          .add("folders", done.folders == 0 ? "" : std::to_string(done.folders))
          .add("links", done.links == 0 ? "" : std::to_string(done.links))
          .add("bytes", format_bytes(done.bytes))
          .add("left out", done.left_out == 0 ? "" : std::to_string(done.left_out))
          .add("journal", files.mount.as_it_was ? kJournalNotReplayed : "")
          .text();
  if (!to_stdout) return session.receipt(json, text);
  // Standard output is the file, so the receipt goes to standard error, if it is asked for.
  return session.json() ? session.err().write(dump(json) + "\n") : Status();
}

Status run_open(Session& session, const OpenArguments& arguments) {
  FilesOf what{.snapshot = arguments.snapshot, .disk = arguments.disk, .partition = {}};
  BLKREWIND_ASSIGN(what.partition, parse_partition(arguments.partition));
  if (arguments.path.has_value() != arguments.to.has_value()) {
    return fail(Errc::kInvalidArgument,
                "--path and --to are given together: what to copy, and where");
  }
  if (arguments.path && !arguments.folder.empty()) {
    return fail(Errc::kInvalidArgument,
                "a folder to open the snapshot in, and --path: one of them");
  }
  BLKREWIND_ASSIGN(const SnapshotFiles files, open_snapshot_files(session, what));
  if (!arguments.path) return open_in_folder(session, files, arguments);
  return copy(session, files, *arguments.path, *arguments.to);
}

struct CloseArguments {
  std::string what;
  bool all = false;
};

// Absolute and without links, as the kernel lists it; as well as that can be told where it does not
// answer any more.
std::string as_listed(const std::string& folder) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(folder, error);
  if (!error) return real;
  std::string path = std::filesystem::absolute(folder, error).lexically_normal();
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

// Of all disks: what is open is known by ids.
Result<std::set<std::string>> ids_of(const Session& session, const std::string& snapshot) {
  if (is_valid_id("s-", snapshot)) return std::set<std::string>{snapshot};
  std::set<std::string> ids;
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_TRY(
      engine.list({}, [&](const DiskInfo&, const std::vector<SnapshotInfo>& snapshots) -> Status {
        for (const SnapshotInfo& one : snapshots) {
          if (one.name == snapshot) ids.insert(one.id);
        }
        return {};
      }));
  return ids;
}

Result<std::vector<Opened>> chosen_to_close(const Session& session,
                                            const CloseArguments& arguments) {
  BLKREWIND_ASSIGN(std::vector<Opened> opened, list_opened());
  if (arguments.all || opened.empty()) return opened;
  if (arguments.what.empty()) {
    std::string folders;
    for (const Opened& one : opened) {
      for (const std::string& folder : one.folders) folders += " " + folder;
    }
    return fail(Errc::kInvalidArgument, "no snapshot and no folder is named; open are:" + folders,
                "name one, or give --all");
  }
  std::error_code error;
  if (arguments.what.find('/') != std::string::npos ||
      std::filesystem::is_directory(arguments.what, error)) {
    const std::string folder = as_listed(arguments.what);
    std::erase_if(opened, [&](const Opened& one) {
      return std::ranges::find(one.folders, folder) == one.folders.end();
    });
    return opened;
  }
  BLKREWIND_ASSIGN(const std::set<std::string> ids, ids_of(session, arguments.what));
  std::erase_if(opened,
                [&](const Opened& one) { return !ids.contains(one.loop.label.snapshot_id); });
  const auto is_another = [&](const Opened& one) {
    return one.loop.label.snapshot_id != opened.front().loop.label.snapshot_id;
  };
  if (!std::ranges::any_of(opened, is_another)) return opened;
  std::string folders;
  for (const Opened& one : opened) {
    for (const std::string& folder : one.folders) folders += " " + printable(folder);
  }
  return fail(
      Errc::kInvalidArgument,
      "several snapshots of the name " + cli::quoted(arguments.what) + " are open:" + folders,
      "name one by its folder or its id, or give --all");
}

Status run_close(Session& session, const CloseArguments& arguments) {
  if (geteuid() != 0) {
    return fail(Errc::kPrecondition, "only root may unmount a file system", "run it as root");
  }
  if (arguments.all && !arguments.what.empty()) {
    return fail(Errc::kInvalidArgument, "a snapshot or a folder, and --all: one of them");
  }
  BLKREWIND_ASSIGN(const std::vector<Opened> chosen, chosen_to_close(session, arguments));
  BLKREWIND_ASSIGN(const OwnedFd lock, lock_open_folder());
  Json closed = Json::array();
  std::string text;
  std::optional<Error> trouble;
  for (const Opened& one : chosen) {
    const Status done = close_opened(one);
    if (!done && !trouble) trouble = done.error();
    if (!done) continue;
    closed.push_back({{"snapshot_id", one.loop.label.snapshot_id}, {"paths", one.folders}});
    text += "closed " + one.loop.label.snapshot_id;
    for (const std::string& folder : one.folders) text += " on " + printable(folder);
    text += "\n";
  }
  remove_unused_folders();
  if (trouble) return fail(std::move(*trouble));
  if (text.empty()) text = arguments.all ? "nothing is open\n" : "it is not open\n";
  return session.receipt({{"closed", closed}}, text);
}

}  // namespace

void add_look_commands(CommandSyntax app, Command& chosen) {
  {
    auto [command, arguments] = add_command<OpenArguments>(
        app, chosen, "open", "Mount the file system in a snapshot, or copy files out of it",
        "open before-upgrade --path etc/fstab --to /tmp/fstab", run_open);
    command.add_option("SNAPSHOT", arguments->snapshot, "Snapshot id, name, or latest").required();
    command.add_option("DIR", arguments->folder,
                       "A folder to mount it on (/run/blkrewind/open/ID)");
    add_of_disk(command, arguments->disk);
    command.add_option("--partition", arguments->partition, "The partition, if there are several")
        .value_name("N");
    command
        .add_option("--path", arguments->path,
                    "Copy this file or folder out, and leave nothing mounted")
        .value_name("PATH");
    command
        .add_option("--to", arguments->to,
                    "The new file or folder; - for standard output (files only)")
        .value_name("OUT");
  }
  {
    auto [command, arguments] = add_command<CloseArguments>(
        app, chosen, "close", "Unmount what open has mounted", "close before-upgrade", run_close);
    command.add_option("WHAT", arguments->what, "Snapshot id or name, or the folder");
    command.add_flag("--all", arguments->all, "All that are open");
  }
}

}  // namespace blkrewind::cli
