// Writes a snapshot as a raw image: a new sparse file, or a stream of every byte.
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/ids.h"
#include "io/stream.h"
#include "operations/operations_parts.h"
#include "pipeline/restore.h"
#include "store/tree_reader.h"

namespace blkrewind {

ImageSink write_to(int descriptor, const std::atomic<bool>* cancel) {
  return [writer = std::make_shared<io::StreamWriter>(descriptor, cancel)](
             std::span<const std::byte> bytes) { return writer->write(bytes); };
}

namespace {

// Called with every range of `range` that has data, in order, and its bytes.
using TakeData = std::function<Status(std::uint64_t offset, std::span<const std::byte> bytes)>;

Status read_data(const OpenSnapshot& snapshot, const Extent& range, ExportReceipt& receipt,
                 const Monitor& monitor, const TakeData& take) {
  constexpr std::uint64_t kPieceBytes = 4 * kMiB;
  pipeline::Meter meter(monitor, "export", range.length);
  AlignedBuffer buffer(std::min(kPieceBytes, range.length));
  std::uint64_t at = range.offset;
  const auto take_all = [&](const Extent& data) -> Status {
    BLKREWIND_TRY(meter.advance(data.offset - at));
    for (at = data.offset; at < data.end();) {
      const auto piece = buffer.span().first(std::min(kPieceBytes, data.end() - at));
      BLKREWIND_TRY(snapshot.read(at, piece));
      BLKREWIND_TRY(take(at, piece));
      receipt.written_bytes += piece.size();
      at += piece.size();
      BLKREWIND_TRY(meter.advance(piece.size()));
    }
    return {};
  };
  Status done;
  BLKREWIND_TRY(snapshot.visit_data(range, [&](const Extent& data) {
    done = take_all(data);
    return done.has_value();
  }));
  if (done) meter.finish();
  return done;
}

Status stream_out(const OpenSnapshot& snapshot, const Extent& range, const ImageSink& sink,
                  ExportReceipt& receipt, const Monitor& monitor) {
  static const std::vector<std::byte> zeroes(1 * kMiB);
  std::uint64_t at = range.offset;
  const auto fill_up_to = [&](std::uint64_t end) -> Status {
    while (at < end) {
      const std::uint64_t piece = std::min<std::uint64_t>(end - at, zeroes.size());
      BLKREWIND_TRY(sink(std::span(zeroes).first(piece)));
      at += piece;
    }
    return {};
  };
  const auto take = [&](std::uint64_t offset, std::span<const std::byte> bytes) -> Status {
    BLKREWIND_TRY(fill_up_to(offset));
    at += bytes.size();
    return sink(bytes);
  };
  BLKREWIND_TRY(read_data(snapshot, range, receipt, monitor, take));
  return fill_up_to(range.end());
}

// All of the snapshot: by as many workers as are useful.
Status fill_file(const OpenSnapshot& snapshot, io::File& file, const pipeline::Means& means,
                 ExportReceipt& receipt, const Monitor& monitor) {
  store::History& history = snapshot.history();
  const store::Tree& tree = snapshot.tree();
  BLKREWIND_ASSIGN(auto queue, history.env().make_queue({.depth = 1}));
  store::TreeReader reader(history.files(), *queue, history.secret());
  pipeline::RestoreRequest request;
  request.device = &file;
  request.geometry = tree.geometry;
  request.chunks = pipeline::difference_stream(reader, {tree.geometry, {}}, tree);
  request.phase = "export";
  request.work_bytes = tree.geometry.device_bytes;
  request.means = means;
  BLKREWIND_ASSIGN(const pipeline::RestoreOutcome outcome,
                   pipeline::restore_chunks(history, request, monitor));
  if (!outcome.bad.empty())
    return fail(pipeline::bad_chunk_error(outcome.bad.front(), tree.geometry));
  BLKREWIND_TRY(pipeline::all_readable(history, outcome, tree.geometry));
  receipt.written_bytes = outcome.restored_bytes;
  return {};
}

// A part of it: the file begins with the first byte of the range.
Status fill_file(const OpenSnapshot& snapshot, const Extent& range, io::File& file,
                 const pipeline::Means& means, ExportReceipt& receipt, const Monitor& monitor) {
  BLKREWIND_TRY(file.truncate(range.length));
  BLKREWIND_ASSIGN(auto queue, snapshot.history().env().make_queue({.depth = 1}));
  if (range == Extent{0, snapshot.record().device_bytes}) {
    BLKREWIND_TRY(fill_file(snapshot, file, means, receipt, monitor));
  } else {
    BLKREWIND_TRY(read_data(snapshot, range, receipt, monitor,
                            [&](std::uint64_t offset, std::span<const std::byte> bytes) {
                              const Extent at{offset - range.offset, bytes.size()};
                              return io::write_now(*queue, file, at, bytes.data());
                            }));
  }
  return io::flush_now(*queue, file);
}

Status refuse_existing(io::Env& env, const std::string& path) {
  BLKREWIND_ASSIGN(const bool there, env.exists(path));
  if (!there) return {};
  return fail(Errc::kAlreadyExists, "there is already a file " + path,
              "name a file that does not exist yet; export never overwrites");
}

// A partial image could be taken for a complete one, so it is renamed last.
Status write_image(const OpenSnapshot& snapshot, const Extent& range, const std::string& path,
                   const pipeline::Means& means, ExportReceipt& receipt, const Monitor& monitor) {
  io::Env& env = snapshot.history().env();
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (is_in_store(env, snapshot.history().folder(), folder)) {
    return fail(Errc::kPrecondition,
                path + " would be a file in the store " + snapshot.history().folder(),
                "name a file outside of the store");
  }
  BLKREWIND_TRY(refuse_existing(env, path));
  // Not derived from the name, which may already have the maximum length.
  const std::string partial =
      (slash == std::string::npos ? "" : folder) + ".blkrewind-" + new_id("partial-");
  BLKREWIND_ASSIGN(const auto file,
                   env.open(partial, {.access = io::Access::kReadWrite, .create_new = true}));
  Status done = fill_file(snapshot, range, *file, means, receipt, monitor);
  // Another process may have created a file of that name meanwhile.
  if (done) done = env.rename_new(partial, path);
  if (!done) {
    (void)env.remove(partial);
    return done;
  }
  return env.sync_directory(folder);
}

using Export = std::function<Status(const Extent& range, ExportReceipt& receipt)>;

Result<ExportReceipt> export_by(const OpenSnapshot& snapshot, const ExportOptions& options,
                                const Export& write) {
  const pipeline::Stopwatch watch;
  const Extent whole{0, snapshot.record().device_bytes};
  const Extent range = options.range.value_or(whole);
  BLKREWIND_TRY(snapshot.check_within(range.offset, range.length));
  ExportReceipt receipt;
  receipt.snapshot_id = snapshot.record().id;
  receipt.device_bytes = whole.length;
  receipt.range = range;
  if (range == whole) receipt.root_digest = to_hex(snapshot.record().root_digest);
  if (Status done = write(range, receipt); !done) {
    return fail(std::move(done).error().while_doing("exporting snapshot " + receipt.snapshot_id));
  }
  receipt.zero_bytes = range.length - receipt.written_bytes;
  receipt.elapsed_seconds = watch.seconds();
  return receipt;
}

}  // namespace

Result<ExportReceipt> Operations::export_stream(const SnapshotKey& key, const ImageSink& sink,
                                                const ExportOptions& options,
                                                const Monitor& monitor) {
  BLKREWIND_ASSIGN(const auto snapshot, open_snapshot(key));
  return export_by(*snapshot, options, [&](const Extent& range, ExportReceipt& receipt) {
    return stream_out(*snapshot, range, sink, receipt, monitor);
  });
}

Result<ExportReceipt> Operations::export_image(const SnapshotKey& key, const std::string& path,
                                               const ExportOptions& options,
                                               const Monitor& monitor) {
  if (path == "-")
    return export_stream(key, write_to(STDOUT_FILENO, monitor.cancel), options, monitor);
  BLKREWIND_ASSIGN(const auto snapshot, open_snapshot(key));
  return export_by(*snapshot, options, [&](const Extent& range, ExportReceipt& receipt) {
    return write_image(*snapshot, range, path, parts_->means, receipt, monitor);
  });
}

}  // namespace blkrewind
