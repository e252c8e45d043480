#include "cli/files/receipts.h"

#include "blkrewind/text.h"
#include "cli/output.h"
#include "cli/sizes.h"

namespace blkrewind::cli {
namespace {

const char* word_of(FileKind kind) {
  switch (kind) {
    case FileKind::kNone:
      return nullptr;
    case FileKind::kFile:
      return "file";
    case FileKind::kDirectory:
      return "directory";
    case FileKind::kLink:
      return "link";
    case FileKind::kOther:
      return "other";
  }
  return nullptr;
}

Json word_or_null(FileKind kind) {
  const char* const word = word_of(kind);
  return word != nullptr ? Json(word) : Json(nullptr);
}

}  // namespace

std::string line_of(const FileDifference& file) {
  const bool added = file.before == FileKind::kNone;
  const bool removed = file.after == FileKind::kNone;
  std::string line = added                       ? "+ "
                     : removed                   ? "- "
                     : file.before != file.after ? "T "
                     : file.content              ? "M "
                                                 : "m ";
  line += static_cast<char>(removed ? file.before : file.after);
  line += " " + printable(file.path);
  if (file.size_before != file.size_after && !added && !removed) {
    line += "  " + std::to_string(file.size_before) + " -> " + std::to_string(file.size_after) +
            " bytes";
  }
  return line;
}

Json json_of(const FileDifference& file) {
  Json json;
  add_path(json, file.path);
  json["before"] = word_or_null(file.before);
  json["after"] = word_or_null(file.after);
  json["size_before"] = file.size_before;
  json["size_after"] = file.size_after;
  json["content"] = file.content;
  json["attributes"] = file.attributes;
  return json;
}

Json json_of(const DiffFilesReceipt& receipt) {
  Json json;
  json["from"] = receipt.from;
  json["to"] = receipt.to.empty() ? Json(nullptr) : Json(receipt.to);
  json["type"] = receipt.type;
  json["partition"] = receipt.partition == 0 ? Json(nullptr) : Json(receipt.partition);
  json["journal_replayed"] = !receipt.as_it_was;
  json["file_count"] = receipt.compared.files;
  json["differing_count"] = receipt.compared.differing;
  json["read_bytes"] = receipt.compared.read_bytes;
  json["elapsed_seconds"] = receipt.elapsed_seconds;
  return json;
}

std::string text_of(const DiffFilesReceipt& receipt) {
  return std::to_string(receipt.compared.differing) + " of " +
         std::to_string(receipt.compared.files) + " files and folders differ; read " +
         format_bytes(receipt.compared.read_bytes) + " of their content, in " +
         format_elapsed(receipt.elapsed_seconds) + "\n" +
         (receipt.as_it_was
              ? "a journal was not replayed: the file system was in use, and what was "
                "changed last may be missing or different\n"
              : "");
}

}  // namespace blkrewind::cli
