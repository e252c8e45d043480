// What a source of candidates names, chunk by chunk, each with what a tree says shall stand there.
#pragma once

#include "pipeline/candidate_source.h"
#include "pipeline/restore.h"
#include "store/tree_reader.h"

namespace blkrewind::pipeline {

// `source` and `reader` outlive the result.
[[nodiscard]] ChunkStream candidate_stream(CandidateSource& source, store::TreeReader& reader,
                                           const store::Tree& tree);

}  // namespace blkrewind::pipeline
