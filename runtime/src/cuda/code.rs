//! PTX text under construction: instructions, and the registers that they use.

#[cfg(test)]
pub(super) mod assembler;
#[cfg(test)]
pub(super) mod machine;

/// Kinds of registers, with the letter of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Truth values.
    Truth,
    /// 16 bits.
    Short,
    /// 32 bits, floats included.
    Word,
    /// 64 bits, floats included.
    Long,
}

impl Kind {
    const ALL: [(Self, &'static str, &'static str); 4] =
        [(Self::Truth, "pred", "p"), (Self::Short, "b16", "h"), (Self::Word, "b32", "r"), (Self::Long, "b64", "d")];
}

/// The body of a kernel.
#[derive(Debug, Default)]
pub(super) struct Code {
    text: String,
    /// How many registers there are, by kind.
    counts: [usize; 4],
}

impl Code {
    /// A register that nothing else uses.
    pub(super) fn fresh(&mut self, kind: Kind) -> String {
        let number = self.counts[kind as usize];
        self.counts[kind as usize] += 1;
        format!("%{}{number}", Kind::ALL[kind as usize].2)
    }

    pub(super) fn many(&mut self, kind: Kind, count: usize) -> Vec<String> {
        (0..count).map(|_| self.fresh(kind)).collect()
    }

    /// Adds an instruction.
    pub(super) fn add(&mut self, instruction: impl AsRef<str>) {
        self.text += "  ";
        self.text += instruction.as_ref();
        self.text += ";\n";
    }

    /// Adds an instruction that writes a fresh register, which stands first among its operands.
    pub(super) fn make(&mut self, kind: Kind, operation: &str, operands: impl AsRef<str>) -> String {
        let made = self.fresh(kind);
        self.add(format!("{operation} {made}, {}", operands.as_ref()));
        made
    }

    /// A parameter of 64 bits.
    pub(super) fn long(&mut self, name: &str) -> String {
        self.make(Kind::Long, "ld.param.u64", format!("[{name}]"))
    }

    /// A parameter that 32 bits have room for.
    pub(super) fn word(&mut self, name: &str) -> String {
        let long = self.long(name);
        self.make(Kind::Word, "cvt.u32.u64", long)
    }

    /// A number between 0 and `most` as 32 bits, from one of 64 bits with a sign.
    pub(super) fn clamp(&mut self, number: &str, most: usize) -> String {
        let low = self.make(Kind::Long, "max.s64", format!("{number}, 0"));
        let within = self.make(Kind::Long, "min.s64", format!("{low}, {most}"));
        self.make(Kind::Word, "cvt.u32.u64", within)
    }

    /// Quotient and remainder of numbers without a sign, of 64 bits or else of 32.
    pub(super) fn divide(&mut self, kind: Kind, number: &str, by: &str) -> (String, String) {
        let bits = if kind == Kind::Long { 64 } else { 32 };
        let quotient = self.make(kind, &format!("div.u{bits}"), format!("{number}, {by}"));
        let product = self.make(kind, &format!("mul.lo.u{bits}"), format!("{quotient}, {by}"));
        let rest = self.make(kind, &format!("sub.u{bits}"), format!("{number}, {product}"));
        (quotient, rest)
    }

    /// Adds a place to jump to.
    pub(super) fn label(&mut self, name: &str) {
        self.text += name;
        self.text += ":\n";
    }

    /// The text of a kernel for every GPU since sm_80, whose parameters are of 64 bits and whose blocks have so many threads, and
    /// at `memory` what shared memory a launch gives them, if they use it.
    pub(super) fn entry<'a>(
        self,
        name: &str,
        parameters: impl IntoIterator<Item = &'a str>,
        (threads, shared): (usize, bool),
    ) -> String {
        let parameters: Vec<String> = parameters.into_iter().map(|name| format!(".param .u64 {name}")).collect();
        let (memory, bound) = match shared {
            true => (".extern .shared .align 128 .b8 memory[];\n", ".minnctapersm 1\n"),
            false => ("", ""),
        };
        format!(
            ".version 7.4\n.target sm_80\n.address_size 64\n{memory}\
             .visible .entry {name}(\n  {}\n)\n.maxntid {threads}, 1, 1\n{bound}{}",
            parameters.join(",\n  "),
            self.body()
        )
    }

    /// Registers and instructions, in braces.
    pub(super) fn body(self) -> String {
        let declared = Kind::ALL.iter().filter(|(kind, ..)| self.counts[*kind as usize] > 0);
        let declared = declared
            .map(|(kind, name, letter)| format!("  .reg .{name} %{letter}<{}>;\n", self.counts[*kind as usize]))
            .collect::<String>();
        format!("{{\n{declared}{}}}\n", self.text)
    }
}
