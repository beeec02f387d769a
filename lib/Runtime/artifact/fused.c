// What objects call for a fused multiply-add of doubles, which not every C library rounds once.
#include "lib/Runtime/artifact/fused.h"

double weft_model_fma(double a, double b, double c);
double weft_model_fma(double a, double b, double c) { return fusedMultiplyAdd(a, b, c); }
