// Elementary functions of f64 for machines without libm: powers of e, and erf.
//
// They are exact about NaN, infinities, signed zeros and subnormal numbers. Fits are minimax polynomials (Remez, weighted for
// the error of the result), coefficients rounded to f64; an error of 2^-n is relative to the result. `cpu/math.rs` lists the
// errors of the functions.

// y with e^(r + c) - 1 = r + y, for |r| <= ln2 / 2 and small c: r^2 q(r) + c, q a fit of degree 10 (2^-60).
func.func private @thunder.near_exp.f64(%r: f64, %c: f64) -> f64 {
  %q0 = arith.constant 0.5 : f64
  %q1 = arith.constant 0x3FC555555555555A : f64
  %q2 = arith.constant 0x3FA555555555553A : f64
  %q3 = arith.constant 0x3F8111111110F264 : f64
  %q4 = arith.constant 0x3F56C16C16C2042B : f64
  %q5 = arith.constant 0x3F2A01A01B175713 : f64
  %q6 = arith.constant 0x3EFA01A01774A50F : f64
  %q7 = arith.constant 0x3EC71DDF4A764253 : f64
  %q8 = arith.constant 0x3E927E53D4A9680B : f64
  %q9 = arith.constant 0x3E5AF64C611E4C38 : f64
  %q10 = arith.constant 0x3E21EE0691B94AE1 : f64
  %p9 = math.fma %q10, %r, %q9 : f64
  %p8 = math.fma %p9, %r, %q8 : f64
  %p7 = math.fma %p8, %r, %q7 : f64
  %p6 = math.fma %p7, %r, %q6 : f64
  %p5 = math.fma %p6, %r, %q5 : f64
  %p4 = math.fma %p5, %r, %q4 : f64
  %p3 = math.fma %p4, %r, %q3 : f64
  %p2 = math.fma %p3, %r, %q2 : f64
  %p1 = math.fma %p2, %r, %q1 : f64
  %p = math.fma %p1, %r, %q0 : f64
  %r2 = arith.mulf %r, %r : f64
  %y = math.fma %p, %r2, %c : f64
  return %y : f64
}

// t, r and c with x = n ln2 + r + c, |r| <= ln2 / 2, for |x| < 1100 (Cody-Waite, two parts); t = n + 1.5 * 2^52 has n in
// its low bits.
func.func private @thunder.reduced_exp.f64(%x: f64) -> (f64, f64, f64) {
  %log2e = arith.constant 0x3FF71547652B82FE : f64
  %magic = arith.constant 0x4338000000000000 : f64
  %minus_ln2_hi = arith.constant 0xBFE62E42FEFA3800 : f64
  %minus_ln2_lo = arith.constant 0xBD2EF35793C76730 : f64
  %t = math.fma %x, %log2e, %magic : f64
  %n = arith.subf %t, %magic : f64
  %r0 = math.fma %n, %minus_ln2_hi, %x : f64
  %r = math.fma %n, %minus_ln2_lo, %r0 : f64
  %d = arith.subf %r0, %r : f64
  %c = math.fma %n, %minus_ln2_lo, %d : f64
  return %t, %r, %c : f64, f64, f64
}

// y 2^n with t = n + 1.5 * 2^52, for |n| < 2046, in two steps, so that a subnormal result rounds once.
func.func private @thunder.scaled.f64(%y: f64, %t: f64) -> f64 {
  %magic_i = arith.constant 0x4338000000000000 : i64
  %one_i = arith.constant 1 : i64
  %bias = arith.constant 1023 : i64
  %shift = arith.constant 52 : i64
  %ti = arith.bitcast %t : f64 to i64
  %n = arith.subi %ti, %magic_i : i64
  %n1 = arith.shrsi %n, %one_i : i64
  %n2 = arith.subi %n, %n1 : i64
  %b1 = arith.addi %n1, %bias : i64
  %b2 = arith.addi %n2, %bias : i64
  %s1i = arith.shli %b1, %shift : i64
  %s2i = arith.shli %b2, %shift : i64
  %s1 = arith.bitcast %s1i : i64 to f64
  %s2 = arith.bitcast %s2i : i64 to f64
  %y0 = arith.mulf %y, %s1 : f64
  %y1 = arith.mulf %y0, %s2 : f64
  return %y1 : f64
}

// h, k and t = n + 1.5 * 2^52 with e^(x + l) = 2^n (h + k), k far below h, exact to 2^-57. Beyond what f64 holds, the
// border of that counts instead.
func.func private @thunder.exp_parts.f64(%x: f64, %l: f64) -> (f64, f64, f64) {
  %lowest = arith.constant -746.0 : f64
  %highest = arith.constant 711.0 : f64
  %zero = arith.constant 0.0 : f64
  %one = arith.constant 1.0 : f64
  %is_low = arith.cmpf olt, %x, %lowest : f64
  %x0 = arith.select %is_low, %lowest, %x : f64
  %is_high = arith.cmpf ogt, %x0, %highest : f64
  %x1 = arith.select %is_high, %highest, %x0 : f64
  %is_clamped = arith.cmpf une, %x0, %x1 : f64
  %is_out = arith.ori %is_low, %is_clamped : i1
  %l0 = arith.select %is_out, %zero, %l : f64
  %t, %r0, %c0 = call @thunder.reduced_exp.f64(%x1) : (f64) -> (f64, f64, f64)
  %c1 = arith.addf %c0, %l0 : f64
  %r = arith.addf %r0, %c1 : f64
  %d0 = arith.subf %r0, %r : f64
  %c = arith.addf %d0, %c1 : f64
  %q = call @thunder.near_exp.f64(%r, %c) : (f64, f64) -> f64
  %a = arith.addf %one, %r : f64
  %d1 = arith.subf %one, %a : f64
  %a_lo = arith.addf %d1, %r : f64
  %h = arith.addf %a, %q : f64
  %b = arith.subf %a, %h : f64
  %b_lo = arith.addf %b, %q : f64
  %k = arith.addf %a_lo, %b_lo : f64
  return %h, %k, %t : f64, f64, f64
}

// exp.
func.func private @thunder.exp.f64(%x: f64) -> f64 {
  %zero = arith.constant 0.0 : f64
  %h, %k, %t = call @thunder.exp_parts.f64(%x, %zero) : (f64, f64) -> (f64, f64, f64)
  %e = arith.addf %h, %k : f64
  %y = call @thunder.scaled.f64(%e, %t) : (f64, f64) -> f64
  return %y : f64
}

// exp2. x = n + r with |r| <= 1/2, exactly; then e^(r ln2), the product in two parts.
func.func private @thunder.exp2.f64(%x: f64) -> f64 {
  %bottom = arith.constant -1076.0 : f64
  %top = arith.constant 1025.0 : f64
  %magic = arith.constant 0x4338000000000000 : f64
  %ln2 = arith.constant 0x3FE62E42FEFA39EF : f64
  %ln2_low = arith.constant 0x3C7ABC9E3B39803F : f64
  %one = arith.constant 1.0 : f64
  %is_low = arith.cmpf olt, %x, %bottom : f64
  %x0 = arith.select %is_low, %bottom, %x : f64
  %is_high = arith.cmpf ogt, %x0, %top : f64
  %x1 = arith.select %is_high, %top, %x0 : f64
  %t = arith.addf %x1, %magic : f64
  %n = arith.subf %t, %magic : f64
  %r = arith.subf %x1, %n : f64
  %p = arith.mulf %r, %ln2 : f64
  %minus_p = arith.negf %p : f64
  %p_lo0 = math.fma %r, %ln2, %minus_p : f64
  %p_lo = math.fma %r, %ln2_low, %p_lo0 : f64
  %q = call @thunder.near_exp.f64(%p, %p_lo) : (f64, f64) -> f64
  %em1 = arith.addf %p, %q : f64
  %e = arith.addf %em1, %one : f64
  %y = call @thunder.scaled.f64(%e, %t) : (f64, f64) -> f64
  return %y : f64
}

// expm1. 2^n (r + q) + (2^n - 1), halved so that n = 1024 stays finite.
func.func private @thunder.expm1.f64(%x: f64) -> f64 {
  %bottom = arith.constant -40.0 : f64
  %top = arith.constant 710.0 : f64
  %magic_i = arith.constant 0x4338000000000000 : i64
  %half_bias = arith.constant 1022 : i64
  %shift = arith.constant 52 : i64
  %half = arith.constant 0.5 : f64
  %tiny = arith.constant 0x3C90000000000000 : f64
  %is_low = arith.cmpf olt, %x, %bottom : f64
  %x0 = arith.select %is_low, %bottom, %x : f64
  %is_high = arith.cmpf ogt, %x0, %top : f64
  %x1 = arith.select %is_high, %top, %x0 : f64
  %t, %r, %c = call @thunder.reduced_exp.f64(%x1) : (f64) -> (f64, f64, f64)
  %q = call @thunder.near_exp.f64(%r, %c) : (f64, f64) -> f64
  %em1 = arith.addf %r, %q : f64
  %ti = arith.bitcast %t : f64 to i64
  %n = arith.subi %ti, %magic_i : i64
  %b = arith.addi %n, %half_bias : i64
  %si = arith.shli %b, %shift : i64
  %s = arith.bitcast %si : i64 to f64
  %s1 = arith.subf %s, %half : f64
  %y0 = math.fma %em1, %s, %s1 : f64
  %y1 = arith.addf %y0, %y0 : f64
  %magnitude = math.absf %x : f64
  %is_tiny = arith.cmpf olt, %magnitude, %tiny : f64
  %y = arith.select %is_tiny, %x, %y1 : f64
  return %y : f64
}

// e^x / 2 for x >= 0 in two parts, so that cosh and sinh are finite wherever they fit.
func.func private @thunder.half_exp.f64(%x: f64) -> (f64, f64) {
  %zero = arith.constant 0.0 : f64
  %one = arith.constant 1.0 : f64
  %h, %k, %t = call @thunder.exp_parts.f64(%x, %zero) : (f64, f64) -> (f64, f64, f64)
  %t1 = arith.subf %t, %one : f64
  %y = call @thunder.scaled.f64(%h, %t1) : (f64, f64) -> f64
  %y_lo = call @thunder.scaled.f64(%k, %t1) : (f64, f64) -> f64
  return %y, %y_lo : f64, f64
}

// cosh = a + 1 / (4 a), a = e^|x| / 2.
func.func private @thunder.cosh.f64(%x: f64) -> f64 {
  %quarter = arith.constant 0.25 : f64
  %magnitude = math.absf %x : f64
  %a, %a_lo = call @thunder.half_exp.f64(%magnitude) : (f64) -> (f64, f64)
  %b = arith.divf %quarter, %a : f64
  %rest = arith.addf %b, %a_lo : f64
  %y = arith.addf %a, %rest : f64
  return %y : f64
}

// sinh. Below 1 x + x^3 q(x^2), q a fit of degree 6 (2^-56); above a - 1 / (4 a), a = e^|x| / 2.
func.func private @thunder.sinh.f64(%x: f64) -> f64 {
  %q0 = arith.constant 0x3FC5555555555556 : f64
  %q1 = arith.constant 0x3F811111111110A1 : f64
  %q2 = arith.constant 0x3F2A01A01A0291FC : f64
  %q3 = arith.constant 0x3EC71DE3A45F71B0 : f64
  %q4 = arith.constant 0x3E5AE646766904FA : f64
  %q5 = arith.constant 0x3DE611A3A1E3111D : f64
  %q6 = arith.constant 0x3D6B4CF7940C6424 : f64
  %quarter = arith.constant 0.25 : f64
  %one = arith.constant 1.0 : f64
  %zero = arith.constant 0.0 : f64
  %z = arith.mulf %x, %x : f64
  %p5 = math.fma %q6, %z, %q5 : f64
  %p4 = math.fma %p5, %z, %q4 : f64
  %p3 = math.fma %p4, %z, %q3 : f64
  %p2 = math.fma %p3, %z, %q2 : f64
  %p1 = math.fma %p2, %z, %q1 : f64
  %p = math.fma %p1, %z, %q0 : f64
  %xz = arith.mulf %x, %z : f64
  %near = math.fma %p, %xz, %x : f64
  %magnitude = math.absf %x : f64
  %a, %a_lo = call @thunder.half_exp.f64(%magnitude) : (f64) -> (f64, f64)
  %b = arith.divf %quarter, %a : f64
  %rest = arith.subf %b, %a_lo : f64
  %positive = arith.subf %a, %rest : f64
  %far = math.copysign %positive, %x : f64
  %is_small = arith.cmpf olt, %magnitude, %one : f64
  %y0 = arith.select %is_small, %near, %far : f64
  %is_zero = arith.cmpf oeq, %x, %zero : f64
  %y = arith.select %is_zero, %x, %y0 : f64
  return %y : f64
}

// tanh. Below 0.55 x + x^3 q(x^2), q a fit of degree 11 (2^-58); above 1 - 2 / (e^2|x| + 1).
func.func private @thunder.tanh.f64(%x: f64) -> f64 {
  %q0 = arith.constant 0xBFD5555555555555 : f64
  %q1 = arith.constant 0x3FC11111111110B4 : f64
  %q2 = arith.constant 0xBFABA1BA1BA146D1 : f64
  %q3 = arith.constant 0x3F9664F488083DF2 : f64
  %q4 = arith.constant 0xBF8226E34F5E7D22 : f64
  %q5 = arith.constant 0x3F6D6D3B8900ADB6 : f64
  %q6 = arith.constant 0xBF57DA17FDC6B8DE : f64
  %q7 = arith.constant 0x3F4353E4A0B33EBD : f64
  %q8 = arith.constant 0xBF2F3957C2D2B9F7 : f64
  %q9 = arith.constant 0x3F18A2E89EA3332A : f64
  %q10 = arith.constant 0xBF014AC104CFC23B : f64
  %q11 = arith.constant 0x3EDF473A5711D5B0 : f64
  %one = arith.constant 1.0 : f64
  %two = arith.constant 2.0 : f64
  %small = arith.constant 0.55 : f64
  %zero = arith.constant 0.0 : f64
  %z = arith.mulf %x, %x : f64
  %p10 = math.fma %q11, %z, %q10 : f64
  %p9 = math.fma %p10, %z, %q9 : f64
  %p8 = math.fma %p9, %z, %q8 : f64
  %p7 = math.fma %p8, %z, %q7 : f64
  %p6 = math.fma %p7, %z, %q6 : f64
  %p5 = math.fma %p6, %z, %q5 : f64
  %p4 = math.fma %p5, %z, %q4 : f64
  %p3 = math.fma %p4, %z, %q3 : f64
  %p2 = math.fma %p3, %z, %q2 : f64
  %p1 = math.fma %p2, %z, %q1 : f64
  %p = math.fma %p1, %z, %q0 : f64
  %xz = arith.mulf %x, %z : f64
  %near = math.fma %p, %xz, %x : f64
  %magnitude = math.absf %x : f64
  %twice = arith.addf %magnitude, %magnitude : f64
  %e = call @thunder.exp.f64(%twice) : (f64) -> f64
  %d = arith.addf %e, %one : f64
  %b = arith.divf %two, %d : f64
  %positive = arith.subf %one, %b : f64
  %far = math.copysign %positive, %x : f64
  %is_small = arith.cmpf olt, %magnitude, %small : f64
  %y0 = arith.select %is_small, %near, %far : f64
  %is_zero = arith.cmpf oeq, %x, %zero : f64
  %y = arith.select %is_zero, %x, %y0 : f64
  return %y : f64
}

// erf for |x| <= 1: x + x q(x^2), q a fit of degree 12 (2^-56).
func.func private @thunder.near_erf.f64(%x: f64) -> f64 {
  %q0 = arith.constant 0x3FC06EBA8214DB69 : f64
  %q1 = arith.constant 0xBFD812746B0379E6 : f64
  %q2 = arith.constant 0x3FBCE2F21A042B34 : f64
  %q3 = arith.constant 0xBF9B82CE31284F38 : f64
  %q4 = arith.constant 0x3F7565BCD0DBD922 : f64
  %q5 = arith.constant 0xBF4C02DB3DB4989D : f64
  %q6 = arith.constant 0x3F1F9A321E4BC150 : f64
  %q7 = arith.constant 0xBEEF4D1E4351D222 : f64
  %q8 = arith.constant 0x3EBB9DF306299831 : f64
  %q9 = arith.constant 0xBE85F1F4134F49A0 : f64
  %q10 = arith.constant 0x3E4F7B9A036E8F26 : f64
  %q11 = arith.constant 0xBE138AC2BCB753DF : f64
  %q12 = arith.constant 0x3DD062774AA420D5 : f64
  %z = arith.mulf %x, %x : f64
  %p11 = math.fma %q12, %z, %q11 : f64
  %p10 = math.fma %p11, %z, %q10 : f64
  %p9 = math.fma %p10, %z, %q9 : f64
  %p8 = math.fma %p9, %z, %q8 : f64
  %p7 = math.fma %p8, %z, %q7 : f64
  %p6 = math.fma %p7, %z, %q6 : f64
  %p5 = math.fma %p6, %z, %q5 : f64
  %p4 = math.fma %p5, %z, %q4 : f64
  %p3 = math.fma %p4, %z, %q3 : f64
  %p2 = math.fma %p3, %z, %q2 : f64
  %p1 = math.fma %p2, %z, %q1 : f64
  %p = math.fma %p1, %z, %q0 : f64
  %y = math.fma %p, %x, %x : f64
  return %y : f64
}

// erfc for x >= 1/2: e^(-x^2), the exponent in two parts, times q(t) / (1 + 2 x) with t = (x - 4) / (x + 4), q a fit of
// degree 23 (2^-55) as far as 28, where nothing is left.
func.func private @thunder.far_erfc.f64(%x: f64) -> f64 {
  %top = arith.constant 28.0 : f64
  %four = arith.constant 4.0 : f64
  %q0 = arith.constant 0x3FF3BA5916E9FD7F : f64
  %q1 = arith.constant 0xBFC1DF1AD154A28E : f64
  %q2 = arith.constant 0x3F8F7F5DF66FD7AC : f64
  %q3 = arith.constant 0x3FB16ECEFCFA5393 : f64
  %q4 = arith.constant 0xBFB9DDB23C3E9058 : f64
  %q5 = arith.constant 0x3FB7FEE004E125CD : f64
  %q6 = arith.constant 0xBFB0FB06DFE4A0DD : f64
  %q7 = arith.constant 0x3FA3079EDF681122 : f64
  %q8 = arith.constant 0xBF909623884ED0C2 : f64
  %q9 = arith.constant 0x3F749C67286D2617 : f64
  %q10 = arith.constant 0xBF48D4A9A03C5071 : f64
  %q11 = arith.constant 0xBF2A1DF2609A2730 : f64
  %q12 = arith.constant 0x3F23BE03E5671A22 : f64
  %q13 = arith.constant 0xBEF99592F3EAF53A : f64
  %q14 = arith.constant 0xBEE78848F36C79B6 : f64
  %q15 = arith.constant 0x3ED7F27EE54D46C2 : f64
  %q16 = arith.constant 0x3E9396C711E01670 : f64
  %q17 = arith.constant 0xBEABB0C8922FB2DC : f64
  %q18 = arith.constant 0x3E74B092A2C657B5 : f64
  %q19 = arith.constant 0x3E7D957D55CBF1F5 : f64
  %q20 = arith.constant 0xBE55222FC2892EAD : f64
  %q21 = arith.constant 0xBE4F0F291FAABD49 : f64
  %q22 = arith.constant 0x3E248A981CFEBA65 : f64
  %q23 = arith.constant 0x3E18E69982A22542 : f64
  %two = arith.constant 2.0 : f64
  %one = arith.constant 1.0 : f64
  %is_high = arith.cmpf ogt, %x, %top : f64
  %x1 = arith.select %is_high, %top, %x : f64
  %low = arith.subf %x1, %four : f64
  %high = arith.addf %x1, %four : f64
  %t = arith.divf %low, %high : f64
  %p22 = math.fma %q23, %t, %q22 : f64
  %p21 = math.fma %p22, %t, %q21 : f64
  %p20 = math.fma %p21, %t, %q20 : f64
  %p19 = math.fma %p20, %t, %q19 : f64
  %p18 = math.fma %p19, %t, %q18 : f64
  %p17 = math.fma %p18, %t, %q17 : f64
  %p16 = math.fma %p17, %t, %q16 : f64
  %p15 = math.fma %p16, %t, %q15 : f64
  %p14 = math.fma %p15, %t, %q14 : f64
  %p13 = math.fma %p14, %t, %q13 : f64
  %p12 = math.fma %p13, %t, %q12 : f64
  %p11 = math.fma %p12, %t, %q11 : f64
  %p10 = math.fma %p11, %t, %q10 : f64
  %p9 = math.fma %p10, %t, %q9 : f64
  %p8 = math.fma %p9, %t, %q8 : f64
  %p7 = math.fma %p8, %t, %q7 : f64
  %p6 = math.fma %p7, %t, %q6 : f64
  %p5 = math.fma %p6, %t, %q5 : f64
  %p4 = math.fma %p5, %t, %q4 : f64
  %p3 = math.fma %p4, %t, %q3 : f64
  %p2 = math.fma %p3, %t, %q2 : f64
  %p1 = math.fma %p2, %t, %q1 : f64
  %p = math.fma %p1, %t, %q0 : f64
  %w = math.fma %x1, %two, %one : f64
  %g = arith.divf %p, %w : f64
  %minus_x = arith.negf %x1 : f64
  %s = arith.mulf %x1, %minus_x : f64
  %minus_s = arith.negf %s : f64
  %s_lo = math.fma %x1, %minus_x, %minus_s : f64
  %h, %k, %n = call @thunder.exp_parts.f64(%s, %s_lo) : (f64, f64) -> (f64, f64, f64)
  %gk = arith.mulf %g, %k : f64
  %m = math.fma %g, %h, %gk : f64
  %y = call @thunder.scaled.f64(%m, %n) : (f64, f64) -> f64
  return %y : f64
}

// erf. Above 1 it is 1 - erfc.
func.func private @thunder.erf.f64(%x: f64) -> f64 {
  %one = arith.constant 1.0 : f64
  %magnitude = math.absf %x : f64
  %near = call @thunder.near_erf.f64(%x) : (f64) -> f64
  %tail = call @thunder.far_erfc.f64(%magnitude) : (f64) -> f64
  %positive = arith.subf %one, %tail : f64
  %far = math.copysign %positive, %x : f64
  %is_small = arith.cmpf olt, %magnitude, %one : f64
  %y = arith.select %is_small, %near, %far : f64
  return %y : f64
}

// erfc. Below 1/2 it is 1 - erf, and 2 - erfc(-x) below -1/2.
func.func private @thunder.erfc.f64(%x: f64) -> f64 {
  %one = arith.constant 1.0 : f64
  %two = arith.constant 2.0 : f64
  %zero = arith.constant 0.0 : f64
  %half = arith.constant 0.5 : f64
  %magnitude = math.absf %x : f64
  %erf = call @thunder.near_erf.f64(%x) : (f64) -> f64
  %near = arith.subf %one, %erf : f64
  %tail = call @thunder.far_erfc.f64(%magnitude) : (f64) -> f64
  %mirrored = arith.subf %two, %tail : f64
  %is_negative = arith.cmpf olt, %x, %zero : f64
  %far = arith.select %is_negative, %mirrored, %tail : f64
  %is_small = arith.cmpf olt, %magnitude, %half : f64
  %y = arith.select %is_small, %near, %far : f64
  return %y : f64
}
