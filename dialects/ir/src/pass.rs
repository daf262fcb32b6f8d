//! Passes as structs whose fields are their options, and pipelines as values.

use crate::diagnostic::Result;
use crate::raw::operation::Operation;
pub use crate::raw::pass::{PassContext, Pipeline, Statistics, register, register_pipeline};
use std::fmt;
use std::str::FromStr;

/// The type of an option's field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// `true` or `false`.
    Bool = 0,
    /// A signed integer.
    Int = 1,
    /// An unsigned integer.
    Unsigned = 2,
    /// A float.
    Float = 3,
    /// Anything else that parses from text.
    Text = 4,
    /// Comma-separated elements.
    List = 5,
}

/// One option of a pass.
pub struct OptionDef {
    /// The name in the pipeline's text.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// How it is read.
    pub kind: OptionKind,
    /// The value when it is not given, as text.
    pub initial: String,
}

/// Builds a pass from the texts of its options.
pub type CreatePass = fn(&[Vec<&str>]) -> std::result::Result<Box<dyn Pass>, String>;

/// The complete description of a pass that is written in Rust.
pub struct PassDef {
    /// The struct's name.
    pub name: &'static str,
    /// The name in pipelines and on command lines.
    pub argument: &'static str,
    /// The documentation of the struct; its first line is the description in `--help`.
    pub doc: &'static str,
    /// The operation it runs on; empty for any.
    pub anchor: &'static str,
    /// Dialects that it may create operations of.
    pub dependent: &'static [&'static str],
    /// Its options.
    pub options: Vec<OptionDef>,
    /// Builds it from the texts of its options.
    pub create: CreatePass,
}

/// What a transformation does to the values that a program computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Numerics {
    /// Nothing: they have the same bits before and after, for NaN, infinities and zeros of both signs
    /// as well; which NaN it is does not count.
    Exact,
    /// They are equal over the real numbers; roundings, overflow and underflow may differ.
    Reassociates,
    /// They are equal where the inputs are finite and inside of the domain of every function.
    Approximates,
    /// They are computed in a lower precision: near where nothing jumps, but anything past a comparison.
    Narrows,
}

impl fmt::Display for Numerics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::Reassociates => "reassociates",
            Self::Approximates => "approximates",
            Self::Narrows => "narrows",
        })
    }
}

/// A transformation of one operation and what is below it. Instances are shared between threads.
pub trait Pass: Send + Sync {
    /// Does the work; an error is reported and fails the pipeline.
    fn run(&self, op: Operation<'_>, cx: &PassContext<'_>) -> Result;

    /// What it does to values, which checks of equivalence go by.
    fn numerics(&self) -> Numerics {
        Numerics::Exact
    }
}

/// A pass that `#[pass]` described.
pub trait Describe {
    /// The table of the pass.
    fn definition() -> &'static PassDef;
    /// The options' values as text, for printing a pipeline.
    fn options(&self) -> Vec<(&'static str, String)>;
}

/// A type that an option's field may have.
pub trait OptionValue: Sized {
    /// How MLIR reads it.
    const KIND: OptionKind;
    /// From the texts given: one, or for lists any number.
    fn read(texts: &[&str]) -> std::result::Result<Self, String>;
    /// The text that reads back as this value.
    fn write(&self) -> String;
}

macro_rules! numbers {
    ($($ty:ty => $kind:ident),*) => {$(
        impl OptionValue for $ty {
            const KIND: OptionKind = OptionKind::$kind;
            fn read(texts: &[&str]) -> std::result::Result<Self, String> {
                let text = texts.first().copied().unwrap_or_default();
                text.parse().map_err(|e| format!("'{text}': {e}"))
            }
            fn write(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

numbers!(bool => Bool, i64 => Int, i32 => Int, u64 => Unsigned, u32 => Unsigned, usize => Unsigned,
    f64 => Float, String => Text);

impl<T: FromStr<Err: std::fmt::Display> + std::fmt::Display> OptionValue for Vec<T> {
    const KIND: OptionKind = OptionKind::List;
    fn read(texts: &[&str]) -> std::result::Result<Self, String> {
        texts.iter().map(|t| t.parse().map_err(|e| format!("'{t}': {e}"))).collect()
    }
    fn write(&self) -> String {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

/// Registers every pass of a list with MLIR, and returns their tables; the table of a crate's passes.
///
/// ```ignore
/// passes! { pub fn register_all; Decompose, Fuse }
/// ```
#[macro_export]
macro_rules! passes {
    ($(#[$doc:meta])* $vis:vis fn $name:ident; $($pass:ty),* $(,)?) => {
        $(#[$doc])*
        $vis fn $name(
            statistics: &::std::sync::Arc<$crate::pass::Statistics>,
        ) -> Vec<&'static $crate::pass::PassDef> {
            let passes = vec![$(<$pass as $crate::pass::Describe>::definition()),*];
            for pass in passes.iter().copied() {
                $crate::pass::register(pass, statistics);
            }
            passes
        }
    };
}
