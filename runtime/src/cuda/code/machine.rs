//! A machine that runs kernels as a GPU does, for tests: the instructions that products use, all threads of a block at once.
//!
//! It refuses what a GPU would not notice: reads and writes beyond operands, addresses that are not aligned, threads that
//! part, reads of shared memory that no barrier keeps apart from writes of other threads, and threads that wait for each
//! other's banks. What is copied asynchronously is there as late as it may be.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compute;
mod text;

use std::collections::BTreeMap;

use half::{bf16, f16};

pub use compute::{computed, kept, single};
pub use text::{Instruction, Operand, Register, Text};

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
