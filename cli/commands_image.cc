// export, import
#include <unistd.h>

#include "cli/commands.h"
#include "cli/of_disk.h"
#include "cli/receipts.h"
#include "cli/sizes.h"
#include "cli/times.h"

namespace blkrewind::cli {
namespace {

struct ExportArguments {
  std::string snapshot;
  std::string disk;
  std::string file;
  std::string range;
};

Status run_export(Session& session, const ExportArguments& arguments) {
  const bool to_stdout = arguments.file == "-";
  if (to_stdout && session.out().is_terminal()) {
    return fail(Errc::kInvalidArgument, "refusing to write an image to a terminal",
                "send it to a file or a program, with > or |");
  }
  ExportOptions options;
  if (!arguments.range.empty()) {
    BLKREWIND_ASSIGN(options.range, parse_range(arguments.range));
  }
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_ASSIGN(const std::string snapshot,
                   snapshot_of(engine, arguments.snapshot, arguments.disk));
  BLKREWIND_ASSIGN(const ExportReceipt receipt,
                   engine.export_image(snapshot, arguments.file, options, session.monitor()));
  Json json = json_of(receipt);
  json["file"] = arguments.file;
  if (!to_stdout) return session.receipt(json, text_of(receipt, arguments.file));
  // Standard output is the image, so the receipt goes to standard error.
  session.erase_progress();
  if (session.json()) return session.err().write(dump(json) + "\n");
  if (session.options().quiet) return {};
  return session.err().write(text_of(receipt, arguments.file));
}

struct ImportArguments {
  std::string target;
  std::string file;
  std::string name;
  std::string description;
  std::string created_at;
  std::string chunk_size;
  bool raw = false;
};

Status run_import(Session& session, const ImportArguments& arguments) {
  if (arguments.file == "-" && isatty(STDIN_FILENO) != 0) {
    return fail(Errc::kInvalidArgument, "refusing to read an image from a terminal",
                "send it from a file or a program, with < or |");
  }
  ImportOptions options;
  options.name = arguments.name;
  options.description = arguments.description;
  options.raw = arguments.raw;
  if (!arguments.created_at.empty()) {
    BLKREWIND_ASSIGN(options.created_at, parse_time(arguments.created_at));
  }
  BLKREWIND_TRY(take_chunk_size(arguments.chunk_size, options));
  BLKREWIND_ASSIGN(Engine engine, session.open_for(arguments.target));
  BLKREWIND_ASSIGN(
      const SnapshotReceipt receipt,
      engine.import_image(arguments.target, arguments.file, options, session.monitor()));
  return session.receipt(json_of(receipt), text_of(receipt, arguments.target, arguments.file));
}

}  // namespace

void add_image_commands(CommandSyntax app, Command& chosen) {
  {
    auto [command, arguments] = add_command<ExportArguments>(
        app, chosen, "export", "Write a snapshot as a raw, sparse image; - for standard output",
        "export before-upgrade /backup/disk.img", run_export);
    command.add_option("SNAPSHOT", arguments->snapshot, "Snapshot id, name, or latest").required();
    command.add_option("FILE", arguments->file, "A new file, or -").required();
    add_of_disk(command, arguments->disk);
    command.add_option("--range", arguments->range,
                       "Only these bytes of the device: OFFSET+LENGTH, as in 1MiB+512KiB");
  }
  {
    auto [command, arguments] = add_command<ImportArguments>(
        app, chosen, "import",
        "Import a raw image (golden image, old backup) as a snapshot of TARGET",
        "import /dev/loop0 /backup/disk.img --name golden", run_import);
    command.add_option("TARGET", arguments->target, "Block device, image file or disk id")
        .required();
    command
        .add_option("FILE", arguments->file,
                    "A raw image of exactly the size of TARGET; a pipe; - for standard input")
        .required();
    command.add_option("--name", arguments->name, "Name of the snapshot");
    command.add_option("--description", arguments->description, "A note");
    command.add_option("--created-at", arguments->created_at,
                       "Time of the content (default: modification time of FILE; now, of a pipe)");
    command.add_option("--chunk-size", arguments->chunk_size,
                       "If TARGET is not registered yet: 4KiB to 1MiB (64KiB)");
    command.add_flag("--raw", arguments->raw,
                     "Treat FILE as raw bytes, even if it is qcow2, vmdk, ...");
  }
}

}  // namespace blkrewind::cli
