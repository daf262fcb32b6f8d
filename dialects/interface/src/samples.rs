//! Sample programs of an op: one record drives its round-trip, numeric, dtype and executor tests.

use thunder_tensor::DType;

/// A set of dtypes that a sample is tested with.
#[derive(Debug, Clone, Copy)]
pub struct Dtypes(pub &'static [DType]);

impl Dtypes {
    /// All floating-point dtypes.
    pub const FLOATS: Self = Self(&[DType::F32, DType::F64, DType::F16, DType::BF16]);
    /// All integers, without truth values.
    pub const INTEGERS: Self = Self(&[DType::I8, DType::I16, DType::I32, DType::I64, DType::U8]);
    /// Integers and truth values.
    pub const INTEGERS_AND_BOOL: Self = Self(&DType::joined::<6>(Self::INTEGERS.0, Self::BOOL.0));
    /// Integers that have negative values.
    pub const SIGNED: Self = Self(&[DType::I8, DType::I16, DType::I32, DType::I64]);
    /// Integers and floats.
    pub const NUMBERS: Self = Self(&DType::joined::<9>(Self::FLOATS.0, Self::INTEGERS.0));
    /// Complex numbers.
    pub const COMPLEX: Self = Self(&DType::COMPLEX);
    /// Floating-point dtypes, and complex numbers.
    pub const FLOATS_AND_COMPLEX: Self = Self(&DType::joined::<6>(Self::FLOATS.0, Self::COMPLEX.0));
    /// Integers, floats and complex numbers.
    pub const ANY_NUMBERS: Self = Self(&DType::joined::<11>(Self::NUMBERS.0, Self::COMPLEX.0));
    /// Everything that is computed in.
    pub const ALL: Self = Self(&DType::COMPUTED);
    /// Everything that is moved and converted: what is computed in, and floats of 8 bits.
    pub const MOVED: Self = Self(&DType::joined::<14>(&DType::COMPUTED, &DType::FLOATS8));
    /// Floats of any width.
    pub const FLOATS_MOVED: Self = Self(&DType::joined::<8>(Self::FLOATS.0, &DType::FLOATS8));
    /// Truth values only.
    pub const BOOL: Self = Self(&[DType::Bool]);
}

/// One sample program: a function `@sample`, with `$T` where the dtype goes.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The text of the function.
    pub function: String,
    /// The dtypes that `$T` stands for.
    pub dtypes: Dtypes,
    /// The concrete shape of each argument.
    pub shapes: Vec<Vec<usize>>,
    /// The half-open range that random values of each argument are drawn from.
    pub domains: Vec<(f64, f64)>,
    /// Relative tolerance of compiled code in units of the dtype's epsilon.
    pub ulps: f64,
    /// Whether NaN and infinities may be among the values.
    pub specials: bool,
}

impl Sample {
    /// Draws argument `index` from `low..high`.
    pub fn domain(&mut self, index: usize, low: f64, high: f64) -> &mut Self {
        self.domains[index] = (low, high);
        self
    }

    /// Draws every argument from `low..high`.
    pub fn domains(&mut self, low: f64, high: f64) -> &mut Self {
        self.domains.fill((low, high));
        self
    }

    /// Allows compiled code to be off by so many epsilons of the dtype.
    pub fn ulps(&mut self, ulps: f64) -> &mut Self {
        self.ulps = ulps;
        self
    }

    /// Puts NaN, infinities and zeros of both signs among the values as well.
    pub fn specials(&mut self) -> &mut Self {
        self.specials = true;
        self
    }
}

/// The samples of one op.
#[derive(Debug, Clone, Default)]
pub struct SampleSet {
    /// In the order they were added.
    pub samples: Vec<Sample>,
}

impl SampleSet {
    /// Adds `signature { body }`: a function's arguments and results in MLIR's text, its operations,
    /// and the concrete shapes of the arguments.
    ///
    /// ```ignore
    /// s.add(
    ///     Dtypes::FLOATS,
    ///     "(%x: tensor<?x4x$T>) -> tensor<?x4x$T>",
    ///     "%r = thunder.exp %x : tensor<?x4x$T>\n return %r : tensor<?x4x$T>",
    ///     &[&[3, 4]],
    /// );
    /// ```
    pub fn add(&mut self, dtypes: Dtypes, signature: &str, body: &str, shapes: &[&[usize]]) -> &mut Sample {
        self.samples.push(Sample {
            function: format!("func.func @sample{signature} {{\n  {body}\n}}\n"),
            dtypes,
            shapes: shapes.iter().map(|s| s.to_vec()).collect(),
            domains: vec![(-2.0, 2.0); shapes.len()],
            ulps: 4.0,
            specials: false,
        });
        self.samples.last_mut().expect("just pushed")
    }
}

/// Gives an op's samples. Every op of a tested dialect implements it.
pub trait Samples {
    /// Adds the samples.
    fn samples(s: &mut SampleSet);
}
