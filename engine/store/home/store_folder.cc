#include "store/home/store_folder.h"

#include <cerrno>
#include <utility>

#include "base/remedies.h"

namespace blkrewind::store {
namespace {

Error said(Errc code, std::string message, Remedy remedy) {
  Error error;
  error.code = code;
  error.message = std::move(message);
  error.remedy = std::move(remedy);
  return error;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// ENOENT or ENOTDIR, from the first name in the path that is not a directory.
Error explain_way(io::Env& env, const std::string& path, const std::string& cannot, Error error) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string name = path.substr(0, end);
    const auto there = env.exists(name);
    if (!there) return error;
    if (!*there && end != std::string::npos) {
      return said(Errc::kNotFound, cannot + "there is no directory " + name,
                  run_program("make it first", "mkdir -p", {parent_of(path)}));
    }
    if (!*there) return error;
    const auto listed = env.list_directory(name);
    if (!listed && listed.error().sys_errno == ENOTDIR) {
      return said(Errc::kPrecondition, cannot + name + " is a file, not a directory",
                  "name a folder, or one that does not exist yet in a folder that does");
    }
    if (!listed && listed.error().sys_errno == ENOENT) {
      return said(Errc::kPrecondition, cannot + name + " is a dangling symbolic link",
                  Remedy("make the folder that it leads to")
                      .or_else(run_program("remove it", "rm", {name})));
    }
    if (end == std::string::npos) return error;
  }
}

}  // namespace

Error explain_folder(io::Env& env, const std::string& path, Error error) {
  switch (error.sys_errno) {
    case EACCES:
    case EPERM:
      error.code = Errc::kPrecondition;
      error.remedy = permission_remedy("name a folder that you may write to, or run it as root");
      return error;
    case EROFS:
      error.code = Errc::kPrecondition;
      error.remedy = Remedy("name a folder on another file system")
                         .or_else(run_program("make this one writable", "mount -o remount,rw"));
      return error;
    case ENOENT:
    case ENOTDIR:
      break;
    default:
      return error;
  }
  return explain_way(env, path, "the store " + path + " cannot be created: ", std::move(error));
}

Remedy name_a_store() {
  return Remedy("name the folder of a store").or_else({Verb::kStoreInit, "make a new one there"});
}

Error explain_opening(io::Env& env, const std::string& path, Error error) {
  if (error.sys_errno != ENOENT && error.sys_errno != ENOTDIR) return error;
  error = explain_way(env, path, "the store " + path + " cannot be opened: ", std::move(error));
  if (error.code != Errc::kNotFound && error.sys_errno != ENOENT) return error;
  return said(Errc::kNotFound, "there is no store in " + path, name_a_store());
}

}  // namespace blkrewind::store
