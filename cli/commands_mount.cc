// mount
#include <unistd.h>

#include <csignal>

#include "cli/commands.h"
#include "cli/mount/background.h"
#include "cli/mount/file_server.h"
#include "cli/mount/listing.h"
#include "cli/mount/mount_log.h"
#include "cli/mount/mount_point.h"
#include "cli/mount/snapshot_tree.h"
#include "cli/remedy_text.h"

namespace blkrewind::cli {
namespace {

struct MountArguments {
  std::string folder;
  bool foreground = false;
  bool allow_other = false;
};

Status serve_store(const Session& session, const ServedMount& where, MountLog::To to,
                   const Ready& ready) {
  MountLog log(to);
  // Of its own: looking at disks may look at a file of the mount, which must then be answered.
  BLKREWIND_ASSIGN(Engine lists, session.open());
  BLKREWIND_ASSIGN(Engine reads, session.open());
  BLKREWIND_ASSIGN(Listing first, list_store(lists));
  SnapshotTree tree(
      first, [&lists] { return list_store(lists); },
      [&log](const Error& error) { log.error(error); });
  BLKREWIND_ASSIGN(auto server, FileServer::mount(tree, reads, log, where));
  ready();
  return server->serve();
}

Status run_mount(Session& session, const MountArguments& arguments) {
  ServedMount where;
  where.allow_other = arguments.allow_other;
  std::size_t disks = 0;
  std::size_t snapshots = 0;
  {
    BLKREWIND_ASSIGN(Engine engine, session.open());
    BLKREWIND_ASSIGN(where.folder, check_mount_point(arguments.folder, session.store()));
    BLKREWIND_ASSIGN(const Listing listing, list_store(engine));
    disks = listing.size();
    for (const ListedDisk& disk : listing) snapshots += disk.snapshots.size();
  }
  const auto say = [&](pid_t process) {
    const Json json = {{"mount_point", where.folder},
                       {"process", process},
                       {"disks", disks},
                       {"snapshots", snapshots}};
    return session.receipt(json, "mounted " + counted(snapshots, "snapshot") + " of " +
                                     counted(disks, "disk") + " on " + printable(where.folder) +
                                     "\n" +
                                     Facts()
                                         .add("process", std::to_string(process))
                                         .add("unmount with", "umount " + shell_word(where.folder))
                                         .text());
  };
  if (!arguments.foreground) {
    const Session anywhere(session.options_anywhere(), stdout, stderr);
    BLKREWIND_ASSIGN(const pid_t process, run_in_background([&](const Ready& ready) {
                       return serve_store(anywhere, where, MountLog::To::kSyslog, ready);
                     }));
    return say(process);
  }
  // The loop that answers the kernel ends by a signal of its own.
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now = {};
    if (sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) {
      std::signal(number, SIG_DFL);
    }
  }
  Status said;
  BLKREWIND_TRY(
      serve_store(session, where, MountLog::To::kStandardError, [&] { said = say(getpid()); }));
  return said;
}

}  // namespace

void add_mount_command(CommandSyntax app, Command& chosen) {
  auto [command, arguments] = add_command<MountArguments>(
      app, chosen, "mount", "Show all snapshots as files that can be read, until it is unmounted",
      "mount /mnt/snapshots", run_mount);
  command.add_option("DIR", arguments->folder, "An empty folder").required();
  command.add_flag("--foreground", arguments->foreground,
                   "Do not return, and write errors to standard error");
  command.add_flag("--allow-other", arguments->allow_other, "Let every user read the snapshots");
}

}  // namespace blkrewind::cli
