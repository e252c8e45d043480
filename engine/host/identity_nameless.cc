// A device without a name of its own: identified within a boot by its attachment, across boots by
// its place and its content.
#include <utility>

#include "host/identity_words.h"

namespace blkrewind::host {
namespace {

struct Content {
  int known = 0;  // UUIDs that were known then
  int found = 0;  // those that were found again
  std::string then;
  std::string now;
};

Content compare_content(const DeviceIdentity& then, const DeviceIdentity& now) {
  Content content;
  for (const auto& [what, uuid] : {std::pair{"partition table ", &DeviceIdentity::table_uuid},
                                   std::pair{"file system ", &DeviceIdentity::filesystem_uuid}}) {
    const std::string& before = then.*uuid;
    if (before.empty()) continue;
    ++content.known;
    if (before == now.*uuid) ++content.found;
    const char* const comma = content.then.empty() ? "" : ", ";
    content.then += comma + std::string(what) + before;
    content.now += comma + std::string(what) + now.*uuid;
    if ((now.*uuid).empty()) content.now += "without a UUID";
  }
  return content;
}

bool reports_a_name(const DeviceIdentity& identity) {
  return !identity.serial.empty() || !identity.wwn.empty() || !identity.dm_uuid.empty() ||
         !identity.md_uuid.empty();
}

}  // namespace

Judgement judge_nameless(const DeviceIdentity& then, const DeviceIdentity& now) {
  const bool same_boot = !then.boot_id.empty() && then.boot_id == now.boot_id;
  if (same_boot && then.diskseq != 0 && now.diskseq != 0) {
    if (then.diskseq != now.diskseq) {
      return different("it was detached and another device took its name (diskseq " +
                       std::to_string(then.diskseq) + " then, " + std::to_string(now.diskseq) +
                       " now)");
    }
    if (then.attachment != now.attachment) {
      return different(then_and_now("the process that serves it", then.attachment, now.attachment));
    }
    return same("its attachment in this boot (diskseq " + std::to_string(now.diskseq) + ")");
  }
  const bool same_place = !then.place.empty() && then.place == now.place;
  const auto hint = [&](std::string why) {
    Judgement judgement = same_place ? weak(std::move(why)) : different(std::move(why));
    judgement.unproven = !same_place;
    return judgement;
  };
  if (same_boot && same_place && then.vouched) {
    return {Verdict::kRecognised, "its place in this boot, confirmed by disk adopt", false};
  }
  const Content content = compare_content(then, now);
  const std::string only = "only its content identifies it, and ";
  if (then.size_bytes != now.size_bytes) {
    return hint("this device has no id of its own, and " +
                then_and_now("its size", std::to_string(then.size_bytes) + " bytes",
                             std::to_string(now.size_bytes) + " bytes"));
  }
  if (content.known == 0) {
    return hint("it was " + then.place +
                " of this size in another boot, and nothing else is known about it");
  }
  if (content.found != content.known) {
    return hint(only + then_and_now("that", content.then, content.now));
  }
  if (!same_place) {
    return weak("it holds the same (" + content.now + "), as would a copy; it was seen at " +
                then.place + " in another boot and is at " + now.place + " now");
  }
  if (!then.shared_hardware && reports_a_name(now)) {
    return weak("it is at the same place with the same content, but reports a hardware id now (" +
                now.serial + now.wwn + now.dm_uuid + now.md_uuid + "), which it did not then");
  }
  return {Verdict::kRecognised,
          "its place " + now.place + ", size and content (" + content.now + ")", false};
}

}  // namespace blkrewind::host
