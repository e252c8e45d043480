#include "device.h"

#include <optional>
#include <utility>

#include "blkrewind/shell.h"
#include "recognise.h"

namespace blkrewind {
namespace {

tl::unexpected<Error> refuse(std::string message, std::string hint) {
  return fail(Errc::kPrecondition, std::move(message), std::move(hint));
}

}  // namespace

Result<std::string> check_device(io::Env& env, const std::string& store_path,
                                 const format::DiskRecord& disk, const io::DeviceInfo& info,
                                 DeviceUse use) {
  BLKREWIND_ASSIGN(
      std::string recognised_by,
      need_same(env, disk, info,
                use == DeviceUse::kRead ? Alone::kUnlessJustRegistered : Alone::kAlways));
  if (!info.used_by.empty()) {
    const io::UsedBy& first = info.used_by.front();
    return refuse(info.path + " is in use: " + first.what, first.hint);
  }
  if (info.kind == io::DeviceKind::kFile &&
      is_in_store(env, store_path, info.real_path.substr(0, info.real_path.rfind('/')))) {
    return refuse(info.path + " is a file of the store " + store_path,
                  "name a device or an image file outside of the store");
  }
  if (use == DeviceUse::kRead) return recognised_by;
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
  return recognised_by;
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
  BLKREWIND_ASSIGN(device.recognised_by, check_device(env, store_path, disk, device.info, use));
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
  return device;
}

}  // namespace blkrewind
