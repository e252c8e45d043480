#include "device.h"

#include <optional>
#include <utility>

#include "blkrewind/shell.h"
#include "io/identity.h"

namespace blkrewind {
namespace {

tl::unexpected<Error> refuse(std::string message, std::string hint) {
  return fail(Errc::kPrecondition, std::move(message), std::move(hint));
}

}  // namespace

Status check_device(io::Env& env, const std::string& store_path, const format::DiskRecord& disk,
                    const io::DeviceInfo& info, DeviceUse use) {
  const io::IdentityCheck identity = io::compare_identity(info, disk.kind, disk.identity);
  if (!identity.same) {
    return refuse(info.path + " is not the device that was registered as " + disk.id + ": " +
                      identity.difference,
                  "if this is the same disk, run: blkrewind disk adopt " + disk.id + " " +
                      shell_word(info.path));
  }
  if (!info.used_by.empty()) {
    const io::UsedBy& first = info.used_by.front();
    return refuse(info.path + " is in use: " + first.what, first.hint);
  }
  if (info.kind == io::DeviceKind::kFile &&
      is_in_store(env, store_path, info.real_path.substr(0, info.real_path.rfind('/')))) {
    return refuse(info.path + " is a file of the store " + store_path,
                  "name a device or an image file outside of the store");
  }
  if (use == DeviceUse::kRead) return {};
  if (info.read_only && !info.read_only_reason.empty()) {
    return refuse(info.path + " " + info.read_only_reason, info.read_only_hint);
  }
  if (info.read_only) {
    return refuse(info.path + " is read-only",
                  info.kind == io::DeviceKind::kBlock
                      ? "make it writable: blockdev --setrw " + shell_word(info.path)
                      : "give write permission on the file, or remount its file system");
  }
  BLKREWIND_ASSIGN(const bool own, env.lives_on(store_path, info));
  if (own) {
    return refuse("the store " + store_path + " lives on " + info.path,
                  "move the store to another device: rolling this one back would destroy it");
  }
  return {};
}

bool is_in_store(io::Env& env, const std::string& store_path, std::string folder) {
  const auto store = env.identify(store_path);
  if (!store) return false;
  // Upwards by "..", which follows the file system and not the name, until a folder is its own
  // parent.
  std::optional<io::FileId> below;
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
  error.message = "the device of disk " + disk.id + " is gone: there is nothing at " + path;
  error.hint =
      "bring it back; or, if it is elsewhere now: blkrewind disk adopt " + disk.id + " PATH";
  return error;
}

Result<OpenedDevice> open_device(io::Env& env, const std::string& store_path,
                                 const format::DiskRecord& disk, const std::string& path,
                                 DeviceUse use) {
  OpenedDevice device;
  auto probed = env.probe(path);
  if (!probed && probed.error().code == Errc::kNotFound) return fail(device_gone(disk, path));
  BLKREWIND_ASSIGN(device.info, std::move(probed));
  BLKREWIND_TRY(check_device(env, store_path, disk, device.info, use));
  auto file =
      env.open(device.info.real_path,
               {.access = use == DeviceUse::kWrite ? io::Access::kReadWrite : io::Access::kReadOnly,
                .exclusive_device = true});
  if (!file) {
    Error error = std::move(file).error();
    if (error.code != Errc::kBusy) return fail(std::move(error));
    // Somebody was quicker.
    return refuse(path + " is in use: another program has just opened it exclusively",
                  "wait for that program to end, then try again");
  }
  device.file = std::move(*file);
  BLKREWIND_ASSIGN(device.info.size_bytes, device.file->size_bytes());
  BLKREWIND_TRY(device.file->settle_caches(
      use == DeviceUse::kWrite ? io::CacheUse::kBeforeWriting : io::CacheUse::kBeforeReading));
  return device;
}

}  // namespace blkrewind
