#include "operations/recognise.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace blkrewind {
namespace {

using host::Verdict;

tl::unexpected<Error> refuse_identity(std::string message, Remedy remedy) {
  return fail(Errc::kPrecondition, std::move(message), std::move(remedy));
}

Remedy adopt(const format::DiskRecord& disk, const host::DeviceInfo& device) {
  return {Verb::kDiskAdopt,
          "say that it is the same disk",
          {{Parameter::kDisk, disk.id}, {Parameter::kPath, device.path}}};
}

Remedy ways_on(const format::DiskRecord& disk, const host::DeviceInfo& device) {
  return adopt(disk, device)
      .or_else({Verb::kDiskRegister,
                "say that it is another one",
                {{Parameter::kNewDisk, {}}, {Parameter::kTarget, device.path}}});
}

tl::unexpected<Error> doubtful(const format::DiskRecord& disk, const host::DeviceInfo& device,
                               const host::Judgement& judgement) {
  return refuse_identity(device.path +
                             (judgement.verdict == Verdict::kWeak
                                  ? " may be disk " + disk.id + ", but nothing proves it: "
                                  : " may be disk " + disk.id +
                                        ", but the evidence contradicts "
                                        "itself: ") +
                             judgement.why,
                         ways_on(disk, device));
}

tl::unexpected<Error> two_of_them(const format::DiskRecord& disk, const host::DeviceInfo& device,
                                  const std::string& other, const std::string& why) {
  return refuse_identity(
      device.path + " and " + other + " are both disk " + disk.id +
          " according to all evidence: " + why,
      Remedy("use the multipath device, or detach one of them").or_else(ways_on(disk, device)));
}

bool is_same_node(const host::DeviceInfo& a, const host::DeviceInfo& b) {
  return a.kind == b.kind && a.major == b.major && a.minor == b.minor;
}

// The attachment at the time of the record, in this boot.
bool is_that_attachment(const format::DiskRecord& disk, const host::DeviceInfo& device) {
  const host::DeviceIdentity& then = disk.identity;
  const host::DeviceIdentity& now = device.identity;
  return !then.boot_id.empty() && then.boot_id == now.boot_id && then.diskseq != 0 &&
         then.diskseq == now.diskseq && then.attachment == now.attachment;
}

}  // namespace

host::Judgement judge(const host::DeviceInfo& device, const format::DiskRecord& disk) {
  return host::judge(device,
                     {disk.kind, disk.path, disk.device_bytes, disk.registered_at, disk.identity});
}

bool is_certain(Verdict verdict) {
  return verdict == Verdict::kSame || verdict == Verdict::kRecognised;
}

Result<std::optional<std::string>> other_match(io::Env& env, const format::DiskRecord& disk,
                                               const host::DeviceInfo& device, Verdict verdict) {
  if (device.kind == host::DeviceKind::kFile) {
    // Other names of one file are the same file; a copy of the whole file system is not.
    if (disk.path == device.real_path) return std::nullopt;
    const auto other = env.examine(disk.path);
    if (other && other->identity.backing_id != device.identity.backing_id &&
        is_certain(judge(*other, disk).verdict)) {
      return std::optional(disk.path);
    }
    return std::nullopt;
  }
  const bool proven = verdict == Verdict::kSame;
  BLKREWIND_ASSIGN(const auto attached, env.attached(proven ? 0 : disk.device_bytes));
  for (const host::DeviceInfo& other : attached) {
    if (is_same_node(other, device)) continue;
    const Verdict its = judge(other, disk).verdict;
    // If this one is only recognised, another device that resembles the record is enough for doubt.
    if (its == Verdict::kSame || (!proven && its != Verdict::kDifferent)) {
      return std::optional(other.path);
    }
  }
  return std::nullopt;
}

Result<std::string> need_same(io::Env& env, const format::DiskRecord& disk,
                              const host::DeviceInfo& device, Alone alone) {
  const host::Judgement judgement = judge(device, disk);
  if (judgement.verdict == Verdict::kDifferent) {
    return refuse_identity(
        device.path + " is not the device that was registered as " + disk.id + ": " + judgement.why,
        adopt(disk, device));
  }
  if (!is_certain(judgement.verdict)) return doubtful(disk, device, judgement);
  if (alone == Alone::kUnlessJustRegistered && disk.base_snapshot == 0 &&
      is_that_attachment(disk, device)) {
    return judgement.why;
  }
  BLKREWIND_ASSIGN(const auto other, other_match(env, disk, device, judgement.verdict));
  if (other) return two_of_them(disk, device, *other, judgement.why);
  return judgement.why;
}

Result<std::optional<Recognised>> recognise(io::Env& env, const store::State& state,
                                            const host::DeviceInfo& device) {
  struct Match {
    const format::DiskRecord* disk;
    host::Judgement judgement;
  };
  std::vector<Match> matches;
  std::vector<Match> doubts;
  for (const auto& [number, record] : state.disks) {
    host::Judgement judgement = judge(device, record);
    if (judgement.verdict == Verdict::kDifferent) continue;
    (is_certain(judgement.verdict) ? matches : doubts).push_back({&record, std::move(judgement)});
  }
  const auto proven = [](const Match& match) { return match.judgement.verdict == Verdict::kSame; };
  if (std::any_of(matches.begin(), matches.end(), proven)) {
    std::erase_if(matches, [&](const Match& match) { return !proven(match); });
  }
  if (matches.size() > 1) {
    return refuse_identity(device.path + " is disk " + matches[0].disk->id + " and disk " +
                               matches[1].disk->id +
                               " according to all evidence: " + matches[0].judgement.why,
                           Remedy(Verb::kDiskForget, "forget one of them",
                                  {{Parameter::kTarget, matches[1].disk->id}}));
  }
  if (!matches.empty()) {
    const Match& match = matches.front();
    BLKREWIND_ASSIGN(const auto other,
                     other_match(env, *match.disk, device, match.judgement.verdict));
    if (other) return two_of_them(*match.disk, device, *other, match.judgement.why);
    return Recognised{*match.disk, match.judgement.why};
  }
  if (doubts.empty()) return std::nullopt;
  const auto at_its_path = std::find_if(doubts.begin(), doubts.end(), [&](const Match& match) {
    return match.disk->path == device.real_path;
  });
  const Match& doubt = at_its_path == doubts.end() ? doubts.front() : *at_its_path;
  return doubtful(*doubt.disk, device, doubt.judgement);
}

Presence find_device(io::Env& env, const format::DiskRecord& disk) {
  const auto there = env.examine(disk.path);
  std::optional<bool> attached;
  if (there) {
    const Verdict verdict = judge(*there, disk).verdict;
    if (is_certain(verdict)) return {true, disk.path};
    if (verdict == Verdict::kDifferent) attached = false;
  } else if (there.error().code == Errc::kNotFound) {
    attached = false;
  }
  if (disk.kind == host::DeviceKind::kFile) return {attached, disk.path};
  const auto devices = env.attached(0);
  if (!devices) return {std::nullopt, disk.path};
  for (const host::DeviceInfo& device : *devices) {
    if (judge(device, disk).verdict == Verdict::kSame) return {true, device.path};
  }
  return {attached, disk.path};
}

format::DiskRecord as_seen(format::DiskRecord disk, const host::DeviceInfo& device) {
  const bool shared = is_shared(disk.identity);
  const bool vouched = disk.identity.vouched;
  disk.path = device.real_path;
  // Evidence that cannot be read this time, for example without permission, is kept.
  std::string host = std::move(disk.identity.host_filesystem);
  auto below = std::move(disk.identity.below);
  const host::FileId backing = disk.identity.backing_id;
  const std::uint64_t generation = disk.identity.generation;
  const std::int64_t birth_ns = disk.identity.birth_ns;
  disk.identity = device.identity;
  if (disk.identity.backing_id == backing && disk.identity.generation == 0 &&
      disk.identity.birth_ns == 0) {
    disk.identity.generation = generation;
    disk.identity.birth_ns = birth_ns;
  }
  if (disk.identity.host_filesystem.empty()) disk.identity.host_filesystem = std::move(host);
  if (disk.identity.below.empty()) disk.identity.below = std::move(below);
  disk.identity.vouched = vouched;
  if (shared) mark_shared(disk.identity);
  return disk;
}

void mark_shared(host::DeviceIdentity& identity) {
  identity.shared_hardware = true;
  for (host::DeviceIdentity& below : identity.below) mark_shared(below);
}

bool is_shared(const host::DeviceIdentity& identity) {
  return identity.shared_hardware ||
         std::any_of(identity.below.begin(), identity.below.end(),
                     [](const auto& below) { return is_shared(below); });
}

}  // namespace blkrewind
