#include "pipeline/candidate_stream.h"

#include <memory>
#include <optional>

#include "store/tree_cursor.h"

namespace blkrewind::pipeline {
namespace {

class CandidateChunks {
 public:
  CandidateChunks(pipeline::ChangeSource& source, store::TreeReader& reader,
                  const store::Tree& target)
      : source_(source), target_(reader, target) {}

  Result<std::optional<ChunkTarget>> next() {
    while (!candidate_ || at_ == format::kFanout) {
      BLKREWIND_ASSIGN(candidate_, source_.next());
      if (!candidate_) return std::optional<ChunkTarget>{};
      at_ = first_of(0);
    }
    const std::uint64_t chunk = candidate_->leaf * format::kFanout + at_;
    BLKREWIND_ASSIGN(const format::Entries* leaf, target_.leaf(candidate_->leaf));
    const format::Entry entry = leaf != nullptr ? (*leaf)[at_] : format::Entry{};
    at_ = first_of(at_ + 1);
    return std::optional<ChunkTarget>({chunk, entry});
  }

 private:
  [[nodiscard]] std::size_t first_of(std::size_t at) const {
    while (at < format::kFanout && !candidate_->read.test(at)) ++at;
    return at;
  }

  pipeline::ChangeSource& source_;
  store::TreeCursor target_;
  std::optional<pipeline::Candidate> candidate_;
  std::size_t at_ = format::kFanout;
};

}  // namespace

ChunkStream candidate_stream(pipeline::ChangeSource& source, store::TreeReader& reader,
                             const store::Tree& target) {
  auto chunks = std::make_shared<CandidateChunks>(source, reader, target);
  return [chunks] { return chunks->next(); };
}

}  // namespace blkrewind::pipeline
