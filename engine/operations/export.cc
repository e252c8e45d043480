// Writes a snapshot as a raw image: a new sparse file, or a stream of every byte.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/ids.h"
#include "operations/operations_parts.h"
#include "pipeline/restore.h"
#include "store/tree_reader.h"

namespace blkrewind {
namespace {

// A tree of this geometry that is all zero: it differs from the snapshot in every stored chunk.
store::Tree empty_tree(const format::Geometry& geometry) { return {geometry, {}}; }

Status write_out(const std::byte* data, std::uint64_t length) {
  while (length > 0) {
    const ssize_t written = ::write(STDOUT_FILENO, data, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(system_error(errno, "cannot write to standard output"));
    data += written;
    length -= static_cast<std::uint64_t>(written);
  }
  return {};
}

Status write_zeroes_out(std::uint64_t length) {
  static const std::vector<std::byte> zeroes(1 * kMiB);
  while (length > 0) {
    const std::uint64_t piece = std::min<std::uint64_t>(length, zeroes.size());
    BLKREWIND_TRY(write_out(zeroes.data(), piece));
    length -= piece;
  }
  return {};
}

// In order: a pipe cannot seek.
Status stream_out(const OpenSnapshot& snapshot, ExportReceipt& receipt, const Monitor& monitor) {
  constexpr std::uint64_t kPieceBytes = 4 * kMiB;
  const std::uint64_t size = snapshot.record().device_bytes;
  pipeline::Meter meter(monitor, "export", size);
  AlignedBuffer buffer(std::min(kPieceBytes, size));
  std::uint64_t at = 0;
  Status done;
  const auto write_data = [&](const Extent& data) -> Status {
    BLKREWIND_TRY(write_zeroes_out(data.offset - at));
    BLKREWIND_TRY(meter.advance(data.offset - at));
    for (at = data.offset; at < data.end();) {
      const std::uint64_t piece = std::min(kPieceBytes, data.end() - at);
      BLKREWIND_TRY(snapshot.read(at, buffer.span().first(piece)));
      BLKREWIND_TRY(write_out(buffer.data(), piece));
      receipt.written_bytes += piece;
      at += piece;
      BLKREWIND_TRY(meter.advance(piece));
    }
    return {};
  };
  BLKREWIND_TRY(snapshot.visit_data({0, size}, [&](const Extent& data) {
    done = write_data(data);
    return done.has_value();
  }));
  BLKREWIND_TRY(done);
  BLKREWIND_TRY(write_zeroes_out(size - at));
  meter.finish();
  return {};
}

Status fill_file(store::History& history, const store::Tree& tree, io::File& file,
                 const pipeline::Means& means, ExportReceipt& receipt, const Monitor& monitor) {
  BLKREWIND_TRY(file.truncate(tree.geometry.device_bytes));
  BLKREWIND_ASSIGN(auto queue, history.env().make_queue({.depth = 1}));
  store::TreeReader reader(history.files(), *queue, history.secret());
  pipeline::RestoreRequest request;
  request.device = &file;
  request.geometry = tree.geometry;
  request.chunks = pipeline::difference_stream(reader, empty_tree(tree.geometry), tree);
  request.phase = "export";
  request.work_bytes = tree.geometry.device_bytes;
  request.means = means;
  BLKREWIND_ASSIGN(const pipeline::RestoreOutcome outcome,
                   pipeline::restore_chunks(history, request, monitor));
  if (!outcome.bad.empty())
    return fail(pipeline::bad_chunk_error(outcome.bad.front(), tree.geometry));
  BLKREWIND_TRY(pipeline::all_readable(history, outcome, tree.geometry));
  receipt.written_bytes = outcome.restored_bytes;
  return io::flush_now(*queue, file);
}

Status refuse_existing(io::Env& env, const std::string& path) {
  BLKREWIND_ASSIGN(const bool there, env.exists(path));
  if (!there) return {};
  return fail(Errc::kAlreadyExists, "there is already a file " + path,
              "name a file that does not exist yet; export never overwrites");
}

// A partial image could be taken for a complete one, so it is renamed last.
Status write_image(store::History& history, const store::Tree& tree, const std::string& path,
                   const pipeline::Means& means, ExportReceipt& receipt, const Monitor& monitor) {
  io::Env& env = history.env();
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (is_in_store(env, history.folder(), folder)) {
    return fail(Errc::kPrecondition, path + " would be a file in the store " + history.folder(),
                "name a file outside of the store");
  }
  BLKREWIND_TRY(refuse_existing(env, path));
  // Not derived from the name, which may already have the maximum length.
  const std::string partial =
      (slash == std::string::npos ? "" : folder) + ".blkrewind-" + new_id("partial-");
  BLKREWIND_ASSIGN(const auto file,
                   env.open(partial, {.access = io::Access::kReadWrite, .create_new = true}));
  Status done = fill_file(history, tree, *file, means, receipt, monitor);
  // Another process may have created a file of that name meanwhile.
  if (done) done = env.rename_new(partial, path);
  if (!done) {
    (void)env.remove(partial);
    return done;
  }
  return env.sync_directory(folder);
}

}  // namespace

Result<ExportReceipt> Operations::export_image(const SnapshotKey& key, const std::string& path,
                                               const Monitor& monitor) {
  const pipeline::Stopwatch watch;
  BLKREWIND_ASSIGN(const auto opened, open_snapshot(key));
  const OpenSnapshot& snapshot = *opened;
  ExportReceipt receipt;
  receipt.snapshot_id = snapshot.record().id;
  receipt.device_bytes = snapshot.record().device_bytes;
  receipt.root_digest = to_hex(snapshot.record().root_digest);
  const Status done = path == "-" ? stream_out(snapshot, receipt, monitor)
                                  : write_image(snapshot.history(), snapshot.tree(), path,
                                                parts_->means, receipt, monitor);
  if (!done) {
    return fail(Error(done.error()).while_doing("exporting snapshot " + receipt.snapshot_id));
  }
  receipt.zero_bytes = receipt.device_bytes - receipt.written_bytes;
  receipt.elapsed_seconds = watch.seconds();
  return receipt;
}

}  // namespace blkrewind
