#include "pipeline/candidate_stream.h"

#include <memory>
#include <optional>

#include "store/tree_cursor.h"

namespace blkrewind::pipeline {
namespace {

class CandidateChunks {
 public:
  CandidateChunks(CandidateSource& source, store::TreeReader& reader, const store::Tree& tree)
      : source_(source), tree_(reader, tree) {}

  Result<std::optional<ChunkTarget>> next() {
    while (!candidate_ || at_ == format::kFanout) {
      BLKREWIND_ASSIGN(candidate_, source_.next());
      if (!candidate_) return std::optional<ChunkTarget>{};
      at_ = first_of(0);
    }
    const std::uint64_t chunk = candidate_->leaf * format::kFanout + at_;
    BLKREWIND_ASSIGN(const format::Entries* leaf, tree_.leaf(candidate_->leaf));
    const format::Entry entry = leaf != nullptr ? (*leaf)[at_] : format::Entry{};
    at_ = first_of(at_ + 1);
    return std::optional<ChunkTarget>({chunk, entry});
  }

 private:
  [[nodiscard]] std::size_t first_of(std::size_t at) const {
    while (at < format::kFanout && !candidate_->read.test(at)) ++at;
    return at;
  }

  CandidateSource& source_;
  store::TreeCursor tree_;
  std::optional<Candidate> candidate_;
  std::size_t at_ = format::kFanout;
};

}  // namespace

ChunkStream candidate_stream(CandidateSource& source, store::TreeReader& reader,
                             const store::Tree& tree) {
  auto chunks = std::make_shared<CandidateChunks>(source, reader, tree);
  return [chunks] { return chunks->next(); };
}

}  // namespace blkrewind::pipeline
