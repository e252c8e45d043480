// Embeds blkrewind: an image file is snapshotted, damaged, brought back, and the way back undone.
//
//   embed FOLDER        FOLDER is made, and must not be there yet
#include <blkrewind/engine.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace {

// What to do about an error is a value, in which a program finds what it can do itself.
int give_up(const blkrewind::Error& error) {
  std::fprintf(stderr, "%s\n%s\n", error.to_string().c_str(), error.remedy.to_string().c_str());
  for (const blkrewind::RemedyStep& step : error.remedy.steps) {
    switch (step.verb) {
      case blkrewind::Verb::kResume:
        std::fprintf(stderr, "call Engine::resume\n");
        break;
      case blkrewind::Verb::kUndo:
        std::fprintf(stderr, "call Engine::undo\n");
        break;
      default:
        break;
    }
  }
  return 1;
}

void write_at(const std::string& image, std::streamoff offset, const std::string& text) {
  std::fstream file(image, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(offset);
  file << text;
}

std::string read_at(const std::string& image, std::streamoff offset, std::size_t length) {
  std::ifstream file(image, std::ios::binary);
  std::string text(length, '\0');
  file.seekg(offset);
  file.read(text.data(), static_cast<std::streamsize>(length));
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || !std::filesystem::create_directory(argv[1])) return 2;
  const std::string image = std::string(argv[1]) + "/disk.img";
  std::ofstream(image).close();
  std::filesystem::resize_file(image, 64 * blkrewind::kMiB);
  write_at(image, 1000000, "precious");

  auto engine = blkrewind::Engine::open({.store = std::string(argv[1]) + "/store", .create = true});
  if (!engine) return give_up(engine.error());
  if (auto taken = engine->snapshot(image, {.name = "before"}); !taken)
    return give_up(taken.error());

  write_at(image, 1000000, "trampled");
  auto back = engine->rollback(image, "before");
  if (!back) return give_up(back.error());
  std::printf("restored %s: \"%s\"\n", blkrewind::format_bytes(back->restored_bytes).c_str(),
              read_at(image, 1000000, 8).c_str());
  if (read_at(image, 1000000, 8) != "precious") return 1;

  auto undone = engine->undo(image);
  if (!undone) return give_up(undone.error());
  std::printf("undone: \"%s\"\n", read_at(image, 1000000, 8).c_str());
  return read_at(image, 1000000, 8) == "trampled" ? 0 : 1;
}
