#include "store/chunk_cache.h"

#include <utility>

namespace blkrewind::store {

ChunkCache::Sought ChunkCache::seek_locked(const Digest& digest) {
  if (Bytes bytes = chunks_.find(digest)) return {Turn::kFound, std::move(bytes)};
  return {being_read_.insert(digest).second ? Turn::kMine : Turn::kBusy, nullptr};
}

ChunkCache::Sought ChunkCache::seek(const Digest& digest) {
  const std::lock_guard lock(mutex_);
  return seek_locked(digest);
}

ChunkCache::Sought ChunkCache::wait(const Digest& digest) {
  std::unique_lock lock(mutex_);
  while (true) {
    Sought sought = seek_locked(digest);
    if (sought.turn != Turn::kBusy) return sought;
    ended_.wait(lock);
  }
}

void ChunkCache::publish(const Digest& digest, Bytes bytes) {
  {
    const std::lock_guard lock(mutex_);
    being_read_.erase(digest);
    const std::uint64_t size = bytes->size();
    chunks_.insert(digest, std::move(bytes), size);
  }
  ended_.notify_all();
}

void ChunkCache::give_up(const Digest& digest) {
  {
    const std::lock_guard lock(mutex_);
    being_read_.erase(digest);
  }
  ended_.notify_all();
}

}  // namespace blkrewind::store
