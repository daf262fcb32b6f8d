//! A machine that runs kernels of clusters as Hopper does, for tests: warps on their own, barriers in shared memory, copies by
//! the unit for tensors, and products of groups of warps.
//!
//! Which warp goes on and which copy arrives next is random. Products read shared memory when they are started or when they
//! are waited for, at random, so that a stage which is read too early or left too late makes results wrong. It refuses
//! arrivals that nobody counts, accesses to blocks that have ended, and waits that never end; and that threads of a warp which
//! have parted do more than compute and access memory.

use std::collections::{BTreeMap, HashMap, VecDeque};

use half::{bf16, f16};

use crate::cuda::code::machine::{Instruction, Memory, Operand, Register, Text, computed, kept, single};

const LANES: usize = 32;

/// Where the shared memory of a kernel begins: not where stages can.
const BASE: u64 = 16;

/// Addresses of a block of the cluster have its number from this bit on, plus one.
const RANK: u32 = 24;

/// Turns without anything done, after which nothing will be.
const PATIENCE: usize = 20_000;

/// Instructions for which no thread of a warp may be elsewhere.
const TOGETHER: [&str; 10] =
    ["ret", "setmaxnreg", "griddepcontrol", "fence", "barrier", "bar", "wgmma", "mbarrier", "cp", "shfl"];

/// An operand as a tensor map tells of it.
pub struct Map {
    pub bytes: Vec<u8>,
    pub extents: Vec<u64>,
    pub strides: Vec<u64>,
    pub copied: Vec<u32>,
}

/// What a cluster is given.
pub struct Machine {
    pub text: Text,
    pub maps: Vec<Map>,
    pub warps: usize,
    pub cluster: usize,
    pub shared: usize,
    pub is_f16: bool,
    pub blocks: u64,
}

/// A barrier in shared memory.
#[derive(Debug)]
struct Barrier {
    count: u64,
    missing: u64,
    bytes: i64,
    phase: u64,
}

impl Barrier {
    fn change(&mut self, arrivals: u64, bytes: i64) {
        self.missing = self.missing.checked_sub(arrivals).expect("a barrier expects no more arrivals");
        self.bytes += bytes;
        if self.missing == 0 && self.bytes == 0 {
            self.missing = self.count;
            self.phase += 1;
        }
    }
}

/// A product that was started: sums, whether they are added to, and what tells of both panels, or what they multiply to.
struct Product {
    sums: Vec<Register>,
    adds: bool,
    panels: [(u64, bool); 2],
    made: Option<Vec<f32>>,
}

struct Warp {
    block: usize,
    number: usize,
    next: usize,
    /// Those threads that go on there, and where others are that have parted from them: further on.
    lanes: [bool; LANES],
    others: Vec<(usize, [bool; LANES])>,
    registers: HashMap<Register, [u64; LANES]>,
    /// Products that are not waited for, by group, and those of no group yet.
    groups: VecDeque<Vec<Product>>,
    products: Vec<Product>,
    /// How many times it has met the others.
    meetings: usize,
    waits: bool,
    ended: bool,
}

/// A copy under way: where to, of which barrier, and its bytes by line.
struct Copy {
    block: usize,
    to: u64,
    barrier: u64,
    bytes: Vec<u8>,
}

struct Cluster<'a> {
    machine: &'a Machine,
    out: &'a mut [Memory],
    first: u64,
    shared: Vec<Vec<u8>>,
    barriers: BTreeMap<(usize, u64), Barrier>,
    copies: Vec<Copy>,
    /// How many warps have come to meetings.
    met: usize,
    /// How many warps of each block have not ended.
    living: Vec<usize>,
    state: u64,
}

/// An address without whose memory it is.
fn own(address: u64) -> u64 {
    address & ((1 << RANK) - 1)
}

/// Where 16 bytes are whose place in a line is changed by the line.
fn changed(address: u64) -> u64 {
    address ^ (address >> 7 & 7) << 4
}

impl Machine {
    /// Runs the cluster whose first block has this number. `out` is what it reads and writes by itself.
    pub fn run(&self, first: u64, out: &mut [Memory], seed: u64) {
        let mut cluster = Cluster {
            machine: self,
            out,
            first,
            shared: vec![vec![0xff; self.shared + BASE as usize]; self.cluster],
            barriers: BTreeMap::new(),
            copies: Vec::new(),
            met: 0,
            living: vec![self.warps; self.cluster],
            state: seed,
        };
        let warp = |index: usize| Warp {
            block: index / self.warps,
            number: index % self.warps,
            next: 0,
            lanes: [true; LANES],
            others: Vec::new(),
            registers: HashMap::new(),
            groups: VecDeque::new(),
            products: Vec::new(),
            meetings: 0,
            waits: false,
            ended: false,
        };
        let mut warps: Vec<Warp> = (0..self.cluster * self.warps).map(warp).collect();
        let mut idle = 0;
        while warps.iter().any(|warp| !warp.ended) {
            idle += 1;
            assert!(idle < PATIENCE, "all wait for each other: {:?}", cluster.barriers);
            if !cluster.copies.is_empty() && cluster.random(2) == 0 {
                let number = cluster.random(cluster.copies.len());
                let copy = cluster.copies.swap_remove(number);
                cluster.arrived(copy);
                idle = 0;
                continue;
            }
            let number = cluster.random(warps.len());
            for _ in 0..1 + cluster.random(300) {
                if warps[number].ended || !cluster.step(&mut warps[number]) {
                    break;
                }
                idle = 0;
            }
        }
        assert!(cluster.copies.is_empty(), "a copy arrives where a block has ended");
        assert!(cluster.barriers.values().all(|barrier| barrier.bytes == 0), "bytes were not expected");
    }
}

impl Cluster<'_> {
    fn random(&mut self, below: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 20) as usize % below
    }

    fn barrier(&mut self, block: usize, address: u64) -> &mut Barrier {
        let block = match address >> RANK {
            0 => block,
            rank => rank as usize - 1,
        };
        assert!(self.living[block] > 0, "a block has ended whose barriers are in use");
        self.barriers.get_mut(&(block, own(address))).expect("there is a barrier")
    }

    fn arrived(&mut self, copy: Copy) {
        for (line, bytes) in copy.bytes.chunks_exact(128).enumerate() {
            for (chunk, bytes) in bytes.chunks_exact(16).enumerate() {
                let to = changed(copy.to + 128 * line as u64 + 16 * chunk as u64) as usize;
                self.shared[copy.block][to..to + 16].copy_from_slice(bytes);
            }
        }
        self.barrier(copy.block, copy.barrier).change(0, -(copy.bytes.len() as i64));
    }

    /// Carries out the warp's next instruction; false where it waits.
    fn step(&mut self, warp: &mut Warp) -> bool {
        let machine = self.machine;
        warp.meet();
        let instruction = &machine.text.instructions[warp.next];
        let Instruction { guard, negated, name, operands } = instruction;
        let mut active = warp.lanes;
        if let Some(guard) = guard {
            let holds = warp.registers[guard];
            active.iter_mut().zip(holds).for_each(|(active, holds)| *active &= (holds == 1) != *negated);
        }
        let parts: Vec<&str> = name.split(['.', ':']).filter(|part| !part.is_empty()).collect();
        let lanes = || (0..LANES).filter(|&lane| active[lane]);
        let is_together = TOGETHER.contains(&parts[0]) && !warp.others.is_empty();
        assert!(!is_together, "threads part at {instruction:?}");
        match parts[..] {
            ["ret"] => {
                warp.ended = true;
                self.living[warp.block] -= 1;
            }
            ["bra"] | ["bra", "uni"] => {
                let Operand::Name(label) = &operands[0] else { panic!("{instruction:?}") };
                let label = machine.text.labels[label];
                if active == warp.lanes {
                    warp.next = label;
                    return true;
                }
                if active.contains(&true) {
                    assert!(label > warp.next, "threads part at {instruction:?}");
                    warp.others.push((label, active));
                    warp.lanes.iter_mut().zip(active).for_each(|(lane, active)| *lane &= !active);
                }
            }
            ["bar", "warp", "sync"] => {}
            ["setmaxnreg" | "fence" | "griddepcontrol", ..] | ["barrier", "cluster", "arrive", ..] => {}
            ["wgmma", "fence", ..] => {}
            ["bar", ..] | ["barrier", "cluster", "wait", ..] => {
                if !warp.waits {
                    (warp.waits, warp.meetings) = (true, warp.meetings + 1);
                    self.met += 1;
                }
                if self.met < warp.meetings * machine.cluster * machine.warps {
                    return false;
                }
                warp.waits = false;
            }
            ["mbarrier", "init", ..] => {
                let (address, count) = (warp.values(&operands[0]), warp.values(&operands[1]));
                for lane in lanes() {
                    let barrier = Barrier { count: count[lane], missing: count[lane], bytes: 0, phase: 0 };
                    assert!(address[lane].is_multiple_of(8));
                    self.barriers.insert((warp.block, own(address[lane])), barrier);
                }
            }
            ["mbarrier", "try_wait", ..] => {
                let (address, parity) = (warp.values(&operands[1]), warp.values(&operands[2]));
                assert!((0..LANES).all(|lane| (address[lane], parity[lane]) == (address[0], parity[0])));
                if self.barrier(warp.block, address[0]).phase & 1 == parity[0] {
                    return false;
                }
                warp.set(&operands[0], &active, |_| 1);
            }
            ["mbarrier", "arrive", ..] => {
                let address = warp.values(&operands[1]);
                let bytes = operands.get(2).map_or([0; LANES], |bytes| warp.values(bytes));
                for lane in lanes() {
                    self.barrier(warp.block, address[lane]).change(1, bytes[lane] as i64);
                }
                warp.next += 1;
                // A chance for others to rely on it at once.
                return self.random(8) == 0;
            }
            ["mapa", ..] => {
                let (address, rank) = (warp.values(&operands[1]), warp.values(&operands[2]));
                warp.set(&operands[0], &active, |lane| own(address[lane]) | (rank[lane] + 1) << RANK);
            }
            ["cp", "async", "bulk", "tensor", ..] => lanes().for_each(|lane| self.copy(warp, operands, lane)),
            ["wgmma", "mma_async", ..] => self.start(warp, operands),
            ["wgmma", "commit_group", ..] => warp.groups.push_back(std::mem::take(&mut warp.products)),
            ["wgmma", "wait_group", ..] => {
                let Operand::Number(pending) = operands[0] else { panic!("{instruction:?}") };
                while warp.groups.len() > pending as usize {
                    let group = warp.groups.pop_front().unwrap();
                    group.into_iter().for_each(|product| self.finish(warp, product));
                }
            }
            ["shfl", "sync", way, _] => {
                let (from, by) = (warp.values(&operands[1]), warp.values(&operands[2]));
                assert!(active.iter().all(|active| *active));
                warp.set(&operands[0], &active, |lane| match way {
                    "idx" => from[by[lane] as usize],
                    _ => from[lane ^ by[lane] as usize],
                });
            }
            ["ld" | "st", "global", ..] => self.access(warp, &parts, operands, &active),
            ["ld", "param", _] => {
                let Operand::Parameter(parameter) = &operands[1] else { panic!("{instruction:?}") };
                let value = machine.text.parameters[parameter];
                warp.set(&operands[0], &active, |_| value);
            }
            ["cvta", ..] => {
                let value = warp.values(&operands[1]);
                warp.set(&operands[0], &active, |lane| value[lane]);
            }
            ["mov", bits] => self.moved(warp, operands, bits),
            _ => {
                let values: Vec<_> = operands[1..].iter().map(|operand| warp.values(operand)).collect();
                warp.set(&operands[0], &active, |lane| {
                    computed(&parts, &values.iter().map(|value| value[lane]).collect::<Vec<u64>>())
                });
            }
        }
        warp.next += 1;
        true
    }

    fn moved(&self, warp: &mut Warp, operands: &[Operand], bits: &str) {
        let half = bits[1..].parse::<u32>().unwrap() / 2;
        let all = warp.lanes;
        match operands {
            [Operand::Group(halves), from] => {
                let from = warp.values(from);
                warp.set(&halves[0], &all, |lane| from[lane]);
                warp.set(&halves[1], &all, |lane| from[lane] >> half);
            }
            [to, Operand::Group(halves)] => {
                let (low, high) = (warp.values(&halves[0]), warp.values(&halves[1]));
                warp.set(to, &all, |lane| low[lane] | high[lane] << half);
            }
            [to, Operand::Name(name)] => {
                let (number, block) = (warp.number * LANES, self.first + warp.block as u64);
                // As on Hopper, all blocks but the first find whose memory it is in addresses of their own.
                let start = if warp.block > 0 { BASE | (warp.block as u64 + 1) << RANK } else { BASE };
                warp.set(to, &all, |lane| match name.as_str() {
                    "%tid.x" => (number + lane) as u64,
                    "%ctaid.x" => block,
                    "%nctaid.x" => self.machine.blocks,
                    "memory" => start,
                    "lhs" => 0,
                    "rhs" => 1,
                    "second" => 2,
                    other => panic!("{other} is not known"),
                });
            }
            [to, from] => {
                let from = warp.values(from);
                warp.set(to, &all, |lane| from[lane]);
            }
            other => panic!("{other:?}"),
        }
    }

    /// Starts a copy of a box of a tensor, with zeros for what is beyond it.
    fn copy(&mut self, warp: &Warp, operands: &[Operand], lane: usize) {
        let (to, barrier) = (own(warp.values(&operands[0])[lane]), &operands[2]);
        let Operand::Group(from) = &operands[1] else { panic!("{operands:?}") };
        let Operand::Group(coordinates) = &from[1] else { panic!("{operands:?}") };
        let map = &self.machine.maps[warp.values(&from[0])[lane] as usize];
        let starts: Vec<i64> = coordinates.iter().map(|c| warp.values(c)[lane] as u32 as i32 as i64).collect();
        assert_eq!(starts.len(), map.extents.len());
        assert!(to.is_multiple_of(1024), "a panel begins at a multiple of 1024");
        let count = map.copied.iter().product::<u32>() as usize;
        let mut bytes = Vec::with_capacity(2 * count);
        for number in 0..count {
            let (mut rest, mut offset, mut within) = (number, 0, true);
            for (dim, start) in starts.iter().enumerate() {
                let position = start + (rest % map.copied[dim] as usize) as i64;
                rest /= map.copied[dim] as usize;
                within &= (0..map.extents[dim] as i64).contains(&position);
                offset += position * if dim == 0 { 2 } else { map.strides[dim - 1] as i64 };
            }
            match within {
                true => bytes.extend(&map.bytes[offset as usize..offset as usize + 2]),
                false => bytes.extend([0, 0]),
            }
        }
        let Operand::At(register, offset) = barrier else { panic!("{operands:?}") };
        let barrier = own(warp.registers[register][lane] + *offset as u64);
        let mask = operands.get(3).map_or(1 << warp.block, |mask| warp.values(mask)[lane]);
        for block in (0..self.machine.cluster).filter(|block| mask >> block & 1 == 1) {
            self.copies.push(Copy { block, to, barrier, bytes: bytes.clone() });
        }
    }

    fn start(&mut self, warp: &mut Warp, operands: &[Operand]) {
        let [Operand::Group(sums), lhs, rhs, adds, _, _, lhs_way, rhs_way] = operands else { panic!("{operands:?}") };
        let register = |operand: &Operand| match operand {
            Operand::Register(register) => *register,
            other => panic!("{other:?} is no register"),
        };
        let number = |operand: &Operand| warp.values(operand)[0];
        let panels = [(number(lhs), number(lhs_way) == 1), (number(rhs), number(rhs_way) == 1)];
        let (sums, adds): (Vec<Register>, bool) = (sums.iter().map(register).collect(), number(adds) == 1);
        let mut product = Product { sums, adds, panels, made: None };
        if self.random(2) == 0 {
            product.made = Some(self.multiplied(warp, &product));
        }
        warp.products.push(product);
    }

    /// 16 rows of a product over 16 terms.
    fn multiplied(&self, warp: &Warp, product: &Product) -> Vec<f32> {
        let columns = product.sums.len() * 2;
        let shared = &self.shared[warp.block];
        let element = |(panel, across): (u64, bool), own: u64, term: u64| {
            let (start, leading, stride) =
                ((panel & 0x3fff) << 4, (panel >> 16 & 0x3fff) << 4, (panel >> 32 & 0x3fff) << 4);
            assert_eq!(panel >> 62, 1, "lines of 128 bytes are changed");
            let offset = match across {
                false => own / 8 * stride + own % 8 * 128 + term * 2,
                true => own / 64 * leading + term / 8 * stride + term % 8 * 128 + own % 64 * 2,
            };
            let at = changed(start + offset) as usize;
            let bits = u16::from_le_bytes([shared[at], shared[at + 1]]);
            if self.machine.is_f16 { f16::from_bits(bits).to_f32() } else { bf16::from_bits(bits).to_f32() }
        };
        let panel = |side: usize, first: usize, count: usize| -> Vec<[f32; 16]> {
            let own = (first..first + count).map(|own| own as u64);
            own.map(|own| std::array::from_fn(|term| element(product.panels[side], own, term as u64))).collect()
        };
        let (lhs, rhs) = (panel(0, warp.number % 4 * 16, 16), panel(1, 0, columns));
        let mut made = Vec::with_capacity(16 * columns);
        for row in &lhs {
            made.extend(rhs.iter().map(|column| row.iter().zip(column).map(|(a, b)| a * b).sum::<f32>()));
        }
        made
    }

    /// Adds a product to sums: of every 8 columns, a thread has two of two rows.
    fn finish(&self, warp: &mut Warp, mut product: Product) {
        let made = product.made.take().unwrap_or_else(|| self.multiplied(warp, &product));
        let columns = product.sums.len() * 2;
        for (number, sum) in product.sums.iter().enumerate() {
            let old = warp.registers.get(sum).copied().unwrap_or([u64::from(f32::NAN.to_bits()); LANES]);
            let new = std::array::from_fn(|lane| {
                let (row, column) = (lane / 4 + number / 2 % 2 * 8, number / 4 * 8 + lane % 4 * 2 + number % 2);
                let made = made[row * columns + column];
                let sum = if product.adds { single(old[lane]) as f32 + made } else { made };
                u64::from(sum.to_bits())
            });
            warp.registers.insert(*sum, new);
        }
    }

    /// Reads and writes of memory by threads.
    fn access(&mut self, warp: &mut Warp, parts: &[&str], operands: &[Operand], active: &[bool; LANES]) {
        let width = parts.last().unwrap()[1..].parse::<usize>().unwrap() / 8;
        let loads = parts[0] == "ld";
        let (register, address) = if loads { (&operands[0], &operands[1]) } else { (&operands[1], &operands[0]) };
        let registers: Vec<&Operand> = match register {
            Operand::Group(registers) => registers.iter().collect(),
            register => vec![register],
        };
        let (addresses, bytes) = (warp.values(address), width * registers.len());
        if loads {
            // What no thread reads is there as well.
            registers.iter().for_each(|register| warp.set(register, &[false; LANES], |_| 0));
        }
        for lane in (0..LANES).filter(|&lane| active[lane]) {
            let address = addresses[lane];
            assert!(address.is_multiple_of(bytes as u64), "{address:#x} is not aligned");
            let fits = |memory: &&mut Memory| {
                let end = memory.start + memory.bytes.len() as u64;
                memory.name.starts_with("out") != loads && address >= memory.start && address + bytes as u64 <= end
            };
            let memory = self.out.iter_mut().find(fits).unwrap_or_else(|| panic!("{bytes} bytes at {address:#x}"));
            let at = (address - memory.start) as usize;
            for (number, register) in registers.iter().enumerate() {
                let range = at + number * width..at + (number + 1) * width;
                if loads {
                    let value = memory.bytes[range].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
                    let mut only = [false; LANES];
                    only[lane] = true;
                    warp.set(register, &only, |_| value);
                } else {
                    let value = warp.values(register)[lane].to_le_bytes();
                    memory.bytes[range].copy_from_slice(&value[..width]);
                }
            }
        }
    }
}

impl Warp {
    /// Goes on with those threads that are furthest behind, and all that are there.
    fn meet(&mut self) {
        let Some(least) = self.others.iter().map(|(next, _)| *next).min().filter(|least| *least <= self.next) else {
            return;
        };
        self.others.push((self.next, self.lanes));
        (self.next, self.lanes) = (least, [false; LANES]);
        for (_, lanes) in self.others.extract_if(.., |(next, _)| *next == least) {
            self.lanes.iter_mut().zip(lanes).for_each(|(lane, here)| *lane |= here);
        }
    }

    fn values(&self, operand: &Operand) -> [u64; LANES] {
        match operand {
            Operand::Register(register) => {
                *self.registers.get(register).unwrap_or_else(|| panic!("{register:?} was not written"))
            }
            Operand::Number(number) => [*number as u64; LANES],
            Operand::At(register, offset) => self.registers[register].map(|base| base.wrapping_add(*offset as u64)),
            other => panic!("{other:?} has no value"),
        }
    }

    fn set(&mut self, operand: &Operand, active: &[bool; LANES], value: impl Fn(usize) -> u64) {
        let Operand::Register(register) = operand else { panic!("{operand:?} is no register") };
        let values = self.registers.entry(*register).or_insert([0; LANES]);
        (0..LANES).filter(|&lane| active[lane]).for_each(|lane| values[lane] = kept(*register, value(lane)));
    }
}
