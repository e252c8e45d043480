#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "blkrewind/engine.h"
#include "control/engine_internal.h"
#include "support/simulated_random.h"
#include "tracking/rounds.h"
#include "tracking/writers.h"

namespace blkrewind::tracking {
namespace {

constexpr std::size_t kSnapshotsMax = 4;

class EngineRounds {
 public:
  EngineRounds(const Case& chosen, Tally& tally)
      : chosen_(chosen),
        tally_(tally),
        random_(chosen.seed),
        stage_(chosen.folder, chosen.where, chosen.direct_io) {
    OpenOptions options;
    options.store = chosen.folder + "/store";
    options.create = true;
    options.threads = 1 + static_cast<unsigned>(random_.below(2));
    auto engine = EngineAccess::open_beside_writers(options);
    engine_ = std::make_unique<Engine>(std::move(need(engine)));
    SnapshotOptions chunks;
    chunks.chunk_bytes = kChunkBytes;
    chunks.chunk_bytes_given = true;
    auto registered = engine_->register_disk(stage_.tracked(), chunks);
    id_ = need(registered).id;
    note_pins(chosen_, id_);
    auto started = engine_->start_tracking(id_, ChangeSource::kBitmap);
    need(started);
    auto store = engine_->store_info();
    judge_ = std::make_unique<Judge>(stage_, tracked_disk(stage_, need(store).uuid, id_));
  }
  ~EngineRounds() {
    if (engine_ && !id_.empty()) (void)engine_->stop_tracking(id_);
  }
  EngineRounds(const EngineRounds&) = delete;
  EngineRounds& operator=(const EngineRounds&) = delete;

  void run() {
    writers_.emplace(stage_, chosen_.seed, 3);
    lately_ = "first";
    snapshot(ChangeSource::kAuto);
    while (chosen_.goes_on()) {
      writers_->set_idle_microseconds(idle_of(random_.next()));
      writers_->go_on();
      lately_ = "since the last barrier:";
      for (std::uint64_t left = 1 + random_.below(3); left > 0; --left) {
        ::usleep(static_cast<unsigned>(random_.below(3000)));
        operate();
        ++tally_.rounds;
      }
      writers_->pause();
      judge_->look(base_snapshot(), content_of(base_snapshot()).data(), lately_, tally_);
      forget_the_old();
    }
    tally_.bytes += writers_->bytes();
    tally_.writes += writers_->writes();
  }

 private:
  // The kernel may refuse a flush for the reason given in writers.cc, and the engine may find a
  // page that is written too often to be dropped. Neither is an error, but the operation fails.
  template <class T>
  bool is_done(Result<T>& result) {
    if (result) return true;
    const std::string text = result.error().to_string();
    const bool flush =
        result.error().code == Errc::kIo || text.find("cannot flush") != std::string::npos;
    const bool pages = text.find("mapped") != std::string::npos;
    if (!flush && !pages) throw Broken(text + "; " + lately_);
    ++tally_.abandoned;
    lately_ += " (not done)";
    return false;
  }

  // Once concurrently with the writers; if they make it fail again, it is done while they pause.
  // The kernel reports the failure of a finished writer to the next flush, so the first of these
  // may fail as well.
  void end_what_was_begun() {
    constexpr int kTriesMax = 3;
    auto disk = engine_->disk(id_);
    for (int tries = 1; need(disk).pending_rollback; ++tries) {
      lately_ += " resume";
      auto resumed = engine_->resume(id_);
      if (tries == kTriesMax) need(resumed);
      if (is_done(resumed)) ++tally_.rollbacks;
      disk = engine_->disk(id_);
      writers_->pause();
    }
    writers_->go_on();
  }

  template <class T>
  T& need(Result<T>& result) {
    if (!result) throw Broken(result.error().to_string() + "; " + lately_);
    return *result;
  }

  void operate() {
    const std::uint64_t chance = random_.below(100);
    if (chance < 45) return snapshot(ChangeSource::kBitmap);
    RollbackOptions options;
    options.change_source = ChangeSource::kBitmap;
    options.undo = random_.percent(60);
    options.dry_run = random_.percent(10);
    if (chance < 90) {
      lately_ += options.dry_run ? " dry-run" : options.undo ? " rollback" : " rollback-no-undo";
      auto done = engine_->rollback(id_, any_snapshot(), options);
      if (is_done(done)) {
        if (!options.dry_run) ++tally_.rollbacks;
      } else {
        end_what_was_begun();
      }
      return;
    }
    auto disk = engine_->disk(id_);
    if (need(disk).undo_snapshot_id.empty()) return;
    lately_ += " undo";
    auto done = engine_->undo(id_);
    if (!is_done(done)) return end_what_was_begun();
    ++tally_.rollbacks;
  }

  void snapshot(ChangeSource source) {
    lately_ += " snapshot";
    SnapshotOptions options;
    options.change_source = source;
    auto taken = engine_->snapshot(id_, options);
    if (is_done(taken)) ++tally_.snapshots;
  }

  std::string any_snapshot() {
    auto all = engine_->snapshots(id_);
    return need(all).at(random_.below(all->size())).id;
  }

  std::string base_snapshot() {
    auto disk = engine_->disk(id_);
    return need(disk).anchor_snapshot_id;
  }

  // Snapshots never change.
  const AlignedBuffer& content_of(const std::string& id) {
    if (const auto found = contents_.find(id); found != contents_.end()) return found->second;
    const std::string file = chosen_.folder + "/exported";
    auto exported = engine_->export_image(id, file);
    need(exported);
    AlignedBuffer content(stage_.bytes());
    if (::pread(open_node(file, O_RDONLY).get(), content.data(), content.size(), 0) !=
        static_cast<ssize_t>(content.size())) {
      fail_with_errno("read " + file);
    }
    std::filesystem::remove(file);
    return contents_.emplace(id, std::move(content)).first->second;
  }

  void forget_the_old() {
    auto all = engine_->snapshots(id_);
    const std::string kept = base_snapshot();
    std::size_t count = need(all).size();
    for (const SnapshotInfo& one : *all) {
      if (count <= kSnapshotsMax) break;
      if (one.id == kept) continue;
      auto removed = engine_->remove_snapshot(one.id);
      need(removed);
      contents_.erase(one.id);
      --count;
    }
  }

  const Case& chosen_;
  Tally& tally_;
  sim::Random random_;
  Stage stage_;
  std::optional<Writers> writers_;
  std::unique_ptr<Engine> engine_;
  std::string id_;
  std::unique_ptr<Judge> judge_;
  std::map<std::string, AlignedBuffer> contents_;
  std::string lately_;
};

}  // namespace

void run_engine_rounds(const Case& chosen, Tally& tally) { EngineRounds(chosen, tally).run(); }

}  // namespace blkrewind::tracking
