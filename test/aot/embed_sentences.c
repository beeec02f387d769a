/* Reads two sizes, then tokens, masks and types of sentences; writes their vectors, one a line. */
#include "sentences.h"
#include <stdio.h>
#include <stdlib.h>

#define WIDTH 384

static int64_t read_number(void) {
  long long number;
  if (scanf("%lld", &number) != 1)
    exit(2);
  return number;
}

static int64_t *read_numbers(int64_t count) {
  int64_t *numbers = malloc((size_t)count * sizeof(*numbers));
  if (!numbers)
    exit(3);
  for (int64_t i = 0; i < count; ++i)
    numbers[i] = read_number();
  return numbers;
}

int main(void) {
  int64_t batch = read_number(), length = read_number();
  int64_t *tokens = read_numbers(batch * length);
  int64_t *mask = read_numbers(batch * length);
  int64_t *types = read_numbers(batch * length);
  float *vectors = malloc((size_t)batch * WIDTH * sizeof(*vectors));
  if (!vectors)
    return 3;
  int status = sentences_run(batch, length, tokens, mask, types, vectors, NULL);
  if (status != WEFT_OK) {
    fprintf(stderr, "%s\n", sentences_error_text(status));
    return 1;
  }
  for (int64_t i = 0; i < batch * WIDTH; ++i)
    printf("%.9g%c", vectors[i], i % WIDTH == WIDTH - 1 ? '\n' : ' ');
  free(tokens);
  free(mask);
  free(types);
  free(vectors);
  return 0;
}
