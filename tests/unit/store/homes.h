// The homes that the contract and the oracle run over, and a client of one log, whose records carry
// ids instead of a store's state.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "format/log_codec.h"
#include "store/home/home.h"
#include "store/home/local_home.h"
#include "support/memory_home.h"
#include "support/remote_home.h"
#include "support/simulated_env.h"

namespace blkrewind::store {

// The value, or an exception, which fails the test.
template <class T>
[[nodiscard]] T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  return std::move(*result);
}
inline void require(const Status& status) {
  if (!status) throw std::runtime_error(status.error().to_string());
}

// An empty store.
struct HomeStore {
  // As one more process sees it.
  std::function<std::unique_ptr<Home>()> open;
  // Ends all leases of a disk without the knowledge of their holders. Empty: a lease of this home
  // ends with its process only.
  std::function<void(format::DiskNumber)> expire;
  // All requests that are still on their way arrive. Empty: there are none.
  std::function<void()> deliver_late;
};

struct HomeKind {
  std::string name;
  // Makes the store, on the machine or beside it.
  std::function<HomeStore(sim::SimulatedEnv& machine, const format::StoreHeader& header,
                          std::uint64_t seed)>
      make;
};

inline void PrintTo(const HomeKind& kind, std::ostream* out) { *out << kind.name; }

[[nodiscard]] inline HomeKind local_home() {
  return {"Local", [](auto& machine, const auto& header, std::uint64_t /*seed*/) {
            require(LocalHome::create(machine, "/store", header));
            auto* env = &machine;
            return HomeStore{[env] { return value_of(LocalHome::open(*env, "/store")); }, {}, {}};
          }};
}

[[nodiscard]] inline HomeKind memory_home() {
  return {"Memory", [](auto& machine, const auto& header, std::uint64_t /*seed*/) {
            auto pool = std::make_shared<sim::MemoryPool>(machine, header);
            return HomeStore{[pool] { return std::make_unique<sim::MemoryHome>(pool); },
                             [pool](format::DiskNumber disk) { pool->expire(disk); },
                             {}};
          }};
}

[[nodiscard]] inline HomeKind remote_home(std::string name, const sim::NetworkChances& chances) {
  return {std::move(name), [chances](auto& machine, const auto& header, std::uint64_t seed) {
            auto network = std::make_shared<sim::RemoteNetwork>(
                std::make_shared<sim::MemoryPool>(machine, header), seed, chances);
            return HomeStore{[network] { return std::make_unique<sim::RemoteHome>(network); },
                             [network](format::DiskNumber disk) { network->pool()->expire(disk); },
                             [network] { network->deliver_late(); }};
          }};
}

// The id of each record, and the epoch under which it was appended.
struct Told {
  std::uint32_t id = 0;
  std::uint64_t epoch = 0;
  friend bool operator==(const Told&, const Told&) = default;
};
inline void PrintTo(const Told& told, std::ostream* out) {
  *out << "record " << told.id << " of epoch " << told.epoch;
}
using Story = std::vector<Told>;

// A process, and what it has read of one log. A checkpoint tells the whole story in its records.
class LogClient {
 public:
  LogClient(std::unique_ptr<Home> home, format::DiskNumber disk)
      : home_(std::move(home)), disk_(disk) {
    const auto header = value_of(home_->read_header());
    key_ = {header.uuid, header.secret};
    log_ = value_of(home_->open_log(disk, key_));
  }

  [[nodiscard]] Home& home() { return *home_; }
  [[nodiscard]] HomeLog& log() { return *log_; }
  [[nodiscard]] const Head& head() const { return head_; }
  [[nodiscard]] const Story& story() const { return story_; }
  [[nodiscard]] int restarts() const { return restarts_; }

  // kIntegrity: not the records that were appended, in their order.
  [[nodiscard]] Status read() {
    return log_->read(head_, {.restart =
                                  [&] {
                                    ++restarts_;
                                    story_.clear();
                                    next_sequence_ = 0;
                                  },
                              .record = [&](auto bytes) { return take(bytes); }});
  }

  [[nodiscard]] Appended append(std::uint64_t epoch, std::uint32_t id) {
    const Told told{id, epoch};
    auto done = log_->append(head_, epoch, record(head_.next_sequence, epoch, {&told, 1}), {});
    if (done) advance(*done);
    if (done) story_.push_back(told);
    return done;
  }

  // At most `per_record` of the story in each record.
  [[nodiscard]] Appended replace(std::uint64_t epoch, std::size_t per_record = 1000) {
    auto done = log_->replace(head_, epoch, {}, [&](const HomeLog::Sink& sink) -> Status {
      std::uint64_t sequence = head_.next_sequence;
      for (std::size_t at = 0; at < story_.size(); at += per_record) {
        const auto some = std::span(story_).subspan(at, std::min(per_record, story_.size() - at));
        BLKREWIND_TRY(sink(record(sequence++, epoch, some)));
      }
      return {};
    });
    if (done) advance(*done);
    return done;
  }

  [[nodiscard]] std::vector<std::byte> record(std::uint64_t sequence, std::uint64_t epoch,
                                              std::span<const Told> story) const {
    format::Transaction transaction;
    for (const Told& told : story) {
      transaction.push_back(format::SegmentRecord{told.id, told.epoch});
    }
    return format::encode_record(key_.secret, {disk_, sequence, epoch}, transaction);
  }

 private:
  void advance(const Head& head) {
    head_ = head;
    next_sequence_ = head.next_sequence;
  }

  [[nodiscard]] Status take(std::span<const std::byte> bytes) {
    const auto header = format::parse_record_header(bytes);
    if (!header || !format::record_is_intact(key_.secret, *header, bytes) ||
        header->disk != disk_ || (next_sequence_ != 0 && header->sequence != next_sequence_)) {
      return fail(Errc::kIntegrity, "not the next record of this log");
    }
    next_sequence_ = header->sequence + 1;
    BLKREWIND_ASSIGN(const auto transaction, format::decode_record(*header, bytes));
    for (const auto& entry : transaction) {
      const auto& told = std::get<format::SegmentRecord>(entry);
      story_.push_back({told.id, told.live_bytes});
    }
    return {};
  }

  std::unique_ptr<Home> home_;
  const format::DiskNumber disk_;
  LogKey key_;
  std::unique_ptr<HomeLog> log_;
  Head head_;
  Story story_;
  int restarts_ = 0;
  std::uint64_t next_sequence_ = 0;  // 0: any
};

}  // namespace blkrewind::store
