#include "operations/open_device.h"

#include <functional>
#include <optional>
#include <utility>

#include "operations/recognise.h"

namespace blkrewind {
namespace {

tl::unexpected<Error> refuse(std::string message, Remedy remedy) {
  return fail(Errc::kPrecondition, std::move(message), std::move(remedy));
}

// Another program may open and close a device at any moment; if it does so each time, it holds the
// device.
constexpr int kClaimAttempts = 3;

// The identifiers in the content do not count here: a device that was checked may be written to.
Status check_unchanged(const host::DeviceInfo& judged, const host::DeviceInfo& now) {
  host::DeviceIdentity identity = now.identity;
  identity.table_uuid = judged.identity.table_uuid;
  identity.filesystem_uuid = judged.identity.filesystem_uuid;
  identity.filesystem_type = judged.identity.filesystem_type;
  const Remedy look = "see what it is now, then try again";
  if (now.size_bytes != judged.size_bytes) {
    return refuse(now.path + " had " + std::to_string(judged.size_bytes) +
                      " bytes when it was opened and has " + std::to_string(now.size_bytes) +
                      " bytes now",
                  look);
  }
  if (now.kind != judged.kind || now.major != judged.major || now.minor != judged.minor ||
      identity != judged.identity) {
    return refuse(now.path + " was replaced by another device while it was open", look);
  }
  return {};
}

}  // namespace

Result<std::string> check_device(io::Env& env, const std::string& store_path,
                                 const format::DiskRecord& disk, const host::DeviceInfo& info,
                                 DeviceUse use) {
  // First, because a check that was not possible is missing from the evidence as well.
  if (!info.unknown.empty()) BLKREWIND_TRY(check_free(info));
  const bool reads = use == DeviceUse::kRead || use == DeviceUse::kInUse;
  BLKREWIND_ASSIGN(
      std::string recognised_by,
      need_same(env, disk, info, reads ? Alone::kUnlessJustRegistered : Alone::kAlways));
  if (use != DeviceUse::kInUse) BLKREWIND_TRY(check_free(info));
  if (info.kind == host::DeviceKind::kFile &&
      is_in_store(env, store_path, info.real_path.substr(0, info.real_path.rfind('/')))) {
    return refuse(info.path + " is a file of the store " + store_path,
                  "name a device or an image file outside of the store");
  }
  if (reads) return recognised_by;
  if (info.read_only && !info.read_only_reason.empty()) {
    return refuse(info.path + " " + info.read_only_reason, info.read_only_remedy);
  }
  if (info.read_only) {
    return refuse(info.path + " is read-only",
                  info.kind == host::DeviceKind::kBlock
                      ? run_program("make it writable", "blockdev --setrw", {info.path})
                      : Remedy("give write permission on the file, or remount its file system"));
  }
  BLKREWIND_ASSIGN(const bool own, env.lives_on(store_path, info));
  if (own) {
    return refuse("the store " + store_path + " lives on " + info.path,
                  "move the store to another device: rolling this one back would destroy it");
  }
  return recognised_by;
}

Status check_free(const host::DeviceInfo& info) {
  if (!info.used_by.empty()) {
    const host::UsedBy& first = info.used_by.front();
    return refuse(info.path + " is in use: " + first.what, first.remedy);
  }
  if (!info.unknown.empty()) {
    const host::Unknown& first = info.unknown.front();
    return refuse("cannot tell whether " + info.path + " is in use: " + first.what, first.remedy);
  }
  return {};
}

bool is_in_store(io::Env& env, const std::string& store_path, std::string folder) {
  const auto store = env.identify(store_path);
  if (!store) return false;
  // Upwards by "..", which follows the file system and not the name, until a directory is its own
  // parent.
  std::optional<host::FileId> below;
  for (folder = folder.empty() ? "/" : folder;; folder += "/..") {
    const auto id = env.identify(folder);
    if (!id || (below && *below == *id)) return false;
    if (*id == *store) return true;
    below = *id;
  }
}

Error device_gone(const format::DiskRecord& disk, const std::string& path) {
  Error error;
  error.code = Errc::kNotFound;
  error.message = "the device of disk " + disk.id + " is gone: no device at " + path;
  error.remedy = Remedy("bring it back")
                     .or_else({Verb::kDiskAdopt,
                               "say where it is now",
                               {{Parameter::kDisk, disk.id}, {Parameter::kPath, {}}}})
                     .or_else({Verb::kDiskForget,
                               "give it up with its snapshots",
                               {{Parameter::kTarget, disk.id}, {Parameter::kWithSnapshots, {}}}});
  return error;
}

namespace {

// Opens exclusively, then checks the opened device. `judge`: returns the evidence, or why it cannot
// be used.
Result<OpenedDevice> claim(
    io::Env& env, const std::string& path, DeviceUse use,
    const std::function<Result<std::string>(const host::DeviceInfo&)>& judge) {
  OpenedDevice device;
  device.use = use;
  const io::OpenOptions options = {
      .access = use == DeviceUse::kWrite ? io::Access::kReadWrite : io::Access::kReadOnly,
      .exclusive_device = true};
  auto file = env.open(path, options);
  // The holder may be gone by the time it is searched for.
  for (int attempt = 0; !file && attempt < kClaimAttempts; ++attempt) {
    if (file.error().code == Errc::kNotFound) return fail(std::move(file).error());
    // The reason is what the device is, not the error of the open.
    auto info = look_at(env, path);
    if (!info) return fail(file.error().code == Errc::kBusy ? info.error() : file.error());
    BLKREWIND_TRY(judge(*info));
    if (file.error().code != Errc::kBusy) break;
    file = env.open(path, options);
  }
  if (!file) {
    Error error = std::move(file).error();
    if (error.code != Errc::kBusy) return fail(std::move(error));
    return refuse(path + " is in use: another program has just opened it exclusively",
                  "wait for that program to end, then try again");
  }
  device.file = std::move(*file);
  BLKREWIND_ASSIGN(device.info, env.probe(*device.file));
  BLKREWIND_ASSIGN(device.recognised_by, judge(device.info));
  BLKREWIND_TRY(device.file->settle_caches(
      use == DeviceUse::kWrite ? host::CacheUse::kBeforeWriting : host::CacheUse::kBeforeReading));
  return device;
}

}  // namespace

Result<OpenedDevice> open_device(io::Env& env, const std::string& store_path,
                                 const format::DiskRecord& disk, const std::string& path,
                                 DeviceUse use) {
  auto device = claim(env, path, use, [&](const host::DeviceInfo& info) {
    return check_device(env, store_path, disk, info, use);
  });
  if (!device && device.error().code == Errc::kNotFound) return fail(device_gone(disk, path));
  return device;
}

Result<OpenedDevice> open_in_use(io::Env& env, const std::string& store_path,
                                 const format::DiskRecord& disk, const std::string& path) {
  OpenedDevice device;
  device.use = DeviceUse::kInUse;
  auto file = env.open(path, {.access = io::Access::kReadOnly});
  if (!file) {
    return fail(file.error().code == Errc::kNotFound ? device_gone(disk, path)
                                                     : std::move(file).error());
  }
  device.file = std::move(*file);
  BLKREWIND_ASSIGN(device.info, env.probe(*device.file));
  BLKREWIND_ASSIGN(device.recognised_by,
                   check_device(env, store_path, disk, device.info, DeviceUse::kInUse));
  if (device.info.kind == host::DeviceKind::kBlock && device.file->alignment_bytes() <= 1) {
    return refuse(path + " cannot be read past the kernel's cache, as a device in use has to be",
                  "take the snapshot while nothing uses the device");
  }
  return device;
}

Result<OpenedDevice> open_image(io::Env& env, const std::string& path) {
  return claim(env, path, DeviceUse::kRead,
               [](const host::DeviceInfo& info) -> Result<std::string> {
                 BLKREWIND_TRY(check_free(info));
                 return std::string();
               });
}

Status recheck_device(io::Env& env, const std::string& store_path, const format::DiskRecord& disk,
                      const OpenedDevice& device) {
  BLKREWIND_ASSIGN(const host::DeviceInfo now, env.probe(*device.file));
  BLKREWIND_TRY(check_unchanged(device.info, now));
  BLKREWIND_TRY(check_device(env, store_path, disk, now, device.use));
  return {};
}

Status recheck_free(io::Env& env, const OpenedDevice& device) {
  BLKREWIND_ASSIGN(const host::DeviceInfo now, env.probe(*device.file));
  BLKREWIND_TRY(check_unchanged(device.info, now));
  return check_free(now);
}

Result<host::DeviceInfo> look_at(io::Env& env, const std::string& path) {
  // Buffered: a direct file is opened a second time for what is read unaligned, and then the kernel
  // does not say any more that nothing else has it open.
  BLKREWIND_ASSIGN(const auto file,
                   env.open(path, {.access = io::Access::kReadOnly, .direct = false}));
  return env.probe(*file);
}

}  // namespace blkrewind
