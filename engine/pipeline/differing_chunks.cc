#include "pipeline/differing_chunks.h"

#include <algorithm>
#include <bit>

namespace blkrewind::pipeline {
namespace {

constexpr std::uint64_t kBitsMax = std::uint64_t{1} << 25;
constexpr std::uint64_t kWordBits = 64;

}  // namespace

DifferingChunks::DifferingChunks(const format::Geometry& geometry)
    : chunk_count_(geometry.chunk_count()) {
  while ((chunk_count_ >> shift_) > kBitsMax) ++shift_;
  words_.resize(((chunk_count_ >> shift_) / kWordBits) + 1);
}

void DifferingChunks::clear() { std::ranges::fill(words_, 0); }

void DifferingChunks::add(const pipeline::ScanResult& leaf) {
  const std::uint64_t first = leaf.leaf * format::kFanout;
  for (std::uint64_t i = 0; i < format::kFanout && first + i < chunk_count_; ++i) {
    if (leaf.entries[i].digest == leaf.reference[i].digest) continue;
    const std::uint64_t bit = (first + i) >> shift_;
    words_[bit / kWordBits] |= std::uint64_t{1} << (bit % kWordBits);
  }
}

bool DifferingChunks::test(std::uint64_t chunk) const {
  const std::uint64_t bit = chunk >> shift_;
  return ((words_[bit / kWordBits] >> (bit % kWordBits)) & 1) != 0;
}

std::uint64_t DifferingChunks::first_from(std::uint64_t chunk) const {
  if (chunk >= chunk_count_) return chunk_count_;
  const std::uint64_t bit = chunk >> shift_;
  std::uint64_t word = words_[bit / kWordBits] & (~std::uint64_t{0} << (bit % kWordBits));
  for (std::size_t at = bit / kWordBits;;) {
    if (word != 0) {
      const auto found = at * kWordBits + static_cast<std::uint64_t>(std::countr_zero(word));
      return std::min(chunk_count_, std::max(chunk, found << shift_));
    }
    if (++at == words_.size()) return chunk_count_;
    word = words_[at];
  }
}

Result<std::optional<pipeline::Candidate>> DifferingChunks::Source::next() {
  const std::uint64_t chunk = chunks_->first_from(leaf_ * format::kFanout);
  if (chunk == chunks_->chunk_count_) return std::optional<pipeline::Candidate>{};
  pipeline::Candidate candidate;
  candidate.leaf = chunk / format::kFanout;
  leaf_ = candidate.leaf + 1;
  const std::uint64_t first = candidate.leaf * format::kFanout;
  for (std::uint64_t i = 0; i < format::kFanout && first + i < chunks_->chunk_count_; ++i) {
    if (chunks_->test(first + i)) candidate.read.set(i);
  }
  return std::optional<pipeline::Candidate>(candidate);
}

}  // namespace blkrewind::pipeline
