/* Classifies the images of an IDX file on the standard input: a line for each, its class and the
 * class's score. fashion.h and fashion.o are what weftc makes of the network that
 * examples/train_fashion_mnist.py saves with --export. */
#include "fashion.h"
#include <stdio.h>

int main(void) {
  unsigned char pixels[784], header[16];
  float image[784], scores[10];
  if (fread(header, sizeof(header), 1, stdin) != 1)
    return 1;
  while (fread(pixels, sizeof(pixels), 1, stdin) == 1) {
    for (int i = 0; i < 784; ++i)
      image[i] = pixels[i] / 255.0f;
    int status = fashion_run(1, image, scores, NULL), best = 0;
    if (status != WEFT_OK)
      return fprintf(stderr, "%s\n", fashion_error_text(status)), 1;
    for (int i = 1; i < 10; ++i)
      best = scores[i] > scores[best] ? i : best;
    printf("%d %.9g\n", best, scores[best]);
  }
}
