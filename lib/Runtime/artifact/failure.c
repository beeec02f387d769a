// What goes wrong in users' programs over blocks while they run, and what loops and branches
// refuse. A file of its own: only models that have such keep a text.
#include "lib/Runtime/artifact/failure.h"
#include "lib/Runtime/artifact/artifact.h"

// The text of this thread's last call that failed so; a longer one is cut off.
enum { mostCharacters = 1024 };
#ifdef __linux__
static _Thread_local char kept[mostCharacters];
#else
static char kept[mostCharacters];
#endif

void weft_library_program_fault(const char *site, int64_t dimension, int64_t index, int64_t size,
                                struct weft_failure *const *place) {
  struct weft_failure *failure = *place;
  if (__c11_atomic_exchange(&failure->is_kept, 1, __ATOMIC_RELAXED))
    return;
  failure->site = site;
  failure->dimension = dimension;
  failure->index = index;
  failure->size = size;
}

void weft_model_refuse(const struct weft_context *context, const char *site) {
  weft_library_program_fault(site, -2, 0, 0, &context->failure);
}

void weft_model_keep_failure(const struct weft_failure *failure) {
  struct weft_text text = {kept, kept + mostCharacters - 1};
  weft_describe_failure(&text, failure->site, failure->dimension, failure->index, failure->size);
}

const char *weft_model_failure_text(int32_t status) {
  return status == WEFT_ERROR_KERNEL && kept[0] ? kept : weft_model_error_text(status);
}
