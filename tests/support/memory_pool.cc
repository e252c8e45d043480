#include "support/memory_pool.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace blkrewind::sim {
namespace {

using store::Appended;
using store::Head;
using store::NotAppended;

tl::unexpected<store::AppendFailure> fenced() {
  return not_appended(NotAppended::kFenced, Errc::kBusy, "the disk has another owner now");
}

std::string no_log(format::DiskNumber disk) {
  return "there is no log " + std::to_string(disk) + " in the pool";
}

}  // namespace

tl::unexpected<store::AppendFailure> not_appended(NotAppended why, Error error) {
  return tl::make_unexpected(store::AppendFailure{why, std::move(error)});
}

tl::unexpected<store::AppendFailure> not_appended(NotAppended why, Errc code, std::string message) {
  return not_appended(why, fail(code, std::move(message)).value());
}

MemoryPool::MemoryPool(SimulatedEnv& machine, const format::StoreHeader& header, std::string folder)
    : machine_(machine), header_(header), folder_(std::move(folder)) {
  machine_.add_directory(folder_);
  logs_.try_emplace(format::kIndexLog);
}

MemoryPool::MemoryPool(const MemoryPool& before, SimulatedEnv& machine)
    : machine_(machine), header_(before.header_), folder_(before.folder_) {
  const std::lock_guard guard(before.mutex_);
  logs_ = before.logs_;
  epochs_ = before.epochs_;
  last_client_ = before.last_client_;
  last_token_ = before.last_token_;
}

std::string MemoryPool::segments_of(format::DiskNumber disk) const {
  return folder_ + "/" + std::to_string(disk);
}

ClientId MemoryPool::new_client() {
  const std::lock_guard guard(mutex_);
  return ++last_client_;
}

std::uint64_t MemoryPool::fingerprint() const {
  const std::lock_guard guard(mutex_);
  std::uint64_t print = 0;
  const auto add = [&](std::uint64_t value) { print = XXH3_64bits_withSeed(&value, 8, print); };
  for (const auto& [disk, log] : logs_) {
    add(disk);
    add(log.generation);
    for (const Record& record : log.records) {
      print = XXH3_64bits_withSeed(record.bytes->data(), record.bytes->size(), print);
    }
  }
  for (const auto& [disk, epoch] : epochs_) {
    add(disk);
    add(epoch);
  }
  return print;
}

Status MemoryPool::create_log(format::DiskNumber disk) {
  const std::lock_guard guard(mutex_);
  if (logs_.try_emplace(disk).second) return {};
  return fail(Errc::kAlreadyExists,
              "there is already a log " + std::to_string(disk) + " in the pool");
}

bool MemoryPool::has_log(format::DiskNumber disk) const {
  const std::lock_guard guard(mutex_);
  return logs_.contains(disk);
}

void MemoryPool::remove_log(format::DiskNumber disk) {
  const std::lock_guard guard(mutex_);
  logs_.erase(disk);
}

std::vector<format::DiskNumber> MemoryPool::logs() const {
  const std::lock_guard guard(mutex_);
  std::vector<format::DiskNumber> disks;
  for (const auto& [disk, log] : logs_) {
    if (disk != format::kIndexLog) disks.push_back(disk);
  }
  return disks;
}

Head MemoryPool::head_after(const Log& log, const Head& from, std::size_t records) {
  Head head = from;
  for (; head.records < records; ++head.records) {
    const Record& record = log.records[head.records];
    head.epoch = std::max(head.epoch, record.epoch);
    head.end_bytes += record.bytes->size();
    ++head.next_sequence;
  }
  return head;
}

Appended MemoryPool::apply(Log& log, std::uint64_t& epoch, const LogChange& change) {
  if (change.epoch < epoch) {
    return fenced();
  }
  const Head& expected = change.expected;
  if (expected.generation != log.generation ||
      expected.next_sequence != log.first_sequence + log.records.size()) {
    return not_appended(NotAppended::kStale, Errc::kBusy, "other records follow");
  }
  if (change.replaces) {
    ++log.generation;
    log.first_sequence = expected.next_sequence;
    log.records.clear();
    log.checkpoint_records = change.records.size();
  }
  for (const RecordBytes& bytes : change.records) log.records.push_back({bytes, change.epoch});
  epoch = change.epoch;
  const Head begin = change.replaces ? Head{log.generation, log.first_sequence, 0, 0, 0} : expected;
  Head head = head_after(log, begin, log.records.size());
  head.epoch = epoch;
  return head;
}

Appended MemoryPool::carry_out(const LogChange& change) {
  const std::lock_guard guard(mutex_);
  const auto found = logs_.find(change.log);
  if (found == logs_.end()) {
    return not_appended(NotAppended::kRefused, Errc::kNotFound, no_log(change.log));
  }
  Settled& settled = found->second.settled[change.client];
  if (change.number <= settled.number) {
    return not_appended(NotAppended::kRefused, Errc::kIo, "the change arrived too late");
  }
  Appended answer = apply(found->second, epochs_[change.log], change);
  settled = {change.number, answer};
  return answer;
}

std::optional<Appended> MemoryPool::settle(const LogChange& change) {
  const std::lock_guard guard(mutex_);
  const auto found = logs_.find(change.log);
  if (found == logs_.end()) return {};
  Settled& settled = found->second.settled[change.client];
  if (settled.number == change.number && settled.answer) return settled.answer;
  settled = {change.number, {}};
  if (change.epoch >= epochs_[change.log]) return {};
  return fenced();
}

Result<LogPage> MemoryPool::read(format::DiskNumber log, const Head& from,
                                 std::uint64_t withheld) const {
  const std::lock_guard guard(mutex_);
  const auto found = logs_.find(log);
  if (found == logs_.end()) return fail(Errc::kNotFound, no_log(log));
  const Log& source = found->second;
  const std::size_t size = source.records.size();
  LogPage page;
  page.end = from;
  page.restarts = from.generation != source.generation;
  if (page.restarts) {
    // Its newest replacement is among what the reader cannot see yet.
    if (from.generation != 0 && withheld > size - source.checkpoint_records) {
      page.restarts = false;
      return page;
    }
    page.end = {source.generation, source.first_sequence, 0, 0, 0};
  } else if (from.records > size || from.next_sequence != source.first_sequence + from.records) {
    return fail(Errc::kIntegrity, "log " + std::to_string(log) + " ends before what was read of it",
                "bring it back from a backup of the store");
  }
  const std::size_t seen = page.restarts ? source.checkpoint_records : page.end.records;
  const std::size_t until =
      std::max<std::size_t>(seen, size - std::min<std::size_t>(size, withheld));
  for (std::size_t i = page.end.records; i < until; ++i) {
    page.end = head_after(source, page.end, i + 1);
    page.records.push_back(source.records[i].bytes);
    page.heads.push_back(page.end);
  }
  // Not only that of the last record: an owner names its epoch when it takes the lease.
  const auto epoch = epochs_.find(log);
  if (until == size && epoch != epochs_.end()) page.end.epoch = epoch->second;
  return page;
}

bool MemoryPool::excluded(const std::vector<Lease>& leases, io::LockMode mode) {
  return std::ranges::any_of(leases, [&](const Lease& lease) {
    return mode == io::LockMode::kExclusive || lease.mode == io::LockMode::kExclusive;
  });
}

std::uint64_t MemoryPool::hold(format::DiskNumber disk, format::SnapshotNumber snapshot,
                               io::LockMode mode, ClientId holder) {
  const std::lock_guard guard(mutex_);
  std::vector<Lease>& holds = holds_[{disk, snapshot}];
  if (excluded(holds, mode)) return 0;
  holds.push_back({++last_token_, mode, holder});
  return last_token_;
}

void MemoryPool::end_hold(std::uint64_t token) {
  const std::lock_guard guard(mutex_);
  for (auto& [snapshot, holds] : holds_) {
    std::erase_if(holds, [&](const Lease& lease) { return lease.token == token; });
  }
}

std::optional<LeaseGrant> MemoryPool::take_lease(format::DiskNumber disk, io::LockMode mode,
                                                 ClientId holder) {
  const std::lock_guard guard(mutex_);
  std::vector<Lease>& leases = leases_[disk];
  if (excluded(leases, mode)) return {};
  const std::uint64_t token = ++last_token_;
  leases.push_back({token, mode, holder});
  if (mode == io::LockMode::kExclusive) ++epochs_[disk];
  return LeaseGrant{token, epochs_[disk]};
}

void MemoryPool::release(format::DiskNumber disk, std::uint64_t token) {
  const std::lock_guard guard(mutex_);
  std::erase_if(leases_[disk], [&](const Lease& lease) { return lease.token == token; });
}

bool MemoryPool::has_owner(format::DiskNumber disk) const {
  const std::lock_guard guard(mutex_);
  const auto leases = leases_.find(disk);
  return leases != leases_.end() && std::ranges::any_of(leases->second, [](const Lease& lease) {
           return lease.mode == io::LockMode::kExclusive;
         });
}

bool MemoryPool::holds_any_of(format::DiskNumber disk, ClientId holder) const {
  const std::lock_guard guard(mutex_);
  const auto is_of = [&](const Lease& lease) { return lease.holder == holder; };
  const auto leases = leases_.find(disk);
  if (leases != leases_.end() && std::ranges::any_of(leases->second, is_of)) return true;
  return std::ranges::any_of(holds_, [&](const auto& held) {
    return held.first.first == disk && std::ranges::any_of(held.second, is_of);
  });
}

void MemoryPool::expire(format::DiskNumber disk) {
  const std::lock_guard guard(mutex_);
  leases_.erase(disk);
}

void MemoryPool::end_leases(ClientId holder) {
  const std::lock_guard guard(mutex_);
  const auto is_of = [&](const Lease& lease) { return lease.holder == holder; };
  for (auto& [disk, leases] : leases_) std::erase_if(leases, is_of);
  for (auto& [snapshot, holds] : holds_) std::erase_if(holds, is_of);
}

}  // namespace blkrewind::sim
