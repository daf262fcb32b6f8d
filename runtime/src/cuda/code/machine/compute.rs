//! What instructions compute of the numbers in registers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use half::{bf16, f16};

use super::text::Register;

/// A number of so many bits with its sign.
fn signed(value: u64, bits: u32) -> i64 {
    (value << (64 - bits)) as i64 >> (64 - bits)
}

/// What a register keeps of a number.
pub fn kept(register: Register, number: u64) -> u64 {
    match register.0 {
        b'p' => number & 1,
        b'h' => number & u64::from(u16::MAX),
        b'r' => number & u64::from(u32::MAX),
        _ => number,
    }
}

pub fn single(bits: u64) -> f64 {
    f64::from(f32::from_bits(bits as u32))
}

/// What an instruction computes of numbers.
pub fn computed(parts: &[&str], v: &[u64]) -> u64 {
    let bits = parts.last().and_then(|part| part[1..].parse().ok()).unwrap_or(64);
    let s = |number: usize| signed(v[number], bits);
    let float = |value: f64| u64::from((value as f32).to_bits());
    // Of two elements in a word, each by itself.
    let pairs = |compute: &dyn Fn(f64, f64) -> f64| {
        let half = |value: u64| value & u64::from(u16::MAX);
        let widen = |value: u64| match parts.last() {
            Some(&"bf16x2") => f64::from(bf16::from_bits(half(value) as u16)),
            _ => f64::from(f16::from_bits(half(value) as u16)),
        };
        let narrow = |value: f64| match parts.last() {
            Some(&"bf16x2") => u64::from(bf16::from_f64(value).to_bits()),
            _ => u64::from(f16::from_f64(value).to_bits()),
        };
        let one = |shift: u32| narrow(compute(widen(v[0] >> shift), widen(v[1] >> shift))) << shift;
        one(0) | one(16)
    };
    match parts {
        ["setp", order, rest @ ..] => {
            let holds = match *order {
                "eq" => s(0) == s(1),
                "ne" => s(0) != s(1),
                "gt" => s(0) > s(1),
                "ge" => s(0) >= s(1),
                "lt" => s(0) < s(1),
                other => panic!("{other} is not known"),
            };
            let is_known = rest.last().is_some_and(|form| match form.as_bytes()[0] {
                b's' => true,
                // Numbers without a sign are only compared for being the same.
                b'u' | b'b' => matches!(*order, "eq" | "ne"),
                _ => false,
            });
            assert!(is_known, "{parts:?} is not known");
            u64::from(holds && (rest[0] != "and" || v[2] == 1))
        }
        ["selp", _] => v[usize::from(v[2] == 0)],
        ["max", "f32"] => float(single(v[0]).max(single(v[1]))),
        ["sub", "rn", "f32"] => float(single(v[0]) - single(v[1])),
        ["lg2", "approx", "ftz", "f32"] => float(single(v[0]).log2()),
        ["fma", "rn", "f32"] => float(single(v[0]).mul_add(single(v[1]), single(v[2]))),
        ["add", "f32"] | ["add", "rn", "f32"] => float(single(v[0]) + single(v[1])),
        ["mul", "f32"] | ["mul", "rn", "f32"] => float(single(v[0]) * single(v[1])),
        ["add", "rn", "f16x2" | "bf16x2"] => pairs(&|a, b| a + b),
        ["sub", "rn", "f16x2" | "bf16x2"] => pairs(&|a, b| a - b),
        ["mul", "rn", "f16x2" | "bf16x2"] => pairs(&|a, b| a * b),
        ["ex2", "approx", "ftz", "f32"] => float(single(v[0]).exp2()),
        ["rcp", "approx", "ftz", "f32"] => float(single(v[0]).recip()),
        ["add", "rn", "f64"] => (f64::from_bits(v[0]) + f64::from_bits(v[1])).to_bits(),
        ["cvt", "rn", "f16x2", _] => {
            let half = |number: usize| u64::from(f16::from_f64(single(v[number])).to_bits());
            half(1) | half(0) << 16
        }
        ["cvt", "rn", "bf16x2", _] => {
            let half = |number: usize| u64::from(bf16::from_f64(single(v[number])).to_bits());
            half(1) | half(0) << 16
        }
        ["cvt", "f32", "f16"] => u64::from(f32::from(f16::from_bits(v[0] as u16)).to_bits()),
        ["cvt", "f32", "bf16"] => v[0] << 16,
        ["cvt", "u32" | "u64" | "s64", "u32" | "u64"] => v[0],
        ["cvt", "s64", "s32"] => signed(v[0], 32) as u64,
        ["add", "u32" | "s32" | "u64" | "s64"] => v[0].wrapping_add(v[1]),
        ["sub", "u32" | "s32" | "u64" | "s64"] => v[0].wrapping_sub(v[1]),
        ["mul", "lo", _] => v[0].wrapping_mul(v[1]),
        ["mad", "lo", _] => v[0].wrapping_mul(v[1]).wrapping_add(v[2]),
        ["div", "u32" | "u64"] => v[0] / v[1],
        ["div", "s64"] => (s(0) / s(1)) as u64,
        ["mul", "wide", "u32"] => (v[0] & 0xffff_ffff) * (v[1] & 0xffff_ffff),
        ["mul", "wide", "s32"] => signed(v[0], 32).wrapping_mul(signed(v[1], 32)) as u64,
        ["bfe", "u32"] => (v[0] & 0xffff_ffff) >> v[1] & ((1 << v[2]) - 1),
        ["shr", "s64"] => (v[0] as i64 >> v[1]) as u64,
        ["shr", _] => v[0] >> v[1],
        ["shl", _] => v[0] << v[1],
        ["and", _] => v[0] & v[1],
        ["or", _] => v[0] | v[1],
        ["xor", _] => v[0] ^ v[1],
        ["max", _] => s(0).max(s(1)) as u64,
        ["min", _] => s(0).min(s(1)) as u64,
        other => panic!("{other:?} is not known"),
    }
}
