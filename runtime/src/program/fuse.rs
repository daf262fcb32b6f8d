//! Lets kernels be parts of the matrix products that they compute from, so that what is between is in registers only.

use super::{
    Access, Activation, Arg, BatchDim, Call, Columns, Dims, Fragment, Fused, Groups, Launch, LibraryOp, Matmul,
    MatrixStrides, Piece, Place, Program, Root, Step,
};

/// What arguments that an executor is given have to be multiples of, in bytes.
const ALIGN: i64 = 16;

/// A product that a launch computes from.
struct Product {
    /// The step that makes it, or of which it is a half.
    step: usize,
    op: Matmul,
    /// lhs, rhs, the bias if there is one, and the result.
    args: Vec<Arg>,
    /// What has the memory of the result.
    owner: Root,
    /// Whether it is half of the product that the step makes, and how its columns lie then.
    is_half: bool,
    groups: Option<Groups>,
}

/// What a launch becomes.
struct Whole {
    call: Call,
    /// The steps of products that are a part of it then.
    products: Vec<usize>,
    /// The program's sizes, and those that the call has besides.
    dims: Dims,
}

impl Program {
    /// Makes each launch of a kernel that has a fragment one call with the products that the kernel computes from, where
    /// `takes` says so and nothing in between needs it otherwise. The program stays valid.
    pub(crate) fn fuse(&mut self, takes: &dyn Fn(&Fused, &Dims) -> bool) {
        let mut gone = Vec::new();
        for step in 0..self.steps.len() {
            if let Some(Whole { call, products, dims }) = self.fused(step, &gone, takes) {
                self.steps[step] = Step::Call(call);
                self.dims = dims;
                gone.extend(products);
            }
        }
        let mut number = 0;
        self.steps.retain(|_| {
            number += 1;
            !gone.contains(&(number - 1))
        });
    }

    fn fused(&self, step: usize, gone: &[usize], takes: &dyn Fn(&Fused, &Dims) -> bool) -> Option<Whole> {
        let Step::Launch(launch) = &self.steps[step] else { return None };
        let mut fragments: Vec<&Fragment> = self.fragments.iter().filter(|f| f.kernel == launch.kernel).collect();
        fragments.sort_by_key(|fragment| std::cmp::Reverse(fragment.products.len()));
        fragments.into_iter().find_map(|fragment| {
            let mut dims = self.dims.clone();
            let products = self.products(fragment, launch, step, gone, &mut dims)?;
            let call = self.call(fragment, launch, step, &products)?;
            let LibraryOp::Fused(op) = &call.op else { return None };
            let is_aligned = |place| start(self, &dims, place).is_some_and(|(_, offset)| offset % ALIGN == 0);
            let may_move = products.iter().all(|product| self.may_move(product, step, launch, gone, &products));
            let is_taken = may_move && call.args.iter().all(|arg| is_aligned(arg.place)) && takes(op, &dims);
            let products = products.iter().map(|product| product.step).collect();
            is_taken.then_some(Whole { call, products, dims })
        })
    }

    /// The products that a fragment computes from, where a launch at `step` has its kernel.
    fn products(
        &self,
        fragment: &Fragment,
        launch: &Launch,
        step: usize,
        gone: &[usize],
        dims: &mut Dims,
    ) -> Option<Vec<Product>> {
        match fragment.products[..] {
            [Piece { pointer, columns: Columns::Half { of, .. } }, _] => {
                let whole = self.product(launch, pointer, step, gone)?;
                [0, of / 2].into_iter().map(|start| whole.half(self, [start, of].map(i64::from), dims)).collect()
            }
            ref pieces => pieces.iter().map(|piece| self.product(launch, piece.pointer, step, gone)).collect(),
        }
    }

    /// The product that a launch at `step` is given as pointer `number`.
    fn product(&self, launch: &Launch, number: u32, step: usize, gone: &[usize]) -> Option<Product> {
        let owner = self.whole(launch.args.get(number as usize)?.place)?;
        let writes =
            |step: &Step| step.accesses().any(|(place, access)| access.is_write() && self.owner(place.root) == owner);
        let at = (0..step).rev().filter(|at| !gone.contains(at)).find(|&at| writes(&self.steps[at]))?;
        let Step::Call(Call { op: LibraryOp::Matmul(op), args }) = &self.steps[at] else { return None };
        let is_it = op.epilogue.is_none() && self.is_dense(op) && self.whole(args.last()?.place) == Some(owner);
        is_it.then(|| Product { step: at, op: op.clone(), args: args.clone(), owner, is_half: false, groups: None })
    }

    /// Whether the elements of a product follow each other, row by row and product by product.
    fn is_dense(&self, op: &Matmul) -> bool {
        let constant = |dim| self.dims.as_constant(dim);
        let mut expected = Some(1);
        let own = [(op.n, op.out.column), (op.m, op.out.row)].into_iter();
        let batch = op.batch.iter().rev().map(|BatchDim { extent, out, .. }| (*extent, *out));
        own.chain(batch).all(|(extent, stride)| {
            let (Some(extent), Some(next)) = (constant(extent), expected) else { return false };
            expected = extent.checked_mul(next);
            extent == 1 || constant(stride) == Some(next)
        })
    }

    /// Whether a product can be made where a launch is that alone needs it until then: nothing in between overwrites what it
    /// is made from, and nor does the launch, which runs at the same time.
    fn may_move(&self, product: &Product, step: usize, launch: &Launch, gone: &[usize], all: &[Product]) -> bool {
        let inputs: Vec<Root> = product
            .args
            .split_last()
            .map_or(&[][..], |(_, inputs)| inputs)
            .iter()
            .map(|arg| self.owner(arg.place.root))
            .collect();
        let is_in_the_way = |(place, access): (Place, Access)| {
            let owner = self.owner(place.root);
            owner == product.owner || access.is_write() && inputs.contains(&owner)
        };
        let between =
            (product.step + 1..step).filter(|at| !gone.contains(at) && all.iter().all(|other| other.step != *at));
        let overwrites = |arg: &Arg| arg.access.is_write() && inputs.contains(&self.owner(arg.place.root));
        !between.flat_map(|at| self.steps[at].accesses()).any(is_in_the_way) && !launch.args.iter().any(overwrites)
    }

    /// The call of products with a launch's kernel, if they are alike.
    fn call(&self, fragment: &Fragment, launch: &Launch, step: usize, products: &[Product]) -> Option<Call> {
        let (first, others) = products.split_first()?;
        let alike = |other: &Product| {
            other.args[0] == first.args[0]
                && other.op == Matmul { rhs: other.op.rhs, ..first.op.clone() }
                && other.groups == first.groups
        };
        if others.len() > 1 || !others.iter().all(alike) {
            return None;
        }
        let is_updated = |number: usize| launch.args[number].access.is_write();
        let pieces = fragment.products.iter().zip(products);
        let kept = pieces.map(|(piece, product)| {
            let is_kept = !is_updated(piece.pointer as usize) && self.is_needed(product.owner, step);
            // Halves have no memory of their own.
            (!(is_kept && product.is_half)).then_some(is_kept)
        });
        let kept: Vec<bool> = kept.collect::<Option<_>>()?;
        let mut args = vec![first.args[0]];
        args.extend(products.iter().map(|product| product.args[1]));
        args.extend(products.iter().filter(|_| first.op.bias).map(|product| product.args[2]));
        args.extend(
            products.iter().zip(&kept).filter(|(_, kept)| **kept).filter_map(|(product, _)| product.args.last()),
        );
        let mut pointers = Vec::with_capacity(launch.args.len());
        for (number, arg) in launch.args.iter().enumerate() {
            let is_product = fragment.products.iter().any(|piece| piece.pointer as usize == number);
            if is_product && !is_updated(number) {
                pointers.push(None);
                continue;
            }
            pointers.push(Some(args.len() as u32));
            // What is in registers is not read from where it is replaced.
            let access = if is_product { Access::Write } else { arg.access };
            args.push(Arg { place: arg.place, access });
        }
        let op = Fused {
            product: first.op.clone(),
            second: others.first().map(|other| other.op.rhs),
            groups: first.groups,
            kept,
            pointers,
            kernel: self.kernels[launch.kernel.0 as usize].clone(),
            numbers: launch.dims.clone(),
            code: fragment.code.clone(),
            // What is computed where it reads another matrix is not that of libraries.
            activation: fragment.activation.filter(|activation| match activation {
                Activation::GeluGradient { pointer } => !is_updated(*pointer as usize),
                Activation::Relu | Activation::Gelu => true,
            }),
        };
        Some(Call { op: LibraryOp::Fused(Box::new(op)), args })
    }

    /// Whether memory is read behind a step, or when the program is done.
    fn is_needed(&self, owner: Root, step: usize) -> bool {
        let reads = |step: &Step| {
            step.accesses().any(|(place, access)| access != Access::Write && self.owner(place.root) == owner)
        };
        !matches!(owner, Root::Buffer(_)) || self.steps[step + 1..].iter().any(reads)
    }

    /// What has the memory of a place that is where that starts.
    fn whole(&self, place: Place) -> Option<Root> {
        start(self, &self.dims, place).filter(|(_, offset)| *offset == 0).map(|(owner, _)| owner)
    }
}

impl Product {
    /// Of every `of` columns of the product half of them, from number `first` on, as a dense product.
    fn half(&self, program: &Program, [first, of]: [i64; 2], dims: &mut Dims) -> Option<Self> {
        let (mut op, mut args) = (self.op.clone(), self.args.clone());
        let (rhs, columns) = (dims.as_constant(op.rhs.column)?, dims.as_constant(op.n)?);
        let (count, size) = (columns.checked_div(of)?, op.dtype.size() as i64);
        if count * of != columns || of % 2 != 0 || (count > 1 && op.bias) {
            return None;
        }
        let mut skip = |arg: &mut Arg, stride: i64| {
            let before = arg.place.offset.map_or(Some(0), |offset| program.dims.as_constant(offset))?;
            let skipped = first.checked_mul(stride)?.checked_mul(size)?;
            arg.place.offset = Some(dims.constant(before.checked_add(skipped)?));
            Some(())
        };
        skip(&mut args[1], rhs)?;
        if op.bias {
            skip(&mut args[2], 1)?;
        }
        let groups = if count == 1 {
            None
        } else {
            let [count, width, stride] = [count, of / 2, of.checked_mul(rhs)?].map(|value| dims.constant(value));
            Some(Groups { count, width, stride })
        };
        let columns = columns / 2;
        op.n = dims.constant(columns);
        op.out = MatrixStrides { row: op.n, column: dims.constant(1) };
        let mut next = dims.as_constant(op.m)?.checked_mul(columns)?;
        for batch in op.batch.iter_mut().rev() {
            batch.out = dims.constant(next);
            next = next.checked_mul(dims.as_constant(batch.extent)?)?;
        }
        Some(Self { step: self.step, op, args, owner: self.owner, is_half: true, groups })
    }
}

/// What has the memory of a place in a program with these sizes, and how many bytes behind its start that is, where it is
/// known.
fn start(program: &Program, dims: &Dims, place: Place) -> Option<(Root, i64)> {
    let offset = place.offset.map_or(Some(0), |offset| dims.as_constant(offset))?;
    let alias = match place.root {
        Root::Buffer(number) => program.buffers[number as usize].alias,
        _ => None,
    };
    let Some(alias) = alias else { return Some((place.root, offset)) };
    let (owner, before) = start(program, dims, alias)?;
    Some((owner, before.checked_add(offset)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use thunder_tensor::DType;

    use super::super::{Buffer, DimId, Grid, KernelId, Port, Spread};
    use super::*;

    /// Roots of the programs below.
    const X: Root = Root::Input(0);
    const WEIGHTS: [Root; 2] = [Root::Input(1), Root::Input(2)];
    const MADE: [Root; 2] = [Root::Buffer(0), Root::Buffer(1)];
    const OUT: Root = Root::Output(0);

    /// Two products of `x`, `between`, and a launch of what computes `out` from them by a fragment for these pointers.
    fn program(between: Vec<Step>, products: &[u32]) -> Program {
        let mut dims = Dims::default();
        let [one, eight, sixteen, bytes] = [1, 8, 16, 256].map(|value| dims.constant(value));
        let along = MatrixStrides { row: sixteen, column: one };
        let op = Matmul {
            dtype: DType::BF16,
            m: eight,
            n: sixteen,
            k: sixteen,
            batch: Vec::new(),
            lhs: along,
            rhs: MatrixStrides { row: one, column: sixteen },
            out: along,
            bias: false,
            epilogue: None,
        };
        let port = |name: &str, rows: DimId| Port { name: name.into(), dtype: DType::BF16, shape: vec![rows, sixteen] };
        let buffer = || Buffer { dtype: DType::BF16, shape: vec![eight, sixteen], alias: None };
        let product = |number: usize| {
            let args = vec![Arg::read(X), Arg::read(WEIGHTS[number]), Arg::write(MADE[number])];
            Step::Call(Call { op: LibraryOp::Matmul(op.clone()), args })
        };
        let grid = Grid { blocks: [one; 3], threads: 32, shared: 0, overlaps: false };
        let launch = Launch {
            kernel: KernelId(0),
            args: vec![Arg::read(MADE[0]), Arg::read(MADE[1]), Arg::write(OUT)],
            dims: vec![bytes],
            spread: Spread::Grid(grid),
        };
        let products = products.iter().map(|&pointer| Piece { pointer, columns: Columns::All }).collect();
        let fragment = Fragment { kernel: KernelId(0), products, code: "code".into(), activation: None };
        Program {
            name: "test".into(),
            dims,
            inputs: vec![port("x", eight), port("v", sixteen), port("w", sixteen)],
            outputs: vec![port("out", eight), port("more", eight)],
            buffers: vec![buffer(), buffer(), buffer()],
            kernels: vec!["k".into()],
            fragments: vec![fragment],
            steps: [vec![product(0), product(1)], between, vec![Step::Launch(launch), copy(X, Root::Output(1))]]
                .concat(),
            ..Program::default()
        }
    }

    fn copy(from: Root, to: Root) -> Step {
        // As many bytes as the fourth constant of a program says.
        Step::Copy { from: Place::new(from), to: Place::new(to), bytes: DimId(3) }
    }

    /// The call that is all but the last step of a program, which stays valid.
    fn fused(mut program: Program) -> (Fused, Vec<Arg>) {
        program.fuse(&|_, _| true);
        program.validate(0).unwrap();
        let Some(Step::Call(Call { op: LibraryOp::Fused(op), args })) = program.steps.first() else {
            panic!("the first step is a product and more: {:?}", program.steps)
        };
        assert_eq!(program.steps.len(), 2);
        (*op.clone(), args.clone())
    }

    #[test]
    fn a_launch_becomes_a_part_of_both_products() {
        let (op, args) = fused(program(Vec::new(), &[0, 1]));
        assert_eq!(args, [Arg::read(X), Arg::read(WEIGHTS[0]), Arg::read(WEIGHTS[1]), Arg::write(OUT)]);
        assert_eq!((op.count(), op.kept, op.pointers), (2, vec![false, false], vec![None, None, Some(3)]));
        assert_eq!((op.numbers, op.code.as_str()), (vec![DimId(3)], "code"));
    }

    #[test]
    fn what_libraries_know_is_said_unless_its_other_matrix_is_overwritten() {
        let known = |pointer: u32, access: Access| {
            let mut program = program(Vec::new(), &[1]);
            program.fragments[0].activation = Some(Activation::GeluGradient { pointer });
            let Step::Launch(launch) = &mut program.steps[2] else { panic!("a launch is the third step") };
            launch.args[0].access = access;
            program.fuse(&|_, _| true);
            let Step::Call(Call { op: LibraryOp::Fused(op), .. }) = &program.steps[1] else {
                panic!("it is a product")
            };
            op.activation
        };
        assert_eq!(known(0, Access::Read), Some(Activation::GeluGradient { pointer: 0 }));
        assert_eq!(known(0, Access::Update), None);
    }

    #[test]
    fn a_product_that_others_need_is_kept() {
        let mut program = program(Vec::new(), &[0, 1]);
        program.steps[3] = copy(MADE[1], Root::Output(1));
        let (op, args) = fused(program);
        assert_eq!(op.kept, [false, true]);
        assert_eq!(args[3..], [Arg::write(MADE[1]), Arg::write(OUT)]);
        assert_eq!(op.pointers, [None, None, Some(4)]);
    }

    #[test]
    fn what_is_written_over_a_product_is_no_product() {
        let mut program = program(Vec::new(), &[0, 1]);
        let Step::Launch(launch) = &mut program.steps[2] else { panic!("a launch is the third step") };
        launch.args[0].access = Access::Update;
        let (op, args) = fused(program);
        assert_eq!((op.kept, op.pointers), (vec![false, false], vec![Some(3), None, Some(4)]));
        assert_eq!(args[3..], [Arg::write(MADE[0]), Arg::write(OUT)]);
    }

    #[test]
    fn a_launch_becomes_a_part_of_one_product_where_the_other_comes_before() {
        let mut program = program(Vec::new(), &[1]);
        program.fuse(&|_, _| true);
        program.validate(0).unwrap();
        assert_eq!(program.steps.len(), 3);
        let Step::Call(Call { op: LibraryOp::Fused(op), args }) = &program.steps[1] else { panic!("it is a product") };
        assert_eq!(args[..], [Arg::read(X), Arg::read(WEIGHTS[1]), Arg::read(MADE[0]), Arg::write(OUT)]);
        assert_eq!((op.count(), &op.pointers[..]), (1, &[Some(2), None, Some(3)][..]));
    }

    #[test]
    fn a_launch_becomes_a_part_of_the_halves_of_a_product() {
        let mut program = program(Vec::new(), &[1, 1]);
        program.steps.remove(0);
        let Step::Launch(launch) = &mut program.steps[1] else { panic!("a launch is the second step") };
        launch.args.remove(0);
        let halves = [0, 8].map(|start| Piece { pointer: 0, columns: Columns::Half { of: 16, start } });
        program.fragments[0].products = halves.to_vec();
        let mut needed = program.clone();
        let (op, args) = fused(program.clone());
        assert_eq!(args.iter().map(|arg| arg.place.root).collect::<Vec<_>>(), [X, WEIGHTS[1], WEIGHTS[1], OUT]);
        assert_eq!((op.count(), op.kept, op.pointers), (2, vec![false, false], vec![None, Some(3)]));
        // Eight columns of 16 elements of two bytes.
        let mut fused_program = program.clone();
        fused_program.fuse(&|_, _| true);
        assert_eq!(args[2].place.offset.and_then(|offset| fused_program.dims.as_constant(offset)), Some(256));
        assert_eq!(fused_program.dims.as_constant(op.product.n), Some(8));
        assert_eq!(args[0].place.offset, None);
        // What others need of a product is all of it.
        needed.steps[2] = copy(MADE[1], Root::Output(1));
        let before = needed.clone();
        needed.fuse(&|_, _| true);
        assert_eq!(needed, before);
    }

    #[test]
    fn steps_in_the_way_keep_a_launch_apart() {
        let spare = Root::Buffer(2);
        let ways = [
            // A product is read before, or what it is made from is overwritten.
            (copy(MADE[0], spare), false),
            (copy(spare, X), false),
            (copy(spare, WEIGHTS[1]), false),
            (copy(spare, MADE[0]), false),
            (copy(X, spare), true),
        ];
        for (step, fuses) in ways {
            let mut program = program(vec![copy(X, spare), step], &[0, 1]);
            let before = program.steps.len();
            program.fuse(&|_, _| true);
            assert_eq!(program.steps.len() < before, fuses, "{:?}", program.steps);
        }
    }

    #[test]
    fn products_that_differ_or_are_not_wanted_stay() {
        let change = |change: &dyn Fn(&mut Program)| {
            let mut program = program(Vec::new(), &[0, 1]);
            change(&mut program);
            let before = program.clone();
            program.fuse(&|_, dims| dims.as_constant(DimId(3)) == Some(256));
            assert_eq!(program, before);
        };
        let second = |program: &mut Program, change: &dyn Fn(&mut Matmul, &mut Vec<Arg>)| {
            let Step::Call(Call { op: LibraryOp::Matmul(op), args }) = &mut program.steps[1] else { return };
            change(op, args);
        };
        change(&|program| second(program, &|_, args| args[0] = Arg::read(WEIGHTS[0])));
        change(&|program| second(program, &|op, _| op.out.row = DimId(3)));
        change(&|program| second(program, &|op, _| op.dtype = DType::F16));
        // An address that no wide access reaches.
        change(&|program| second(program, &|_, args| args[1].place.offset = Some(DimId(1))));
        change(&|program| program.fragments.clear());
        let mut unwanted = program(Vec::new(), &[0, 1]);
        let before = unwanted.clone();
        unwanted.fuse(&|_, _| false);
        assert_eq!(unwanted, before);
    }
}
