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

// In order, chunk by chunk: a pipe cannot seek.
Status stream_out(store::History& history, const store::Tree& tree, ExportReceipt& receipt,
                  const Monitor& monitor) {
  BLKREWIND_ASSIGN(auto queue, history.env().make_queue({.depth = 1}));
  store::TreeReader reader(history.files(), *queue, history.secret());
  store::TreeDiff diff(reader, empty_tree(tree.geometry), tree);
  pipeline::Meter meter(monitor, "export", tree.geometry.device_bytes);
  AlignedBuffer buffer(tree.geometry.chunk_bytes);
  std::uint64_t at = 0;
  while (true) {
    BLKREWIND_ASSIGN(const auto chunk, diff.next());
    const Extent extent =
        chunk ? tree.geometry.chunk_extent(chunk->chunk) : Extent{tree.geometry.device_bytes, 0};
    BLKREWIND_TRY(write_zeroes_out(extent.offset - at));
    if (!chunk) break;
    if (chunk->to.length_bytes != extent.length) {
      // Never read, because it might be longer than the buffer.
      return fail(pipeline::bad_chunk_error({chunk->chunk, chunk->to, 0}, tree.geometry));
    }
    BLKREWIND_ASSIGN(const auto file, history.files().get(chunk->to.segment, *queue));
    const Extent stored{chunk->to.offset_bytes(),
                        align_up(chunk->to.length_bytes, format::kBlockBytes)};
    BLKREWIND_ASSIGN(const std::uint64_t there,
                     io::read_there_now(*queue, *file, stored, buffer.data()));
    if (there < stored.length) {
      return fail(pipeline::bad_chunk_error({chunk->chunk, chunk->to, 0, true}, tree.geometry));
    }
    if (digest_of(history.secret(), buffer.span().first(extent.length), DigestDomain::kChunk, 0,
                  chunk->chunk) != chunk->to.digest) {
      return fail(pipeline::bad_chunk_error({chunk->chunk, chunk->to, 0}, tree.geometry));
    }
    BLKREWIND_TRY(write_out(buffer.data(), extent.length));
    receipt.written_bytes += extent.length;
    BLKREWIND_TRY(meter.advance(extent.end() - at));
    at = extent.end();
  }
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
  BLKREWIND_ASSIGN(const auto history, parts_->store->history(key.disk));
  BLKREWIND_ASSIGN(const auto snapshot, find_accomplished(*history->state(), key.number));
  const store::Tree tree = store::tree_of(snapshot);
  ExportReceipt receipt;
  receipt.snapshot_id = snapshot.id;
  receipt.device_bytes = tree.geometry.device_bytes;
  receipt.root_digest = to_hex(snapshot.root_digest);

  const Status done = path == "-"
                          ? stream_out(*history, tree, receipt, monitor)
                          : write_image(*history, tree, path, parts_->means, receipt, monitor);
  if (!done) {
    // A concurrent delete removes chunks, which is not damage.
    if (history->log().refresh() && !find_accomplished(*history->state(), key.number)) {
      return fail(Errc::kNotFound, "snapshot " + snapshot.id + " was deleted during the export");
    }
    Error error = done.error();
    return fail(std::move(error).while_doing("exporting snapshot " + snapshot.id));
  }
  receipt.zero_bytes = receipt.device_bytes - receipt.written_bytes;
  receipt.elapsed_seconds = watch.seconds();
  return receipt;
}

}  // namespace blkrewind
