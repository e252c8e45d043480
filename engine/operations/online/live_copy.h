// A copy of a device that others write to: made in passes, each over what was written during the
// one before it, until one pass is over and nothing was written meanwhile.
//
//   read_all()     everything, or what a tracker said once the watch had begun: the first tree. No
//                  flip: what is marked since the watch began may be missing from what it says
//   read_again()   flip(); what was marked before it, from the device: the next tree
//   ...
//   flip()         what is marked from here on ends the attempt
//   hold()         what was marked before it, into locked memory
//   quiet()        nothing was written since flip(): what the tree and the memory hold is the
//   device
//                  at the instant of flip()
//   take_held()    the last tree, from memory; or, if it was not quiet, read_marked(): what the
//   memory
//                  holds is read from the device again, and the attempt can be repeated
//
// A set of marks is read before the next flip() replaces it, in whichever way: so each tree differs
// from the device at most where later marks are. Trees that are replaced give back their space.
//
// One thread; its workers are pipeline::scan_device()'s.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "blkrewind/error.h"
#include "io/held_bytes.h"
#include "pipeline/scan.h"
#include "store/history.h"
#include "track/watch.h"

namespace blkrewind {

struct LiveSource {
  store::History* history = nullptr;
  io::File* device = nullptr;  // direct
  format::Geometry geometry;
  pipeline::Means means;
  std::optional<format::SnapshotRecord> parent;     // to share with
  pipeline::CandidateSource* candidates = nullptr;  // of the first pass; null: everything
  store::SegmentWriter* writer = nullptr;
};

class LiveCopy {
 public:
  // `watch` was started before anything is read; null: writes cannot be marked here, and everything
  // has to fit into `held` at once.
  [[nodiscard]] static Result<std::unique_ptr<LiveCopy>> make(const LiveSource& source,
                                                              std::unique_ptr<track::Watch> watch,
                                                              std::size_t room_bytes);

  [[nodiscard]] Status read_all(const Monitor& monitor);
  [[nodiscard]] Status read_again(const Monitor& monitor);
  [[nodiscard]] Status read_marked(const Monitor& monitor);
  [[nodiscard]] Status take_held(const Monitor& monitor);

  // These three neither allocate memory nor touch anything but the device.
  void flip();
  enum class Hold : std::uint8_t {
    kDone,
    kNoRoom,   // it is more than fits into memory
    kFailed,   // the device could not be read: failure()
    kStopped,  // `goes_on` was false
  };
  [[nodiscard]] Hold hold(const std::function<bool()>& goes_on);
  [[nodiscard]] bool quiet() const;

  // kIntegrity: a write escaped the marks, so that nothing is known about the device any more.
  [[nodiscard]] Status check_marks() const;
  // Of the last set of marks that was ended by a flip().
  [[nodiscard]] std::uint64_t marked_bytes() const;
  [[nodiscard]] std::uint64_t room_bytes() const { return held_->room_bytes(); }
  [[nodiscard]] std::uint64_t held_bytes() const { return held_->held_bytes(); }
  [[nodiscard]] Error failure() const;
  [[nodiscard]] const LiveSource& source() const { return source_; }
  [[nodiscard]] bool has_marks() const { return watch_ != nullptr; }

  // What all passes together have read and stored, and the root of the last tree. `changed_bytes`
  // is compared with the parent.
  [[nodiscard]] Result<pipeline::ScanOutcome> outcome();
  [[nodiscard]] std::uint32_t passes() const { return passes_; }

 private:
  LiveCopy(const LiveSource& source, std::unique_ptr<track::Watch> watch,
           std::unique_ptr<io::HeldBytes> held, std::unique_ptr<io::Queue> queue);

  // A pass over `candidates`, read from `file`.
  [[nodiscard]] Status pass(pipeline::CandidateSource* candidates, io::File& file,
                            const Monitor& monitor);
  // The first chunks at or after `offset` with a mark in them.
  [[nodiscard]] Extent marked_chunks(std::uint64_t offset) const;
  [[nodiscard]] bool submit(const Extent& extent, std::byte* place);
  [[nodiscard]] bool drain(std::size_t in_flight_max);

  const LiveSource source_;
  const std::unique_ptr<track::Watch> watch_;
  const std::unique_ptr<io::HeldBytes> held_;
  const std::unique_ptr<io::Queue> queue_;
  std::vector<io::Completion> completions_;
  std::vector<Extent> under_way_;  // by user_data, for failure()
  int read_errno_ = 0;
  Extent read_failed_;
  std::optional<format::SnapshotRecord> tree_;  // of the last pass
  pipeline::ScanOutcome total_;
  std::uint32_t passes_ = 0;
};

}  // namespace blkrewind
