/* Processes connected by MPI. A library of its own, built where there is an MPI, compiled against
 * its header, and opened at run time by weft.distributed: nothing else of Weft knows MPI. */
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORTED __attribute__((visibility("default")))

enum { errorBytes = 256, mostGroups = 1024 };
/* What a move returns besides 0 and 1, see lib/Runtime/Collectives.h. */
enum { interruptedStatus = 2, endlessStatus = 3, lateStatus = 4 };

/* Processes that compute together. */
typedef struct {
  MPI_Comm comm;
  int rank, size;
  /* How many operations this process has begun. */
  int64_t operations;
  /* The members that have ended: how many, the one that has taken part in the fewest operations,
   * and in how many it has. */
  int ended, firstEnded;
  int64_t lastOperation;
} Group;

/* What members tell the others at their end: in how many operations they have taken part; and, in
 * the group of all, where they wait. Messages of operations have the first tag. */
enum { operationTag = 0, endTag = 1, waitTag = 2 };

/* What is asked while one waits, see python/src/Collectives.cpp. */
typedef struct {
  int (*isInterrupted)(void);
  const char *(*tell)(int64_t *bytes);
  void (*hear)(const char *told, int64_t bytes);
  int (*isEndless)(void);
} WaitQuestions;

/* What a process was told last: until it has heard that it is told nothing else. */
typedef struct {
  char *bytes;
  MPI_Request request;
} Told;

static Group groups[mostGroups];
static double timeoutSeconds = 300.0;
static const WaitQuestions *questions;
static Told *tolds;
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

/* Hears which members have ended. */
static int hearEnds(Group *group) {
  for (;;) {
    int isThere = 0;
    MPI_Status from;
    int status = MPI_Iprobe(MPI_ANY_SOURCE, endTag, group->comm, &isThere, &from);
    if (status != MPI_SUCCESS || !isThere)
      return status;
    int64_t operations = 0;
    status = MPI_Recv(&operations, 1, MPI_INT64_T, from.MPI_SOURCE, endTag, group->comm,
                      MPI_STATUS_IGNORE);
    if (status != MPI_SUCCESS)
      return status;
    if (group->ended++ == 0 || operations < group->lastOperation) {
      group->firstEnded = from.MPI_SOURCE;
      group->lastOperation = operations;
    }
  }
}

/* Tells all other processes where this one waits. Those that do not listen, as they wait for
 * nobody, hear it when they do. */
static int tellWait(void) {
  int64_t count = 0;
  const char *bytes = questions->tell(&count);
  for (int process = 0; process < groups[0].size; ++process) {
    Told *told = &tolds[process];
    int isHeard = 0;
    int status = MPI_Test(&told->request, &isHeard, MPI_STATUS_IGNORE);
    if (status != MPI_SUCCESS)
      return status;
    if (process == groups[0].rank || !isHeard)
      continue;
    char *copy = realloc(told->bytes, (size_t)count);
    if (!copy)
      continue;
    told->bytes = memcpy(copy, bytes, (size_t)count);
    status =
        MPI_Issend(copy, (int)count, MPI_BYTE, process, waitTag, groups[0].comm, &told->request);
    if (status != MPI_SUCCESS)
      return status;
  }
  return MPI_SUCCESS;
}

/* Hears where others wait. */
static int hearWaits(void) {
  for (;;) {
    int isThere = 0, count = 0;
    MPI_Status from;
    int status = MPI_Iprobe(MPI_ANY_SOURCE, waitTag, groups[0].comm, &isThere, &from);
    if (status != MPI_SUCCESS || !isThere)
      return status;
    MPI_Get_count(&from, MPI_BYTE, &count);
    char *bytes = malloc((size_t)count + 1);
    if (!bytes)
      return MPI_SUCCESS;
    status = MPI_Recv(bytes, count, MPI_BYTE, from.MPI_SOURCE, waitTag, groups[0].comm,
                      MPI_STATUS_IGNORE);
    if (status == MPI_SUCCESS)
      questions->hear(bytes, count);
    free(bytes);
    if (status != MPI_SUCCESS)
      return status;
  }
}

/* What one who waits does from time to time; `told` is when it told the others last. */
static int lookAround(Group *group, double time, double *told, char *error) {
  int status = hearEnds(group);
  /* One that has taken part has sent what it had to. */
  if (status == MPI_SUCCESS && group->ended > 0 && group->lastOperation < group->operations) {
    snprintf(error, errorBytes, "%s %d has ended its program, and does not come any more",
             group == &groups[0] ? "process" : "member", group->firstEnded);
    return 1;
  }
  double pause = timeoutSeconds / 4 < 1 ? timeoutSeconds / 4 : 1;
  int tells = time - *told > pause;
  if (status == MPI_SUCCESS && tells)
    status = tellWait();
  if (status == MPI_SUCCESS)
    status = hearWaits();
  if (status != MPI_SUCCESS)
    return fail(status, "MPI", error);
  if (questions->isInterrupted())
    return interruptedStatus;
  /* Not at once, so that the others have heard of this one. */
  if (tells)
    *told = time;
  else if (questions->isEndless())
    return endlessStatus;
  return 0;
}

/* Waits for requests of a group's last operation, as long as the timeout allows. */
static int waitAll(Group *group, int count, MPI_Request *requests, char *error) {
  double begin = now(), looked = begin, told = begin;
  for (;;) {
    int done = 0;
    int status = MPI_Testall(count, requests, &done, MPI_STATUSES_IGNORE);
    if (status != MPI_SUCCESS)
      return fail(status, "MPI", error);
    if (done)
      return 0;
    double time = now();
    if (time - begin > timeoutSeconds)
      return lateStatus;
    if (time - looked > 0.05) {
      looked = time;
      int result = lookAround(group, time, &told, error);
      if (result)
        return result;
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

static Group *findGroup(int64_t group, char *error) {
  if (group >= 0 && group < mostGroups && groups[group].comm != MPI_COMM_NULL)
    return &groups[group];
  snprintf(error, errorBytes, "there is no group %lld here", (long long)group);
  return NULL;
}

/* What all groups begin with. */
static int beginGroup(Group *group) {
  group->operations = group->ended = 0;
  MPI_Comm_rank(group->comm, &group->rank);
  MPI_Comm_size(group->comm, &group->size);
  return MPI_Comm_set_errhandler(group->comm, MPI_ERRORS_RETURN);
}

/* Starts MPI, unless it is started; gives this process's number and how many there are. */
EXPORTED int weft_mpi_start(double timeout, const WaitQuestions *asked, int *rank, int *size,
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
      groups[i].comm = MPI_COMM_NULL;
  }
  timeoutSeconds = timeout;
  questions = asked;
  /* A communicator of our own: messages of others in this process are not ours. */
  status = MPI_Comm_dup(MPI_COMM_WORLD, &groups[0].comm);
  if (status == MPI_SUCCESS)
    status = beginGroup(&groups[0]);
  if (status != MPI_SUCCESS)
    return fail(status, "MPI_Comm_dup", error);
  *rank = groups[0].rank;
  *size = groups[0].size;
  tolds = calloc((size_t)*size, sizeof *tolds);
  if (!tolds) {
    snprintf(error, errorBytes, "there is no memory for what %d processes are told", *size);
    return 1;
  }
  for (int process = 0; process < *size; ++process)
    tolds[process].request = MPI_REQUEST_NULL;
  return 0;
}

/* Makes a group of some processes, by their numbers; its members call this. */
EXPORTED int weft_mpi_make_group(int64_t group, const int *ranks, int count, char *error) {
  if (group <= 0 || group >= mostGroups) {
    snprintf(error, errorBytes, "there can't be more than %d groups", mostGroups);
    return 1;
  }
  MPI_Group all, some;
  MPI_Comm_group(groups[0].comm, &all);
  int status = MPI_Group_incl(all, count, ranks, &some);
  if (status == MPI_SUCCESS)
    status = MPI_Comm_create_group(groups[0].comm, some, (int)group, &groups[group].comm);
  if (status == MPI_SUCCESS)
    status = beginGroup(&groups[group]);
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
    status = MPI_Irecv(move->to, move->count, move->type, move->second, operationTag, move->comm,
                       &move->requests[0]);
  if (status == MPI_SUCCESS && move->first >= 0)
    status = MPI_Isend(move->from, move->count, move->type, move->first, operationTag, move->comm,
                       &move->requests[1]);
  return status;
}

/* Finds the group, begins, waits and cleans up: all that operations have in common. */
static int run(Begin begin, const char *name, int64_t number, const void *from, void *to,
               int64_t bytes, int64_t first, int64_t second, char *error) {
  Move move = {.from = from,
               .to = to,
               .first = (int)first,
               .second = (int)second,
               .requests = {MPI_REQUEST_NULL, MPI_REQUEST_NULL}};
  Group *group = findGroup(number, error);
  if (!group || asElements(bytes, &move.type, &move.count, error))
    return 1;
  move.comm = group->comm;
  ++group->operations;
  int status = begin(&move);
  int result =
      status == MPI_SUCCESS ? waitAll(group, 2, move.requests, error) : fail(status, name, error);
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

/* Tells the members of a group that this process ends; some of them may wait for it in vain. */
static int tellEnd(Group *group, MPI_Request *requests) {
  int status = MPI_SUCCESS;
  for (int member = 0; member < group->size && status == MPI_SUCCESS; ++member)
    if (member != group->rank)
      status = MPI_Isend(&group->operations, 1, MPI_INT64_T, member, endTag, group->comm,
                         &requests[member]);
  return status;
}

/* Leaves a group together with its members, as late as the last of them. */
static void leaveGroup(Group *group, MPI_Request *requests) {
  for (double begin = now(); group->ended < group->size - 1; pauseFor(now() - begin))
    if (hearEnds(group) != MPI_SUCCESS)
      return;
  MPI_Waitall(group->size, requests, MPI_STATUSES_IGNORE);
}

/* Ends what processes were told of waits: all was sent before the ends were told. */
static void leaveWaits(void) {
  if (hearWaits() != MPI_SUCCESS)
    return;
  for (int process = 0; process < groups[0].size; ++process) {
    MPI_Wait(&tolds[process].request, MPI_STATUS_IGNORE);
    free(tolds[process].bytes);
  }
  free(tolds);
  tolds = NULL;
}

static void leaveGroups(void) {
  MPI_Request *requests[mostGroups] = {NULL};
  int isTold = 1;
  for (int i = 0; i < mostGroups && isTold; ++i) {
    if (groups[i].comm == MPI_COMM_NULL)
      continue;
    requests[i] = malloc(sizeof(MPI_Request) * (size_t)groups[i].size);
    for (int member = 0; requests[i] && member < groups[i].size; ++member)
      requests[i][member] = MPI_REQUEST_NULL;
    isTold = requests[i] && tellEnd(&groups[i], requests[i]) == MPI_SUCCESS;
  }
  for (int i = 0; i < mostGroups; ++i) {
    if (requests[i] && isTold)
      leaveGroup(&groups[i], requests[i]);
    free(requests[i]);
  }
  if (isTold)
    leaveWaits();
}

/* Ends MPI, if it was started here; all processes call this. */
EXPORTED void weft_mpi_finish(void) {
  int isFinished = 0;
  MPI_Finalized(&isFinished);
  if (isFinished)
    return;
  leaveGroups();
  if (startedHere)
    MPI_Finalize();
}

/* Ends all processes of the job. */
EXPORTED void weft_mpi_abort(int status) { MPI_Abort(MPI_COMM_WORLD, status); }
