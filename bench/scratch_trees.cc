#include "bench/scratch_trees.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "bench/fake_entries.h"
#include "store/segment_writer.h"
#include "store/tree_builder.h"
#include "store/tree_reader.h"

namespace blkrewind::bench {
namespace {

std::string make_folder() {
  std::error_code error;
  std::filesystem::path parent = "/dev/shm";
  if (!std::filesystem::is_directory(parent, error)) {
    parent = std::filesystem::temp_directory_path(error);
  }
  std::string folder = parent / "blkrewind-bench.XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) {
    give_up(system_error(errno, "cannot make " + folder));
  }
  return folder;
}

}  // namespace

void give_up(const Error& error) {
  std::fprintf(stderr, "blkrewind_bench: %s\n", error.to_string().c_str());
  std::exit(1);
}

ScratchTrees::ScratchTrees() : folder_(make_folder()), env_(io::make_local_env()) {
  must(store::Store::create(*env_, folder_ + "/store"));
  store_ = must(store::Store::open(*env_, folder_ + "/store"));
  format::DiskNumber disk = 0;
  must(store_->add_disk(
      [&](const store::State&, format::DiskNumber number) -> Result<format::Transaction> {
        format::DiskRecord record;
        record.number = disk = number;
        record.id = "d-bench";
        return format::Transaction{record};
      }));
  history_ = must(store_->history(disk));
  queue_ = must(env_->make_queue({.depth = 8}));
}

ScratchTrees::~ScratchTrees() {
  queue_.reset();
  history_.reset();
  store_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

store::Tree ScratchTrees::full_tree(std::uint64_t chunks, std::uint64_t seed) {
  store::Tree tree;
  tree.geometry.device_bytes = chunks * tree.geometry.chunk_bytes;
  Random random(seed);
  auto writer = must(history_->make_writer());
  store::TreeBuilder builder(tree.geometry, nullptr, *writer, *queue_);
  for (std::uint64_t leaf = 0; leaf < tree.geometry.leaf_count(); ++leaf) {
    must(builder.put(leaf, fake_leaf(random, leaf).entries));
  }
  tree.root = must(builder.finish());
  must(writer->seal(*queue_));
  // No record of a log names the segments; they exist as long as the directory.
  writer->keep();
  return tree;
}

store::Tree ScratchTrees::changed_tree(const store::Tree& base,
                                       const std::set<std::uint64_t>& chunks, std::uint64_t seed) {
  store::Tree tree = base;
  Random random(seed);
  auto writer = must(history_->make_writer());
  store::TreeReader reader(history_->files(), *queue_, history_->secret(), writer.get());
  store::TreeCursor cursor(reader, base);
  store::TreeCursor builder_cursor(reader, base);
  store::TreeBuilder builder(tree.geometry, &builder_cursor, *writer, *queue_);
  for (auto chunk = chunks.begin(); chunk != chunks.end();) {
    const std::uint64_t leaf = *chunk / format::kFanout;
    format::Entries entries = *must(cursor.leaf(leaf));
    for (; chunk != chunks.end() && *chunk / format::kFanout == leaf; ++chunk) {
      entries[*chunk % format::kFanout] = fake_entry(random);
    }
    must(builder.put(leaf, entries));
  }
  tree.root = must(builder.finish());
  must(writer->seal(*queue_));
  writer->keep();
  return tree;
}

std::set<std::uint64_t> random_chunks(std::uint64_t chunks, std::uint64_t count,
                                      std::uint64_t seed) {
  Random random(seed);
  std::set<std::uint64_t> picked;
  while (picked.size() < count) picked.insert(random() % chunks);
  return picked;
}

std::set<std::uint64_t> spread_chunks(std::uint64_t chunks, std::uint64_t count) {
  std::set<std::uint64_t> picked;
  const std::uint64_t part = chunks / count;
  for (std::uint64_t i = 0; i < count; ++i) picked.insert(i * part + part / 2);
  return picked;
}

}  // namespace blkrewind::bench
