//! The kernel of a product: which it is, and its text.
//!
//! A block computes a tile of the result, of one product of the batch. Its threads copy panels of both operands into stages
//! of shared memory, some ahead of what they multiply, so that tensor cores do not wait for memory. There is one barrier for
//! each stage: behind it all threads see what they read next, and none reads any more what is then copied over.

use thunder_tensor::DType;

use super::copy::{Loader, Operand};
use super::multiply::{self, Thread};
use super::panel::{Layout, Panel};
use super::store::{self, Form, Place};
use super::tile::Tile;
use crate::cuda::code::{Code, Kind};

/// The kernel's name.
pub(super) const NAME: &str = "matmul";

/// Rows of tiles whose blocks run at about the same time, so that these find their operands in the cache.
const GROUP: usize = 16;

/// What a kernel is made for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kernel {
    pub(super) dtype: DType,
    pub(super) tile: Tile,
    /// lhs and rhs.
    pub(super) operands: [Layout; 2],
    pub(super) bias: bool,
    /// Whether the result's columns are adjacent, and so aligned that several are written at once.
    pub(super) packed: bool,
    /// Dimensions of the batch.
    pub(super) batch: usize,
}

impl Kernel {
    /// Its parameters, of 64 bits each. Strides are in bytes.
    pub(super) fn parameters(&self) -> Vec<String> {
        let mut names = vec!["lhs", "rhs"];
        names.extend(self.bias.then_some("bias"));
        // The number of the first block, among those of all launches; then of each operand what `Operand` says.
        names.extend(["out", "first", "m", "n", "k", "lhs_line", "lhs_element", "lhs_next"]);
        names.extend(["rhs_line", "rhs_element", "rhs_next", "out_row", "out_column"]);
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        for dim in 0..self.batch {
            names.extend(["extent", "lhs", "rhs", "out"].map(|name| format!("batch{dim}_{name}")));
        }
        names
    }

    /// Its text as PTX.
    pub(super) fn ptx(&self) -> String {
        let names = self.parameters();
        self.code().entry(NAME, names.iter().map(String::as_str), (self.tile.threads(), true))
    }

    fn code(&self) -> Code {
        use Kind::{Long, Truth, Word};
        let code = &mut Code::default();
        let (tile, element) = (&self.tile, self.dtype.size());
        let [m, n, k] = ["m", "n", "k"].map(|name| code.long(name));
        let number = code.make(Word, "mov.u32", "%tid.x");
        let (start, batch) = self.place(code, [&m, &n]);
        let bases = ["lhs", "rhs", "out"].map(|name| code.long(name));
        self.move_to(code, &batch, &bases);
        let [lhs_base, rhs_base, out] = bases;
        let mut loader = |side: usize, base: String, extent: &str, offset: usize| {
            let name = ["lhs", "rhs"][side];
            let [line, element, next] = ["line", "element", "next"].map(|which| code.long(&format!("{name}_{which}")));
            let (start, extent) = (start[side].clone(), extent.to_owned());
            let operand = Operand { base, start, extent, line, element, next };
            Loader::new(code, (self.dtype, tile, side, self.operands[side]), offset, &number, operand)
        };
        let lhs_bytes = Panel::of(self.dtype, tile, 0, self.operands[0].sums).bytes();
        let loaders = [loader(0, lhs_base, &m, 0), loader(1, rhs_base, &n, lhs_bytes)];
        let thread = Thread::new(code, self, &number);
        let form = multiply::form(code, self, &thread);

        // Terms that were not copied yet, and stages that were not multiplied yet.
        let left = code.make(Long, "mov.b64", &k);
        let rounded = code.make(Long, "add.s64", format!("{k}, {}", tile.depth - 1));
        let rounds = code.make(Long, "shr.s64", format!("{rounded}, {}", tile.depth.ilog2()));
        let copy = |code: &mut Code, stage: &str| {
            let terms = code.clamp(&left, tile.depth);
            loaders.iter().for_each(|loader| loader.copy(code, stage, &terms));
            code.add("cp.async.commit_group");
            code.add(format!("sub.s64 {left}, {left}, {}", tile.depth));
        };
        let memory = code.make(Word, "mov.u32", "memory");
        let stage = tile.stage(element);
        for ahead in 0..tile.stages - 1 {
            let stage = code.make(Word, "add.u32", format!("{memory}, {}", ahead * stage));
            copy(code, &stage);
        }
        let current = code.make(Word, "mov.u32", &memory);
        let last = code.make(Word, "add.u32", format!("{memory}, {}", (tile.stages - 1) * stage));
        let free = code.make(Word, "mov.u32", &last);
        // Each stage's last step is multiplied behind the next barrier, while the first of the next stage is read.
        let behind = (form.steps - 1) % 2;
        form.clear(code, behind);
        let is_empty = code.make(Truth, "setp.eq.s64", format!("{rounds}, 0"));
        code.add(format!("@{is_empty} bra last"));

        code.label("next");
        // All groups but the last so many are there.
        code.add(format!("cp.async.wait_group {}", tile.stages - 2));
        code.add("bar.sync 0");
        form.read(code, &current, 0, 0);
        form.multiply(code, behind);
        for step in 0..form.steps - 1 {
            form.read(code, &current, step + 1, (step + 1) % 2);
            if step == 0 {
                // The stage that was read before this one.
                copy(code, &free);
            }
            form.multiply(code, step % 2);
        }
        code.add(format!("mov.u32 {free}, {current}"));
        let is_last = code.make(Truth, "setp.eq.u32", format!("{current}, {last}"));
        code.add(format!("add.u32 {current}, {current}, {stage}"));
        code.add(format!("selp.b32 {current}, {memory}, {current}, {is_last}"));
        code.add(format!("sub.s64 {rounds}, {rounds}, 1"));
        let is_more = code.make(Truth, "setp.ne.s64", format!("{rounds}, 0"));
        code.add(format!("@{is_more} bra next"));

        code.label("last");
        form.multiply(code, behind);
        code.add("cp.async.wait_all");
        let bias = self.bias.then(|| code.long("bias"));
        let stride = ["out_row", "out_column"].map(|name| code.long(name));
        let written = Form { dtype: self.dtype, tile: tile.size(), packed: self.packed };
        store::store(code, &written, &form.sums, &Place { out, bias, start, extent: [m, n], stride });
        code.add("ret");
        std::mem::take(code)
    }

    /// The first row and column of the block's tile, and the number of its product.
    fn place(&self, code: &mut Code, extents: [&str; 2]) -> ([String; 2], String) {
        use Kind::{Long, Word};
        let block = code.make(Word, "mov.u32", "%ctaid.x");
        let block = code.make(Long, "cvt.u64.u32", block);
        let first = code.long("first");
        let block = code.make(Long, "add.s64", format!("{block}, {first}"));
        let size = self.tile.size();
        let [tall, wide] = [0, 1].map(|side: usize| {
            let rounded = code.make(Long, "add.s64", format!("{}, {}", extents[side], size[side] - 1));
            code.make(Long, "shr.u64", format!("{rounded}, {}", size[side].ilog2()))
        });
        let of_product = code.make(Long, "mul.lo.s64", format!("{tall}, {wide}"));
        let (product, tile) = code.divide(Kind::Long, &block, &of_product);
        // Tiles of a group of rows follow each other column by column.
        let of_group = code.make(Long, "mul.lo.s64", format!("{wide}, {GROUP}"));
        let (group, tile) = code.divide(Kind::Long, &tile, &of_group);
        let first = code.make(Long, "mul.lo.s64", format!("{group}, {GROUP}"));
        let rows = code.make(Long, "sub.s64", format!("{tall}, {first}"));
        let rows = code.make(Long, "min.s64", format!("{rows}, {GROUP}"));
        let (column, row) = code.divide(Kind::Long, &tile, &rows);
        let row = code.make(Long, "add.s64", format!("{row}, {first}"));
        let start = [(row, 0), (column, 1)]
            .map(|(tile, side)| code.make(Long, "mul.lo.s64", format!("{tile}, {}", size[side])));
        (start, product)
    }

    /// Moves the addresses of operands to those of the product of a number.
    fn move_to(&self, code: &mut Code, product: &str, bases: &[String; 3]) {
        let mut rest = product.to_owned();
        for dim in (0..self.batch).rev() {
            let extent = code.long(&format!("batch{dim}_extent"));
            let (outer, index) = code.divide(Kind::Long, &rest, &extent);
            for (name, base) in ["lhs", "rhs", "out"].into_iter().zip(bases) {
                let stride = code.long(&format!("batch{dim}_{name}"));
                code.add(format!("mad.lo.s64 {base}, {index}, {stride}, {base}"));
            }
            rest = outer;
        }
    }
}

/// How many columns a thread writes at once, if they are adjacent.
pub(super) fn run(dtype: DType, rhs: Layout) -> usize {
    match dtype {
        DType::F32 if rhs.sums => 1,
        DType::F32 => 4,
        _ => 2,
    }
}
