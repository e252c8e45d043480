#include "soak/expected.h"

#include <array>
#include <nlohmann/json.hpp>

#include "soak/durable.h"

namespace blkrewind::soak {

using nlohmann::json;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Pending, target_id, target, before, undo_id)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Attempt, kind, disk, snapshot, name, with_undo, before, target)

static void to_json(json& to, const Disk& disk) {
  to = {{"image", disk.image},   {"device_bytes", disk.device_bytes},
        {"id", disk.id},         {"chunk_bytes", disk.chunk_bytes},
        {"now", disk.now},       {"snapshots", disk.snapshots},
        {"failed", disk.failed}, {"undo_id", disk.undo_id},
        {"roots", disk.roots},   {"pending", nullptr}};
  if (disk.pending) to["pending"] = *disk.pending;
}

static void from_json(const json& from, Disk& disk) {
  from.at("image").get_to(disk.image);
  from.at("device_bytes").get_to(disk.device_bytes);
  from.at("chunk_bytes").get_to(disk.chunk_bytes);
  from.at("id").get_to(disk.id);
  from.at("now").get_to(disk.now);
  from.at("snapshots").get_to(disk.snapshots);
  from.at("failed").get_to(disk.failed);
  from.at("undo_id").get_to(disk.undo_id);
  from.at("roots").get_to(disk.roots);
  if (!from.at("pending").is_null()) disk.pending = from.at("pending").get<Pending>();
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Expected, seed, image, program, step, empty_journal_bytes, disks,
                                   attempts, counts)

const char* name_of(Kind kind) {
  constexpr std::array<const char*, 6> kNames = {"snapshot", "rollback", "undo",
                                                 "delete",   "gc",       "resume"};
  return kNames.at(static_cast<std::size_t>(kind));
}

Expected Expected::load(const std::string& path) {
  return json::parse(content_of(path)).get<Expected>();
}

void Expected::save(const std::string& path) const { replace_file(path, json(*this).dump(1)); }

std::set<std::string> Expected::contents() const {
  std::set<std::string> names;
  for (const Disk& disk : disks) {
    names.insert(disk.now);
    for (const auto& [id, content] : disk.snapshots) names.insert(content);
    if (disk.pending) names.insert({disk.pending->target, disk.pending->before});
  }
  for (const Attempt& attempt : attempts) names.insert({attempt.before, attempt.target});
  return names;
}

}  // namespace blkrewind::soak
