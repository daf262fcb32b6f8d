//! The kernel of a product by Hopper's instructions: which it is, and its text.
//!
//! One warp of a block copies panels of both operands into stages of shared memory, by the unit for tensors; two groups of
//! four warps multiply them, each half of the tile's rows. Each stage has two barriers in shared memory: of one, a phase ends
//! when the stage is *full*, of the other when all who read it have left it *empty*. The blocks of a cluster have the same
//! columns: each copies a part of their panel of rhs to all. Blocks take tile after tile: what the next one needs is copied
//! while the last products of a tile are computed, and elements of a tile are written while the next one is multiplied, where
//! kernels overlap. Where there are two products of the same lhs, each has half of the panel of rhs, and so of the sums.

use thunder_tensor::DType;

use super::copies::Ahead;
use super::fragment::Fragment;
use super::pieces::COLUMNS;
use super::tile::{GROUPS, TALL, Tile};
use super::walk::Walk;
use super::{consume, panel, produce};
use crate::cuda::code::{Code, Kind};

/// The kernel's name.
pub(super) const NAME: &str = "matmul";

/// Rows of tiles whose blocks run at about the same time, so that these find their operands in the cache.
pub(super) const GROUP: usize = 16;

/// Registers of threads that copy and of those that multiply; together as many as there are.
const FEW: usize = 40;
const MANY: usize = 232;

/// Registers that a copy of a fragment may need where the sums of the widest tile and the elements of another have theirs.
const ROOM: usize = 28;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writes {
    /// 8 at once, which are adjacent and aligned; there is always a multiple of 8.
    Chunks,
    /// Two at once, which are adjacent and aligned.
    Pairs,
    /// Each by itself.
    Single,
}

/// What a kernel is made for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kernel {
    pub(super) dtype: DType,
    pub(super) tile: Tile,
    /// Whether the terms of sums are adjacent, in lhs and rhs.
    pub(super) sums: [bool; 2],
    pub(super) bias: bool,
    pub(super) writes: Writes,
    /// Dimensions of the batch.
    pub(super) batch: usize,
    /// How many columns of rhs there are to a group, if they lie in groups.
    pub(super) group: Option<usize>,
    pub(super) fusion: Option<Fusion>,
    /// Whether elements of a tile are written while the products of the next one are computed.
    pub(super) overlaps: bool,
}

/// What else a kernel computes of the elements that it writes 8 at once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fusion {
    /// For each product, of which there are one or two of the same lhs, whether it is written.
    pub(super) kept: Vec<bool>,
    pub(super) fragment: Fragment,
}

/// The registers that all threads have.
pub(super) struct Block {
    /// Where stages begin, and barriers: first those that are full, then those that are empty.
    pub(super) memory: String,
    pub(super) barriers: String,
    /// The number of the block in its cluster.
    pub(super) rank: String,
    /// The number of the thread in its warp, of the warp, and of the warp's group of four.
    pub(super) lane: String,
    pub(super) warp: String,
    pub(super) group: String,
}

impl Kernel {
    /// How many products there are: of two, each has half of a tile's columns, which are the same of both.
    pub(super) fn products(&self) -> usize {
        self.fusion.as_ref().map_or(1, |fusion| fusion.kept.len())
    }

    /// Columns of each product in a tile.
    pub(super) fn columns(&self) -> usize {
        self.tile.wide / self.products()
    }

    /// How many pieces there are of what is written of a tile 8 at once.
    pub(super) fn pieces(&self) -> usize {
        self.columns() / COLUMNS
    }

    /// Whether elements of a tile can be written while products of so many terms are computed: there are more stages than
    /// pieces, and registers for what is computed.
    pub(super) fn can_overlap(&self, terms: usize) -> bool {
        let has_room = |fragment: &Fragment| {
            let few = |registers| registers <= ROOM;
            self.tile.wide <= 128 || (Ahead::NEAR.holds(fragment) && fragment.registers().is_some_and(few))
        };
        self.writes == Writes::Chunks
            && terms > self.pieces() * panel::DEPTH
            && self.fusion.as_ref().is_none_or(|fusion| has_room(&fusion.fragment))
    }

    /// Columns of a panel of rhs that a block copies at once.
    pub(super) fn part(&self) -> usize {
        self.tile.wide / self.tile.cluster.max(self.products())
    }

    /// The tensor maps, which are the first parameters.
    pub(super) fn maps(&self) -> Vec<&'static str> {
        ["lhs", "rhs", "second"].into_iter().take(1 + self.products()).collect()
    }

    /// For each product where its bias is.
    pub(super) fn biases(&self) -> Vec<&'static str> {
        ["bias", "second_bias"].into_iter().take(if self.bias { self.products() } else { 0 }).collect()
    }

    /// For each product where it is written, if it is.
    pub(super) fn outs(&self) -> Vec<Option<&'static str>> {
        let is_kept = |number: usize| self.fusion.as_ref().is_none_or(|fusion| fusion.kept[number]);
        let names = ["out", "second_out"].into_iter().take(self.products());
        names.enumerate().map(|(number, name)| is_kept(number).then_some(name)).collect()
    }

    /// The parameters of 64 bits each, which follow the tensor maps. Strides are in bytes.
    pub(super) fn parameters(&self) -> Vec<String> {
        let addresses = self.biases().into_iter().chain(self.outs().into_iter().flatten());
        let mut names: Vec<String> = addresses.map(str::to_owned).collect();
        names.extend((0..self.fusion.iter().map(|fusion| fusion.fragment.further()).sum()).map(Fragment::parameter));
        // Clusters along rows and along columns, and of all products.
        names.extend(["m", "n", "k", "tall", "wide", "tiles", "out_row", "out_column"].map(str::to_owned));
        for dim in 0..self.batch {
            // Of lhs and rhs, whether they have the dimension: 1 or 0.
            names.extend(["extent", "lhs", "rhs", "out"].map(|name| format!("batch{dim}_{name}")));
        }
        // Whether it begins while what is ahead of it is not done.
        names.push("early".to_owned());
        names
    }

    /// Its text as PTX.
    pub(super) fn ptx(&self) -> String {
        let maps = self.maps().into_iter().map(|name| format!(".param .align 64 .b8 {name}[128]"));
        let numbers = self.parameters().into_iter().map(|name| format!(".param .u64 {name}"));
        let parameters: Vec<String> = maps.chain(numbers).collect();
        let cluster = match self.tile.cluster {
            1 => String::new(),
            cluster => format!(".explicitcluster\n.reqnctapercluster {cluster}, 1, 1\n"),
        };
        format!(
            ".version 8.0\n.target sm_90a\n.address_size 64\n.extern .shared .align 1024 .b8 memory[];\n\
             .visible .entry {NAME}(\n  {}\n)\n.maxntid {}, 1, 1\n.minnctapersm 1\n{cluster}{}",
            parameters.join(",\n  "),
            Tile::threads(),
            self.body()
        )
    }

    fn body(&self) -> String {
        use Kind::{Truth, Word};
        let code = &mut Code::default();
        let thread = code.make(Word, "mov.u32", "%tid.x");
        let lane = code.make(Word, "and.b32", format!("{thread}, 31"));
        // The same in all threads of a warp, which the assembler is to know.
        let warp = code.make(Word, "shr.u32", format!("{thread}, 5"));
        let warp = code.make(Word, "shfl.sync.idx.b32", format!("{warp}, 0, 31, -1"));
        let group = code.make(Word, "shr.u32", format!("{warp}, 2"));
        let memory = code.make(Word, "mov.u32", "memory");
        let memory = code.make(Word, "add.u32", format!("{memory}, 1023"));
        let memory = code.make(Word, "and.b32", format!("{memory}, -1024"));
        let barriers = code.make(Word, "add.u32", format!("{memory}, {}", self.tile.stages * self.tile.stage()));
        let rank = code.make(Word, "mov.u32", "%ctaid.x");
        let rank = code.make(Word, "and.b32", format!("{rank}, {}", self.tile.cluster - 1));
        let block = Block { memory, barriers, rank, lane, warp, group };

        let is_first = code.make(Truth, "setp.eq.s32", format!("{thread}, 0"));
        for stage in 0..self.tile.stages {
            // The thread that copies; one of each warp that reads, in all blocks of the cluster.
            for (barrier, count) in [(full(stage), 1), (self.empty(stage), 4 * GROUPS * self.tile.cluster)] {
                code.add(format!("@{is_first} mbarrier.init.shared::cta.b64 [{}+{barrier}], {count}", block.barriers));
            }
        }
        code.add("fence.mbarrier_init.release.cluster");
        // Barriers are known where the fence has put them: nothing else has to be.
        self.meet(code, "relaxed");
        // What was started before is done, or nothing of it is touched. What is started next may be on the GPU beside this: not
        // before, as it may rely on that what was started before this is done.
        let early = code.word("early");
        let early = code.make(Truth, "setp.ne.s32", format!("{early}, 0"));
        code.add(format!("@{early} bra begin"));
        code.add("griddepcontrol.wait");
        code.label("begin");
        code.add("griddepcontrol.launch_dependents");
        let multiplies = code.make(Truth, "setp.lt.s32", format!("{}, {GROUPS}", block.group));
        code.add(format!("@{multiplies} bra multiply"));

        code.add(format!("setmaxnreg.dec.sync.aligned.u32 {FEW}"));
        let is_idle = code.make(Truth, "setp.ne.s32", format!("{}, {}", block.warp, 4 * GROUPS));
        code.add(format!("@{is_idle} bra end"));
        let walk = Walk::new(code, self, &block);
        produce::produce(code, self, &block, &walk);
        code.add("bra end");

        code.label("multiply");
        code.add(format!("setmaxnreg.inc.sync.aligned.u32 {MANY}"));
        let walk = Walk::new(code, self, &block);
        consume::consume(code, self, &block, &walk);

        code.label("end");
        // What others of the cluster copy into a block, or tell its barriers, needs the block.
        self.meet(code, "release");
        // When this is done, so is what was started before.
        code.add("griddepcontrol.wait");
        code.add("ret");
        std::mem::take(code).body()
    }

    /// All threads of the cluster wait for each other, with what they have written before in an order.
    fn meet(&self, code: &mut Code, order: &str) {
        if self.tile.cluster == 1 {
            return code.add("bar.sync 0");
        }
        code.add(format!("barrier.cluster.arrive.{order}.aligned"));
        code.add("barrier.cluster.wait.acquire.aligned");
    }

    /// The place of the barrier of a stage that is empty, among barriers.
    pub(super) fn empty(&self, stage: usize) -> usize {
        full(self.tile.stages + stage)
    }

    /// Where the panel of rhs begins in a stage.
    pub(super) fn rhs() -> usize {
        panel::bytes(TALL)
    }
}

/// The place of the barrier of a stage that is full.
fn full(stage: usize) -> usize {
    8 * stage
}

/// The stage that is next, as a ring.
pub(super) struct Ring {
    /// Its number, and the parity of the phase of its barriers that is to end.
    stage: String,
    pub(super) parity: String,
}

impl Ring {
    /// Begins at the first stage, with a parity.
    pub(super) fn new(code: &mut Code, parity: usize) -> Self {
        let [stage, parity] = [0, parity].map(|start| code.make(Kind::Word, "mov.u32", start.to_string()));
        Self { stage, parity }
    }

    /// Where something is in the stage, of which each has so much, from `base` on.
    pub(super) fn place(&self, code: &mut Code, base: &str, each: usize) -> String {
        code.make(Kind::Word, "mad.lo.u32", format!("{}, {each}, {base}", self.stage))
    }

    /// Goes on to the next stage, of so many.
    pub(super) fn advance(&self, code: &mut Code, stages: usize) {
        code.add(format!("add.u32 {0}, {0}, 1", self.stage));
        let is_over = code.make(Kind::Truth, "setp.eq.s32", format!("{}, {stages}", self.stage));
        code.add(format!("selp.b32 {0}, 0, {0}, {is_over}", self.stage));
        let turned = code.make(Kind::Word, "xor.b32", format!("{}, 1", self.parity));
        code.add(format!("selp.b32 {0}, {turned}, {0}, {is_over}", self.parity));
    }
}

/// Waits until the phase of a barrier with that parity has ended.
pub(super) fn wait(code: &mut Code, barrier: &str, parity: &str, label: &str) {
    code.label(label);
    let operands = format!("[{barrier}], {parity}");
    let ended = code.make(Kind::Truth, "mbarrier.try_wait.parity.shared::cta.b64", operands);
    code.add(format!("@!{ended} bra {label}"));
}
