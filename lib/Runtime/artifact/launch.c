// A launch on the caller's threads.
#include "lib/Runtime/artifact/artifact.h"

struct Job {
  weft_stage stage;
  void *const *buffers;
  const int64_t *sizes;
};

static void runRange(void *argument, int64_t begin, int64_t end) {
  const struct Job *job = argument;
  if (begin < end)
    job->stage(job->buffers, job->sizes, begin, end);
}

void weft_model_launch(const struct weft_context *context, weft_stage stage, void *const *buffers,
                       const int64_t *sizes, int64_t tasks, int64_t threads) {
  if (tasks <= 0)
    return;
  if (threads > tasks)
    threads = tasks;
  if (threads <= 1 || !context->parallel_for) {
    stage(buffers, sizes, 0, tasks);
    return;
  }
  struct Job job = {stage, buffers, sizes};
  context->parallel_for(context->parallel_context, tasks, threads, runRange, &job);
}
