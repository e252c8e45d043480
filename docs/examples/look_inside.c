/* Looks inside of a snapshot, in C: an image file is snapshotted and overwritten, the old content
 * is read out of the snapshot, the image is rolled back to it, and the rollback is undone.
 *
 *     look_inside FOLDER        FOLDER is made, and must not be there yet
 */
#define _POSIX_C_SOURCE 200809L

#include <blkrewind/blkrewind.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { kSectorBytes = 512, kOffset = 1000 * kSectorBytes, kImageBytes = 64 << 20 };

/* 1, and says why, if the call failed. */
static int failed(int code, blkrewind_error* error, const char* what) {
  if (code == BLKREWIND_OK) return 0;
  fprintf(stderr, "%s: %s: %s\n", what, blkrewind_code_name(code), blkrewind_error_message(error));
  fprintf(stderr, "  %s\n", blkrewind_error_remedy(error));
  blkrewind_error_free(error);
  return 1;
}

static int write_at(const char* image, const char* text) {
  const int file = open(image, O_WRONLY | O_CREAT, 0600);
  const int done = file >= 0 && ftruncate(file, kImageBytes) == 0 &&
                   pwrite(file, text, strlen(text), kOffset) == (ssize_t)strlen(text);
  return file >= 0 && close(file) == 0 && done ? 0 : 1;
}

static int holds(const char* image, const char* text) {
  char sector[kSectorBytes] = "";
  const int file = open(image, O_RDONLY);
  const int done = file >= 0 && pread(file, sector, sizeof sector, kOffset) == kSectorBytes;
  if (file >= 0) close(file);
  return done && strncmp(sector, text, strlen(text)) == 0;
}

static int show_disk(void* user, const blkrewind_disk_info* disk,
                     const blkrewind_snapshot_info* const* snapshots, size_t count) {
  (void)user;
  printf("%s  %s\n", disk->id, disk->path);
  for (size_t i = 0; i < count; ++i) {
    printf("  %s  %s\n", snapshots[i]->id, snapshots[i]->name);
  }
  return 0; /* go on */
}

static int show_extent(void* user, const blkrewind_extent* extent, int data) {
  (void)user;
  printf("  %s at %llu, %llu bytes\n", data ? "data" : "zeroes",
         (unsigned long long)extent->offset_bytes, (unsigned long long)extent->length_bytes);
  return 0;
}

static int show_progress(void* user, const blkrewind_progress* progress) {
  ++*(int*)user;
  printf("  %s: %llu of %llu bytes\n", progress->phase, (unsigned long long)progress->done_bytes,
         (unsigned long long)progress->total_bytes);
  return 0; /* another value cancels */
}

static int look_into(blkrewind_engine* engine, const char* image) {
  blkrewind_reader* reader = NULL;
  blkrewind_error* error = NULL;
  char sector[kSectorBytes] = "";
  int code = blkrewind_open_snapshot(engine, "before", image, &reader, &error);
  if (failed(code, error, "open")) return 1;
  code = blkrewind_reader_read(reader, sector, sizeof sector, kOffset, &error);
  if (code == BLKREWIND_OK) {
    printf("the snapshot holds \"%.*s\" in\n", (int)sizeof sector, sector);
    code = blkrewind_reader_extents(reader, NULL, show_extent, NULL, &error);
  }
  blkrewind_reader_close(reader);
  return failed(code, error, "read") || strcmp(sector, "precious") != 0;
}

static int roll_back(blkrewind_engine* engine, const char* image) {
  int reports = 0;
  blkrewind_monitor monitor = BLKREWIND_INIT(blkrewind_monitor);
  blkrewind_rollback_receipt* receipt = NULL;
  blkrewind_error* error = NULL;
  monitor.progress = show_progress;
  monitor.user = &reports;
  if (failed(blkrewind_rollback(engine, image, "before", NULL, &monitor, &receipt, &error), error,
             "rollback")) {
    return 1;
  }
  printf("rolled back: %llu bytes restored, undo kept as %s\n",
         (unsigned long long)receipt->restored_bytes, receipt->undo_snapshot_id);
  blkrewind_free(receipt);
  return reports > 0 && holds(image, "precious") ? 0 : 1;
}

static int use(blkrewind_engine* engine, const char* image) {
  blkrewind_error* error = NULL;
  blkrewind_snapshot_options named = BLKREWIND_INIT(blkrewind_snapshot_options);
  named.name = "before";
  if (failed(blkrewind_snapshot(engine, image, &named, NULL, NULL, &error), error, "snapshot") ||
      write_at(image, "trampled") != 0 ||
      failed(blkrewind_list(engine, NULL, show_disk, NULL, &error), error, "list") ||
      look_into(engine, image) != 0 || roll_back(engine, image) != 0 ||
      failed(blkrewind_undo(engine, image, NULL, NULL, NULL, &error), error, "undo")) {
    return 1;
  }
  printf("undone\n");
  return holds(image, "trampled") ? 0 : 1;
}

int main(int argc, char** argv) {
  char image[4096];
  char store[4096];
  blkrewind_open_options options = BLKREWIND_INIT(blkrewind_open_options);
  blkrewind_engine* engine = NULL;
  blkrewind_error* error = NULL;
  int result;
  if (argc != 2 || mkdir(argv[1], 0700) != 0) return 2;
  snprintf(image, sizeof image, "%s/disk.img", argv[1]);
  snprintf(store, sizeof store, "%s/store", argv[1]);
  if (write_at(image, "precious") != 0) return 2;

  options.store = store;
  options.create = 1;
  if (failed(blkrewind_open(&options, &engine, &error), error, "open")) return 1;
  result = use(engine, image);
  blkrewind_close(engine);
  return result;
}
