#include "campaign/tally.h"

#include <sys/mman.h>

#include <bit>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace blkrewind::campaign {

Tally::Tally(std::uint64_t states) {
  const std::size_t slots = std::bit_ceil(2 * states + 1024);
  bytes_ = sizeof(Counts) + slots * sizeof(std::atomic<std::uint64_t>);
  void* memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("cannot map the tally");
    std::abort();
  }
  counts_ = new (memory) Counts;
  // Fresh pages are zero: every slot is free.
  slots_ = {reinterpret_cast<std::atomic<std::uint64_t>*>(counts_ + 1), slots};
}

Tally::~Tally() { ::munmap(counts_, bytes_); }

bool Tally::is_new(std::uint64_t fingerprint) {
  if (fingerprint == 0) fingerprint = 1;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t tries = 0; tries < slots_.size(); ++tries) {
    auto& slot = slots_[(fingerprint + tries) & mask];
    std::uint64_t seen = slot.load();
    if (seen == 0 && slot.compare_exchange_strong(seen, fingerprint)) return true;
    if (seen == fingerprint) return false;
  }
  return false;
}

}  // namespace blkrewind::campaign
