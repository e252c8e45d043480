#include "track/bitmap/generations.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace blkrewind::track {
namespace {

constexpr std::uint64_t kBytesInSector = 512;

template <typename T>
T load(T& place) {
  return std::atomic_ref<T>(place).load();
}

template <typename T>
void store(T& place, T value) {
  std::atomic_ref<T>(place).store(value);
}

using Id = char[BLKREWIND_ID_BYTES];

std::string read_id(const Id& id) { return {id, ::strnlen(id, sizeof id)}; }

// The first byte is written last and cleared first: in between the id is empty.
void write_id(Id& id, const std::string& text) {
  BLKREWIND_CHECK(text.size() < sizeof id);
  store(id[0], '\0');
  for (std::size_t i = sizeof id - 1; i > 0; --i) store(id[i], i < text.size() ? text[i] : '\0');
  if (!text.empty()) store(id[0], text[0]);
}

std::string why_escaped(std::uint32_t how) {
  if ((how & BLKREWIND_ESCAPED_PASSTHROUGH) != 0) {
    return "a raw command to the device's driver may have changed any data";
  }
  if ((how & BLKREWIND_ESCAPED_ZONE) != 0) return "a zone of the device was reset or appended to";
  if ((how & BLKREWIND_ESCAPED_SKIPPED) != 0) {
    return "the kernel skipped an event, because it came while the same program was running";
  }
  if ((how & BLKREWIND_ESCAPED_OVERFLOW) != 0) {
    return "more writes were under way at once than can be followed";
  }
  return "a request could not be tracked";
}

}  // namespace

Generations::Generations(blkrewind_control& control, std::span<std::uint64_t> bits,
                         std::span<blkrewind_bucket> under_way)
    : control_(control), sets_(control, bits, under_way) {}

void Generations::set_base(std::uint32_t generation, const std::string& id) {
  write_id(control_.base[generation], id);
}

// First the dirty bits, then the base to which they refer, then the end of the other generation.
void Generations::merge_other_into_active() {
  const auto from = sets_.words(other());
  const auto into = sets_.words(active());
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (const std::uint64_t marks = load(from[i]); marks != 0) {
      std::atomic_ref<std::uint64_t>(into[i]).fetch_or(marks);
    }
  }
  set_base(active(), read_id(control_.base[other()]));
  set_base(other(), "");
}

void Generations::recover(const std::string& base_snapshot) {
  store(control_.self, std::uint32_t{0});
  const std::string rest = read_id(control_.base[active()]);
  const std::string frozen = read_id(control_.base[other()]);
  if (frozen.empty()) return;
  if (!rest.empty() && rest == base_snapshot) {
    set_base(other(), "");
  } else if (frozen == base_snapshot) {
    // Before `pending`: if both equal the base snapshot, only the dirty bits of both generations
    // are sufficient.
    merge_other_into_active();
  } else if (!base_snapshot.empty() && read_id(control_.pending) == base_snapshot) {
    // The record was appended, and the process died before commit().
    set_base(active(), base_snapshot);
    set_base(other(), "");
  } else {
    set_base(active(), "");
    set_base(other(), "");
  }
}

std::optional<std::string> Generations::why_no_base(const std::string& base,
                                                    const std::string& base_snapshot) const {
  if (!base.empty() && base == base_snapshot) return std::nullopt;
  if (!base.empty()) {
    return "the dirty bits refer to snapshot " + base + ", which is not the base snapshot";
  }
  if (control_.distrusted[0] != '\0') {
    return std::string(control_.distrusted,
                       ::strnlen(control_.distrusted, sizeof control_.distrusted));
  }
  return "the next snapshot or rollback reads everything once";
}

// The result that recover() and begin() would give.
std::optional<std::string> Generations::why_not(const std::string& base_snapshot) const {
  if (const std::uint32_t how = load(control_.escaped); how != 0) return why_escaped(how);
  const std::string rest = read_id(control_.base[active()]);
  const std::string frozen = read_id(control_.base[other()]);
  if (frozen.empty() || (!rest.empty() && rest == base_snapshot))
    return why_no_base(rest, base_snapshot);
  if (read_id(control_.pending) == base_snapshot) return why_no_base(base_snapshot, base_snapshot);
  return why_no_base(frozen, base_snapshot);
}

std::optional<std::string> Generations::begin(const std::string& base_snapshot, bool writes) {
  recover(base_snapshot);
  write_id(control_.pending, "");
  sets_.clear(other());
  writes_ = writes;
  own_bytes_ = 0;
  if (writes) {
    store(control_.own_sectors, __u64{0});
    store(control_.foreign_sectors, __u64{0});
    store(control_.completed_sectors, __u64{0});
    store(control_.self, static_cast<std::uint32_t>(::getpid()));
  }
  sets_.make_other_active();
  frozen_ = true;
  // Only now: an untrackable event from here on invalidates the new generation.
  if (const std::uint32_t how = load(control_.escaped); how != 0) {
    set_base(other(), "");
    set_base(active(), "");
    std::atomic_ref(control_.escaped).fetch_and(~how);
    return why_escaped(how);
  }
  return why_no_base(read_id(control_.base[other()]), base_snapshot);
}

Extent Generations::marked(std::uint64_t granule) const {
  return sets_.first_run(frozen_ ? other() : active(), granule);
}

std::uint64_t Generations::count_dirty() const {
  // At rest only the active generation counts; the other may still hold discarded bits.
  if (read_id(control_.base[other()]).empty()) return sets_.count(active());
  std::uint64_t count = 0;
  const auto one = sets_.words(0);
  const auto two = sets_.words(1);
  for (std::size_t i = 0; i < one.size(); ++i) {
    count += static_cast<unsigned>(std::popcount(load(one[i]) | load(two[i])));
  }
  return count;
}

// `pending` tells a later recover() that the old dirty bits can be dropped. If they are to be kept
// it must not be set: if the process dies before commit(), the tracker is invalid, unless `id` is
// the base already.
void Generations::prepare(const std::string& id, bool keep_all) {
  prepared_ = id;
  keep_all_ = keep_all;
  write_id(control_.pending, keep_all ? "" : id);
}

bool Generations::only_we_wrote() const {
  const std::uint64_t completed = load(control_.completed_sectors);
  return load(control_.foreign_sectors) == 0 && completed <= load(control_.own_sectors) &&
         completed * kBytesInSector == own_bytes_;
}

void Generations::commit() {
  const std::string& id = prepared_;
  frozen_ = false;
  control_.distrusted[0] = '\0';
  if (keep_all_) {
    set_base(other(), id);
    merge_other_into_active();
    store(control_.self, std::uint32_t{0});
    return;
  }
  set_base(active(), id);
  set_base(other(), "");
  if (!writes_) return;
  // A third generation, in place of the first; the bits in the second are from the operation
  // itself, or are kept.
  sets_.clear(other());
  sets_.make_other_active();
  if (only_we_wrote()) {
    set_base(active(), id);
    set_base(other(), "");
  } else {
    merge_other_into_active();
  }
  store(control_.self, std::uint32_t{0});
}

void Generations::abandon() {
  frozen_ = false;
  store(control_.self, std::uint32_t{0});
  if (!read_id(control_.base[other()]).empty()) merge_other_into_active();
}

void Generations::forget(const std::string& why) {
  frozen_ = false;
  store(control_.self, std::uint32_t{0});
  set_base(active(), "");
  set_base(other(), "");
  const std::size_t length = std::min(why.size(), sizeof control_.distrusted - 1);
  std::memcpy(control_.distrusted, why.data(), length);
  control_.distrusted[length] = '\0';
}

}  // namespace blkrewind::track
