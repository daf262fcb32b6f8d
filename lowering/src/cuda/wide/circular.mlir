// Elementary functions of f64 for machines without libm: sine, cosine, tangent and their inverses.

// 2/pi, the bits of its fraction after 64 zeros.
memref.global "private" constant @thunder.turns : memref<20xi64> = dense<[
  0x0000000000000000, 0xA2F9836E4E441529, 0xFC2757D1F534DDC0, 0xDB6295993C439041, 0xFE5163ABDEBBC561,
  0xB7246E3A424DD2E0, 0x06492EEA09D1921C, 0xFE1DEB1CB129A73E, 0xE88235F52EBB4484, 0xE99C7026B45F7E41,
  0x3991D639835339F4, 0x9C845F8BBDF9283B, 0x1FF897FFDE05980F, 0xEF2F118B5A0A6D1F, 0x6D367ECF27CB09B7,
  0x4F463F669E5FEA2D, 0x7527BAC7EBE5F17B, 0x3D0739F78A5292EA, 0x6BFB5FB11F8D5D08, 0x56033046FC7B6BAB
]>

// n, r and c with x = n pi/2 + r + c, |r| <= pi/4, for |x| >= 2^30: the integer significand times 192 bits of 2/pi, in
// integers modulo four quadrants (Payne-Hanek). n modulo 4 counts.
func.func private @thunder.far_quadrant.f64(%x: f64) -> (f64, f64, i64) {
  %shift = arith.constant 52 : i64
  %all_exponent = arith.constant 2047 : i64
  %fraction = arith.constant 0x000FFFFFFFFFFFFF : i64
  %hidden = arith.constant 0x0010000000000000 : i64
  %first = arith.constant 1013 : i64
  %six = arith.constant 6 : i64
  %sixty_three = arith.constant 63 : i64
  %one_i = arith.constant 1 : i64
  %two_i = arith.constant 2 : i64
  %sixty_two = arith.constant 62 : i64
  %thirty_two = arith.constant 32 : i64
  %low_half = arith.constant 0x00000000FFFFFFFF : i64
  %eleven = arith.constant 11 : i64
  %two_32 = arith.constant 0x3DF0000000000000 : f64
  %two_64 = arith.constant 0x3BF0000000000000 : f64
  %two_117 = arith.constant 0x38A0000000000000 : f64
  %half_pi = arith.constant 0x3FF921FB54442D18 : f64
  %half_pi_lo = arith.constant 0x3C91A62633145C07 : f64
  %zero = arith.constant 0.0 : f64
  %zero_i = arith.constant 0 : i64
  %i = arith.bitcast %x : f64 to i64
  %exponent0 = arith.shrui %i, %shift : i64
  %exponent = arith.andi %exponent0, %all_exponent : i64
  %m0 = arith.andi %i, %fraction : i64
  %m = arith.ori %m0, %hidden : i64
  %offset = arith.subi %exponent, %first : i64
  %word = arith.shrsi %offset, %six : i64
  %left = arith.andi %offset, %sixty_three : i64
  %right = arith.subi %sixty_three, %left : i64
  %table = memref.get_global @thunder.turns : memref<20xi64>
  %t0_at = arith.index_cast %word : i64 to index
  %t0 = memref.load %table[%t0_at] : memref<20xi64>
  %word1 = arith.addi %word, %one_i : i64
  %t1_at = arith.index_cast %word1 : i64 to index
  %t1 = memref.load %table[%t1_at] : memref<20xi64>
  %word2 = arith.addi %word1, %one_i : i64
  %t2_at = arith.index_cast %word2 : i64 to index
  %t2 = memref.load %table[%t2_at] : memref<20xi64>
  %word3 = arith.addi %word2, %one_i : i64
  %t3_at = arith.index_cast %word3 : i64 to index
  %t3 = memref.load %table[%t3_at] : memref<20xi64>
  %a0 = arith.shli %t0, %left : i64
  %a1 = arith.shrui %t1, %one_i : i64
  %a2 = arith.shrui %a1, %right : i64
  %w0 = arith.ori %a0, %a2 : i64
  %b0 = arith.shli %t1, %left : i64
  %b1 = arith.shrui %t2, %one_i : i64
  %b2 = arith.shrui %b1, %right : i64
  %w1 = arith.ori %b0, %b2 : i64
  %c0 = arith.shli %t2, %left : i64
  %c1 = arith.shrui %t3, %one_i : i64
  %c2 = arith.shrui %c1, %right : i64
  %w2 = arith.ori %c0, %c2 : i64
  %low_low, %low = arith.mului_extended %m, %w2 : i64
  %middle_hi_low, %middle_hi = arith.mului_extended %m, %w1 : i64
  %middle0 = arith.muli %m, %w1 : i64
  %middle = arith.addi %middle0, %low : i64
  %is_carried = arith.cmpi ult, %middle, %low : i64
  %carried = arith.extui %is_carried : i1 to i64
  %high0 = arith.muli %m, %w0 : i64
  %high1 = arith.addi %high0, %middle_hi : i64
  %high = arith.addi %high1, %carried : i64
  %f0 = arith.shli %high, %two_i : i64
  %f1 = arith.shrui %middle, %sixty_two : i64
  %fraction_hi = arith.ori %f0, %f1 : i64
  %fraction_lo = arith.shli %middle, %two_i : i64
  %quadrant0 = arith.shrui %high, %sixty_two : i64
  %half_turn = arith.shrui %fraction_hi, %sixty_three : i64
  %quadrant = arith.addi %quadrant0, %half_turn : i64
  %d0i = arith.shrsi %fraction_hi, %thirty_two : i64
  %d1i = arith.andi %fraction_hi, %low_half : i64
  %d2i = arith.shrui %fraction_lo, %eleven : i64
  %d0f = arith.sitofp %d0i : i64 to f64
  %d1f = arith.sitofp %d1i : i64 to f64
  %d2f = arith.sitofp %d2i : i64 to f64
  %d0 = arith.mulf %d0f, %two_32 : f64
  %d1 = arith.mulf %d1f, %two_64 : f64
  %d2 = arith.mulf %d2f, %two_117 : f64
  %g = arith.addf %d0, %d1 : f64
  %g0 = arith.subf %d0, %g : f64
  %g1 = arith.addf %g0, %d1 : f64
  %g_lo0 = arith.addf %g1, %d2 : f64
  %v = arith.addf %g, %g_lo0 : f64
  %v0 = arith.subf %g, %v : f64
  %v_lo = arith.addf %v0, %g_lo0 : f64
  %p = arith.mulf %v, %half_pi : f64
  %minus_p = arith.negf %p : f64
  %p_lo0 = math.fma %v, %half_pi, %minus_p : f64
  %p_lo1 = math.fma %v, %half_pi_lo, %p_lo0 : f64
  %p_lo = math.fma %v_lo, %half_pi, %p_lo1 : f64
  %r0 = arith.addf %p, %p_lo : f64
  %e = arith.subf %p, %r0 : f64
  %c3 = arith.addf %e, %p_lo : f64
  %is_negative = arith.cmpf olt, %x, %zero : f64
  %minus_r = arith.negf %r0 : f64
  %minus_c = arith.negf %c3 : f64
  %minus_n = arith.subi %zero_i, %quadrant : i64
  %r = arith.select %is_negative, %minus_r, %r0 : f64
  %c = arith.select %is_negative, %minus_c, %c3 : f64
  %n = arith.select %is_negative, %minus_n, %quadrant : i64
  return %r, %c, %n : f64, f64, i64
}

// n, r and c with x = n pi/2 + r + c, |r| <= pi/4, below 2^30 by three parts of pi/2 (Cody-Waite). n modulo 4 counts.
func.func private @thunder.quadrant.f64(%x: f64) -> (f64, f64, i64) {
  %two_over_pi = arith.constant 0x3FE45F306DC9C883 : f64
  %magic = arith.constant 0x4338000000000000 : f64
  %minus_half_pi = arith.constant 0xBFF921FB54442D18 : f64
  %minus_half_pi_mid = arith.constant 0xBC91A62633145C07 : f64
  %minus_half_pi_lo = arith.constant 0x391F1976B7ED8FBC : f64
  %magic_i = arith.constant 0x4338000000000000 : i64
  %far = arith.constant 0x41D0000000000000 : f64
  %t = math.fma %x, %two_over_pi, %magic : f64
  %n0 = arith.subf %t, %magic : f64
  %y = math.fma %n0, %minus_half_pi, %x : f64
  %h = arith.mulf %n0, %minus_half_pi_mid : f64
  %minus_h = arith.negf %h : f64
  %h_lo = math.fma %n0, %minus_half_pi_mid, %minus_h : f64
  %r0 = arith.addf %y, %h : f64
  %v = arith.subf %r0, %y : f64
  %v0 = arith.subf %r0, %v : f64
  %v1 = arith.subf %y, %v0 : f64
  %v2 = arith.subf %h, %v : f64
  %v3 = arith.addf %v1, %v2 : f64
  %v4 = arith.addf %v3, %h_lo : f64
  %c0 = math.fma %n0, %minus_half_pi_lo, %v4 : f64
  %ti = arith.bitcast %t : f64 to i64
  %n1 = arith.subi %ti, %magic_i : i64
  %magnitude = math.absf %x : f64
  %is_far = arith.cmpf oge, %magnitude, %far : f64
  %chosen:3 = scf.if %is_far -> (f64, f64, i64) {
    %reduced:3 = func.call @thunder.far_quadrant.f64(%x) : (f64) -> (f64, f64, i64)
    scf.yield %reduced#0, %reduced#1, %reduced#2 : f64, f64, i64
  } else {
    scf.yield %r0, %c0, %n1 : f64, f64, i64
  }
  return %chosen#0, %chosen#1, %chosen#2 : f64, f64, i64
}

// sin and cos, of r + c in the quadrant n: r + r^3 p(r^2) and 1 - r^2 / 2 + r^4 q(r^2), fits of degree 5 (2^-57 and 2^-60).
func.func private @thunder.waves.f64(%x: f64) -> (f64, f64) {
  %s0 = arith.constant 0xBFC5555555555549 : f64
  %s1 = arith.constant 0x3F8111111110F879 : f64
  %s2 = arith.constant 0xBF2A01A019C116A7 : f64
  %s3 = arith.constant 0x3EC71DE35778CA8C : f64
  %s4 = arith.constant 0xBE5AE5E6618B1C2F : f64
  %s5 = arith.constant 0x3DE5D92F6DF1FDD3 : f64
  %half = arith.constant 0.5 : f64
  %one = arith.constant 1.0 : f64
  %c0 = arith.constant 0x3FA555555555554C : f64
  %c1 = arith.constant 0xBF56C16C16C1517C : f64
  %c2 = arith.constant 0x3EFA01A019CB198A : f64
  %c3 = arith.constant 0xBE927E4F809D4A70 : f64
  %c4 = arith.constant 0x3E21EE9EBD55F245 : f64
  %c5 = arith.constant 0xBDA8FAE91D08EF67 : f64
  %one_i = arith.constant 1 : i64
  %zero_i = arith.constant 0 : i64
  %two_i = arith.constant 2 : i64
  %sixty_two = arith.constant 62 : i64
  %tiny = arith.constant 0x3E40000000000000 : f64
  %infinity = arith.constant 0x7FF0000000000000 : f64
  %nan = arith.constant 0x7FF8000000000000 : f64
  %r, %c, %n = call @thunder.quadrant.f64(%x) : (f64) -> (f64, f64, i64)
  %z = arith.mulf %r, %r : f64
  %a4 = math.fma %s5, %z, %s4 : f64
  %a3 = math.fma %a4, %z, %s3 : f64
  %a2 = math.fma %a3, %z, %s2 : f64
  %a1 = math.fma %a2, %z, %s1 : f64
  %a = math.fma %a1, %z, %s0 : f64
  %rz = arith.mulf %r, %z : f64
  %half_z = arith.mulf %z, %half : f64
  %k = arith.subf %one, %half_z : f64
  %c_cos = arith.mulf %c, %k : f64
  %odd0 = math.fma %a, %rz, %c_cos : f64
  %odd = arith.addf %r, %odd0 : f64
  %k0 = arith.subf %one, %k : f64
  %k1 = arith.subf %k0, %half_z : f64
  %b4 = math.fma %c5, %z, %c4 : f64
  %b3 = math.fma %b4, %z, %c3 : f64
  %b2 = math.fma %b3, %z, %c2 : f64
  %b1 = math.fma %b2, %z, %c1 : f64
  %b = math.fma %b1, %z, %c0 : f64
  %z2 = arith.mulf %z, %z : f64
  %minus_r = arith.negf %r : f64
  %rest0 = math.fma %minus_r, %c, %k1 : f64
  %rest = math.fma %b, %z2, %rest0 : f64
  %even = arith.addf %k, %rest : f64
  %bit = arith.andi %n, %one_i : i64
  %is_odd = arith.cmpi ne, %bit, %zero_i : i64
  %sine0 = arith.select %is_odd, %even, %odd : f64
  %cosine0 = arith.select %is_odd, %odd, %even : f64
  %half_turn = arith.andi %n, %two_i : i64
  %sign = arith.shli %half_turn, %sixty_two : i64
  %next = arith.addi %n, %one_i : i64
  %next_half_turn = arith.andi %next, %two_i : i64
  %next_sign = arith.shli %next_half_turn, %sixty_two : i64
  %si = arith.bitcast %sine0 : f64 to i64
  %ci = arith.bitcast %cosine0 : f64 to i64
  %si1 = arith.xori %si, %sign : i64
  %ci1 = arith.xori %ci, %next_sign : i64
  %sine1 = arith.bitcast %si1 : i64 to f64
  %cosine1 = arith.bitcast %ci1 : i64 to f64
  %magnitude = math.absf %x : f64
  %is_tiny = arith.cmpf olt, %magnitude, %tiny : f64
  %sine2 = arith.select %is_tiny, %x, %sine1 : f64
  %is_finite = arith.cmpf olt, %magnitude, %infinity : f64
  %sine = arith.select %is_finite, %sine2, %nan : f64
  %cosine = arith.select %is_finite, %cosine1, %nan : f64
  return %sine, %cosine : f64, f64
}

// sin.
func.func private @thunder.sin.f64(%x: f64) -> f64 {
  %s, %c = call @thunder.waves.f64(%x) : (f64) -> (f64, f64)
  return %s : f64
}

// cos.
func.func private @thunder.cos.f64(%x: f64) -> f64 {
  %s, %c = call @thunder.waves.f64(%x) : (f64) -> (f64, f64)
  return %c : f64
}

// tan.
func.func private @thunder.tan.f64(%x: f64) -> f64 {
  %s, %c = call @thunder.waves.f64(%x) : (f64) -> (f64, f64)
  %y = arith.divf %s, %c : f64
  return %y : f64
}

// The angle of the point (x + x_lo, y + y_lo), y >= 0, from 0 to pi. It is j pi/4 + atan(t) or j pi/4 - atan(t), |t| <=
// tan(pi/8), t a quotient in two parts: of the smaller coordinate and the larger, or of their difference and sum. atan(t) =
// t + t^3 q(t^2), q a fit of degree 11 (2^-58).
func.func private @thunder.angle.f64(%y: f64, %y_lo: f64, %x: f64, %x_lo: f64) -> f64 {
  %one = arith.constant 1.0 : f64
  %zero = arith.constant 0.0 : f64
  %infinity = arith.constant 0x7FF0000000000000 : f64
  %large = arith.constant 0x7830000000000000 : f64
  %small = arith.constant 0x20B0000000000000 : f64
  %shrink = arith.constant 0x1A70000000000000 : f64
  %grow = arith.constant 0x5F30000000000000 : f64
  %tan_eighth = arith.constant 0x3FDA827999FCEF32 : f64
  %tiny = arith.constant 0x07B0000000000000 : f64
  %q0 = arith.constant 0xBFD5555555555554 : f64
  %q1 = arith.constant 0x3FC999999999965A : f64
  %q2 = arith.constant 0xBFC2492492475D8B : f64
  %q3 = arith.constant 0x3FBC71C71B77A782 : f64
  %q4 = arith.constant 0xBFB745D14C00E08E : f64
  %q5 = arith.constant 0x3FB3B136EB492771 : f64
  %q6 = arith.constant 0xBFB110C7A2FB2DB7 : f64
  %q7 = arith.constant 0x3FAE1728A03C7A40 : f64
  %q8 = arith.constant 0xBFAAB80D47119920 : f64
  %q9 = arith.constant 0x3FA70FA51B7A0E94 : f64
  %q10 = arith.constant 0xBFA125518D64EFB0 : f64
  %q11 = arith.constant 0x3F8F25C62FDC7AF2 : f64
  %two = arith.constant 2.0 : f64
  %four = arith.constant 4.0 : f64
  %minus_one = arith.constant -1.0 : f64
  %quarter_pi = arith.constant 0x3FE921FB54442D18 : f64
  %quarter_pi_lo = arith.constant 0x3C81A62633145C07 : f64
  %nan = arith.constant 0x7FF8000000000000 : f64
  %magnitude = math.absf %x : f64
  %unit = math.copysign %one, %x : f64
  %is_left = arith.cmpf olt, %unit, %zero : f64
  %magnitude_lo = arith.mulf %x_lo, %unit : f64
  %is_steep = arith.cmpf ogt, %y, %magnitude : f64
  %a0 = arith.select %is_steep, %magnitude, %y : f64
  %a0_lo = arith.select %is_steep, %magnitude_lo, %y_lo : f64
  %b0 = arith.select %is_steep, %y, %magnitude : f64
  %b0_lo = arith.select %is_steep, %y_lo, %magnitude_lo : f64
  %is_infinite = arith.cmpf oeq, %b0, %infinity : f64
  %is_diagonal = arith.cmpf oeq, %a0, %b0 : f64
  %a_unit = arith.select %is_diagonal, %one, %zero : f64
  %a1 = arith.select %is_infinite, %a_unit, %a0 : f64
  %b1 = arith.select %is_infinite, %one, %b0 : f64
  %is_zero = arith.cmpf oeq, %b1, %zero : f64
  %b2 = arith.select %is_zero, %one, %b1 : f64
  %is_large = arith.cmpf ogt, %b2, %large : f64
  %is_small = arith.cmpf olt, %b2, %small : f64
  %scale0 = arith.select %is_large, %shrink, %one : f64
  %scale = arith.select %is_small, %grow, %scale0 : f64
  %a = arith.mulf %a1, %scale : f64
  %b = arith.mulf %b2, %scale : f64
  %a_lo = arith.mulf %a0_lo, %scale : f64
  %b_lo = arith.mulf %b0_lo, %scale : f64
  %limit = arith.mulf %b, %tan_eighth : f64
  %is_big = arith.cmpf ogt, %a, %limit : f64
  %dif = arith.subf %a, %b : f64
  %dif0 = arith.subf %dif, %a : f64
  %dif1 = arith.subf %dif, %dif0 : f64
  %dif2 = arith.subf %a, %dif1 : f64
  %dif3 = arith.addf %dif0, %b : f64
  %dif4 = arith.subf %dif2, %dif3 : f64
  %dif5 = arith.addf %dif4, %a_lo : f64
  %dif_lo = arith.subf %dif5, %b_lo : f64
  %sum = arith.addf %b, %a : f64
  %sum0 = arith.subf %b, %sum : f64
  %sum1 = arith.addf %sum0, %a : f64
  %sum2 = arith.addf %sum1, %a_lo : f64
  %sum_lo = arith.addf %sum2, %b_lo : f64
  %num = arith.select %is_big, %dif, %a : f64
  %num_lo = arith.select %is_big, %dif_lo, %a_lo : f64
  %den = arith.select %is_big, %sum, %b : f64
  %den_lo = arith.select %is_big, %sum_lo, %b_lo : f64
  %t = arith.divf %num, %den : f64
  %minus_t = arith.negf %t : f64
  %e0 = math.fma %minus_t, %den, %num : f64
  %e1 = arith.addf %e0, %num_lo : f64
  %e2 = math.fma %minus_t, %den_lo, %e1 : f64
  %t_lo0 = arith.divf %e2, %den : f64
  %size = math.absf %t : f64
  %is_tiny = arith.cmpf olt, %size, %tiny : f64
  %t_lo = arith.select %is_tiny, %zero, %t_lo0 : f64
  %z = arith.mulf %t, %t : f64
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
  %tz = arith.mulf %t, %z : f64
  %u = math.fma %p, %tz, %t_lo : f64
  %j0 = arith.select %is_big, %one, %zero : f64
  %j1 = arith.subf %two, %j0 : f64
  %j2 = arith.select %is_steep, %j1, %j0 : f64
  %j3 = arith.subf %four, %j2 : f64
  %j = arith.select %is_left, %j3, %j2 : f64
  %is_flipped = arith.xori %is_steep, %is_left : i1
  %sign = arith.select %is_flipped, %minus_one, %one : f64
  %base = arith.mulf %j, %quarter_pi : f64
  %minus_base = arith.negf %base : f64
  %base_lo0 = math.fma %j, %quarter_pi, %minus_base : f64
  %base_lo = math.fma %j, %quarter_pi_lo, %base_lo0 : f64
  %t1 = arith.mulf %t, %sign : f64
  %u1 = math.fma %u, %sign, %base_lo : f64
  %rest = arith.addf %t1, %u1 : f64
  %r0 = arith.addf %base, %rest : f64
  %is_nan = arith.cmpf uno, %x, %y : f64
  %r = arith.select %is_nan, %nan, %r0 : f64
  return %r : f64
}

// atan.
func.func private @thunder.atan.f64(%x: f64) -> f64 {
  %zero = arith.constant 0.0 : f64
  %one = arith.constant 1.0 : f64
  %magnitude = math.absf %x : f64
  %positive = call @thunder.angle.f64(%magnitude, %zero, %one, %zero) : (f64, f64, f64, f64) -> f64
  %y = math.copysign %positive, %x : f64
  return %y : f64
}

// atan2.
func.func private @thunder.atan2.f64(%y: f64, %x: f64) -> f64 {
  %zero = arith.constant 0.0 : f64
  %magnitude = math.absf %y : f64
  %positive = call @thunder.angle.f64(%magnitude, %zero, %x, %zero) : (f64, f64, f64, f64) -> f64
  %r = math.copysign %positive, %y : f64
  return %r : f64
}

// sqrt(1 - x^2) in two parts.
func.func private @thunder.other_side.f64(%x: f64) -> (f64, f64) {
  %one = arith.constant 1.0 : f64
  %zero = arith.constant 0.0 : f64
  %minus_x = arith.negf %x : f64
  %minus_p = arith.mulf %x, %minus_x : f64
  %p = arith.negf %minus_p : f64
  %p_lo = math.fma %x, %minus_x, %p : f64
  %w = arith.subf %one, %p : f64
  %w0 = arith.subf %one, %w : f64
  %w1 = arith.subf %w0, %p : f64
  %w_lo = arith.addf %w1, %p_lo : f64
  %s = math.sqrt %w : f64
  %minus_s = arith.negf %s : f64
  %e0 = math.fma %minus_s, %s, %w : f64
  %e = arith.addf %e0, %w_lo : f64
  %s2 = arith.addf %s, %s : f64
  %is_zero = arith.cmpf oeq, %w, %zero : f64
  %d = arith.select %is_zero, %one, %s2 : f64
  %s_lo = arith.divf %e, %d : f64
  return %s, %s_lo : f64, f64
}

// asin: the angle of the point (sqrt(1 - x^2), x).
func.func private @thunder.asin.f64(%x: f64) -> f64 {
  %zero = arith.constant 0.0 : f64
  %magnitude = math.absf %x : f64
  %s, %s_lo = call @thunder.other_side.f64(%x) : (f64) -> (f64, f64)
  %positive = call @thunder.angle.f64(%magnitude, %zero, %s, %s_lo) : (f64, f64, f64, f64) -> f64
  %y = math.copysign %positive, %x : f64
  return %y : f64
}

// acos: the angle of the point (x, sqrt(1 - x^2)).
func.func private @thunder.acos.f64(%x: f64) -> f64 {
  %zero = arith.constant 0.0 : f64
  %s, %s_lo = call @thunder.other_side.f64(%x) : (f64) -> (f64, f64)
  %y = call @thunder.angle.f64(%s, %s_lo, %x, %zero) : (f64, f64, f64, f64) -> f64
  return %y : f64
}
