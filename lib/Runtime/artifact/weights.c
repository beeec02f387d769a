// The file of weights: checking its bytes, mapping it. A file of its own: only models that have one
// call the system.
#include "lib/Runtime/artifact/artifact.h"

#ifdef __linux__
int open(const char *path, int flags, ...);
int close(int file);
int64_t lseek(int file, int64_t offset, int whence);
void *mmap(void *address, size_t bytes, int protection, int flags, int file, int64_t offset);
int munmap(void *address, size_t bytes);

// Linux's numbers, the same on all processors that Weft compiles for.
enum {
  openReadOnly = 0,
  openWithoutWaiting = 04000,
  openCloseOnExec = 02000000,
  seekToEnd = 2,
  mapReadable = 1,
  mapPrivate = 2
};
#endif

// XXH64 (Y. Collet) with seed 0, which the compiler computed of the file that it wrote: four lanes
// of eight bytes each keep up with the memory.

static const uint64_t prime1 = 0x9E3779B185EBCA87u, prime2 = 0xC2B2AE3D27D4EB4Fu,
                      prime3 = 0x165667B19E3779F9u, prime4 = 0x85EBCA77C2B2AE63u,
                      prime5 = 0x27D4EB2F165667C5u;

static uint64_t rotated(uint64_t value, int bits) { return value << bits | value >> (64 - bits); }

// The next `count` bytes as a little-endian number.
static uint64_t numberAt(const unsigned char *bytes, int count) {
  uint64_t number = 0;
  __builtin_memcpy(&number, bytes, (size_t)count);
  return number;
}

static uint64_t mixed(uint64_t lane, uint64_t number) {
  return rotated(lane + number * prime2, 31) * prime1;
}

static uint64_t merged(uint64_t hash, uint64_t lane) {
  return (hash ^ mixed(0, lane)) * prime1 + prime4;
}

static uint64_t hashOfBlocks(const unsigned char **bytes, const unsigned char *end) {
  uint64_t lanes[4] = {prime1 + prime2, prime2, 0, -prime1};
  for (; end - *bytes >= 32; *bytes += 32)
    for (int lane = 0; lane < 4; ++lane)
      lanes[lane] = mixed(lanes[lane], numberAt(*bytes + 8 * lane, 8));
  uint64_t hash =
      rotated(lanes[0], 1) + rotated(lanes[1], 7) + rotated(lanes[2], 12) + rotated(lanes[3], 18);
  for (int lane = 0; lane < 4; ++lane)
    hash = merged(hash, lanes[lane]);
  return hash;
}

static uint64_t hashOf(const unsigned char *bytes, int64_t count) {
  const unsigned char *end = bytes + count;
  uint64_t hash = (count >= 32 ? hashOfBlocks(&bytes, end) : prime5) + (uint64_t)count;
  for (; end - bytes >= 8; bytes += 8)
    hash = rotated(hash ^ mixed(0, numberAt(bytes, 8)), 27) * prime1 + prime4;
  for (; end - bytes >= 4; bytes += 4)
    hash = rotated(hash ^ numberAt(bytes, 4) * prime1, 23) * prime2 + prime3;
  for (; bytes < end; ++bytes)
    hash = rotated(hash ^ *bytes * prime5, 11) * prime1;
  hash = (hash ^ hash >> 33) * prime2;
  hash = (hash ^ hash >> 29) * prime3;
  return hash ^ hash >> 32;
}

int32_t weft_model_check_weights(const struct weft_model *model, const weft_weights *weights) {
  if (!weights || !weights->data)
    return WEFT_ERROR_NULL_POINTER;
  if (weights->bytes != (uint64_t)model->weights_bytes ||
      hashOf(weights->data, model->weights_bytes) != (uint64_t)model->weights_hash)
    return WEFT_ERROR_WEIGHTS_CONTENT;
  return WEFT_OK;
}

#ifdef __linux__
int32_t weft_model_map_weights(const struct weft_model *model, const char *path,
                               weft_weights *weights) {
  if (!path || !weights)
    return WEFT_ERROR_NULL_POINTER;
  weights->data = 0;
  weights->bytes = 0;
  int file = open(path, openReadOnly | openWithoutWaiting | openCloseOnExec);
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
  else if (hashOf(data, bytes) != (uint64_t)model->weights_hash) {
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
#endif
