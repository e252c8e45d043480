// What a change source names, chunk by chunk, each with what a tree says shall stand there.
#pragma once

#include "pipeline/change_source.h"
#include "pipeline/restore.h"
#include "store/tree_reader.h"

namespace blkrewind::pipeline {

// `source` and `reader` outlive the result.
[[nodiscard]] ChunkStream candidate_stream(pipeline::ChangeSource& source,
                                           store::TreeReader& reader, const store::Tree& target);

}  // namespace blkrewind::pipeline
