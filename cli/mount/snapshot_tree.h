// The folders and files that a mount shows:
//
//   DISK/SNAPSHOT.img              as folder_names() and file_name() name them
//   by-id/d-.../s-....img          the same files by their ids
//
// Knows names and numbers, and neither the kernel nor the content. A snapshot is one file under two
// names: its number depends on its id alone and is never used for another, so that what the kernel
// keeps of its content is right for as long as the mount exists.
//
// Thread-safe. Errors are errno values: they are for the kernel.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tl/expected.hpp>
#include <tuple>
#include <vector>

#include "cli/mount/listing.h"

namespace blkrewind::cli {

class SnapshotTree {
 public:
  template <class T>
  using Answer = tl::expected<T, int>;

  using Lister = std::function<Result<Listing>()>;
  using OnError = std::function<void(const Error&)>;

  // `first` is shown until the first look for more. `list` is called when names are asked for and
  // the last list is older than kFreshFor. While it runs, in any thread, the list before is the
  // answer to all others: a lister that looks at a file of this very mount does not wait for
  // itself. `on_error` is called with each of its errors, which are EIO here.
  SnapshotTree(const Listing& first, Lister list, OnError on_error);
  ~SnapshotTree();
  static constexpr std::chrono::seconds kFreshFor{1};

  static constexpr std::uint64_t kRoot = 1;

  struct Attributes {
    std::uint64_t number = 0;
    bool folder = false;
    std::uint64_t size_bytes = 0;
    std::uint64_t data_bytes = 0;
    std::int64_t changed_at = 0;
    unsigned links = 1;
  };
  struct Entry {
    std::string name;
    std::uint64_t number = 0;
    bool folder = false;
  };

  // ENOENT, ENOTDIR, EIO: the disk's log or the store cannot be read.
  [[nodiscard]] Answer<Attributes> lookup(std::uint64_t folder, const std::string& name);
  // ESTALE: it is not there any more.
  [[nodiscard]] Answer<Attributes> attributes(std::uint64_t number);
  // Always listed anew. Without "." and "..".
  [[nodiscard]] Answer<std::vector<Entry>> entries(std::uint64_t folder);
  // EISDIR, ESTALE.
  [[nodiscard]] Answer<std::string> snapshot_id(std::uint64_t file);
  // The next question is answered by a new list: a snapshot in this one was found to be gone.
  void outdated();

 private:
  enum class Kind : std::uint8_t { kRoot, kById, kDisk, kDiskById, kSnapshot };
  struct Node {
    Kind kind = Kind::kRoot;
    std::string id;  // of the disk or the snapshot

    bool operator<(const Node& other) const {
      return std::tie(kind, id) < std::tie(other.kind, other.id);
    }
  };
  struct Folder;
  struct Index;

  [[nodiscard]] Answer<std::shared_ptr<const Index>> index(std::chrono::steady_clock::duration age);
  [[nodiscard]] Answer<Node> node(std::uint64_t number);
  [[nodiscard]] std::uint64_t number_of(const Node& node);
  // ENOTDIR, ESTALE, EIO.
  [[nodiscard]] static Answer<const Folder*> folder_of(const Index& index, const Node& node);
  [[nodiscard]] Answer<Attributes> describe(const Index& index, const Node& node);

  const Lister list_;
  const OnError on_error_;

  std::mutex mutex_;
  std::shared_ptr<const Index> index_;
  std::chrono::steady_clock::time_point listed_at_{};
  bool listing_ = false;
  std::map<Node, std::uint64_t> numbers_;
  std::vector<Node> nodes_;  // by number
};

}  // namespace blkrewind::cli
