// Elementary functions of f32 that a GPU has instructions for; `cpu/math.mlir` has the others.

// exp. With y = x log2(e) and what rounding took from it, l: 2^y (1 + l ln2). The unit of special functions errs by 2 units
// in the last place, and is right about infinities, NaN and subnormal numbers; far out, where l is no number, it is 0.
func.func private @thunder.exp.f32(%x: f32) -> f32 {
  %log2e = arith.constant 0x3FB8AA3B : f32
  %log2e_lo = arith.constant 0x32A57060 : f32
  %ln2 = arith.constant 0x3F317218 : f32
  %far = arith.constant 200.0 : f32
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %y = arith.mulf %x, %log2e : f32
  %minus = arith.negf %y : f32
  %l0 = math.fma %x, %log2e, %minus : f32
  %l1 = math.fma %x, %log2e_lo, %l0 : f32
  %magnitude = math.absf %y : f32
  %is_near = arith.cmpf olt, %magnitude, %far : f32
  %l = arith.select %is_near, %l1, %zero : f32
  %factor = math.fma %l, %ln2, %one : f32
  %power = llvm.call_intrinsic "llvm.nvvm.ex2.approx.f32"(%y) : (f32) -> f32
  %r = arith.mulf %power, %factor : f32
  return %r : f32
}

// exp of what is rounded to 16 bits afterwards: off by |x| / 2 units in the last place more. Results below the least
// normal number are 0.
func.func private @thunder.exp.f32.rounded(%x: f32) -> f32 {
  %log2e = arith.constant 0x3FB8AA3B : f32
  %y = arith.mulf %x, %log2e : f32
  %r = llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f32"(%y) : (f32) -> f32
  return %r : f32
}

// exp2.
func.func private @thunder.exp2.f32(%x: f32) -> f32 {
  %y = llvm.call_intrinsic "llvm.nvvm.ex2.approx.f32"(%x) : (f32) -> f32
  return %y : f32
}

// rsqrt.
func.func private @thunder.rsqrt.f32(%x: f32) -> f32 {
  %y = llvm.call_intrinsic "llvm.nvvm.rsqrt.approx.f"(%x) : (f32) -> f32
  return %y : f32
}

// tanh. Below 0.55 x + x^3 q(x^2), q a minimax fit of degree 3 (0.6 units in the last place); above 1 - 2 / (e^2|x| + 1).
func.func private @thunder.tanh.f32(%x: f32) -> f32 {
  %small = arith.constant 0.55 : f32
  %two_log2e = arith.constant 0x4038AA3B : f32
  %minus_two = arith.constant -2.0 : f32
  %one = arith.constant 1.0 : f32
  %q0 = arith.constant 0xBEAAAA29 : f32
  %q1 = arith.constant 0x3E08677B : f32
  %q2 = arith.constant 0xBD57BE66 : f32
  %q3 = arith.constant 0x3C86A81B : f32
  %t = arith.mulf %x, %x : f32
  %p2 = math.fma %q3, %t, %q2 : f32
  %p1 = math.fma %p2, %t, %q1 : f32
  %p0 = math.fma %p1, %t, %q0 : f32
  %p = arith.mulf %p0, %t : f32
  %near = math.fma %p, %x, %x : f32
  %magnitude = math.absf %x : f32
  %y = arith.mulf %magnitude, %two_log2e : f32
  %e = llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f32"(%y) : (f32) -> f32
  %d = arith.addf %e, %one : f32
  %r = llvm.call_intrinsic "llvm.nvvm.rcp.approx.ftz.f"(%d) : (f32) -> f32
  %positive = math.fma %r, %minus_two, %one : f32
  %far = math.copysign %positive, %x : f32
  %is_small = arith.cmpf olt, %magnitude, %small : f32
  %result = arith.select %is_small, %near, %far : f32
  return %result : f32
}

// tanh of what is rounded to 16 bits afterwards: 1 - 2 / (e^2x + 1), off by 2^-23, and x itself where that is small, off
// by x^2 / 3 of it.
func.func private @thunder.tanh.f32.rounded(%x: f32) -> f32 {
  %small = arith.constant 0.01 : f32
  %two_log2e = arith.constant 0x4038AA3B : f32
  %minus_two = arith.constant -2.0 : f32
  %one = arith.constant 1.0 : f32
  %y = arith.mulf %x, %two_log2e : f32
  %e = llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f32"(%y) : (f32) -> f32
  %d = arith.addf %e, %one : f32
  %r = llvm.call_intrinsic "llvm.nvvm.rcp.approx.ftz.f"(%d) : (f32) -> f32
  %far = math.fma %r, %minus_two, %one : f32
  %magnitude = math.absf %x : f32
  %is_small = arith.cmpf olt, %magnitude, %small : f32
  %result = arith.select %is_small, %x, %far : f32
  return %result : f32
}

// A quotient that is rounded to 16 bits afterwards: off by 2 units in the last place.
func.func private @thunder.divf.f32(%x: f32, %y: f32) -> f32 {
  %q = llvm.call_intrinsic "llvm.nvvm.div.full"(%x, %y) : (f32, f32) -> f32
  return %q : f32
}

// 1 / y where y is at least 1, as 1 + e^x, of what is rounded to 16 bits afterwards: off by 1 unit in the last place. Results
// below the least normal number are 0.
func.func private @thunder.divf.f32.sigmoid(%one: f32, %y: f32) -> f32 {
  %r = llvm.call_intrinsic "llvm.nvvm.rcp.approx.ftz.f"(%y) : (f32) -> f32
  return %r : f32
}
