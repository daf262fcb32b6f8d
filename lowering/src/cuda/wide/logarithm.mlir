// Elementary functions of f64 for machines without libm: logarithms, and what is made of them.

// log of a number that is neither negative, zero, infinite nor NaN, in two parts that are exact to 2^-64 of it. x = 2^n m
// with m in [sqrt(1/2), sqrt(2)), log(m) = 2 atanh(s) with s = (m - 1) / (m + 1) = s + s_lo: s + s z / 3 + s z^2 q(z) with
// z = s^2, q a fit of degree 8 (2^-66 of the whole), the first two in two parts.
func.func private @thunder.log_parts.f64(%x: f64) -> (f64, f64) {
  %least = arith.constant 0x0010000000000000 : f64
  %two54 = arith.constant 0x4350000000000000 : f64
  %fifty_four = arith.constant -54.0 : f64
  %zero = arith.constant 0.0 : f64
  %root_half_i = arith.constant 0x3FE6A09E667F3BCD : i64
  %shift = arith.constant 52 : i64
  %one = arith.constant 1.0 : f64
  %two = arith.constant 2.0 : f64
  %q0 = arith.constant 0.2 : f64
  %q1 = arith.constant 0x3FC249249249246F : f64
  %q2 = arith.constant 0x3FBC71C71C72279B : f64
  %q3 = arith.constant 0x3FB745D17417D54B : f64
  %q4 = arith.constant 0x3FB3B13B31257C83 : f64
  %q5 = arith.constant 0x3FB1110942A43021 : f64
  %q6 = arith.constant 0x3FAE20B8B20C7D28 : f64
  %q7 = arith.constant 0x3FAAAEB1CFB1C418 : f64
  %q8 = arith.constant 0x3FAC32204266DA7D : f64
  %third = arith.constant 0x3FD5555555555555 : f64
  %third_lo = arith.constant 0x3C75555555555555 : f64
  %ln2_hi = arith.constant 0x3FE62E42FEFA3800 : f64
  %ln2_lo = arith.constant 0x3D2EF35793C76730 : f64
  %is_subnormal = arith.cmpf olt, %x, %least : f64
  %grown = arith.mulf %x, %two54 : f64
  %x1 = arith.select %is_subnormal, %grown, %x : f64
  %n0 = arith.select %is_subnormal, %fifty_four, %zero : f64
  %i = arith.bitcast %x1 : f64 to i64
  %d0 = arith.subi %i, %root_half_i : i64
  %n1 = arith.shrsi %d0, %shift : i64
  %n2 = arith.shli %n1, %shift : i64
  %mi = arith.subi %i, %n2 : i64
  %m = arith.bitcast %mi : i64 to f64
  %n3 = arith.sitofp %n1 : i64 to f64
  %n = arith.addf %n3, %n0 : f64
  %f = arith.subf %m, %one : f64
  %d = arith.addf %f, %two : f64
  %e0 = arith.subf %two, %d : f64
  %d_lo = arith.addf %e0, %f : f64
  %s = arith.divf %f, %d : f64
  %minus_s = arith.negf %s : f64
  %e1 = math.fma %minus_s, %d, %f : f64
  %e2 = math.fma %minus_s, %d_lo, %e1 : f64
  %s_lo = arith.divf %e2, %d : f64
  %z = arith.mulf %s, %s : f64
  %minus_z = arith.negf %z : f64
  %z_lo0 = math.fma %s, %s, %minus_z : f64
  %s2 = arith.addf %s, %s : f64
  %z_lo = math.fma %s2, %s_lo, %z_lo0 : f64
  %r7 = math.fma %q8, %z, %q7 : f64
  %r6 = math.fma %r7, %z, %q6 : f64
  %r5 = math.fma %r6, %z, %q5 : f64
  %r4 = math.fma %r5, %z, %q4 : f64
  %r3 = math.fma %r4, %z, %q3 : f64
  %r2 = math.fma %r3, %z, %q2 : f64
  %r1 = math.fma %r2, %z, %q1 : f64
  %r = math.fma %r1, %z, %q0 : f64
  %z2 = arith.mulf %z, %z : f64
  %a = arith.mulf %z, %third : f64
  %minus_a = arith.negf %a : f64
  %a_lo0 = math.fma %z, %third, %minus_a : f64
  %a_lo1 = math.fma %z, %third_lo, %a_lo0 : f64
  %a_lo2 = math.fma %z_lo, %third, %a_lo1 : f64
  %a_lo = math.fma %z2, %r, %a_lo2 : f64
  %b = arith.addf %a, %a_lo : f64
  %b0 = arith.subf %a, %b : f64
  %b_lo = arith.addf %b0, %a_lo : f64
  %p = arith.mulf %s2, %b : f64
  %minus_p = arith.negf %p : f64
  %p_lo0 = math.fma %s2, %b, %minus_p : f64
  %p_lo1 = math.fma %s2, %b_lo, %p_lo0 : f64
  %s2_lo = arith.addf %s_lo, %s_lo : f64
  %p_lo = math.fma %s2_lo, %b, %p_lo1 : f64
  %u = arith.addf %s2, %p : f64
  %u0 = arith.subf %s2, %u : f64
  %u1 = arith.addf %u0, %p : f64
  %u2 = arith.addf %u1, %p_lo : f64
  %u_lo = arith.addf %u2, %s2_lo : f64
  %v = arith.mulf %n, %ln2_hi : f64
  %w = arith.addf %v, %u : f64
  %w0 = arith.subf %v, %w : f64
  %w1 = arith.addf %w0, %u : f64
  %w2 = arith.addf %w1, %u_lo : f64
  %w_lo = math.fma %n, %ln2_lo, %w2 : f64
  %y = arith.addf %w, %w_lo : f64
  %y0 = arith.subf %w, %y : f64
  %y_lo = arith.addf %y0, %w_lo : f64
  return %y, %y_lo : f64, f64
}

// y = log(x), or what is right where x is zero, negative, infinite or NaN.
func.func private @thunder.log_edges.f64(%x: f64, %y: f64) -> f64 {
  %zero = arith.constant 0.0 : f64
  %nan = arith.constant 0x7FF8000000000000 : f64
  %minus_infinity = arith.constant 0xFFF0000000000000 : f64
  %infinity = arith.constant 0x7FF0000000000000 : f64
  %is_positive = arith.cmpf ogt, %x, %zero : f64
  %y0 = arith.select %is_positive, %y, %nan : f64
  %is_zero = arith.cmpf oeq, %x, %zero : f64
  %y1 = arith.select %is_zero, %minus_infinity, %y0 : f64
  %is_infinite = arith.cmpf oeq, %x, %infinity : f64
  %y2 = arith.select %is_infinite, %infinity, %y1 : f64
  return %y2 : f64
}

// log.
func.func private @thunder.log.f64(%x: f64) -> f64 {
  %h, %k = call @thunder.log_parts.f64(%x) : (f64) -> (f64, f64)
  %y0 = arith.addf %h, %k : f64
  %y = call @thunder.log_edges.f64(%x, %y0) : (f64, f64) -> f64
  return %y : f64
}

// log2 = log(x) / ln2, both in two parts: exact for powers of two.
func.func private @thunder.log2.f64(%x: f64) -> f64 {
  %log2e = arith.constant 0x3FF71547652B82FE : f64
  %log2e_lo = arith.constant 0x3C7777D0FFDA0D24 : f64
  %h, %k = call @thunder.log_parts.f64(%x) : (f64) -> (f64, f64)
  %p = arith.mulf %h, %log2e : f64
  %minus_p = arith.negf %p : f64
  %e0 = math.fma %h, %log2e, %minus_p : f64
  %e1 = math.fma %h, %log2e_lo, %e0 : f64
  %e = math.fma %k, %log2e, %e1 : f64
  %y0 = arith.addf %p, %e : f64
  %y = call @thunder.log_edges.f64(%x, %y0) : (f64, f64) -> f64
  return %y : f64
}

// log10 = log(x) / ln10, both in two parts: exact for powers of ten.
func.func private @thunder.log10.f64(%x: f64) -> f64 {
  %log10e = arith.constant 0x3FDBCB7B1526E50E : f64
  %log10e_lo = arith.constant 0x3C695355BAAAFAD3 : f64
  %h, %k = call @thunder.log_parts.f64(%x) : (f64) -> (f64, f64)
  %p = arith.mulf %h, %log10e : f64
  %minus_p = arith.negf %p : f64
  %e0 = math.fma %h, %log10e, %minus_p : f64
  %e1 = math.fma %h, %log10e_lo, %e0 : f64
  %e = math.fma %k, %log10e, %e1 : f64
  %y0 = arith.addf %p, %e : f64
  %y = call @thunder.log_edges.f64(%x, %y0) : (f64, f64) -> f64
  return %y : f64
}

// log1p = log(u) + c / u with u = 1 + x and c what rounding took from it.
func.func private @thunder.log1p.f64(%x: f64) -> f64 {
  %one = arith.constant 1.0 : f64
  %tiny = arith.constant 0x3C90000000000000 : f64
  %u = arith.addf %x, %one : f64
  %v = arith.subf %u, %one : f64
  %c0 = arith.subf %x, %v : f64
  %is_large = arith.cmpf ogt, %x, %one : f64
  %w = arith.subf %u, %x : f64
  %c1 = arith.subf %one, %w : f64
  %c = arith.select %is_large, %c1, %c0 : f64
  %h, %k = call @thunder.log_parts.f64(%u) : (f64) -> (f64, f64)
  %e0 = arith.divf %c, %u : f64
  %e = arith.addf %e0, %k : f64
  %y0 = arith.addf %h, %e : f64
  %y1 = call @thunder.log_edges.f64(%u, %y0) : (f64, f64) -> f64
  %magnitude = math.absf %x : f64
  %is_tiny = arith.cmpf olt, %magnitude, %tiny : f64
  %y = arith.select %is_tiny, %x, %y1 : f64
  return %y : f64
}

// asinh = log1p(a + a^2 / (1 + sqrt(1 + a^2))) with a = |x|, and log(2 a) from 2^54.
func.func private @thunder.asinh.f64(%x: f64) -> f64 {
  %one = arith.constant 1.0 : f64
  %far = arith.constant 0x4350000000000000 : f64
  %ln2 = arith.constant 0x3FE62E42FEFA39EF : f64
  %zero = arith.constant 0.0 : f64
  %a = math.absf %x : f64
  %a2 = arith.mulf %a, %a : f64
  %b = arith.addf %a2, %one : f64
  %root = math.sqrt %b : f64
  %d = arith.addf %root, %one : f64
  %e = arith.divf %a2, %d : f64
  %near = arith.addf %a, %e : f64
  %is_far = arith.cmpf oge, %a, %far : f64
  %argument = arith.select %is_far, %a, %near : f64
  %more = arith.select %is_far, %ln2, %zero : f64
  %l = call @thunder.log1p.f64(%argument) : (f64) -> f64
  %positive = arith.addf %l, %more : f64
  %y = math.copysign %positive, %x : f64
  return %y : f64
}

// acosh = log1p(t + sqrt(2 t + t^2)) with t = x - 1, and log(2 x) from 2^54.
func.func private @thunder.acosh.f64(%x: f64) -> f64 {
  %one = arith.constant 1.0 : f64
  %two = arith.constant 2.0 : f64
  %far = arith.constant 0x4350000000000000 : f64
  %ln2 = arith.constant 0x3FE62E42FEFA39EF : f64
  %zero = arith.constant 0.0 : f64
  %nan = arith.constant 0x7FF8000000000000 : f64
  %t = arith.subf %x, %one : f64
  %t2 = arith.addf %t, %two : f64
  %product = arith.mulf %t, %t2 : f64
  %root = math.sqrt %product : f64
  %near = arith.addf %t, %root : f64
  %is_far = arith.cmpf oge, %x, %far : f64
  %argument = arith.select %is_far, %x, %near : f64
  %more = arith.select %is_far, %ln2, %zero : f64
  %l = call @thunder.log1p.f64(%argument) : (f64) -> f64
  %y0 = arith.addf %l, %more : f64
  %is_outside = arith.cmpf olt, %x, %one : f64
  %y = arith.select %is_outside, %nan, %y0 : f64
  return %y : f64
}

// atanh = log1p(2 a / (1 - a)) / 2 with a = |x|.
func.func private @thunder.atanh.f64(%x: f64) -> f64 {
  %one = arith.constant 1.0 : f64
  %half = arith.constant 0.5 : f64
  %a = math.absf %x : f64
  %a2 = arith.addf %a, %a : f64
  %d = arith.subf %one, %a : f64
  %q = arith.divf %a2, %d : f64
  %l = call @thunder.log1p.f64(%q) : (f64) -> f64
  %positive = arith.mulf %l, %half : f64
  %y = math.copysign %positive, %x : f64
  return %y : f64
}

// pow = e^(y log|x|), logarithm and product in two parts, negative for a negative x and an odd y. Edge cases as IEEE 754
// and C's pow.
func.func private @thunder.powf.f64(%x: f64, %y: f64) -> f64 {
  %half = arith.constant 0.5 : f64
  %one = arith.constant 1.0 : f64
  %zero = arith.constant 0.0 : f64
  %infinity = arith.constant 0x7FF0000000000000 : f64
  %nan = arith.constant 0x7FF8000000000000 : f64
  %magnitude = math.absf %x : f64
  %h0, %k = call @thunder.log_parts.f64(%magnitude) : (f64) -> (f64, f64)
  %h = call @thunder.log_edges.f64(%magnitude, %h0) : (f64, f64) -> f64
  %p = arith.mulf %y, %h : f64
  %minus_p = arith.negf %p : f64
  %e0 = math.fma %y, %h, %minus_p : f64
  %e = math.fma %y, %k, %e0 : f64
  %m, %m_lo, %t = call @thunder.exp_parts.f64(%p, %e) : (f64, f64) -> (f64, f64, f64)
  %m1 = arith.addf %m, %m_lo : f64
  %r0 = call @thunder.scaled.f64(%m1, %t) : (f64, f64) -> f64
  %half_y = arith.mulf %y, %half : f64
  %whole = math.floor %y : f64
  %whole_half = math.floor %half_y : f64
  %is_whole = arith.cmpf oeq, %whole, %y : f64
  %is_broken_half = arith.cmpf une, %whole_half, %half_y : f64
  %is_odd = arith.andi %is_whole, %is_broken_half : i1
  %signed_one = math.copysign %one, %x : f64
  %sign = arith.select %is_odd, %signed_one, %one : f64
  %is_unit = arith.cmpf oeq, %magnitude, %one : f64
  %r1 = arith.select %is_unit, %one, %r0 : f64
  %r2 = arith.mulf %r1, %sign : f64
  %is_negative = arith.cmpf olt, %x, %zero : f64
  %is_bounded = arith.cmpf olt, %magnitude, %infinity : f64
  %is_broken = arith.cmpf une, %whole, %y : f64
  %is_root0 = arith.andi %is_negative, %is_bounded : i1
  %is_root = arith.andi %is_root0, %is_broken : i1
  %r3 = arith.select %is_root, %nan, %r2 : f64
  %is_nan = arith.cmpf uno, %x, %y : f64
  %r4 = arith.select %is_nan, %nan, %r3 : f64
  %is_one = arith.cmpf oeq, %x, %one : f64
  %is_power_zero = arith.cmpf oeq, %y, %zero : f64
  %is_always_one = arith.ori %is_one, %is_power_zero : i1
  %r = arith.select %is_always_one, %one, %r4 : f64
  return %r : f64
}
