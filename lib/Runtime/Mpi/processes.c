/* Processes connected by MPI. A library of its own, built where there is an MPI, compiled against
 * its header, and opened at run time by weft.distributed: nothing else of Weft knows MPI. */
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define EXPORTED __attribute__((visibility("default")))

enum { errorBytes = 256, mostGroups = 1024, interruptedStatus = 2 };

static MPI_Comm groups[mostGroups];
static double timeoutSeconds = 300.0;
static int (*isInterrupted)(void);
static int startedHere;

static int fail(int status, const char *what, char *error) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(status, text, &length);
  snprintf(error, errorBytes, "%s: %.*s", what, length, text);
  return 1;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Waits without taking a core from processes that share it: yields at first, then sleeps. */
static void pauseFor(double waited) {
  if (waited < 50e-6) {
    sched_yield();
    return;
  }
  double seconds = waited / 8 < 500e-6 ? waited / 8 : 500e-6;
  struct timespec time = {0, (long)(seconds * 1e9)};
  nanosleep(&time, NULL);
}

/* Waits for requests, as long as the timeout allows. */
static int waitAll(int count, MPI_Request *requests, char *error) {
  double begin = now(), asked = begin;
  for (;;) {
    int done = 0;
    int status = MPI_Testall(count, requests, &done, MPI_STATUSES_IGNORE);
    if (status != MPI_SUCCESS)
      return fail(status, "MPI", error);
    if (done)
      return 0;
    double time = now();
    if (time - begin > timeoutSeconds) {
      snprintf(error, errorBytes,
               "another process has not come for %g seconds (the timeout of "
               "weft.distributed.init); it has ended, hangs, or runs another program",
               timeoutSeconds);
      return 1;
    }
    if (time - asked > 0.05) {
      asked = time;
      if (isInterrupted && isInterrupted())
        return interruptedStatus;
    }
    pauseFor(time - begin);
  }
}

/* Bytes as elements of a type whose number fits into an int. */
static int asElements(int64_t bytes, MPI_Datatype *type, int *count, char *error) {
  int64_t unit = 1;
  while (bytes / unit > INT_MAX && bytes % (2 * unit) == 0)
    unit *= 2;
  if (bytes / unit > INT_MAX || unit > INT_MAX) {
    snprintf(error, errorBytes, "a message of %lld bytes is too large", (long long)bytes);
    return 1;
  }
  *count = (int)(bytes / unit);
  *type = MPI_BYTE;
  if (unit == 1)
    return 0;
  int status = MPI_Type_contiguous((int)unit, MPI_BYTE, type);
  if (status == MPI_SUCCESS)
    status = MPI_Type_commit(type);
  return status == MPI_SUCCESS ? 0 : fail(status, "MPI_Type_contiguous", error);
}

static void dropType(MPI_Datatype *type) {
  if (*type != MPI_BYTE)
    MPI_Type_free(type);
}

static int findGroup(int64_t group, MPI_Comm *comm, char *error) {
  if (group < 0 || group >= mostGroups || groups[group] == MPI_COMM_NULL) {
    snprintf(error, errorBytes, "there is no group %lld here", (long long)group);
    return 1;
  }
  *comm = groups[group];
  return 0;
}

/* Starts MPI, unless it is started; gives this process's number and how many there are. */
EXPORTED int weft_mpi_start(double timeout, int (*interrupted)(void), int *rank, int *size,
                            char *error) {
  int isStarted = 0, level = 0;
  MPI_Initialized(&isStarted);
  int status = MPI_SUCCESS;
  if (isStarted)
    status = MPI_Query_thread(&level);
  else
    status = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level);
  if (status != MPI_SUCCESS)
    return fail(status, "MPI_Init_thread", error);
  if (level < MPI_THREAD_SERIALIZED) {
    snprintf(error, errorBytes, "this MPI can't be called by several threads one after the other");
    return 1;
  }
  if (!isStarted) {
    startedHere = 1;
    for (int i = 0; i < mostGroups; ++i)
      groups[i] = MPI_COMM_NULL;
  }
  timeoutSeconds = timeout;
  isInterrupted = interrupted;
  /* A communicator of our own: messages of others in this process are not ours. */
  status = MPI_Comm_dup(MPI_COMM_WORLD, &groups[0]);
  if (status == MPI_SUCCESS)
    status = MPI_Comm_set_errhandler(groups[0], MPI_ERRORS_RETURN);
  if (status != MPI_SUCCESS)
    return fail(status, "MPI_Comm_dup", error);
  MPI_Comm_rank(groups[0], rank);
  MPI_Comm_size(groups[0], size);
  return 0;
}

/* Makes a group of some processes, by their numbers; its members call this. */
EXPORTED int weft_mpi_make_group(int64_t group, const int *ranks, int count, char *error) {
  if (group <= 0 || group >= mostGroups) {
    snprintf(error, errorBytes, "there can't be more than %d groups", mostGroups);
    return 1;
  }
  MPI_Group all, some;
  MPI_Comm_group(groups[0], &all);
  int status = MPI_Group_incl(all, count, ranks, &some);
  if (status == MPI_SUCCESS)
    status = MPI_Comm_create_group(groups[0], some, (int)group, &groups[group]);
  if (status == MPI_SUCCESS)
    status = MPI_Comm_set_errhandler(groups[group], MPI_ERRORS_RETURN);
  MPI_Group_free(&all);
  return status == MPI_SUCCESS ? 0 : fail(status, "MPI_Comm_create_group", error);
}

/* What moves in one operation. */
typedef struct {
  MPI_Comm comm;
  MPI_Datatype type;
  int count;
  const void *from;
  void *to;
  int first, second;
  /* What is waited for. */
  MPI_Request requests[2];
} Move;

/* Begins one by MPI's functions that do not wait; returns MPI's status. */
typedef int (*Begin)(Move *move);

static int beginAllGather(Move *move) {
  return MPI_Iallgather(move->from, move->count, move->type, move->to, move->count, move->type,
                        move->comm, &move->requests[0]);
}

static int beginAllToAll(Move *move) {
  return MPI_Ialltoall(move->from, move->count, move->type, move->to, move->count, move->type,
                       move->comm, &move->requests[0]);
}

static int beginBroadcast(Move *move) {
  return MPI_Ibcast(move->to, move->count, move->type, move->first, move->comm, &move->requests[0]);
}

static int beginExchange(Move *move) {
  int status = MPI_SUCCESS;
  if (move->second >= 0)
    status = MPI_Irecv(move->to, move->count, move->type, move->second, 0, move->comm,
                       &move->requests[0]);
  if (status == MPI_SUCCESS && move->first >= 0)
    status = MPI_Isend(move->from, move->count, move->type, move->first, 0, move->comm,
                       &move->requests[1]);
  return status;
}

/* Finds the group, begins, waits and cleans up: all that operations have in common. */
static int run(Begin begin, const char *name, int64_t group, const void *from, void *to,
               int64_t bytes, int64_t first, int64_t second, char *error) {
  Move move = {.from = from,
               .to = to,
               .first = (int)first,
               .second = (int)second,
               .requests = {MPI_REQUEST_NULL, MPI_REQUEST_NULL}};
  if (findGroup(group, &move.comm, error) || asElements(bytes, &move.type, &move.count, error))
    return 1;
  int status = begin(&move);
  int result = status == MPI_SUCCESS ? waitAll(2, move.requests, error) : fail(status, name, error);
  dropType(&move.type);
  return result;
}

#define MOVES(function, begin, name)                                                               \
  EXPORTED int function(int64_t group, const void *from, void *to, int64_t bytes, int64_t first,   \
                        int64_t second, char *error) {                                             \
    return run(begin, name, group, from, to, bytes, first, second, error);                         \
  }

MOVES(weft_mpi_all_gather, beginAllGather, "MPI_Iallgather")
MOVES(weft_mpi_all_to_all, beginAllToAll, "MPI_Ialltoall")
MOVES(weft_mpi_broadcast, beginBroadcast, "MPI_Ibcast")
MOVES(weft_mpi_exchange, beginExchange, "MPI_Isend")
#undef MOVES

/* Ends MPI, if it was started here; all processes call this. */
EXPORTED void weft_mpi_finish(void) {
  int isFinished = 0;
  MPI_Finalized(&isFinished);
  if (startedHere && !isFinished)
    MPI_Finalize();
}

/* Ends all processes of the job. */
EXPORTED void weft_mpi_abort(int status) { MPI_Abort(MPI_COMM_WORLD, status); }
