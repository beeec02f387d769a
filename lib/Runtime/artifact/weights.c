// Mapping the file of weights. A file of its own: only models that have one call the system.
#include "lib/Runtime/artifact/artifact.h"

int open(const char *path, int flags, ...);
int close(int file);
int64_t lseek(int file, int64_t offset, int whence);
void *mmap(void *address, size_t bytes, int protection, int flags, int file, int64_t offset);
int munmap(void *address, size_t bytes);

// Linux's numbers, the same on all processors that Weft compiles for.
enum {
  openReadOnly = 0,
  openCloseOnExec = 02000000,
  seekToEnd = 2,
  mapReadable = 1,
  mapPrivate = 2
};

static uint64_t hashOf(const unsigned char *bytes, int64_t count) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (int64_t i = 0; i < count; ++i)
    hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}

int32_t weft_model_map_weights(const struct weft_model *model, const char *path,
                               weft_weights *weights) {
  if (!path || !weights)
    return WEFT_ERROR_NULL_POINTER;
  weights->data = 0;
  weights->bytes = 0;
  int file = open(path, openReadOnly | openCloseOnExec);
  if (file < 0)
    return WEFT_ERROR_WEIGHTS_FILE;
  int32_t status = WEFT_OK;
  void *data = 0;
  int64_t bytes = lseek(file, 0, seekToEnd);
  if (bytes < 0)
    status = WEFT_ERROR_WEIGHTS_FILE;
  else if (bytes != model->weights_bytes)
    status = WEFT_ERROR_WEIGHTS_CONTENT;
  else if ((data = mmap(0, (size_t)bytes, mapReadable, mapPrivate, file, 0)) == (void *)-1)
    status = WEFT_ERROR_WEIGHTS_FILE;
  else if (hashOf(data, model->weights_hashed_bytes) != (uint64_t)model->weights_hash) {
    munmap(data, (size_t)bytes);
    status = WEFT_ERROR_WEIGHTS_CONTENT;
  }
  close(file);
  if (status == WEFT_OK) {
    weights->data = data;
    weights->bytes = (uint64_t)bytes;
  }
  return status;
}

void weft_model_unmap_weights(weft_weights *weights) {
  if (!weights || !weights->data)
    return;
  munmap((void *)(uintptr_t)weights->data, (size_t)weights->bytes);
  weights->data = 0;
  weights->bytes = 0;
}
