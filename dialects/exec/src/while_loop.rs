//! Loops whose number of rounds values decide.

use thunder_interface::{
    Control, Dim, Dtypes, Flow, Recompute, RecomputeClass, SampleSet, Samples, ShapeInputs, ShapeRule,
};
use thunder_ir::prelude::*;

/// Replaces values by what `body` makes of them, as long as `condition` says.
///
/// Both are functions of the module that take all operands, and neither calls this one again. There is one result for
/// each of the first operands: what it is after the last round. The other operands are the same in every round.
/// `condition` gives one truth value, and `body` gives one value for each result, of the sizes that it was given: a
/// loop's values keep their sizes. A loop of no round gives what it was given.
///
/// - (C1) there is a result, and one operand at least for each
/// - (C2) each result has the type of the operand of the same number
///
/// ```mlir
/// %r = exec.while %x, %bound condition = @is_below body = @doubled : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
/// ```
#[op("exec.while", pure, verify, interfaces(Control, ShapeRule, Recompute))]
pub struct While {
    operands: Variadic<Tensor>,
    /// The function that says whether there is one more round.
    condition: Attr<SymbolRef>,
    /// The function that carries out a round.
    body: Attr<SymbolRef>,
    #[c(1)]
    results: ProducesMany<Tensor>,
}

impl Verify for While<'_> {
    fn verify(&self) -> Result {
        let (operands, results) = (self.operands(), self.results());
        if results.is_empty() || results.len() > operands.len() {
            let (given, made) = (operands.len(), results.len());
            return Err(self.error(format!("(C1) {made} results of {given} operands")));
        }
        let differs = operands.iter().zip(&results).position(|(operand, result)| operand.ty() != result.ty());
        match differs {
            None => Ok(()),
            Some(number) => {
                let (given, made) = (operands[number].ty(), results[number].ty());
                Err(self.error(format!("(C2) result #{number} is '{made}', but begins as '{given}'")))
            }
        }
    }
}

impl Control for While<'_> {
    fn flow(&self) -> Flow {
        Flow::While { condition: self.condition(), body: self.body() }
    }
}

impl ShapeRule for While<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        Ok(inputs.operands.iter().take(self.results().len()).cloned().collect())
    }
}

impl Recompute for While<'_> {
    /// Nobody knows how long it takes.
    fn recompute(&self) -> RecomputeClass {
        RecomputeClass::Never
    }
}

/// A value that grows until its first element is not below a bound.
const FUNCTIONS: &str = "
func.func private @is_below(%x: tensor<SIZESx$T>, %bound: tensor<$T>) -> tensor<i1> {
  %first = thunder.slice %x start = [0] limit = [1] stride = [1] : tensor<SIZESx$T> -> tensor<1x$T>
  %one = thunder.reshape %first, [] : tensor<1x$T> -> tensor<$T>
  %r = thunder.lt %one, %bound : (tensor<$T>, tensor<$T>) -> tensor<i1>
  return %r : tensor<i1>
}
func.func private @doubled(%x: tensor<SIZESx$T>, %bound: tensor<$T>) -> tensor<SIZESx$T> {
  %r = thunder.add %x, %x : tensor<SIZESx$T>
  return %r : tensor<SIZESx$T>
}
";

/// Two values that change places as often as a number says.
const SWAPS: &str = "
func.func private @is_positive(%n: tensor<i64>, %x: tensor<SIZES$T>, %y: tensor<SIZES$T>) -> tensor<i1> {
  %zero = thunder.full value = 0 : i64 : tensor<i64>
  %r = thunder.lt %zero, %n : (tensor<i64>, tensor<i64>) -> tensor<i1>
  return %r : tensor<i1>
}
func.func private @swapped(%n: tensor<i64>, %x: tensor<SIZES$T>, %y: tensor<SIZES$T>)
    -> (tensor<i64>, tensor<SIZES$T>, tensor<SIZES$T>) {
  %one = thunder.full value = 1 : i64 : tensor<i64>
  %less = thunder.sub %n, %one : tensor<i64>
  return %less, %y, %x : tensor<i64>, tensor<SIZES$T>, tensor<SIZES$T>
}
";

impl Samples for While<'_> {
    fn samples(s: &mut SampleSet) {
        for (sizes, shape) in [("3", &[3_usize][..]), ("?", &[7])] {
            let (ty, bound) = (format!("tensor<{sizes}x$T>"), "tensor<$T>");
            let body = format!(
                "%r = exec.while %x, %bound condition = @is_below body = @doubled : ({ty}, {bound}) -> {ty}\n  \
                 return %r : {ty}"
            );
            let signature = format!("(%x: {ty}, %bound: {bound}) -> {ty}");
            let sample = s.add(Dtypes::NUMBERS, &signature, &body, &[shape, &[]]);
            sample.domain(0, 1.0, 3.0).domain(1, 2.0, 40.0);
            sample.function.push_str(&FUNCTIONS.replace("SIZES", sizes));
        }
        for (sizes, shape) in [("2x3x", &[2_usize, 3][..]), ("?x4x", &[0, 4]), ("?x5x", &[7, 5]), ("", &[])] {
            let ty = format!("tensor<{sizes}$T>");
            let all = format!("(tensor<i64>, {ty}, {ty})");
            let body = format!(
                "%r:3 = exec.while %n, %x, %y condition = @is_positive body = @swapped : {all} -> {all}\n  \
                 return %r#0, %r#1, %r#2 : tensor<i64>, {ty}, {ty}"
            );
            let signature = format!("(%n: tensor<i64>, %x: {ty}, %y: {ty}) -> {all}");
            let sample = s.add(Dtypes::MOVED, &signature, &body, &[&[], shape, shape]);
            sample.domain(0, 0.0, 4.0);
            sample.function.push_str(&SWAPS.replace("SIZES", sizes));
        }
    }
}
