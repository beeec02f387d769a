//===- VectorMathCoefficients.h - Polynomials of the vector math ---------===//
//
// Written by polynomials.py: change that, not this. Lowest power first. "Float"
// tables are for f32 arithmetic, "Extended" ones for f32 results computed in
// f64, "Double" ones for f64 results.
//
//===----------------------------------------------------------------------===//

#ifndef WEFT_CODEGEN_LOOPS_VECTORMATHCOEFFICIENTS_H
#define WEFT_CODEGEN_LOOPS_VECTORMATHCOEFFICIENTS_H

#include <cstdint>

// clang-format off

namespace weft::vectormath::coefficients {

/// high + low, an unevaluated sum.
struct Split {
  double high, low;
};

/// ln(2), the first part with 24 bits.
inline constexpr Split ln2Float = {0x1.62e4300000000p-1, -0x1.05c6100000000p-29};

/// ln(2), the first part with 15 bits.
inline constexpr Split ln2ShortFloat = {0x1.62e4000000000p-1, 0x1.7f7d1c0000000p-20};

/// log10(2), the first part with 15 bits.
inline constexpr Split log10Of2ShortFloat = {0x1.3440000000000p-2, 0x1.3509f80000000p-18};

/// log2(e), the first part with 24 bits.
inline constexpr Split log2OfEFloat = {0x1.7154760000000p+0, 0x1.4ae0c00000000p-26};

/// log10(e), the first part with 24 bits.
inline constexpr Split log10OfEFloat = {0x1.bcb7b20000000p-2, -0x1.5b235e0000000p-27};

/// ln(2), the first part with 53 bits.
inline constexpr Split ln2Double = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};

/// ln(2), the first part with 41 bits.
inline constexpr Split ln2ShortDouble = {0x1.62e42fefa4000p-1, -0x1.8432a1b0e2634p-43};

/// log10(2), the first part with 41 bits.
inline constexpr Split log10Of2ShortDouble = {0x1.34413509f8000p-2, -0x1.80433b83b532ap-44};

/// log2(e), the first part with 53 bits.
inline constexpr Split log2OfEDouble = {0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56};

/// log10(e), the first part with 53 bits.
inline constexpr Split log10OfEDouble = {0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57};

/// pi, the first part with 53 bits.
inline constexpr Split pi = {0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53};

/// 2/3, the first part with 53 bits.
inline constexpr Split twoThirds = {0x1.5555555555555p-1, 0x1.5555555555555p-55};

/// pi/2 as a sum of three numbers.
inline constexpr double halfPi[] = {
    0x1.921fb54442d18p+0,
    0x1.1a62633145c07p-54,
    -0x1.f1976b7ed8fbcp-110};

/// The binary digits of 2/pi, behind two digits before the point.
inline constexpr uint64_t twoOverPi[] = {
    0x28be60db9391054a,
    0x7f09d5f47d4d3770,
    0x36d8a5664f10e410,
    0x7f98000000000000};

/// (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2; error 2^-31.3.
inline constexpr double expFloat[] = {
    0x1.0000000000000p-1,
    0x1.55553e0000000p-3,
    0x1.5554f60000000p-5,
    0x1.1133dc0000000p-7,
    0x1.6d3bf60000000p-10,
    0x1.70869a0000000p-13};

/// (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2; error 2^-39.7.
inline constexpr double expExtended[] = {
    0x1.000000005e7cep-1,
    0x1.5555557e04f6ap-3,
    0x1.5555541ce315bp-5,
    0x1.1110a204467a7p-7,
    0x1.6c18d4e5498dfp-10,
    0x1.a185f6bc28ac4p-13,
    0x1.9e88724f75e3cp-16};

/// (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2; error 2^-57.7.
inline constexpr double expDouble[] = {
    0x1.000000000000ap-1,
    0x1.55555555554c8p-3,
    0x1.55555555504dep-5,
    0x1.1111111135334p-7,
    0x1.6c16c1851b6cfp-10,
    0x1.a01a00dcefd7cp-13,
    0x1.a01997348a009p-16,
    0x1.71dfdaebd46eap-19,
    0x1.28b0464a330f2p-22,
    0x1.ac53e6463991ap-26};

/// (2^r - 1) / r for |r| <= 1/2; error 2^-26.4.
inline constexpr double exp2Float[] = {
    0x1.62e4300000000p-1,
    0x1.ebfb9c0000000p-3,
    0x1.c6afac0000000p-5,
    0x1.3b61040000000p-7,
    0x1.5eea120000000p-10,
    0x1.1d1a160000000p-13};

/// (2^r - 1) / r for |r| <= 1/2; error 2^-57.7.
inline constexpr double exp2Double[] = {
    0x1.62e42fefa39efp-1,
    0x1.ebfbdff82c574p-3,
    0x1.c6b08d704a1fbp-5,
    0x1.3b2ab6fbaade2p-7,
    0x1.5d87fe786aa18p-10,
    0x1.430912dcc1b58p-13,
    0x1.ffcbfd7c56ad9p-17,
    0x1.62c0921255024p-20,
    0x1.b522c3c0cdeadp-24,
    0x1.e3354f44aef40p-28,
    0x1.ed197fcecb3d6p-32,
    0x1.f95b1064ede4ap-35};

/// (log(1 + f) - f + f^2 / 2) / f^3 for 1 + f in [2/3, 4/3]; error 2^-30.0.
inline constexpr double logFloat[] = {
    0x1.5555560000000p-2,
    -0x1.ffff020000000p-3,
    0x1.99985e0000000p-3,
    -0x1.559bb00000000p-3,
    0x1.24d7c00000000p-3,
    -0x1.f3371c0000000p-4,
    0x1.bb42460000000p-4,
    -0x1.07d5b80000000p-3,
    0x1.e077a20000000p-4};

/// (log(1 + f) - f + f^2 / 2) / f^3 for 1 + f in [sqrt(1/2), sqrt(2)]; error 2^-38.2.
inline constexpr double logExtended[] = {
    0x1.55555560a4835p-2,
    -0x1.000000c1714c9p-2,
    0x1.99998b314f02bp-3,
    -0x1.5554a12b0f81cp-3,
    0x1.2494b898e0a7bp-3,
    -0x1.001df566dd739p-3,
    0x1.c6e16447e14ecp-4,
    -0x1.9511b3254615cp-4,
    0x1.724865062c100p-4,
    -0x1.7c63f3e0b96f4p-4,
    0x1.75657600e5434p-4,
    -0x1.8b1c380a6562cp-5};

/// (log((1 + s) / (1 - s)) / s - 2) / s^2 in s^2; error 2^-59.5.
inline constexpr double logRatioDouble[] = {
    0x1.5555555555592p-1,
    0x1.999999997ff23p-2,
    0x1.24924941e03d4p-2,
    0x1.c71c52158d894p-3,
    0x1.74663c9ec0bebp-3,
    0x1.39a1f1c12c346p-3,
    0x1.2f0357e07b75ap-3};

/// ((log((1 + s) / (1 - s)) / s - 2) / s^2 - 2/3) / s^2 in s^2; error 2^-76.4.
inline constexpr double powerLogDouble[] = {
    0x1.999999999999ap-2,
    0x1.2492492492363p-2,
    0x1.c71c71c747eadp-3,
    0x1.745d172bc7a26p-3,
    0x1.3b13ba5b3700fp-3,
    0x1.110f1c03af2b0p-3,
    0x1.e265904c5cb38p-4,
    0x1.a5075c2257b22p-4,
    0x1.ecb0094832dcbp-4};

/// (sin(r) / r - 1) / r^2 in r^2 for |r| <= pi/4; error 2^-37.5.
inline constexpr double sineExtended[] = {
    -0x1.5555554c5eb4cp-3,
    0x1.1111085cdfa81p-7,
    -0x1.a00f74709ac79p-13,
    0x1.6ccf6905f8294p-19};

/// (sin(r) / r - 1) / r^2 in r^2 for |r| <= pi/4; error 2^-57.9.
inline constexpr double sineDouble[] = {
    -0x1.5555555555548p-3,
    0x1.111111110f731p-7,
    -0x1.a01a019be953dp-13,
    0x1.71de3555614aap-19,
    -0x1.ae5e4bb3acbc4p-26,
    0x1.5d8b64944ba80p-33};

/// (cos(r) - 1 + r^2 / 2) / r^4 in r^2 for |r| <= pi/4; error 2^-42.9.
inline constexpr double cosineExtended[] = {
    0x1.5555554ecce15p-5,
    -0x1.6c16b81c93396p-10,
    0x1.a010d5eeef81bp-16,
    -0x1.241cc727509e5p-22};

/// (cos(r) - 1 + r^2 / 2) / r^4 in r^2 for |r| <= pi/4; error 2^-63.9.
inline constexpr double cosineDouble[] = {
    0x1.555555555554bp-5,
    -0x1.6c16c16c15006p-10,
    0x1.a01a019c8ca5cp-16,
    -0x1.27e4f7ef31e60p-22,
    0x1.1ee9d9e2e6fffp-29,
    -0x1.8fa5638e53ddfp-37};

/// (tanh(x) / x - 1) / x^2 in x^2 for |x| <= 1; error 2^-27.7.
inline constexpr double tanhFloat[] = {
    -0x1.55553c0000000p-2,
    0x1.110be60000000p-3,
    -0x1.b962860000000p-5,
    0x1.600bc40000000p-6,
    -0x1.0467180000000p-7,
    0x1.2db7140000000p-9,
    -0x1.78060a0000000p-12};

/// (tanh(x) / x - 1) / x^2 in x^2 for |x| <= 1; error 2^-56.1.
inline constexpr double tanhDouble[] = {
    -0x1.555555555550fp-2,
    0x1.111111110d7dfp-3,
    -0x1.ba1ba1b80fd68p-5,
    0x1.664f483684db8p-6,
    -0x1.226e2ebc95ac0p-7,
    0x1.d6d30fa4130cdp-9,
    -0x1.7d9bc8f9dad34p-10,
    0x1.352128d5e9ae1p-11,
    -0x1.f335c1347abf9p-13,
    0x1.8d7923bac4d71p-14,
    -0x1.2eafb78f4f580p-15,
    0x1.9e02f863322c5p-17,
    -0x1.cac907e0d7380p-19,
    0x1.5f2356085de3fp-21,
    -0x1.0cff86a911a64p-24};

/// (sinh(x) / x - 1) / x^2 in x^2 for |x| <= 1; error 2^-34.2.
inline constexpr double sinhExtended[] = {
    0x1.5555551b45c45p-3,
    0x1.111134f8cc13bp-7,
    0x1.9ffe93794fc13p-13,
    0x1.7a15913a5ebc4p-19};

/// (sinh(x) / x - 1) / x^2 in x^2 for |x| <= 1; error 2^-61.8.
inline constexpr double sinhDouble[] = {
    0x1.5555555555556p-3,
    0x1.111111111101ep-7,
    0x1.a01a01a037266p-13,
    0x1.71de3a3b07173p-19,
    0x1.ae646ff491807p-26,
    0x1.6116f4e5a9e0cp-33,
    0x1.b5c87b328a05dp-41};

/// erf(x) / x - 1 in x^2 for |x| <= 1; error 2^-29.4.
inline constexpr double erfFloat[] = {
    0x1.06eba80000000p-3,
    -0x1.81273e0000000p-2,
    0x1.ce2ce60000000p-4,
    -0x1.b7f71a0000000p-6,
    0x1.53f2240000000p-8,
    -0x1.a3515e0000000p-11,
    0x1.4771fc0000000p-14};

/// erf(x) / x - 1 in x^2 for |x| <= 1; error 2^-55.9.
inline constexpr double erfDouble[] = {
    0x1.06eba8214db69p-3,
    -0x1.812746b037a31p-2,
    0x1.ce2f21a046ba3p-4,
    -0x1.b82ce313e1a3fp-6,
    0x1.565bcd4b2138dp-8,
    -0x1.c02dc0bd811ffp-11,
    0x1.f9a4deb7d5661p-14,
    -0x1.f4fa2094eccadp-17,
    0x1.bc5d51bae17d0p-20,
    -0x1.7a46c9c52d7c1p-23,
    0x1.c3a645c77095ap-26,
    -0x1.143bc2694caabp-27,
    0x1.502bdaf4178f1p-29,
    -0x1.9174e0049d2f5p-32};

/// log(erfc(1 + t)) for 0 <= t <= 3; error 2^-26.6.
inline constexpr double logErfcFloat[] = {
    -0x1.d97fc00000000p+0,
    -0x1.51c9800000000p+1,
    -0x1.afb8300000000p-1,
    -0x1.500c1c0000000p-5,
    0x1.1c77ba0000000p-7,
    -0x1.7abb140000000p-12,
    -0x1.50ee600000000p-11,
    0x1.6d333a0000000p-13};

/// log(erfc(1 + t)) for 0 <= t <= 5; error 2^-58.5.
inline constexpr double logErfcDouble[] = {
    -0x1.d97fbf27aa2a1p+0,
    -0x1.51c9b0006c248p+1,
    -0x1.afabc11a28310p-1,
    -0x1.5477f09df6319p-5,
    0x1.48c9d4559e6d8p-7,
    -0x1.033f734d4c88dp-9,
    0x1.f1b81575f5909p-13,
    0x1.b858378554160p-16,
    -0x1.c6425ed22ec94p-16,
    0x1.3cf05e1ec2d0dp-17,
    -0x1.e7ec9dfdcae15p-20,
    -0x1.1a23ba354d6bdp-23,
    0x1.69e4722a4c0ddp-22,
    -0x1.cb4b1d25cf702p-23,
    0x1.ab42b984a3160p-24,
    -0x1.3c7073f467628p-25,
    0x1.70df67cca2461p-27,
    -0x1.476ea6decd64bp-29,
    0x1.a7665c31ee0d5p-32,
    -0x1.75813d6b79206p-35,
    0x1.8fe965bab9be9p-39,
    -0x1.8656f186f0285p-44};

/// (asin(x) / x - 1) / x^2 in x^2 for |x| <= 1/2; error 2^-35.8.
inline constexpr double asinExtended[] = {
    0x1.55555605b40e8p-3,
    0x1.3332aa1284867p-4,
    0x1.6ddabddad6b6bp-5,
    0x1.ed5d435c43ee0p-6,
    0x1.931e9ee03f1d5p-6,
    0x1.ec3030ea0312ep-8,
    0x1.1bd0cd21b455fp-5};

/// (asin(x) / x - 1) / x^2 in x^2 for |x| <= 1/2; error 2^-59.8.
inline constexpr double asinDouble[] = {
    0x1.5555555555577p-3,
    0x1.333333332e134p-4,
    0x1.6db6db7212343p-5,
    0x1.f1c71a9509363p-6,
    0x1.6e8bdedda0df2p-6,
    0x1.1c49f08db0117p-6,
    0x1.ca1f88c365e28p-7,
    0x1.7585b08267063p-7,
    0x1.613bafc41559dp-7,
    0x1.e602ba64d5803p-9,
    0x1.63986070a42a5p-6,
    -0x1.57f7a3debb6ddp-6,
    0x1.0b44e23a6c4ebp-5};

/// (atan(x) / x - 1) / x^2 in x^2 for |x| <= 1; error 2^-33.9.
inline constexpr double atanExtended[] = {
    -0x1.555554873ce54p-2,
    0x1.999937eddb862p-3,
    -0x1.248a2c56aedbfp-3,
    0x1.c66e470ffd3f7p-4,
    -0x1.700b0af739b8ep-4,
    0x1.29586915e632dp-4,
    -0x1.be972e4a7d7a6p-5,
    0x1.1a6bf652e5a5fp-5,
    -0x1.0b0b408cdfbfdp-6,
    0x1.42d8236509896p-8,
    -0x1.6deb1c57576cbp-11};

/// (atan(x) / x - 1) / x^2 in x^2 for |x| <= 1; error 2^-55.4.
inline constexpr double atanDouble[] = {
    -0x1.5555555555526p-2,
    0x1.99999999955b1p-3,
    -0x1.249249237ef85p-3,
    0x1.c71c717fa3022p-4,
    -0x1.745d11aa25cf4p-4,
    0x1.3b13666053ad7p-4,
    -0x1.110e4f5040167p-4,
    0x1.e1bb9351d9f32p-5,
    -0x1.ae5e3395a2796p-5,
    0x1.82da6214f8f4cp-5,
    -0x1.59a3ecf564d6dp-5,
    0x1.2c30a7005f8b9p-5,
    -0x1.ea090f56deda0p-6,
    0x1.6858715ed3ac0p-6,
    -0x1.c7d44b0f43e4ep-7,
    0x1.d82fa147ea531p-8,
    -0x1.7ac7ba5808c07p-9,
    0x1.b4dd24a4c2640p-11,
    -0x1.400e18f364fc0p-13,
    0x1.bd631eb967904p-17};

/// (asinh(x) / x - 1) / x^2 in x^2 for |x| <= 1/2; error 2^-34.1.
inline constexpr double asinhExtended[] = {
    -0x1.55555378592e6p-3,
    0x1.33320a04ca1ebp-4,
    -0x1.6d78c5eae47afp-5,
    0x1.ebbb935c4fc68p-6,
    -0x1.475ab59ce9504p-6,
    0x1.2c6a322aac667p-7};

/// (asinh(x) / x - 1) / x^2 in x^2 for |x| <= 1/2; error 2^-60.4.
inline constexpr double asinhDouble[] = {
    -0x1.5555555555541p-3,
    0x1.3333333330756p-4,
    -0x1.6db6db6ba6288p-5,
    0x1.f1c71ba9a3aa8p-6,
    -0x1.6e8b8ca568b4bp-6,
    0x1.1c4d2f98c3ea7p-6,
    -0x1.c972ea04a14edp-7,
    0x1.7941e5c9bd59dp-7,
    -0x1.386a1fffbb1bcp-7,
    0x1.e9439ec4a4bacp-8,
    -0x1.372168f152dd0p-8,
    0x1.c260bb64eb918p-10};

/// (atanh(x) / x - 1) / x^2 in x^2 for |x| <= 1/2; error 2^-33.4.
inline constexpr double atanhExtended[] = {
    0x1.5555572a477efp-2,
    0x1.99982c11e38a7p-3,
    0x1.24c22f44375fbp-3,
    0x1.c1378f3bee39dp-4,
    0x1.a52bef4185230p-4,
    0x1.91daa0982b45ap-6,
    0x1.68514a1115ab2p-3};

/// (atanh(x) / x - 1) / x^2 in x^2 for |x| <= 1/2; error 2^-57.0.
inline constexpr double atanhDouble[] = {
    0x1.55555555555ccp-2,
    0x1.999999998785dp-3,
    0x1.2492492c43538p-3,
    0x1.c71c6e7cb8f37p-4,
    0x1.745d814a494a1p-4,
    0x1.3b0b25ef0f7bdp-4,
    0x1.11879237ad71ep-4,
    0x1.d9059af2ee705p-5,
    0x1.ea2cf264afa56p-5,
    0x1.dbbd606fb1934p-7,
    0x1.290d0d004320cp-3,
    -0x1.3979e8787a127p-3,
    0x1.cc90d311a2730p-3};

/// m^(-1/3) for m in [0.35, 2.83], the start of an iteration; error 2^-8.3.
inline constexpr double inverseCubeRootDouble[] = {
    0x1.025e8000fcf74p+1,
    -0x1.3347afc19474bp+1,
    0x1.29c442d330696p+1,
    -0x1.3fba6dc65fde1p+0,
    0x1.5abe80a3a5656p-2,
    -0x1.283379984843ap-5};

} // namespace weft::vectormath::coefficients

#endif // WEFT_CODEGEN_LOOPS_VECTORMATHCOEFFICIENTS_H
