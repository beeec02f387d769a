// What a WebAssembly module has instead of a C library: linked by wasm-ld, as far as it is used.
//
// LLVM calls these functions, by the names that they have in C, where WebAssembly has no
// instruction. On other processors they are tested against those of a C library.
#include "lib/Runtime/artifact/fused.h"
#include <stddef.h>

#ifdef __wasm__
// model.js gives each call its memory.
void *malloc(size_t bytes) {
  (void)bytes;
  return 0;
}

void free(void *memory) { (void)memory; }

// Products of 128 bits, by which LLVM sees whether one of 64 bits overflows.
__int128 __multi3(__int128 a, __int128 b) {
  struct {
    uint64_t low, high;
  } x, y, result;
  __builtin_memcpy(&x, &a, sizeof(a));
  __builtin_memcpy(&y, &b, sizeof(b));
  struct Wide product = productOf(x.low, y.low);
  result.low = product.low;
  result.high = product.high + x.high * y.low + x.low * y.high;
  __int128 all;
  __builtin_memcpy(&all, &result, sizeof(all));
  return all;
}
#endif

double fma(double a, double b, double c) { return fusedMultiplyAdd(a, b, c); }

double fmod(double x, double y) {
  if (!isFinite(x) || y == 0 || y != y)
    return (x * y) / (x * y);
  if (!isFinite(y))
    return x;
  int exponent, divisorExponent;
  uint64_t rest = mantissaOf(x, &exponent), divisor = mantissaOf(y, &divisorExponent);
  // A divisor with the larger exponent is normal, and so larger.
  if (exponent < divisorExponent)
    return x;
  for (rest %= divisor; exponent > divisorExponent && rest; rest %= divisor) {
    int count = exponent - divisorExponent < 11 ? exponent - divisorExponent : 11;
    rest <<= count;
    exponent -= count;
  }
  return __builtin_copysign(scaled(rest, divisorExponent), x);
}

float fmodf(float x, float y) { return (float)fmod(x, y); }

// The first 1280 bits of 2/pi.
static const uint64_t twoOverPi[20] = {
    0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
    0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484,
    0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b,
    0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d};

// The 64 bits of 2/pi from bit `first` on, which may be below the first.
static uint64_t bitsFrom(int first) {
  uint64_t bits = 0;
  for (int i = 0; i < 64; ++i) {
    int place = first + i;
    bits = bits << 1 | (place < 0 ? 0 : twoOverPi[place / 64] >> (63 - place % 64) & 1);
  }
  return bits;
}

// A number as a sum of two doubles, the second below half a unit of the first.
struct Pair {
  double high, low;
};

static struct Pair pairOf(double high, double low) {
  struct Pair sum = {high + low, 0};
  sum.low = low - (sum.high - high);
  return sum;
}

static struct Pair plus(struct Pair x, struct Pair y) {
  double sum = x.high + y.high, part = sum - x.high;
  double lost = (x.high - (sum - part)) + (y.high - part);
  return pairOf(sum, lost + x.low + y.low);
}

static struct Pair times(struct Pair x, struct Pair y) {
  double product = x.high * y.high;
  return pairOf(product, fma(x.high, y.high, -product) + (x.high * y.low + x.low * y.high));
}

static struct Pair over(struct Pair x, struct Pair y) {
  double quotient = x.high / y.high;
  double rest = fma(-quotient, y.high, x.high) + x.low - quotient * y.low;
  return pairOf(quotient, rest / y.high);
}

// x - turns * pi/2, between -pi/4 and pi/4, and turns modulo 4 (Payne and Hanek, 1983): of the
// product with 2/pi those bits that are neither a multiple of 4 nor too small.
static struct Pair reduced(double x, int *turns) {
  int exponent;
  uint64_t mantissa = mantissaOf(x, &exponent), fraction[4], carry = 0;
  for (int i = 3; i >= 0; --i) {
    struct Wide part = productOf(mantissa, bitsFrom(exponent - 2 + 64 * i));
    fraction[i] = part.low + carry;
    carry = part.high + (fraction[i] < carry);
  }
  *turns = (int)(fraction[0] >> 62);
  struct Wide top = {fraction[0] << 2 | fraction[1] >> 62, fraction[1] << 2 | fraction[2] >> 62};
  uint64_t next = fraction[2] << 2 | fraction[3] >> 62;
  int isAbove = top.high >> 63;
  if (isAbove) { // the next multiple is nearer
    *turns = (*turns + 1) & 3;
    top.high = ~top.high, top.low = ~top.low, next = ~next;
  }
  int zeros = leadingZeros(top);
  top = shiftedLeft(top, zeros);
  if (zeros > 0 && zeros < 64)
    top.low |= next >> (64 - zeros);
  struct Pair turn = pairOf(scaled(top.high >> 11, -53 - zeros),
                            scaled(top.high << 53 >> 11 | top.low >> 22, -106 - zeros));
  static const struct Pair quarter = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};
  struct Pair angle = times(turn, quarter);
  if (isAbove != (bitsOf(x) >> 63 != 0))
    angle.high = -angle.high, angle.low = -angle.low;
  if (bitsOf(x) >> 63)
    *turns = (4 - *turns) & 3;
  return angle;
}

// The series of the sine (first = 1) or the cosine (first = 0).
static struct Pair seriesOf(struct Pair angle, int first) {
  static const struct Pair one = {1, 0};
  struct Pair term = first ? angle : one, sum = term, square = times(angle, angle);
  for (int k = first + 1; k < 26; k += 2) {
    struct Pair divisor = {-(double)k * (k + 1), 0};
    term = over(times(term, square), divisor);
    sum = plus(sum, term);
  }
  return sum;
}

// The sine (turns = 0) or cosine (turns = 1) of an angle that compiled code does not reduce itself.
static struct Pair sineOf(double x, int added) {
  int turns;
  struct Pair angle = reduced(x, &turns);
  turns += added;
  struct Pair result = seriesOf(angle, turns % 2 == 0);
  if (turns & 2)
    result.high = -result.high, result.low = -result.low;
  return result;
}

double sin(double x) { return !isFinite(x) ? x - x : x == 0 ? x : sineOf(x, 0).high; }

double cos(double x) { return !isFinite(x) ? x - x : sineOf(x, 1).high; }

double tan(double x) {
  return !isFinite(x) ? x - x : x == 0 ? x : over(sineOf(x, 0), sineOf(x, 1)).high;
}
