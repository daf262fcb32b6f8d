//! Code for a few elements of products, as LLVM prints a function of PTX: read, and put between a kernel's instructions.
//!
//! Its registers become fresh ones of the kernel, so that each copy has its own. Code that never jumps has no condition but
//! at what it writes, and what it reads is read ahead of the elements: loads may be asked for while other copies compute, as
//! no copy reads what another writes. Other code, and code that is long, is jumped around where there are no elements.

mod read;

use crate::cuda::code::{Code, Kind};

/// The most steps of code that is not jumped around.
const SHORT: usize = 64;

/// A function that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fragment {
    /// How many parameters are words of elements, behind the number of the first, and how many follow these.
    words: usize,
    further: usize,
    /// Its registers.
    kinds: Vec<Kind>,
    steps: Vec<Step>,
    /// Which steps read ahead of the elements; `None` for code that jumps, reads behind what it writes, or depends on elements
    /// in what it reads.
    ahead: Option<Vec<bool>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Label(String),
    /// A parameter is read, all of it or a half: `None` for one that is not needed.
    Parameter {
        number: usize,
        bits: usize,
        to: Vec<Option<usize>>,
    },
    Instruction(Instruction),
    Return,
}

/// An instruction, with numbers for registers, of which the first are written.
#[derive(Clone, Debug, PartialEq)]
struct Instruction {
    pieces: Vec<Piece>,
    writes: usize,
    touches: Touches,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Touches {
    Nothing,
    Loads,
    Stores,
    /// No memory: it jumps.
    Jumps,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Register(usize),
    Label(String),
}

/// A copy of the code under construction: its registers, and the number of its first element.
pub(super) struct Copy {
    number: String,
    names: Vec<String>,
}

impl Fragment {
    /// Reads the text of one function; says what it does not know.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        read::function(text)
    }

    /// How many words of elements it takes.
    pub(super) fn words(&self) -> usize {
        self.words
    }

    /// How many numbers of 64 bits it takes behind them.
    pub(super) fn further(&self) -> usize {
        self.further
    }

    /// The name of one of them among the kernel's parameters.
    pub(super) fn parameter(number: usize) -> String {
        format!("further{number}")
    }

    /// How many registers it reads from memory ahead of the elements.
    pub(super) fn reads_ahead(&self) -> usize {
        let read = self.part(true).map(|step| match step {
            Step::Instruction(instruction) if instruction.touches == Touches::Loads => instruction.writes,
            _ => 0,
        });
        read.sum()
    }

    /// Whether threads part at it.
    pub(super) fn jumps(&self) -> bool {
        self.ahead.is_none()
    }

    /// Whether it is jumped around where there are no elements, as threads part at it, or as it is long: so the assembler does
    /// not mix long copies, which would need the registers of all of them.
    pub(super) fn is_jumped(&self) -> bool {
        self.jumps() || self.steps.len() > SHORT
    }

    /// An upper bound of the registers of 32 bits that a copy needs at a time, in the order of its steps; `None` for code that
    /// jumps back.
    pub(super) fn registers(&self) -> Option<usize> {
        // From where to where each is in use.
        let mut uses: Vec<Option<[usize; 2]>> = vec![None; self.kinds.len()];
        let mut labels = Vec::new();
        for (position, step) in self.steps.iter().enumerate() {
            let registers: Vec<usize> = match step {
                Step::Label(label) => {
                    labels.push(label);
                    continue;
                }
                Step::Parameter { to, .. } => to.iter().flatten().copied().collect(),
                Step::Instruction(instruction) => {
                    let is_back = |piece: &Piece| matches!(piece, Piece::Label(label) if labels.contains(&label));
                    if instruction.pieces.iter().any(is_back) {
                        return None;
                    }
                    instruction.registers().collect()
                }
                Step::Return => continue,
            };
            for register in registers {
                uses[register].get_or_insert([position; 2])[1] = position;
            }
        }
        let sizes = self.kinds.iter().map(|kind| match kind {
            Kind::Truth => 0,
            Kind::Short | Kind::Word => 1,
            Kind::Long => 2,
        });
        let mut changes = vec![[0; 2]; self.steps.len() + 1];
        for ([first, last], size) in uses.into_iter().zip(sizes).filter_map(|(range, size)| Some((range?, size))) {
            changes[first][0] += size;
            changes[last + 1][1] += size;
        }
        let used = changes.iter().scan(0, |used, [more, fewer]| {
            *used = *used + more - fewer;
            Some(*used)
        });
        used.max()
    }

    /// The steps that read ahead of the elements, or the others.
    fn part(&self, ahead: bool) -> impl Iterator<Item = &Step> {
        let is_ahead = move |position: usize| self.ahead.as_ref().is_some_and(|ahead| ahead[position]);
        self.steps.iter().enumerate().filter(move |(position, _)| is_ahead(*position) == ahead).map(|(_, step)| step)
    }

    /// Begins a copy for the elements from `number` on: reads what it can ahead of them.
    pub(super) fn begin(&self, code: &mut Code, number: String) -> Copy {
        let names = self.kinds.iter().map(|&kind| code.fresh(kind)).collect();
        let copy = Copy { number, names };
        self.part(true).for_each(|step| self.add(code, &copy, &[], step, "", ""));
        copy
    }

    /// The rest of a copy, which has a name of its own: it writes if the register `writes` holds.
    pub(super) fn end(&self, code: &mut Code, copy: &Copy, words: &[String], writes: &str, name: &str) {
        if !self.is_jumped() {
            return self.part(false).for_each(|step| self.add(code, copy, words, step, &format!("@{writes} "), name));
        }
        code.add(format!("@!{writes} bra {name}_end"));
        self.part(false).for_each(|step| self.add(code, copy, words, step, "", name));
        code.label(&format!("{name}_end"));
    }

    fn add(&self, code: &mut Code, copy: &Copy, words: &[String], step: &Step, guard: &str, name: &str) {
        match step {
            Step::Label(label) => code.label(&format!("{name}_{label}")),
            Step::Parameter { number, bits, to } => {
                let whole = match number {
                    0 => copy.number.clone(),
                    number if *number <= self.words => words[number - 1].clone(),
                    number => {
                        let parameter = Self::parameter(number - 1 - self.words);
                        code.make(Kind::Long, "ld.param.u64", format!("[{parameter}]"))
                    }
                };
                let to: Vec<String> = match to[..] {
                    [Some(one)] => vec![copy.names[one].clone()],
                    _ => {
                        let half = if *bits == 64 { Kind::Word } else { Kind::Short };
                        to.iter().map(|to| to.map_or_else(|| code.fresh(half), |to| copy.names[to].clone())).collect()
                    }
                };
                match &to[..] {
                    [one] => code.add(format!("mov.b{bits} {one}, {whole}")),
                    halves => code.add(format!("mov.b{bits} {{{}}}, {whole}", halves.join(", "))),
                }
            }
            Step::Instruction(instruction) => {
                let guard = if instruction.touches == Touches::Stores { guard } else { "" };
                let text = instruction.pieces.iter().map(|piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Register(number) => copy.names[*number].clone(),
                    Piece::Label(label) => format!("{name}_{label}"),
                });
                code.add(guard.to_owned() + &text.collect::<String>());
            }
            Step::Return if self.jumps() => code.add(format!("bra {name}_end")),
            Step::Return => {}
        }
    }

    /// Which steps read ahead of the elements: loads, and what these need.
    fn ahead(&self) -> Option<Vec<bool>> {
        // Whether registers were written, and depend on elements.
        let (mut written, mut late) = (vec![false; self.kinds.len()], vec![false; self.kinds.len()]);
        let mut stores = false;
        for (position, step) in self.steps.iter().enumerate() {
            let (writes, is_late): (Vec<usize>, bool) = match step {
                Step::Parameter { number, to, .. } => {
                    (to.iter().flatten().copied().collect(), (1..=self.words).contains(number))
                }
                Step::Instruction(instruction) => {
                    let is_late = instruction.read().any(|register| late[register]);
                    match instruction.touches {
                        Touches::Nothing => {}
                        Touches::Loads if !stores && !is_late => {}
                        Touches::Stores => stores = true,
                        Touches::Loads | Touches::Jumps => return None,
                    }
                    (instruction.written().collect(), is_late)
                }
                Step::Return if position + 1 == self.steps.len() => continue,
                Step::Label(_) | Step::Return => return None,
            };
            for register in writes {
                if std::mem::replace(&mut written[register], true) {
                    return None;
                }
                late[register] = is_late;
            }
        }
        let mut needed = vec![false; self.kinds.len()];
        let mut ahead = vec![false; self.steps.len()];
        for (position, step) in self.steps.iter().enumerate().rev() {
            ahead[position] = match step {
                Step::Parameter { to, .. } => to.iter().flatten().any(|register| needed[*register]),
                Step::Instruction(instruction) => {
                    let loads = instruction.touches == Touches::Loads;
                    loads || instruction.written().any(|register| needed[register])
                }
                Step::Label(_) | Step::Return => false,
            };
            if let (true, Step::Instruction(instruction)) = (ahead[position], step) {
                instruction.read().for_each(|register| needed[register] = true);
            }
        }
        Some(ahead)
    }
}

impl Instruction {
    fn registers(&self) -> impl Iterator<Item = usize> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Register(number) => Some(*number),
            Piece::Text(_) | Piece::Label(_) => None,
        })
    }

    fn written(&self) -> impl Iterator<Item = usize> {
        self.registers().take(self.writes)
    }

    fn read(&self) -> impl Iterator<Item = usize> {
        self.registers().skip(self.writes)
    }
}
