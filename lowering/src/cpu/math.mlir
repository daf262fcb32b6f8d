// Elementary functions of f32 as straight-line scalar code that a loop vectorizer can widen.
//
// `math.NAME` on f32 becomes a call of `@thunder.NAME.f32`, which is inlined. No function branches or
// calls, none converts a float that may be NaN to an integer, and all are exact about NaN, infinities
// and subnormal numbers. Polynomials without another source are minimax fits (Remez, weighted for
// relative error) on the reduced interval, coefficients rounded to f32. `math.rs` lists the errors.

// exp. x = n ln2 + r with |r| <= ln2/2 (Cody-Waite, two parts); 1 + r + r^2 q(r), q of degree 4;
// scaled by 2^n in two steps, so that subnormal results round once.
func.func private @thunder.exp.f32(%x: f32) -> f32 {
  %lowest = arith.constant -104.0 : f32
  %highest = arith.constant 89.0 : f32
  %log2e = arith.constant 0x3FB8AA3B : f32
  %magic = arith.constant 12582912.0 : f32
  %ln2_hi = arith.constant 0xBF317200 : f32
  %ln2_lo = arith.constant 0xB5BFBE8E : f32
  %one = arith.constant 1.0 : f32
  %q0 = arith.constant 0x3EFFFFFE : f32
  %q1 = arith.constant 0x3E2AAA48 : f32
  %q2 = arith.constant 0x3D2AAC7C : f32
  %q3 = arith.constant 0x3C091D81 : f32
  %q4 = arith.constant 0x3AB51140 : f32
  %one_i = arith.constant 1 : i32
  %bias = arith.constant 127 : i32
  %shift = arith.constant 23 : i32
  %magic_i = arith.constant 0x4B400000 : i32
  %is_low = arith.cmpf olt, %x, %lowest : f32
  %x0 = arith.select %is_low, %lowest, %x : f32
  %is_high = arith.cmpf ogt, %x0, %highest : f32
  %x1 = arith.select %is_high, %highest, %x0 : f32
  %t = math.fma %x1, %log2e, %magic : f32
  %n = arith.subf %t, %magic : f32
  %r0 = math.fma %n, %ln2_hi, %x1 : f32
  %r = math.fma %n, %ln2_lo, %r0 : f32
  %p3 = math.fma %q4, %r, %q3 : f32
  %p2 = math.fma %p3, %r, %q2 : f32
  %p1 = math.fma %p2, %r, %q1 : f32
  %p0 = math.fma %p1, %r, %q0 : f32
  %r2 = arith.mulf %r, %r : f32
  %em1 = math.fma %p0, %r2, %r : f32
  %e = arith.addf %em1, %one : f32
  %ti = arith.bitcast %t : f32 to i32
  %ni = arith.subi %ti, %magic_i : i32
  %n1 = arith.shrsi %ni, %one_i : i32
  %n2 = arith.subi %ni, %n1 : i32
  %b1 = arith.addi %n1, %bias : i32
  %b2 = arith.addi %n2, %bias : i32
  %s1i = arith.shli %b1, %shift : i32
  %s2i = arith.shli %b2, %shift : i32
  %s1 = arith.bitcast %s1i : i32 to f32
  %s2 = arith.bitcast %s2i : i32 to f32
  %y0 = arith.mulf %e, %s1 : f32
  %y = arith.mulf %y0, %s2 : f32
  return %y : f32
}

// exp2. x = n + r with |r| <= 1/2, exactly; 1 + r q(r), q of degree 6; scaled as in exp.
func.func private @thunder.exp2.f32(%x: f32) -> f32 {
  %lowest = arith.constant -151.0 : f32
  %highest = arith.constant 129.0 : f32
  %magic = arith.constant 12582912.0 : f32
  %one = arith.constant 1.0 : f32
  %q0 = arith.constant 0x3F317218 : f32
  %q1 = arith.constant 0x3E75FDF0 : f32
  %q2 = arith.constant 0x3D63582A : f32
  %q3 = arith.constant 0x3C1D950D : f32
  %q4 = arith.constant 0x3AAEE046 : f32
  %q5 = arith.constant 0x3922206A : f32
  %q6 = arith.constant 0x376023F9 : f32
  %one_i = arith.constant 1 : i32
  %bias = arith.constant 127 : i32
  %shift = arith.constant 23 : i32
  %magic_i = arith.constant 0x4B400000 : i32
  %is_low = arith.cmpf olt, %x, %lowest : f32
  %x0 = arith.select %is_low, %lowest, %x : f32
  %is_high = arith.cmpf ogt, %x0, %highest : f32
  %x1 = arith.select %is_high, %highest, %x0 : f32
  %t = arith.addf %x1, %magic : f32
  %n = arith.subf %t, %magic : f32
  %r = arith.subf %x1, %n : f32
  %p5 = math.fma %q6, %r, %q5 : f32
  %p4 = math.fma %p5, %r, %q4 : f32
  %p3 = math.fma %p4, %r, %q3 : f32
  %p2 = math.fma %p3, %r, %q2 : f32
  %p1 = math.fma %p2, %r, %q1 : f32
  %p0 = math.fma %p1, %r, %q0 : f32
  %e = math.fma %p0, %r, %one : f32
  %ti = arith.bitcast %t : f32 to i32
  %ni = arith.subi %ti, %magic_i : i32
  %n1 = arith.shrsi %ni, %one_i : i32
  %n2 = arith.subi %ni, %n1 : i32
  %b1 = arith.addi %n1, %bias : i32
  %b2 = arith.addi %n2, %bias : i32
  %s1i = arith.shli %b1, %shift : i32
  %s2i = arith.shli %b2, %shift : i32
  %s1 = arith.bitcast %s1i : i32 to f32
  %s2 = arith.bitcast %s2i : i32 to f32
  %y0 = arith.mulf %e, %s1 : f32
  %y = arith.mulf %y0, %s2 : f32
  return %y : f32
}

// expm1. Reduced as in exp; 2^n (r + r^2 q(r)) + (2^n - 1), halved so that n = 128 stays finite.
func.func private @thunder.expm1.f32(%x: f32) -> f32 {
  %lowest = arith.constant -25.0 : f32
  %highest = arith.constant 89.0 : f32
  %log2e = arith.constant 0x3FB8AA3B : f32
  %magic = arith.constant 12582912.0 : f32
  %ln2_hi = arith.constant 0xBF317200 : f32
  %ln2_lo = arith.constant 0xB5BFBE8E : f32
  %half = arith.constant 0.5 : f32
  %tiny = arith.constant 0x33000000 : f32
  %q1 = arith.constant 0x3E2AAAAA : f32
  %q2 = arith.constant 0x3D2AAA79 : f32
  %q3 = arith.constant 0x3C0888E6 : f32
  %q4 = arith.constant 0x3AB6A0CE : f32
  %q5 = arith.constant 0x394FDED2 : f32
  %bias = arith.constant 126 : i32
  %shift = arith.constant 23 : i32
  %magic_i = arith.constant 0x4B400000 : i32
  %is_low = arith.cmpf olt, %x, %lowest : f32
  %x0 = arith.select %is_low, %lowest, %x : f32
  %is_high = arith.cmpf ogt, %x0, %highest : f32
  %x1 = arith.select %is_high, %highest, %x0 : f32
  %t = math.fma %x1, %log2e, %magic : f32
  %n = arith.subf %t, %magic : f32
  %r0 = math.fma %n, %ln2_hi, %x1 : f32
  %r = math.fma %n, %ln2_lo, %r0 : f32
  %p4 = math.fma %q5, %r, %q4 : f32
  %p3 = math.fma %p4, %r, %q3 : f32
  %p2 = math.fma %p3, %r, %q2 : f32
  %p1 = math.fma %p2, %r, %q1 : f32
  %p0 = math.fma %p1, %r, %half : f32
  %r2 = arith.mulf %r, %r : f32
  %em1 = math.fma %p0, %r2, %r : f32
  %ti = arith.bitcast %t : f32 to i32
  %ni = arith.subi %ti, %magic_i : i32
  %b = arith.addi %ni, %bias : i32
  %si = arith.shli %b, %shift : i32
  %s = arith.bitcast %si : i32 to f32
  %s0 = arith.subf %s, %half : f32
  %y0 = math.fma %em1, %s, %s0 : f32
  %y1 = arith.addf %y0, %y0 : f32
  %magnitude = math.absf %x : f32
  %is_tiny = arith.cmpf olt, %magnitude, %tiny : f32
  %y = arith.select %is_tiny, %x, %y1 : f32
  return %y : f32
}

// tanh. With e = expm1(2|x|): e / (e + 2); it rounds to 1 from |x| = 9.02 on.
func.func private @thunder.tanh.f32(%x: f32) -> f32 {
  %highest = arith.constant 18.1 : f32
  %log2e = arith.constant 0x3FB8AA3B : f32
  %magic = arith.constant 12582912.0 : f32
  %ln2_hi = arith.constant 0xBF317200 : f32
  %ln2_lo = arith.constant 0xB5BFBE8E : f32
  %one = arith.constant 1.0 : f32
  %two = arith.constant 2.0 : f32
  %q0 = arith.constant 0.5 : f32
  %q1 = arith.constant 0x3E2AAAAA : f32
  %q2 = arith.constant 0x3D2AAA79 : f32
  %q3 = arith.constant 0x3C0888E6 : f32
  %q4 = arith.constant 0x3AB6A0CE : f32
  %q5 = arith.constant 0x394FDED2 : f32
  %one_i = arith.constant 0x3F800000 : i32
  %shift = arith.constant 23 : i32
  %magnitude = math.absf %x : f32
  %x0 = arith.addf %magnitude, %magnitude : f32
  %is_high = arith.cmpf ogt, %x0, %highest : f32
  %x1 = arith.select %is_high, %highest, %x0 : f32
  %t = math.fma %x1, %log2e, %magic : f32
  %n = arith.subf %t, %magic : f32
  %r0 = math.fma %n, %ln2_hi, %x1 : f32
  %r = math.fma %n, %ln2_lo, %r0 : f32
  %p4 = math.fma %q5, %r, %q4 : f32
  %p3 = math.fma %p4, %r, %q3 : f32
  %p2 = math.fma %p3, %r, %q2 : f32
  %p1 = math.fma %p2, %r, %q1 : f32
  %p0 = math.fma %p1, %r, %q0 : f32
  %r2 = arith.mulf %r, %r : f32
  %em1 = math.fma %p0, %r2, %r : f32
  // The magic number's low bits are n, and shifting it left drops the rest.
  %ti = arith.bitcast %t : f32 to i32
  %ni = arith.shli %ti, %shift : i32
  %si = arith.addi %ni, %one_i : i32
  %s = arith.bitcast %si : i32 to f32
  %s0 = arith.subf %s, %one : f32
  %e = math.fma %em1, %s, %s0 : f32
  %d = arith.addf %e, %two : f32
  %y0 = arith.divf %e, %d : f32
  %y = math.copysign %y0, %x : f32
  return %y : f32
}

// erf. Two branch-free pieces after N. Juffa (stackoverflow.com/q/35148198): x + x p(x^2) up to 475/512,
// 1 - exp(-p(|x|)) beyond.
func.func private @thunder.erf.f32(%x: f32) -> f32 {
  %split = arith.constant 0.927734375 : f32
  %one = arith.constant 1.0 : f32
  %a0 = arith.constant -1.72853470e-5 : f32
  %a1 = arith.constant 3.83197126e-4 : f32
  %a2 = arith.constant -3.88396438e-3 : f32
  %a3 = arith.constant 2.42546219e-2 : f32
  %a4 = arith.constant -1.06777877e-1 : f32
  %a5 = arith.constant -6.34846687e-1 : f32
  %a6 = arith.constant -1.28717512e-1 : f32
  %b0 = arith.constant -5.96761703e-4 : f32
  %b1 = arith.constant 4.99119423e-3 : f32
  %b2 = arith.constant -2.67681349e-2 : f32
  %b3 = arith.constant 1.12819925e-1 : f32
  %b4 = arith.constant -3.76125336e-1 : f32
  %b5 = arith.constant 1.28379166e-1 : f32
  %t = math.absf %x : f32
  %s = arith.mulf %x, %x : f32
  %c0 = math.fma %a0, %t, %a1 : f32
  %c1 = math.fma %a2, %t, %a3 : f32
  %c2 = math.fma %c0, %s, %c1 : f32
  %c3 = math.fma %c2, %t, %a4 : f32
  %c4 = math.fma %c3, %t, %a5 : f32
  %c5 = math.fma %c4, %t, %a6 : f32
  %minus_t = arith.negf %t : f32
  %c6 = math.fma %c5, %t, %minus_t : f32
  %e = call @thunder.exp.f32(%c6) : (f32) -> f32
  %far0 = arith.subf %one, %e : f32
  %far = math.copysign %far0, %x : f32
  %d0 = math.fma %b0, %s, %b1 : f32
  %d1 = math.fma %d0, %s, %b2 : f32
  %d2 = math.fma %d1, %s, %b3 : f32
  %d3 = math.fma %d2, %s, %b4 : f32
  %d4 = math.fma %d3, %s, %b5 : f32
  %near = math.fma %d4, %x, %x : f32
  %is_far = arith.cmpf ogt, %t, %split : f32
  %y = arith.select %is_far, %far, %near : f32
  return %y : f32
}

// log of a normal or subnormal positive number, as e and f with x = 2^e (1 + f), 2/3 <= 1 + f < 4/3, and
// log1p(f) = f - f^2/2 + f^3 q(f) with q of degree 7. Returns e, f and the sum without f.
func.func private @thunder.log_parts.f32(%x: f32) -> (f32, f32, f32) {
  %smallest = arith.constant 0x00800000 : f32
  %two23 = arith.constant 8388608.0 : f32
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %minus_half = arith.constant -0.5 : f32
  %e23 = arith.constant -23.0 : f32
  %q0 = arith.constant 0x3EAAAA83 : f32
  %q1 = arith.constant 0xBE7FFF78 : f32
  %q2 = arith.constant 0x3E4CE814 : f32
  %q3 = arith.constant 0xBE2ACEE5 : f32
  %q4 = arith.constant 0x3E0F6B8B : f32
  %q5 = arith.constant 0xBDF988B5 : f32
  %q6 = arith.constant 0x3E0F3360 : f32
  %q7 = arith.constant 0xBE0402A0 : f32
  %two_thirds = arith.constant 0x3F2AAAAB : i32
  %shift = arith.constant 23 : i32
  %is_small = arith.cmpf olt, %x, %smallest : f32
  %scaled = arith.mulf %x, %two23 : f32
  %x0 = arith.select %is_small, %scaled, %x : f32
  %e0 = arith.select %is_small, %e23, %zero : f32
  %i = arith.bitcast %x0 : f32 to i32
  %i0 = arith.subi %i, %two_thirds : i32
  %ei = arith.shrsi %i0, %shift : i32
  %es = arith.shli %ei, %shift : i32
  %mi = arith.subi %i, %es : i32
  %m = arith.bitcast %mi : i32 to f32
  %f = arith.subf %m, %one : f32
  %e1 = arith.sitofp %ei : i32 to f32
  %e = arith.addf %e1, %e0 : f32
  %p6 = math.fma %q7, %f, %q6 : f32
  %p5 = math.fma %p6, %f, %q5 : f32
  %p4 = math.fma %p5, %f, %q4 : f32
  %p3 = math.fma %p4, %f, %q3 : f32
  %p2 = math.fma %p3, %f, %q2 : f32
  %p1 = math.fma %p2, %f, %q1 : f32
  %p0 = math.fma %p1, %f, %q0 : f32
  %f2 = arith.mulf %f, %f : f32
  %p = math.fma %p0, %f, %minus_half : f32
  %y = arith.mulf %p, %f2 : f32
  return %e, %f, %y : f32, f32, f32
}

// What every logarithm gives where its argument is not a positive finite number.
func.func private @thunder.log_edges.f32(%x: f32, %y: f32) -> f32 {
  %zero = arith.constant 0.0 : f32
  %inf = arith.constant 0x7F800000 : f32
  %minus_inf = arith.constant 0xFF800000 : f32
  %nan = arith.constant 0x7FC00000 : f32
  %is_zero = arith.cmpf oeq, %x, %zero : f32
  %y0 = arith.select %is_zero, %minus_inf, %y : f32
  // Unordered: NaN as well.
  %is_negative = arith.cmpf ult, %x, %zero : f32
  %y1 = arith.select %is_negative, %nan, %y0 : f32
  %is_inf = arith.cmpf oeq, %x, %inf : f32
  %y2 = arith.select %is_inf, %inf, %y1 : f32
  return %y2 : f32
}

// log.
func.func private @thunder.log.f32(%x: f32) -> f32 {
  %ln2_hi = arith.constant 0x3F317200 : f32
  %ln2_lo = arith.constant 0x35BFBE8E : f32
  %e, %f, %y0 = call @thunder.log_parts.f32(%x) : (f32) -> (f32, f32, f32)
  %y1 = math.fma %e, %ln2_lo, %y0 : f32
  %y2 = arith.addf %f, %y1 : f32
  %y3 = math.fma %e, %ln2_hi, %y2 : f32
  %y = call @thunder.log_edges.f32(%x, %y3) : (f32, f32) -> f32
  return %y : f32
}

// log2. log2(e) in two parts, so that powers of two are exact.
func.func private @thunder.log2.f32(%x: f32) -> f32 {
  %log2e_hi = arith.constant 0x3FB8AA3B : f32
  %log2e_lo = arith.constant 0x32A57060 : f32
  %e, %f, %y0 = call @thunder.log_parts.f32(%x) : (f32) -> (f32, f32, f32)
  %s = arith.addf %f, %y0 : f32
  %back = arith.subf %s, %f : f32
  %rest = arith.subf %y0, %back : f32
  %y1 = arith.mulf %s, %log2e_hi : f32
  %minus = arith.negf %y1 : f32
  %y1_lo = math.fma %s, %log2e_hi, %minus : f32
  %l0 = math.fma %s, %log2e_lo, %y1_lo : f32
  %l1 = math.fma %rest, %log2e_hi, %l0 : f32
  %y2 = arith.addf %e, %y1 : f32
  %back2 = arith.subf %y2, %e : f32
  %rest2 = arith.subf %y1, %back2 : f32
  %l2 = arith.addf %l1, %rest2 : f32
  %y3 = arith.addf %y2, %l2 : f32
  %y = call @thunder.log_edges.f32(%x, %y3) : (f32, f32) -> f32
  return %y : f32
}

// log10.
func.func private @thunder.log10.f32(%x: f32) -> f32 {
  %log10e_hi = arith.constant 0x3EDE5BD9 : f32
  %log10e_lo = arith.constant 0xB22D91AF : f32
  %log10_2_hi = arith.constant 0x3E9A2000 : f32
  %log10_2_lo = arith.constant 0x369A84FC : f32
  %e, %f, %y0 = call @thunder.log_parts.f32(%x) : (f32) -> (f32, f32, f32)
  %s = arith.addf %f, %y0 : f32
  %back = arith.subf %s, %f : f32
  %rest = arith.subf %y0, %back : f32
  %y1 = arith.mulf %s, %log10e_hi : f32
  %minus = arith.negf %y1 : f32
  %y1_lo = math.fma %s, %log10e_hi, %minus : f32
  %l0 = math.fma %s, %log10e_lo, %y1_lo : f32
  %l1 = math.fma %rest, %log10e_hi, %l0 : f32
  %l2 = math.fma %e, %log10_2_lo, %l1 : f32
  %big = arith.mulf %e, %log10_2_hi : f32
  %y2 = arith.addf %big, %y1 : f32
  %back2 = arith.subf %y2, %big : f32
  %rest2 = arith.subf %y1, %back2 : f32
  %l3 = arith.addf %l2, %rest2 : f32
  %y3 = arith.addf %y2, %l3 : f32
  %y = call @thunder.log_edges.f32(%x, %y3) : (f32, f32) -> f32
  return %y : f32
}

// log1p. The scaling of N. Juffa (stackoverflow.com/q/63869219): 1 + x = 2^e (1 + m) with m in [-1/4, 1/2]
// and m exact to the last bit; log1p(m) = m - m^2/2 + m^3 q(m), q of degree 8.
func.func private @thunder.log1p.f32(%x: f32) -> f32 {
  %one = arith.constant 1.0 : f32
  %minus_one = arith.constant -1.0 : f32
  %quarter = arith.constant 0.25 : f32
  %minus_half = arith.constant -0.5 : f32
  %ulp = arith.constant 0x34000000 : f32
  %ln2 = arith.constant 0x3F317218 : f32
  %tiny = arith.constant 0x33000000 : f32
  %q0 = arith.constant 0x3EAAAAAD : f32
  %q1 = arith.constant 0xBE800037 : f32
  %q2 = arith.constant 0x3E4CCBC4 : f32
  %q3 = arith.constant 0xBE2A8CDC : f32
  %q4 = arith.constant 0x3E12304C : f32
  %q5 = arith.constant 0xBE025519 : f32
  %q6 = arith.constant 0x3DEFA138 : f32
  %q7 = arith.constant 0xBDBAB350 : f32
  %q8 = arith.constant 0x3D1A4F4B : f32
  %three_quarters = arith.constant 0x3F400000 : i32
  %exponent = arith.constant 0xFF800000 : i32
  %four = arith.constant 0x40800000 : i32
  %u = arith.addf %x, %one : f32
  %ui = arith.bitcast %u : f32 to i32
  %ui0 = arith.subi %ui, %three_quarters : i32
  %i = arith.andi %ui0, %exponent : i32
  %xi = arith.bitcast %x : f32 to i32
  %ti = arith.subi %xi, %i : i32
  %t = arith.bitcast %ti : i32 to f32
  %si = arith.subi %four, %i : i32
  %s = arith.bitcast %si : i32 to f32
  %r0 = math.fma %quarter, %s, %minus_one : f32
  %m = arith.addf %r0, %t : f32
  %p7 = math.fma %q8, %m, %q7 : f32
  %p6 = math.fma %p7, %m, %q6 : f32
  %p5 = math.fma %p6, %m, %q5 : f32
  %p4 = math.fma %p5, %m, %q4 : f32
  %p3 = math.fma %p4, %m, %q3 : f32
  %p2 = math.fma %p3, %m, %q2 : f32
  %p1 = math.fma %p2, %m, %q1 : f32
  %p0 = math.fma %p1, %m, %q0 : f32
  %m2 = arith.mulf %m, %m : f32
  %p = math.fma %p0, %m, %minus_half : f32
  %y0 = math.fma %p, %m2, %m : f32
  %fi = arith.sitofp %i : i32 to f32
  %e = arith.mulf %fi, %ulp : f32
  %y1 = math.fma %e, %ln2, %y0 : f32
  %y2 = call @thunder.log_edges.f32(%u, %y1) : (f32, f32) -> f32
  %magnitude = math.absf %x : f32
  %is_tiny = arith.cmpf olt, %magnitude, %tiny : f32
  %y = arith.select %is_tiny, %x, %y2 : f32
  return %y : f32
}

// rsqrt, from the two correctly rounded operations.
func.func private @thunder.rsqrt.f32(%x: f32) -> f32 {
  %one = arith.constant 1.0 : f32
  %root = math.sqrt %x : f32
  %y = arith.divf %one, %root : f32
  return %y : f32
}

// pow in f64 within: log2(m) = 2 atanh(s) / ln2 as the series in s = (m - 1) / (m + 1) to s^17, then 2^t as the
// series to t^9; rounded once to f32. Edge cases as IEEE 754 and C's pow.
func.func private @thunder.powf.f32(%x: f32, %y: f32) -> f32 {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %half = arith.constant 0.5 : f32
  %inf = arith.constant 0x7F800000 : f32
  %nan = arith.constant 0x7FC00000 : f32
  %magnitude = math.absf %x : f32
  %one_d = arith.constant 1.0 : f64
  %root_half = arith.constant 0x3FE6A09E667F3BCD : i64
  %shift = arith.constant 52 : i64
  %d = arith.extf %magnitude : f32 to f64
  %i = arith.bitcast %d : f64 to i64
  %i0 = arith.subi %i, %root_half : i64
  %ei = arith.shrsi %i0, %shift : i64
  %es = arith.shli %ei, %shift : i64
  %mi = arith.subi %i, %es : i64
  %m = arith.bitcast %mi : i64 to f64
  %ei32 = arith.trunci %ei : i64 to i32
  %e = arith.sitofp %ei32 : i32 to f64
  %above = arith.subf %m, %one_d : f64
  %below = arith.addf %m, %one_d : f64
  %s = arith.divf %above, %below : f64
  %z = arith.mulf %s, %s : f64
  %l0 = arith.constant 2.8853900817779268 : f64
  %l1 = arith.constant 0.96179669392597556 : f64
  %l2 = arith.constant 0.57707801635558535 : f64
  %l3 = arith.constant 0.41219858311113240 : f64
  %l4 = arith.constant 0.32059889797532519 : f64
  %l5 = arith.constant 0.26230818925253880 : f64
  %l6 = arith.constant 0.22195308321368668 : f64
  %l7 = arith.constant 0.19235933878519512 : f64
  %l8 = arith.constant 0.16972882833987806 : f64
  %a7 = math.fma %l8, %z, %l7 : f64
  %a6 = math.fma %a7, %z, %l6 : f64
  %a5 = math.fma %a6, %z, %l5 : f64
  %a4 = math.fma %a5, %z, %l4 : f64
  %a3 = math.fma %a4, %z, %l3 : f64
  %a2 = math.fma %a3, %z, %l2 : f64
  %a1 = math.fma %a2, %z, %l1 : f64
  %a0 = math.fma %a1, %z, %l0 : f64
  %log2 = math.fma %a0, %s, %e : f64
  %yd = arith.extf %y : f32 to f64
  %t0 = arith.mulf %yd, %log2 : f64
  %lowest = arith.constant -200.0 : f64
  %highest = arith.constant 200.0 : f64
  %is_low = arith.cmpf olt, %t0, %lowest : f64
  %t1 = arith.select %is_low, %lowest, %t0 : f64
  %is_high = arith.cmpf ogt, %t1, %highest : f64
  %t2 = arith.select %is_high, %highest, %t1 : f64
  %magic = arith.constant 6755399441055744.0 : f64
  %n0 = arith.addf %t2, %magic : f64
  %n = arith.subf %n0, %magic : f64
  %r = arith.subf %t2, %n : f64
  %c1 = arith.constant 0.69314718055994531 : f64
  %c2 = arith.constant 0.24022650695910071 : f64
  %c3 = arith.constant 0.055504108664821580 : f64
  %c4 = arith.constant 0.0096181291076284772 : f64
  %c5 = arith.constant 0.0013333558146428443 : f64
  %c6 = arith.constant 0.00015403530393381609 : f64
  %c7 = arith.constant 0.000015252733804059841 : f64
  %c8 = arith.constant 0.0000013215486790144309 : f64
  %c9 = arith.constant 0.00000010178086009239699 : f64
  %b8 = math.fma %c9, %r, %c8 : f64
  %b7 = math.fma %b8, %r, %c7 : f64
  %b6 = math.fma %b7, %r, %c6 : f64
  %b5 = math.fma %b6, %r, %c5 : f64
  %b4 = math.fma %b5, %r, %c4 : f64
  %b3 = math.fma %b4, %r, %c3 : f64
  %b2 = math.fma %b3, %r, %c2 : f64
  %b1 = math.fma %b2, %r, %c1 : f64
  %b0 = math.fma %b1, %r, %one_d : f64
  %ni = arith.bitcast %n0 : f64 to i64
  %ns = arith.shli %ni, %shift : i64
  %b0i = arith.bitcast %b0 : f64 to i64
  %pi = arith.addi %b0i, %ns : i64
  %p = arith.bitcast %pi : i64 to f64
  %p0 = arith.truncf %p : f64 to f32

  // |x| = 0 or infinity: 0 or infinity by the sign of y.
  %y_negative = arith.cmpf olt, %y, %zero : f32
  %x_zero = arith.cmpf oeq, %magnitude, %zero : f32
  %x_inf = arith.cmpf oeq, %magnitude, %inf : f32
  %at_zero = arith.select %y_negative, %inf, %zero : f32
  %at_inf = arith.select %y_negative, %zero, %inf : f32
  %p1 = arith.select %x_zero, %at_zero, %p0 : f32
  %p2 = arith.select %x_inf, %at_inf, %p1 : f32
  // |y| = infinity: by whether |x| is above 1.
  %y_magnitude = math.absf %y : f32
  %y_inf = arith.cmpf oeq, %y_magnitude, %inf : f32
  %x_above = arith.cmpf ogt, %magnitude, %one : f32
  %x_one = arith.cmpf oeq, %magnitude, %one : f32
  %grows = arith.xori %x_above, %y_negative : i1
  %limit0 = arith.select %grows, %inf, %zero : f32
  %limit = arith.select %x_one, %one, %limit0 : f32
  %p3 = arith.select %y_inf, %limit, %p2 : f32
  // Negative x: NaN unless y is an integer, negated where y is odd; -0 and -infinity are never NaN.
  %y_floor = math.floor %y : f32
  %y_integer = arith.cmpf oeq, %y_floor, %y : f32
  %y_half = arith.mulf %y, %half : f32
  %y_half_floor = math.floor %y_half : f32
  %y_half_whole = arith.cmpf oeq, %y_half_floor, %y_half : f32
  %true = arith.constant true
  %y_not_even = arith.xori %y_half_whole, %true : i1
  %y_odd = arith.andi %y_integer, %y_not_even : i1
  %one_signed = math.copysign %one, %x : f32
  %p3_signed = arith.mulf %p3, %one_signed : f32
  %p4 = arith.select %y_odd, %p3_signed, %p3 : f32
  %x_negative = arith.cmpf olt, %x, %zero : f32
  %y_fraction = arith.xori %y_integer, %true : i1
  %x_infinite = arith.xori %x_inf, %true : i1
  %undefined0 = arith.andi %x_negative, %y_fraction : i1
  %undefined = arith.andi %undefined0, %x_infinite : i1
  %p5 = arith.select %undefined, %nan, %p4 : f32
  // NaN operands, but x^0 = 1 and 1^y = 1.
  %any_nan = arith.cmpf uno, %x, %y : f32
  %p6 = arith.select %any_nan, %nan, %p5 : f32
  %y_zero = arith.cmpf oeq, %y, %zero : f32
  %x_is_one = arith.cmpf oeq, %x, %one : f32
  %is_one = arith.ori %y_zero, %x_is_one : i1
  %p7 = arith.select %is_one, %one, %p6 : f32
  return %p7 : f32
}

// 2^(e - 150) modulo 2 pi in two parts, for the biased exponent e of an f32; NaN where e marks infinity or NaN.
memref.global "private" constant @thunder.turns_hi : memref<256xf64> = dense<[
  0x3690000000000000, 0x36A0000000000000, 0x36B0000000000000, 0x36C0000000000000, 0x36D0000000000000,
  0x36E0000000000000, 0x36F0000000000000, 0x3700000000000000, 0x3710000000000000, 0x3720000000000000,
  0x3730000000000000, 0x3740000000000000, 0x3750000000000000, 0x3760000000000000, 0x3770000000000000,
  0x3780000000000000, 0x3790000000000000, 0x37A0000000000000, 0x37B0000000000000, 0x37C0000000000000,
  0x37D0000000000000, 0x37E0000000000000, 0x37F0000000000000, 0x3800000000000000, 0x3810000000000000,
  0x3820000000000000, 0x3830000000000000, 0x3840000000000000, 0x3850000000000000, 0x3860000000000000,
  0x3870000000000000, 0x3880000000000000, 0x3890000000000000, 0x38A0000000000000, 0x38B0000000000000,
  0x38C0000000000000, 0x38D0000000000000, 0x38E0000000000000, 0x38F0000000000000, 0x3900000000000000,
  0x3910000000000000, 0x3920000000000000, 0x3930000000000000, 0x3940000000000000, 0x3950000000000000,
  0x3960000000000000, 0x3970000000000000, 0x3980000000000000, 0x3990000000000000, 0x39A0000000000000,
  0x39B0000000000000, 0x39C0000000000000, 0x39D0000000000000, 0x39E0000000000000, 0x39F0000000000000,
  0x3A00000000000000, 0x3A10000000000000, 0x3A20000000000000, 0x3A30000000000000, 0x3A40000000000000,
  0x3A50000000000000, 0x3A60000000000000, 0x3A70000000000000, 0x3A80000000000000, 0x3A90000000000000,
  0x3AA0000000000000, 0x3AB0000000000000, 0x3AC0000000000000, 0x3AD0000000000000, 0x3AE0000000000000,
  0x3AF0000000000000, 0x3B00000000000000, 0x3B10000000000000, 0x3B20000000000000, 0x3B30000000000000,
  0x3B40000000000000, 0x3B50000000000000, 0x3B60000000000000, 0x3B70000000000000, 0x3B80000000000000,
  0x3B90000000000000, 0x3BA0000000000000, 0x3BB0000000000000, 0x3BC0000000000000, 0x3BD0000000000000,
  0x3BE0000000000000, 0x3BF0000000000000, 0x3C00000000000000, 0x3C10000000000000, 0x3C20000000000000,
  0x3C30000000000000, 0x3C40000000000000, 0x3C50000000000000, 0x3C60000000000000, 0x3C70000000000000,
  0x3C80000000000000, 0x3C90000000000000, 0x3CA0000000000000, 0x3CB0000000000000, 0x3CC0000000000000,
  0x3CD0000000000000, 0x3CE0000000000000, 0x3CF0000000000000, 0x3D00000000000000, 0x3D10000000000000,
  0x3D20000000000000, 0x3D30000000000000, 0x3D40000000000000, 0x3D50000000000000, 0x3D60000000000000,
  0x3D70000000000000, 0x3D80000000000000, 0x3D90000000000000, 0x3DA0000000000000, 0x3DB0000000000000,
  0x3DC0000000000000, 0x3DD0000000000000, 0x3DE0000000000000, 0x3DF0000000000000, 0x3E00000000000000,
  0x3E10000000000000, 0x3E20000000000000, 0x3E30000000000000, 0x3E40000000000000, 0x3E50000000000000,
  0x3E60000000000000, 0x3E70000000000000, 0x3E80000000000000, 0x3E90000000000000, 0x3EA0000000000000,
  0x3EB0000000000000, 0x3EC0000000000000, 0x3ED0000000000000, 0x3EE0000000000000, 0x3EF0000000000000,
  0x3F00000000000000, 0x3F10000000000000, 0x3F20000000000000, 0x3F30000000000000, 0x3F40000000000000,
  0x3F50000000000000, 0x3F60000000000000, 0x3F70000000000000, 0x3F80000000000000, 0x3F90000000000000,
  0x3FA0000000000000, 0x3FB0000000000000, 0x3FC0000000000000, 0x3FD0000000000000, 0x3FE0000000000000,
  0x3FF0000000000000, 0x4000000000000000, 0x4010000000000000, 0x3FFB7812AEEF4B9F, 0x400B7812AEEF4B9F,
  0x3FE2B0BAD558F435, 0x3FF2B0BAD558F435, 0x4002B0BAD558F435, 0x4012B0BAD558F435, 0x40087EF4ACDB76A3,
  0x40187EF4ACDB76A3, 0x4017DBEE0572C02E, 0x401695E0B6A15344, 0x401409C618FE7971, 0x400DE321BB718B92,
  0x3FF304999CB579E8, 0x400304999CB579E8, 0x401304999CB579E8, 0x4009CE6FCA4D8D6E, 0x3FC58E8EC12C0AA8,
  0x3FD58E8EC12C0AA8, 0x3FE58E8EC12C0AA8, 0x3FF58E8EC12C0AA8, 0x40058E8EC12C0AA8, 0x40158E8EC12C0AA8,
  0x4011FB222E13E839, 0x4005A8920FC746B2, 0x4015A8920FC746B2, 0x40122F28CB4A604B, 0x400678AC84A126FA,
  0x401678AC84A126FA, 0x4013CF5DB4FE20DD, 0x400CF9802B702942, 0x3FEEBC26B95FE14F, 0x3FFEBC26B95FE14F,
  0x400EBC26B95FE14F, 0x3FF668AD946ED0DA, 0x400668AD946ED0DA, 0x401668AD946ED0DA, 0x4013AF5FD499749B,
  0x400C7988A9DD783B, 0x3FEABC6AACCA5912, 0x3FFABC6AACCA5912, 0x400ABC6AACCA5912, 0x3FD9A6F58862BF99,
  0x3FE9A6F58862BF99, 0x3FF9A6F58862BF99, 0x4009A6F58862BF99, 0x3FC09F4683D25023, 0x3FD09F4683D25023,
  0x3FE09F4683D25023, 0x3FF09F4683D25023, 0x40009F4683D25023, 0x40109F4683D25023, 0x4000392366C0E65C,
  0x4010392366C0E65C, 0x3FFD412DE4F67E7E, 0x400D412DE4F67E7E, 0x3FF07CCA42C94599, 0x40007CCA42C94599,
  0x40107CCA42C94599, 0x3FFF5E64C5397865, 0x400F5E64C5397865, 0x3FF8F1A5C3D52D34, 0x4008F1A5C3D52D34,
  0x4018F1A5C3D52D34, 0x4018C15033662D50, 0x401860A512882D88, 0x40179F4ED0CC2DF7, 0x40161CA24D542ED6,
  0x4013174946643093, 0x400A192E7108681B, 0x3FCEE6639887604D, 0x3FDEE6639887604D, 0x3FEEE6639887604D,
  0x3FFEE6639887604D, 0x400EE6639887604D, 0x3FF711A1110CCCD4, 0x400711A1110CCCD4, 0x401711A1110CCCD4,
  0x40150146CDD56C8F, 0x4010E0924766AC06, 0x40013E52751255E7, 0x40113E52751255E7, 0x4002B5532BC0FD6B,
  0x4012B5532BC0FD6B, 0x40089156067B9B7B, 0x40189156067B9B7B, 0x401800B0B8B309DD, 0x4016DF661D21E6A2,
  0x40149CD0E5FFA02C, 0x401017A677BB133F, 0x3FFC35466CC7E59A, 0x400C35466CC7E59A, 0x3FE89A58C41DC40C,
  0x3FF89A58C41DC40C, 0x40089A58C41DC40C, 0x40189A58C41DC40C, 0x401812B633F75AFF, 0x4017037113AA88E6,
  0x4014E4E6D310E4B4, 0x4010A7D251DD9C4F, 0x40005B529EEE170C, 0x40105B529EEE170C, 0x3FFE52A7A6600402,
  0x7FF8000000000000
]>
memref.global "private" constant @thunder.turns_lo : memref<256xf64> = dense<[
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
  0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0xBC7A62633145C06E, 0xBC8A62633145C06E,
  0xBC4F5F7FB2E61132, 0xBC5F5F7FB2E61132, 0xBC6F5F7FB2E61132, 0xBC7F5F7FB2E61132, 0x3CA4DBD3AD1DC3A6,
  0x3CB4DBD3AD1DC3A6, 0x3CB8118127272B44, 0x3CBE7CDC1B39FA82, 0xBCB4AC6DFCA06703, 0x3C9403F74EAB57CF,
  0xBC9E90AA2EFAC07E, 0xBCAE90AA2EFAC07E, 0xBCBE90AA2EFAC07E, 0xBCAD8EF52213BA05, 0x3C695C955AFD3E7B,
  0x3C795C955AFD3E7B, 0x3C895C955AFD3E7B, 0x3C995C955AFD3E7B, 0x3CA95C955AFD3E7B, 0x3CB95C955AFD3E7B,
  0xBCBEECFB7D19DF11, 0xBCAF003A5A903450, 0xBCBF003A5A903450, 0xBCAF4D35D069894F, 0x3CAE1947F9043554,
  0x3CBE1947F9043554, 0xBCB57396410BF160, 0x3C8B956A569E09D0, 0xBC86065CEB66CC97, 0xBC96065CEB66CC97,
  0xBCA6065CEB66CC97, 0xBC9EB20C79ECA277, 0xBCAEB20C79ECA277, 0xBCBEB20C79ECA277, 0xBCAE147E4DDB41EB,
  0xBCAF754901DF3BE4, 0xBC71B6F34F397EB5, 0xBC81B6F34F397EB5, 0xBC91B6F34F397EB5, 0x3C77E60254EE49EB,
  0x3C87E60254EE49EB, 0x3C97E60254EE49EB, 0x3CA7E60254EE49EB, 0x3C4FEE10ECF6F246, 0x3C5FEE10ECF6F246,
  0x3C6FEE10ECF6F246, 0x3C7FEE10ECF6F246, 0x3C8FEE10ECF6F246, 0x3C9FEE10ECF6F246, 0xBC7AF1DBC98E2E42,
  0xBC8AF1DBC98E2E42, 0x3C9E758B6A2061A3, 0x3CAE758B6A2061A3, 0xBC8984D6479FD323, 0xBC9984D6479FD323,
  0xBCA984D6479FD323, 0x3C93540E152F4359, 0x3CA3540E152F4359, 0x3C7ADE7E21AE7526, 0x3C8ADE7E21AE7526,
  0x3C9ADE7E21AE7526, 0xBC90DB9C88F485CF, 0xBCBA13F4778E9EEF, 0xBC97383C88C66790, 0xBCBD424477778FCF,
  0xBCA8555E4406F74A, 0xBCA3F708EE36A6A2, 0x3C58B437AD3F55E0, 0x3C68B437AD3F55E0, 0x3C78B437AD3F55E0,
  0x3C88B437AD3F55E0, 0x3C98B437AD3F55E0, 0xBC95302971D2C45B, 0xBCA5302971D2C45B, 0xBCB5302971D2C45B,
  0x3C8FCC374A30DA1A, 0xBCA36630C1104B01, 0xBC94315BD0929C20, 0xBCA4315BD0929C20, 0xBC975E080E9BE09A,
  0xBCA75E080E9BE09A, 0xBCA2085C83607941, 0xBCB2085C83607941, 0x3CA492418C5562EE, 0x3C8760DACA08373A,
  0xBCA79BDF01249C71, 0x3CB6BDFACBC70789, 0xBC90A8C26E1933D7, 0xBCA0A8C26E1933D7, 0xBC827745096C7EEE,
  0xBC927745096C7EEE, 0xBCA27745096C7EEE, 0xBCB27745096C7EEE, 0x3CA2D69F74254C3B, 0x3C730794110F0348,
  0xBCAE8A6761E4F73C, 0x3CAF9EE4D60D597B, 0x3CABF17D45F1FAE7, 0x3CBBF17D45F1FAE7, 0x3C98F351633E671F,
  0x0000000000000000
]>

// r and n with x = n pi/2 + r, |r| <= pi/4: the integer significand times the table's entry, in f64. n modulo 4 counts.
func.func private @thunder.quadrant.f32(%x: f32) -> (f32, i32) {
  %exponent = arith.constant 255 : i32
  %fraction = arith.constant 0x807FFFFF : i32
  %two23 = arith.constant 0x4B000000 : i32
  %shift = arith.constant 23 : i32
  %two_over_pi = arith.constant 0x3FE45F306DC9C883 : f64
  %magic = arith.constant 6755399441055744.0 : f64
  %half_pi_hi = arith.constant 0xBFF921FB54442D18 : f64
  %half_pi_lo = arith.constant 0xBC91A62633145C07 : f64
  %i = arith.bitcast %x : f32 to i32
  %e0 = arith.shrui %i, %shift : i32
  %e = arith.andi %e0, %exponent : i32
  %at = arith.index_castui %e : i32 to index
  %turns_hi = memref.get_global @thunder.turns_hi : memref<256xf64>
  %turns_lo = memref.get_global @thunder.turns_lo : memref<256xf64>
  %hi = memref.load %turns_hi[%at] : memref<256xf64>
  %lo = memref.load %turns_lo[%at] : memref<256xf64>
  %m0 = arith.andi %i, %fraction : i32
  %m1 = arith.ori %m0, %two23 : i32
  %m2 = arith.bitcast %m1 : i32 to f32
  %m = arith.extf %m2 : f32 to f64
  %p = arith.mulf %m, %hi : f64
  %minus_p = arith.negf %p : f64
  %p_lo0 = math.fma %m, %hi, %minus_p : f64
  %p_lo = math.fma %m, %lo, %p_lo0 : f64
  %t = math.fma %p, %two_over_pi, %magic : f64
  %n = arith.subf %t, %magic : f64
  %r0 = math.fma %n, %half_pi_hi, %p : f64
  %r1 = math.fma %n, %half_pi_lo, %p_lo : f64
  %r2 = arith.addf %r0, %r1 : f64
  %r = arith.truncf %r2 : f64 to f32
  %ti = arith.bitcast %t : f64 to i64
  %ni = arith.trunci %ti : i64 to i32
  return %r, %ni : f32, i32
}

// sin or cos of n pi/2 + r: r + r^3 p(r^2) in even quadrants, 1 - r^2/2 + r^4 p(r^2) in odd ones.
func.func private @thunder.wave.f32(%r: f32, %n: i32) -> f32 {
  %one = arith.constant 1.0 : f32
  %minus_half = arith.constant -0.5 : f32
  %s0 = arith.constant 0xBE2AAAAB : f32
  %s1 = arith.constant 0x3C088884 : f32
  %s2 = arith.constant 0xB95007BA : f32
  %s3 = arith.constant 0x363667B0 : f32
  %c0 = arith.constant 0x3D2AAAAB : f32
  %c1 = arith.constant 0xBAB60B5C : f32
  %c2 = arith.constant 0x37D0086B : f32
  %c3 = arith.constant 0xB4920E55 : f32
  %one_i = arith.constant 1 : i32
  %two_i = arith.constant 2 : i32
  %zero_i = arith.constant 0 : i32
  %thirty = arith.constant 30 : i32
  %z = arith.mulf %r, %r : f32
  %a2 = math.fma %s3, %z, %s2 : f32
  %a1 = math.fma %a2, %z, %s1 : f32
  %a0 = math.fma %a1, %z, %s0 : f32
  %rz = arith.mulf %r, %z : f32
  %odd = math.fma %a0, %rz, %r : f32
  %b2 = math.fma %c3, %z, %c2 : f32
  %b1 = math.fma %b2, %z, %c1 : f32
  %b0 = math.fma %b1, %z, %c0 : f32
  %b = math.fma %b0, %z, %minus_half : f32
  %even = math.fma %b, %z, %one : f32
  %bit = arith.andi %n, %one_i : i32
  %is_sine = arith.cmpi eq, %bit, %zero_i : i32
  %y0 = arith.select %is_sine, %odd, %even : f32
  %half_turn = arith.andi %n, %two_i : i32
  %sign = arith.shli %half_turn, %thirty : i32
  %yi = arith.bitcast %y0 : f32 to i32
  %yi1 = arith.xori %yi, %sign : i32
  %y = arith.bitcast %yi1 : i32 to f32
  return %y : f32
}

// sin.
func.func private @thunder.sin.f32(%x: f32) -> f32 {
  %tiny = arith.constant 0x39800000 : f32
  %r, %n = call @thunder.quadrant.f32(%x) : (f32) -> (f32, i32)
  %y0 = call @thunder.wave.f32(%r, %n) : (f32, i32) -> f32
  %magnitude = math.absf %x : f32
  %is_tiny = arith.cmpf olt, %magnitude, %tiny : f32
  %y = arith.select %is_tiny, %x, %y0 : f32
  return %y : f32
}

// cos.
func.func private @thunder.cos.f32(%x: f32) -> f32 {
  %one = arith.constant 1 : i32
  %r, %n0 = call @thunder.quadrant.f32(%x) : (f32) -> (f32, i32)
  %n = arith.addi %n0, %one : i32
  %y = call @thunder.wave.f32(%r, %n) : (f32, i32) -> f32
  return %y : f32
}

// f32 to bf16, to nearest even; a NaN keeps its sign and becomes quiet.
func.func private @thunder.truncf.f32.bf16(%x: f32) -> bf16 {
  %shift = arith.constant 16 : i32
  %one = arith.constant 1 : i32
  %below_half = arith.constant 0x7FFF : i32
  %quiet = arith.constant 0x00400000 : i32
  %i = arith.bitcast %x : f32 to i32
  %high = arith.shrui %i, %shift : i32
  %odd = arith.andi %high, %one : i32
  %rounding = arith.addi %odd, %below_half : i32
  %rounded = arith.addi %i, %rounding : i32
  %nan = arith.ori %i, %quiet : i32
  %is_nan = arith.cmpf uno, %x, %x : f32
  %chosen = arith.select %is_nan, %nan, %rounded : i32
  %top = arith.shrui %chosen, %shift : i32
  %short = arith.trunci %top : i32 to i16
  %y = arith.bitcast %short : i16 to bf16
  return %y : bf16
}

// What LLVM calls where it moves values of bf16 between registers by way of f32; libgcc has it from version 13 on.
func.func @__truncsfbf2(%x: f32) -> bf16 {
  %y = call @thunder.truncf.f32.bf16(%x) : (f32) -> bf16
  return %y : bf16
}

// bf16 to f32, exact. As bits, since LLVM moves rounding functions before a conversion it knows, to bf16.
func.func private @thunder.extf.bf16.f32(%x: bf16) -> f32 {
  %shift = arith.constant 16 : i32
  %short = arith.bitcast %x : bf16 to i16
  %wide = arith.extui %short : i16 to i32
  %bits = arith.shli %wide, %shift : i32
  %y = arith.bitcast %bits : i32 to f32
  return %y : f32
}

// f64 to f32 with the last bit set where that is inexact (rounding to odd), so that rounding once more to a narrower
// type gives what rounding once would.
func.func private @thunder.odd.f64.f32(%x: f64) -> f32 {
  %one = arith.constant 1 : i32
  %zero = arith.constant 0 : i32
  %y = arith.truncf %x : f64 to f32
  %back = arith.extf %y : f32 to f64
  %magnitude = math.absf %x : f64
  %back_magnitude = math.absf %back : f64
  %above = arith.cmpf ogt, %back_magnitude, %magnitude : f64
  %inexact = arith.cmpf one, %back, %x : f64
  %i = arith.bitcast %y : f32 to i32
  %excess = arith.select %above, %one, %zero : i32
  %down = arith.subi %i, %excess : i32
  %sticky = arith.select %inexact, %one, %zero : i32
  %odd = arith.ori %down, %sticky : i32
  %z = arith.bitcast %odd : i32 to f32
  return %z : f32
}

// f64 to bf16, rounded once.
func.func private @thunder.truncf.f64.bf16(%x: f64) -> bf16 {
  %odd = call @thunder.odd.f64.f32(%x) : (f64) -> f32
  %y = call @thunder.truncf.f32.bf16(%odd) : (f32) -> bf16
  return %y : bf16
}

// f64 to f16, rounded once.
func.func private @thunder.truncf.f64.f16(%x: f64) -> f16 {
  %odd = call @thunder.odd.f64.f32(%x) : (f64) -> f32
  %y = arith.truncf %odd : f32 to f16
  return %y : f16
}
