// Snapshots that are open for reading.
#include <utility>

#include "control/caught.h"
#include "control/engine_impl.h"

namespace blkrewind {

struct SnapshotReader::Impl {
  SnapshotInfo info;
  std::shared_ptr<OpenSnapshot> snapshot;
};

SnapshotReader::SnapshotReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SnapshotReader::SnapshotReader(SnapshotReader&&) noexcept = default;
SnapshotReader& SnapshotReader::operator=(SnapshotReader&&) noexcept = default;
SnapshotReader::~SnapshotReader() = default;

SnapshotReader::Impl& SnapshotReader::impl() const {
  if (!impl_) throw MovedFrom("this SnapshotReader was moved from");
  return *impl_;
}

const SnapshotInfo& SnapshotReader::info() const { return impl().info; }
std::uint64_t SnapshotReader::size_bytes() const { return impl().info.device_bytes; }
std::uint32_t SnapshotReader::chunk_bytes() const { return impl().info.chunk_bytes; }

Status SnapshotReader::read(std::uint64_t offset, std::span<std::byte> into) try {
  return impl().snapshot->read(offset, into);
} catch (...) {
  return fail(caught());
}

Status SnapshotReader::extents(Extent within, const VisitExtent& visit) try {
  std::uint64_t at = within.offset;
  bool wanted = true;
  BLKREWIND_TRY(impl().snapshot->visit_data(within, [&](Extent data) {
    if (data.offset > at) wanted = visit({at, data.offset - at}, false);
    if (wanted) wanted = visit(data, true);
    at = data.end();
    return wanted;
  }));
  if (wanted && at < within.end()) (void)visit({at, within.end() - at}, false);
  return {};
} catch (...) {
  return fail(caught());
}

Status SnapshotReader::changed_since(SnapshotReader& other, Extent within,
                                     const VisitChange& visit) try {
  return impl().snapshot->visit_changes(*other.impl().snapshot, within, visit);
} catch (...) {
  return fail(caught());
}

Result<SnapshotReader> Engine::open_snapshot(const std::string& snapshot,
                                             const std::string& target) try {
  BLKREWIND_ASSIGN(Impl::Readable found, impl().need_readable(snapshot, target));
  auto reader = std::make_unique<SnapshotReader::Impl>();
  BLKREWIND_ASSIGN(reader->snapshot, impl().operations_->open_snapshot(found.key));
  reader->info = std::move(found.info);
  return SnapshotReader(std::move(reader));
} catch (...) {
  return fail(caught());
}

}  // namespace blkrewind
