//! Random well-typed programs over the thunder dialect, for properties that hold of every program.
//!
//! A program is a function `@main` of straight-line code with the inputs that it is run on. It has static and
//! dynamic sizes, sizes of 1, every dtype, NaN and infinities. Every op in it is total: no integer is divided, no
//! index is out of range. Elementwise ops come from the dialect's table, so that a new one takes part by itself.
//! Shrinking drops steps and makes choices plainer.

mod catalog;
mod step;

use anyhow::Result;
use catalog::Catalog;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::fmt::{self, Debug, Formatter};
use std::sync::LazyLock;
use thunder_tensor::{DType, Random, Tensor};

/// A program and its inputs.
#[derive(Clone)]
pub struct Program {
    /// A module with one function, `@main`.
    pub text: String,
    /// What it is run on.
    pub inputs: Vec<Tensor>,
}

impl Debug for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}on {:?}", self.text, self.inputs)
    }
}

/// How many programs a property is checked of.
pub const CASES: u32 = 200;

/// How many steps their programs have at most.
pub const STEPS: usize = 24;

/// Checks a property of random programs, the same ones in every run; panics with a small one that lacks it.
///
/// There are [`CASES`] of them, or as many as the variable `PROPTEST_CASES` says.
pub fn for_programs(property: impl Fn(&Program) -> Result<()>) {
    check(programs(STEPS), property);
}

/// As [`for_programs`], of programs that read and write the memory of their arguments as well.
pub fn for_programs_in_place(property: impl Fn(&Program) -> Result<()>) {
    check(programs_of(STEPS, true), property);
}

fn check(programs: impl Strategy<Value = Program>, property: impl Fn(&Program) -> Result<()>) {
    let default = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { CASES };
    let config = Config { cases, failure_persistence: None, ..default };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let check = |program| property(&program).map_err(|error| TestCaseError::fail(format!("{error:#}")));
    if let Err(failure) = runner.run(&programs, check) {
        panic!("{failure}");
    }
}

/// Programs of up to `steps` steps, some of which are more than one operation.
pub fn programs(steps: usize) -> impl Strategy<Value = Program> {
    programs_of(steps, false)
}

fn programs_of(steps: usize, in_place: bool) -> impl Strategy<Value = Program> {
    let choices = || prop::collection::vec(any::<u16>(), 12);
    let arguments = prop::collection::vec(choices(), 1..4);
    let steps = prop::collection::vec(choices(), 1..=steps);
    (arguments, steps, any::<u64>()).prop_map(move |(arguments, steps, seed)| build(&arguments, &steps, seed, in_place))
}

/// Numbers that decide what a step does, taken one after another; zeros when they are used up.
struct Choices<'a>(std::slice::Iter<'a, u16>);

impl Choices<'_> {
    /// A number below `count`, which is not 0.
    fn below(&mut self, count: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % count
    }

    fn of<'t, T>(&mut self, all: &'t [T]) -> Option<&'t T> {
        if all.is_empty() { None } else { Some(&all[self.below(all.len())]) }
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == one_in - 1
    }
}

/// The size of a dimension: what it is, and whether the type says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Size {
    extent: usize,
    is_dynamic: bool,
}

impl Size {
    fn stated(extent: usize) -> Self {
        Self { extent, is_dynamic: false }
    }
}

/// A value of the program.
#[derive(Clone, PartialEq, Debug)]
struct Value {
    name: String,
    dtype: DType,
    sizes: Vec<Size>,
}

impl Value {
    fn ty(&self) -> String {
        let dims = self.sizes.iter().map(|size| match size.is_dynamic {
            true => "?x".to_owned(),
            false => format!("{}x", size.extent),
        });
        format!("tensor<{}{}>", dims.collect::<String>(), self.dtype)
    }

    fn shape(&self) -> Vec<usize> {
        self.sizes.iter().map(|size| size.extent).collect()
    }

    fn rank(&self) -> usize {
        self.sizes.len()
    }
}

/// The program so far.
struct State {
    catalog: &'static Catalog,
    lines: Vec<String>,
    values: Vec<Value>,
    names: usize,
    /// The arguments, if the program may write them.
    memory: Vec<Value>,
}

const LARGEST: usize = 2048;

impl State {
    fn fresh(&mut self) -> String {
        self.names += 1;
        format!("%{}", self.names - 1)
    }

    /// Adds `value = op : types`, unless it is too large.
    fn emit(&mut self, op: &str, operands: &[&Value], dtype: DType, sizes: Vec<Size>) -> Option<Value> {
        let value = Value { name: self.fresh(), dtype, sizes };
        if value.shape().iter().product::<usize>() > LARGEST {
            return None;
        }
        let types: Vec<_> = operands.iter().map(|v| v.ty()).collect();
        let signature = match types.len() {
            0 => value.ty(),
            1 => format!("{} -> {}", types[0], value.ty()),
            _ => format!("({}) -> {}", types.join(", "), value.ty()),
        };
        self.lines.push(format!("{} = {op} : {signature}", value.name));
        self.values.push(value.clone());
        Some(value)
    }

    /// Adds an op whose operands and result have one type.
    fn emit_same(&mut self, op: &str, ty: &Value) -> Option<Value> {
        let value = Value { name: self.fresh(), ..ty.clone() };
        self.lines.push(format!("{} = {op} : {}", value.name, ty.ty()));
        self.values.push(value.clone());
        Some(value)
    }

    /// An `index` with the size of a dimension.
    fn dim(&mut self, value: &Value, axis: usize) -> String {
        let name = self.fresh();
        self.lines.push(format!("{name} = thunder.dim {} axis = {axis} : {} -> index", value.name, value.ty()));
        name
    }

    /// An `index` for each dynamic dimension of a value.
    fn dims(&mut self, value: &Value) -> Vec<String> {
        let dynamic = (0..value.rank()).filter(|axis| value.sizes[*axis].is_dynamic);
        dynamic.map(|axis| self.dim(value, axis)).collect()
    }
}

fn build(arguments: &[Vec<u16>], steps: &[Vec<u16>], seed: u64, in_place: bool) -> Program {
    static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::new);
    let mut state = State { catalog: &CATALOG, lines: Vec::new(), values: Vec::new(), names: 0, memory: Vec::new() };
    for choices in arguments {
        let value = argument(&mut state, &mut Choices(choices.iter()));
        state.values.push(value);
    }
    let inputs = inputs(&state.values, seed);
    if in_place {
        state.memory.clone_from(&state.values);
    }
    let header: Vec<_> = state.values.iter().map(|v| format!("{}: {}", v.name, v.ty())).collect();
    for choices in steps {
        let before = (state.lines.len(), state.values.len());
        if step::add(&mut state, &mut Choices(choices.iter())).is_none() {
            state.lines.truncate(before.0);
            state.values.truncate(before.1);
        }
    }
    let results: Vec<_> = state.values.iter().rev().take(3).collect();
    let names: Vec<_> = results.iter().map(|v| v.name.clone()).collect();
    let types: Vec<_> = results.iter().map(|v| v.ty()).collect();
    let (names, types) = (names.join(", "), types.join(", "));
    let lines = state.lines.iter().map(|line| format!("  {line}\n")).collect::<String>();
    let header = header.join(", ");
    Program {
        text: format!("func.func @main({header}) -> ({types}) {{\n{lines}  return {names} : {types}\n}}\n"),
        inputs,
    }
}

fn argument(state: &mut State, choices: &mut Choices<'_>) -> Value {
    const DTYPES: [DType; 12] = [
        DType::F32,
        DType::F32,
        DType::F32,
        DType::F64,
        DType::F16,
        DType::BF16,
        DType::I32,
        DType::I64,
        DType::I8,
        DType::I16,
        DType::U8,
        DType::Bool,
    ];
    let dtype = DTYPES[choices.below(DTYPES.len())];
    let like = choices.of(&state.values).cloned().filter(|_| choices.chance(2));
    let sizes = match like {
        Some(other) => other.sizes,
        None => (0..choices.below(4))
            .map(|_| Size { extent: [2, 3, 1, 5][choices.below(4)], is_dynamic: choices.chance(3) })
            .collect(),
    };
    Value { name: state.fresh(), dtype, sizes }
}

fn inputs(values: &[Value], seed: u64) -> Vec<Tensor> {
    let mut random = Random::new(seed);
    let draw = |(number, value): (usize, &Value)| match (seed >> number) & 7 {
        0 => random.special(value.dtype, value.shape(), 0.0, 2.0),
        _ => random.uniform(value.dtype, value.shape(), if value.dtype.is_signed() { -3.0..3.0 } else { 0.0..5.0 }),
    };
    values.iter().enumerate().map(draw).collect()
}
