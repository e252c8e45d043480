// The ownership of one of libblkid's probes.
#pragma once

#include <blkid/blkid.h>

#include <memory>

namespace blkrewind::host {

struct FreeBlkidProbe {
  void operator()(blkid_probe probe) const { blkid_free_probe(probe); }
};
using BlkidProbe = std::unique_ptr<blkid_struct_probe, FreeBlkidProbe>;

}  // namespace blkrewind::host
