// Compares fma and fmod of lib/Runtime/artifact/webassembly.c with those of the C library.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

double weft_fma(double a, double b, double c);
double weft_fmod(double x, double y);
double weft_sin(double x);
double weft_cos(double x);
double weft_tan(double x);

static uint64_t state = 88172645463325252u;

static uint64_t randomBits(void) { // xorshift64*
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 2685821657736338717u;
}

static double numberOf(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof(x));
  return x;
}

// Any number, one near 1, one with few bits, a subnormal one, or a special one.
static double randomNumber(void) {
  static const double special[] = {
      0.0, -0.0, 1.0, INFINITY, -INFINITY, NAN, 0x1p-1074, 0x1p-1022, 0x1.fffffffffffffp1023};
  uint64_t bits = randomBits(), fraction = 0x800fffffffffffffu;
  switch (randomBits() % 8) {
  case 0:
    return special[bits % 9];
  case 1:
    return numberOf(bits & fraction);
  case 2:
    bits &= ~(uint64_t)0 << (20 + bits % 32);
    return numberOf(bits);
  case 3:
  case 4:
  case 5:
    return numberOf((bits & fraction) | (1023 - 60 + randomBits() % 120) << 52);
  default:
    return numberOf(bits);
  }
}

static int isSame(double x, double y) {
  return (x != x && y != y) || memcmp(&x, &y, sizeof(x)) == 0;
}

// Rounded to a neighbour of what long double has.
static int isNear(double x, long double exact) {
  return x == (double)exact || nextafter(x, (double)exact) == (double)exact;
}

// Compiled code asks for angles from 2^28 on, and zeros.
static int checkAngles(void) {
  long differ = 0;
  for (long i = 0; i < 100000; ++i) {
    double x =
        numberOf((randomBits() & 0x800fffffffffffffu) | (1023 + 28 + randomBits() % 996) << 52);
    double found[] = {weft_sin(x), weft_cos(x), weft_tan(x)};
    long double exact[] = {sinl(x), cosl(x), tanl(x)};
    for (int f = 0; f < 3; ++f) {
      if (!isNear(found[f], exact[f]))
        return printf("function %d of %a is %a\n", f, x, found[f]), 1;
      differ += found[f] != (double)exact[f];
    }
  }
  if (differ > 300)
    return printf("%ld results are not rounded right\n", differ), 1;
  return !(weft_sin(-0.0) == 0 && signbit(weft_sin(-0.0)) && weft_cos(0.0) == 1 &&
           isnan(weft_tan(INFINITY)));
}

int main(void) {
  if (checkAngles())
    return 1;
  for (long i = 0; i < 1000000; ++i) {
    double a = randomNumber(), b = randomNumber(), c = randomNumber();
    if (i % 3 == 0) // a sum that cancels
      c = i % 2 ? -(a * b) : nextafter(-(a * b), 0);
    if (!isSame(weft_fma(a, b, c), fma(a, b, c)))
      return printf("fma(%a, %a, %a) is %a\n", a, b, c, weft_fma(a, b, c)), 1;
    if (i % 8 == 0 && !isSame(weft_fmod(a, b), fmod(a, b)))
      return printf("fmod(%a, %a) is %a\n", a, b, weft_fmod(a, b)), 1;
  }
  return 0;
}
