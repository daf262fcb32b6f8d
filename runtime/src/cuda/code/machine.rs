//! A machine that runs kernels as a GPU does, for tests: the instructions that products use, all threads of a block at once.
//!
//! It refuses what a GPU would not notice: reads and writes beyond operands, addresses that are not aligned, threads that
//! part, reads of shared memory that no barrier keeps apart from writes of other threads, and threads that wait for each
//! other's banks. What is copied asynchronously is there as late as it may be.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use half::{bf16, f16};

/// A part of memory.
pub struct Memory {
    pub name: &'static str,
    pub start: u64,
    pub bytes: Vec<u8>,
}

impl Memory {
    /// Whether it is a result, which kernels write and do not read.
    fn is_written(&self) -> bool {
        self.name.starts_with("out")
    }
}

/// A register: its kind's letter, and its number.
pub type Register = (u8, usize);

#[derive(Debug)]
pub enum Operand {
    Register(Register),
    Number(i64),
    Name(String),
    /// What a register has and so many bytes more.
    At(Register, i64),
    Parameter(String),
    Group(Vec<Operand>),
}

#[derive(Debug)]
pub struct Instruction {
    pub guard: Option<Register>,
    /// Whether it is carried out where the guard does not hold.
    pub negated: bool,
    pub name: String,
    pub operands: Vec<Operand>,
}

/// A kernel that was read: its parameters of 64 bits with their values, its instructions, and where its labels are.
pub struct Text {
    pub parameters: BTreeMap<String, u64>,
    pub instructions: Vec<Instruction>,
    pub labels: BTreeMap<String, usize>,
}

impl Text {
    /// Reads PTX that this crate has made.
    pub fn read(ptx: &str, values: &[u64]) -> Self {
        let names = ptx.lines().filter_map(|line| line.trim().strip_prefix(".param .u64 "));
        let names: Vec<&str> = names.map(|name| name.trim_end_matches(',')).collect();
        assert_eq!(names.len(), values.len(), "each parameter has a value");
        let parameters = names.into_iter().map(str::to_owned).zip(values.iter().copied()).collect();
        let (mut instructions, mut labels) = (Vec::new(), BTreeMap::new());
        let body = ptx.split_once("\n{\n").map_or("", |(_, body)| body);
        for line in body.lines().map(str::trim) {
            if let Some(label) = line.strip_suffix(':') {
                labels.insert(label.to_owned(), instructions.len());
            } else if !line.starts_with(".reg") && line != "}" {
                instructions.push(instruction(line));
            }
        }
        Self { parameters, instructions, labels }
    }
}

/// A kernel that was read, and how it is run.
pub struct Machine {
    threads: usize,
    shared: usize,
    parameters: BTreeMap<String, u64>,
    instructions: Vec<Instruction>,
    labels: BTreeMap<String, usize>,
}

/// A block that runs.
struct Block<'a> {
    machine: &'a Machine,
    memory: &'a mut [Memory],
    registers: BTreeMap<Register, Vec<u64>>,
    shared: Vec<u8>,
    /// How many barriers there were, and behind which each byte of shared memory was written and read.
    barriers: usize,
    written: Vec<usize>,
    read: Vec<usize>,
    /// Copies that may not have arrived, by group, and those of no group yet.
    groups: Vec<Vec<(usize, Vec<u8>)>>,
    copies: Vec<(usize, Vec<u8>)>,
}

impl Machine {
    /// Reads PTX that this crate has made.
    pub fn new(ptx: &str, threads: usize, shared: usize, values: &[u64]) -> Self {
        let Text { parameters, instructions, labels } = Text::read(ptx, values);
        Self { threads, shared, parameters, instructions, labels }
    }

    /// Runs the block of a number.
    pub fn run(&self, block: u32, memory: &mut [Memory]) {
        let mut state = Block {
            machine: self,
            memory,
            registers: BTreeMap::new(),
            // What was not written is no number in any type.
            shared: vec![0xff; self.shared],
            barriers: 1,
            written: vec![usize::MAX; self.shared],
            read: vec![0; self.shared],
            groups: Vec::new(),
            copies: Vec::new(),
        };
        let mut next = 0;
        while let Some(instruction) = self.instructions.get(next) {
            next += 1;
            match instruction.name.as_str() {
                "ret" => return,
                "bra" => {
                    let Operand::Name(label) = &instruction.operands[0] else { panic!("{instruction:?}") };
                    let taken = state.active(instruction);
                    assert!(taken.iter().all(|other| *other == taken[0]), "threads part at {instruction:?}");
                    next = if taken[0] { self.labels[label] } else { next };
                }
                _ => state.step(instruction, block),
            }
        }
    }
}

fn instruction(line: &str) -> Instruction {
    let line = line.trim_end_matches(';');
    let (guard, line) = match line.strip_prefix('@').and_then(|line| line.split_once(' ')) {
        Some((guard, rest)) => (Some(guard), rest),
        None => (None, line),
    };
    let negated = guard.is_some_and(|guard| guard.starts_with('!'));
    let guard = guard.map(|guard| register(guard.trim_start_matches('!')));
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    Instruction { guard, negated, name: name.to_owned(), operands: operands(rest) }
}

fn operands(text: &str) -> Vec<Operand> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for letter in text.chars() {
        depth += i32::from(matches!(letter, '{' | '[')) - i32::from(matches!(letter, '}' | ']'));
        match letter {
            ',' if depth == 0 => parts.push(String::new()),
            _ => parts.last_mut().unwrap().push(letter),
        }
    }
    parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).map(operand).collect()
}

fn operand(text: &str) -> Operand {
    let inside = text.get(1..text.len().max(2) - 1).unwrap_or("");
    match text.as_bytes()[0] {
        b'{' => Operand::Group(operands(inside)),
        b'[' if inside.contains(',') => Operand::Group(operands(inside)),
        b'[' if !inside.starts_with('%') => Operand::Parameter(inside.to_owned()),
        b'[' => {
            let (base, offset) = inside.split_once('+').unwrap_or((inside, "0"));
            Operand::At(register(base), offset.parse().unwrap())
        }
        b'%' if !text.contains('.') => Operand::Register(register(text)),
        b'0' if text.starts_with("0f") => Operand::Number(i64::from_str_radix(&text[2..], 16).unwrap()),
        b'0'..=b'9' | b'-' => Operand::Number(text.parse().unwrap()),
        _ => Operand::Name(text.to_owned()),
    }
}

fn register(text: &str) -> Register {
    (text.as_bytes()[1], text[2..].parse().unwrap())
}

/// Threads that access shared memory at the same time, as many as 128 bytes are for, find what they access in banks of
/// their own, or at the same address.
fn apart(addresses: &[u64], bytes: usize, active: &[bool]) {
    let addresses: Vec<(u64, bool)> = addresses.iter().copied().zip(active.iter().copied()).collect();
    for together in addresses.chunks(128 / bytes) {
        let mut banks = BTreeMap::new();
        for (address, _) in together.iter().copied().filter(|(_, active)| *active) {
            let other = *banks.entry(address % 128).or_insert(address);
            assert_eq!(address, other, "{bytes} bytes are in the same banks");
        }
    }
}

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

impl Block<'_> {
    fn step(&mut self, instruction: &Instruction, block: u32) {
        let Instruction { guard, name, operands, .. } = instruction;
        let parts: Vec<&str> = name.split('.').collect();
        match parts[..] {
            ["bar", ..] => self.barriers += 1,
            ["cp", "async", "commit_group"] => self.groups.push(std::mem::take(&mut self.copies)),
            ["cp", "async", "wait_all"] => {
                self.groups.push(std::mem::take(&mut self.copies));
                self.arrive(0);
            }
            ["cp", "async", "wait_group"] => {
                let Operand::Number(pending) = operands[0] else { panic!("{instruction:?}") };
                self.arrive(pending as usize);
            }
            ["cp", "async", ..] => self.copy(instruction),
            ["ld" | "st", "global" | "shared", ..] => self.access(&parts, instruction),
            ["shfl", ..] => self.trade(operands),
            ["ldmatrix", ..] => self.matrices(&operands[0], &operands[1], parts.contains(&"trans")),
            ["mma", ..] => self.multiply(&parts, operands),
            ["mov", _] => self.moved(operands, block),
            ["ld", "param", _] => {
                let Operand::Parameter(parameter) = &operands[1] else { panic!("{instruction:?}") };
                let value = self.machine.parameters[parameter];
                self.set(&operands[0], |_| value);
            }
            _ => {
                assert!(guard.is_none(), "{instruction:?}");
                let values: Vec<Vec<u64>> = operands[1..].iter().map(|operand| self.values(operand)).collect();
                self.set(&operands[0], |thread| {
                    let values: Vec<u64> = values.iter().map(|value| value[thread]).collect();
                    computed(&parts, &values)
                });
            }
        }
    }

    fn values(&self, operand: &Operand) -> Vec<u64> {
        match operand {
            Operand::Register(register) => self.registers[register].clone(),
            Operand::Number(number) => vec![*number as u64; self.machine.threads],
            Operand::At(register, offset) => {
                self.registers[register].iter().map(|base| base.wrapping_add(*offset as u64)).collect()
            }
            other => panic!("{other:?} has no value"),
        }
    }

    fn set(&mut self, operand: &Operand, value: impl Fn(usize) -> u64) {
        let Operand::Register(register) = operand else { panic!("{operand:?} is no register") };
        self.registers
            .insert(*register, (0..self.machine.threads).map(|thread| kept(*register, value(thread))).collect());
    }

    fn moved(&mut self, operands: &[Operand], block: u32) {
        match operands {
            [Operand::Group(halves), from] => {
                let from = self.values(from);
                self.set(&halves[0], |thread| from[thread]);
                self.set(&halves[1], |thread| from[thread] >> 16);
            }
            [to, Operand::Group(halves)] => {
                let (low, high) = (self.values(&halves[0]), self.values(&halves[1]));
                self.set(to, |thread| low[thread] | high[thread] << 16);
            }
            [to, Operand::Name(name)] => match name.as_str() {
                "%tid.x" => self.set(to, |thread| thread as u64),
                "%ctaid.x" => self.set(to, |_| u64::from(block)),
                _ => self.set(to, |_| 0),
            },
            [to, from] => {
                let from = self.values(from);
                self.set(to, |thread| from[thread]);
            }
            other => panic!("{other:?}"),
        }
    }

    /// All groups of copies are there but the last so many.
    fn arrive(&mut self, pending: usize) {
        let done = self.groups.len().saturating_sub(pending);
        for (to, bytes) in self.groups.drain(..done).flatten() {
            self.written[to..to + bytes.len()].fill(self.barriers);
            self.shared[to..to + bytes.len()].copy_from_slice(&bytes);
        }
    }

    /// Which threads carry an instruction out.
    fn active(&self, instruction: &Instruction) -> Vec<bool> {
        let holds = |guard: Register| self.registers[&guard].iter().map(|holds| (*holds == 1) != instruction.negated);
        instruction.guard.map_or_else(|| vec![true; self.machine.threads], |guard| holds(guard).collect())
    }

    /// What the lanes have whose numbers are as far away as a bit says.
    fn trade(&mut self, operands: &[Operand]) {
        let [to, from, Operand::Number(distance), ..] = operands else { panic!("{operands:?}") };
        let from = self.values(from);
        self.set(to, |thread| from[thread ^ *distance as usize]);
    }

    fn copy(&mut self, instruction: &Instruction) {
        let operands = &instruction.operands;
        let [to, from, Operand::Number(size), count] = &operands[..] else { panic!("{operands:?}") };
        let active = self.active(instruction);
        let size = *size as usize;
        let (to, from, count) = (self.values(to), self.values(from), self.values(count));
        for thread in (0..self.machine.threads).filter(|thread| active[*thread]) {
            let (to, count) = (to[thread] as usize, count[thread] as usize);
            assert!(to.is_multiple_of(size) && count <= size, "{operands:?} of thread {thread}");
            let mut bytes = vec![0; size];
            if count > 0 {
                assert!(from[thread].is_multiple_of(size as u64), "{operands:?} of thread {thread} is not aligned");
                bytes[..count].copy_from_slice(self.at(from[thread], count, false));
            }
            assert!(self.read[to..to + size].iter().all(|read| *read < self.barriers), "copied over what is read");
            self.copies.push((to, bytes));
        }
        if size == 16 {
            apart(&to, size, &active);
        }
    }

    /// Bytes of an operand, of the result if they are written.
    fn at(&mut self, address: u64, bytes: usize, writes: bool) -> &mut [u8] {
        let fits = |memory: &&mut Memory| {
            let offset = address.checked_sub(memory.start).map(|offset| offset as usize);
            memory.is_written() == writes && offset.is_some_and(|offset| offset + bytes <= memory.bytes.len())
        };
        let memory = self.memory.iter_mut().find(fits).unwrap_or_else(|| panic!("{bytes} bytes at {address:#x}"));
        let offset = (address - memory.start) as usize;
        &mut memory.bytes[offset..offset + bytes]
    }

    /// Reads of shared memory see what was written before the last barrier.
    fn shared(&mut self, address: u64, bytes: usize) -> Vec<u8> {
        let range = address as usize..address as usize + bytes;
        assert!(address.is_multiple_of(bytes as u64));
        assert!(self.written[range.clone()].iter().all(|written| *written < self.barriers), "read too early");
        self.read[range.clone()].fill(self.barriers);
        self.shared[range].to_vec()
    }

    /// Loads and stores of registers, some at once.
    fn access(&mut self, parts: &[&str], instruction: &Instruction) {
        let operands = &instruction.operands;
        let active = self.active(instruction);
        let width = parts.last().unwrap()[1..].parse::<usize>().unwrap() / 8;
        let loads = parts[0] == "ld";
        let (register, address) = if loads { (&operands[0], &operands[1]) } else { (&operands[1], &operands[0]) };
        let registers = match register {
            Operand::Group(registers) => registers.iter().collect(),
            register => vec![register],
        };
        let (addresses, bytes) = (self.values(address), width * registers.len());
        if parts[1] == "shared" {
            apart(&addresses, bytes, &active);
        }
        let mut values: Vec<Vec<u64>> = registers.iter().map(|register| self.known(register)).collect();
        for thread in (0..self.machine.threads).filter(|thread| active[*thread]) {
            let address = addresses[thread];
            assert!(address.is_multiple_of(bytes as u64), "{address:#x} is not aligned");
            if loads {
                let read = match parts[1] {
                    "shared" => self.shared(address, bytes),
                    _ => self.at(address, bytes, false).to_vec(),
                };
                for (value, read) in values.iter_mut().zip(read.chunks_exact(width)) {
                    value[thread] = read.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
                }
                continue;
            }
            let written = values.iter().flat_map(|value| value[thread].to_le_bytes()[..width].to_vec());
            let written: Vec<u8> = written.collect();
            if parts[1] == "global" {
                self.at(address, bytes, true).copy_from_slice(&written);
                continue;
            }
            let range = address as usize..address as usize + bytes;
            assert!(self.read[range.clone()].iter().all(|read| *read < self.barriers), "written over what is read");
            self.written[range.clone()].fill(self.barriers);
            self.shared[range].copy_from_slice(&written);
        }
        if loads {
            for (register, value) in registers.into_iter().zip(values) {
                self.set(register, |thread| value[thread]);
            }
        }
    }

    /// What a register has, if anything.
    fn known(&self, operand: &Operand) -> Vec<u64> {
        let Operand::Register(register) = operand else { panic!("{operand:?} is no register") };
        self.registers.get(register).cloned().unwrap_or_else(|| vec![0; self.machine.threads])
    }

    /// Four matrices of 8 rows of 16 bytes, whose addresses eight lanes each have.
    fn matrices(&mut self, to: &Operand, from: &Operand, transposed: bool) {
        let Operand::Group(registers) = to else { panic!("{to:?}") };
        let addresses = self.values(from);
        apart(&addresses, 16, &vec![true; addresses.len()]);
        for (number, register) in registers.iter().enumerate() {
            let mut values = vec![0; self.machine.threads];
            for warp in (0..self.machine.threads).step_by(32) {
                let rows = (0..8).map(|row| self.shared(addresses[warp + 8 * number + row], 16)).collect::<Vec<_>>();
                let element = |row: usize, column: usize| {
                    let (row, column) = if transposed { (column, row) } else { (row, column) };
                    u64::from(u16::from_le_bytes([rows[row][2 * column], rows[row][2 * column + 1]]))
                };
                for lane in 0..32 {
                    let (row, column) = (lane / 4, lane % 4 * 2);
                    values[warp + lane] = element(row, column) | element(row, column + 1) << 16;
                }
            }
            self.set(register, |thread| values[thread]);
        }
    }

    /// A product of two matrices of a warp, as the manual says which thread has which elements, added to a third.
    fn multiply(&mut self, parts: &[&str], operands: &[Operand]) {
        let groups: Vec<Vec<Vec<u64>>> = operands[1..3]
            .iter()
            .map(|operand| {
                let Operand::Group(registers) = operand else { panic!("{operand:?}") };
                registers.iter().map(|register| self.values(register)).collect()
            })
            .collect();
        let Operand::Group(sums) = &operands[3] else { panic!("{operands:?}") };
        let widen = |bits: u64| match parts.contains(&"bf16") {
            true => f64::from(bf16::from_bits(bits as u16)),
            false => f64::from(f16::from_bits(bits as u16)),
        };
        let halves = parts[3] == "m16n8k16";
        // Of lhs by row and term, of rhs by column and term.
        let element = |side: usize, warp: usize, own: usize, term: usize| {
            if !halves {
                return f64::from_bits(groups[side][0][warp + own % 8 * 4 + term]);
            }
            let register = match side {
                0 => own / 8 + term / 8 * 2,
                _ => term / 8,
            };
            let pair = groups[side][register][warp + own % 8 * 4 + term % 8 / 2];
            widen(pair >> (term % 2 * 16) & 0xffff)
        };
        let terms = if halves { 16 } else { 4 };
        for (number, sum) in sums.iter().enumerate() {
            let old = self.values(sum);
            self.set(sum, |thread| {
                let (warp, lane) = (thread / 32 * 32, thread % 32);
                let (row, column) = (lane / 4 + number / 2 * 8, lane % 4 * 2 + number % 2);
                let products = (0..terms).map(|term| element(0, warp, row, term) * element(1, warp, column, term));
                let product = products.sum::<f64>();
                match halves {
                    true => u64::from(((single(old[thread]) + product) as f32).to_bits()),
                    false => (f64::from_bits(old[thread]) + product).to_bits(),
                }
            });
        }
    }
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
        ["add", "u32" | "s32" | "u64" | "s64"] => v[0].wrapping_add(v[1]),
        ["sub", "u32" | "s32" | "u64" | "s64"] => v[0].wrapping_sub(v[1]),
        ["mul", "lo", _] => v[0].wrapping_mul(v[1]),
        ["mad", "lo", _] => v[0].wrapping_mul(v[1]).wrapping_add(v[2]),
        ["div", "u32" | "u64"] => v[0] / v[1],
        ["div", "s64"] => (s(0) / s(1)) as u64,
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
