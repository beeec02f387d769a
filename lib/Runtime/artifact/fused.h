// Fused multiply-adds of doubles by whole numbers, for processors without the instruction.
#pragma once

#include <stdint.h>

// 128 bits, without a sign.
struct Wide {
  uint64_t high, low;
};

static struct Wide productOf(uint64_t a, uint64_t b) {
  uint64_t aLow = (uint32_t)a, aHigh = a >> 32, bLow = (uint32_t)b, bHigh = b >> 32;
  uint64_t low = aLow * bLow, middle = aHigh * bLow + (low >> 32);
  uint64_t other = aLow * bHigh + (uint32_t)middle;
  struct Wide product = {aHigh * bHigh + (middle >> 32) + (other >> 32),
                         other << 32 | (uint32_t)low};
  return product;
}

static struct Wide shiftedLeft(struct Wide x, int count) {
  if (count >= 64) {
    x.high = x.low << (count - 64);
    x.low = 0;
  } else if (count > 0) {
    x.high = x.high << count | x.low >> (64 - count);
    x.low <<= count;
  }
  return x;
}

// The lowest bit tells of ones that were shifted out.
static struct Wide shiftedRight(struct Wide x, int64_t count) {
  if (count <= 0)
    return x;
  if (count >= 128) {
    struct Wide rest = {0, (x.high | x.low) != 0};
    return rest;
  }
  struct Wide lost = shiftedLeft(x, (int)(128 - count));
  if (count >= 64) {
    x.low = count == 64 ? x.high : x.high >> (count - 64);
    x.high = 0;
  } else {
    x.low = x.low >> count | x.high << (64 - count);
    x.high >>= count;
  }
  x.low |= (lost.high | lost.low) != 0;
  return x;
}

static int isLess(struct Wide x, struct Wide y) {
  return x.high < y.high || (x.high == y.high && x.low < y.low);
}

static struct Wide sumOf(struct Wide x, struct Wide y) {
  struct Wide sum = {x.high + y.high, x.low + y.low};
  sum.high += sum.low < x.low;
  return sum;
}

static struct Wide differenceOf(struct Wide x, struct Wide y) {
  struct Wide difference = {x.high - y.high - (x.low < y.low), x.low - y.low};
  return difference;
}

static int leadingZeros(struct Wide x) {
  return x.high ? __builtin_clzll(x.high) : 64 + (x.low ? __builtin_clzll(x.low) : 64);
}

static uint64_t bitsOf(double x) {
  uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return bits;
}

static double withBits(uint64_t bits) {
  double x;
  __builtin_memcpy(&x, &bits, sizeof(x));
  return x;
}

static const uint64_t infinity = (uint64_t)0x7ff << 52;

static int isFinite(double x) { return (bitsOf(x) & infinity) != infinity; }

// |x| = mantissa * 2^exponent, for a finite x.
static uint64_t mantissaOf(double x, int *exponent) {
  uint64_t bits = bitsOf(x) & ~((uint64_t)1 << 63), fraction = bits & (((uint64_t)1 << 52) - 1);
  int biased = (int)(bits >> 52);
  *exponent = (biased ? biased : 1) - 1075;
  return biased ? fraction | (uint64_t)1 << 52 : fraction;
}

// 2^exponent, from -1022 to 1023.
static double powerOfTwo(int exponent) { return withBits((uint64_t)(exponent + 1023) << 52); }

// mantissa * 2^exponent, which is a number of double or too large.
static double scaled(uint64_t mantissa, int exponent) {
  double x = (double)mantissa;
  for (; exponent > 1000; exponent -= 1000)
    x *= powerOfTwo(1000);
  for (; exponent < -1000; exponent += 1000)
    x *= powerOfTwo(-1000);
  return x * powerOfTwo(exponent);
}

// x * 2^exponent, rounded to the nearest, ties to even. x has less than 127 bits.
static double rounded(struct Wide x, int exponent) {
  // Two bits more than are kept: the half, and one that tells of all behind it.
  x = shiftedLeft(x, 1);
  exponent -= 1;
  int dropped = 128 - leadingZeros(x) - 53;
  if (dropped < -1074 - exponent)
    dropped = -1074 - exponent;
  if (dropped < 2)
    return scaled(shiftedRight(x, 1).low, exponent + 1);
  uint64_t bits = shiftedRight(x, dropped - 2).low;
  uint64_t kept = bits >> 2, rest = bits & 3;
  return scaled(kept + (rest > 2 || (rest == 2 && (kept & 1))), exponent + dropped);
}

// The highest bit goes to 125; `exponent` changes with it.
static struct Wide aligned(struct Wide x, int *exponent) {
  int count = leadingZeros(x) - 2;
  *exponent -= count;
  return shiftedLeft(x, count);
}

// a * b + c, rounded once, to the nearest, ties to even.
static double fusedMultiplyAdd(double a, double b, double c) {
  if (!isFinite(a) || !isFinite(b) || a == 0 || b == 0)
    return a * b + c;
  if (!isFinite(c))
    return c + c;
  if (c == 0)
    return a * b;
  int aExponent, bExponent, addedExponent;
  uint64_t aMantissa = mantissaOf(a, &aExponent), bMantissa = mantissaOf(b, &bExponent);
  int exponent = aExponent + bExponent;
  struct Wide product = aligned(productOf(aMantissa, bMantissa), &exponent);
  struct Wide added = {0, mantissaOf(c, &addedExponent)};
  added = aligned(added, &addedExponent);
  int isNegative = (bitsOf(a) ^ bitsOf(b)) >> 63 != 0, isAddedNegative = bitsOf(c) >> 63 != 0;
  if (exponent >= addedExponent) {
    added = shiftedRight(added, exponent - addedExponent);
  } else {
    product = shiftedRight(product, addedExponent - exponent);
    exponent = addedExponent;
  }
  struct Wide sum;
  if (isNegative == isAddedNegative) {
    sum = sumOf(product, added);
  } else if (isLess(product, added)) {
    sum = differenceOf(added, product);
    isNegative = isAddedNegative;
  } else {
    sum = differenceOf(product, added);
    if (!(sum.high | sum.low))
      return 0;
  }
  double result = rounded(sum, exponent);
  return isNegative ? -result : result;
}
