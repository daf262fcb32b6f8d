//! Loops, and the functions that they run.

use std::collections::HashMap;

use thunder_interface::Flow;
use thunder_ir::{Operation, Result};
use thunder_passes::shapes::{Shapes, find_function};
use thunder_runtime::program::{Arg, Buffer, Constraint, DimId, FunctionId, Program, Root, While};
use thunder_tensor::DType;

use super::{Emitter, emit};

/// The functions that programs of an artifact run.
#[derive(Debug, Default)]
pub struct Functions {
    /// Each after those that it runs.
    pub programs: Vec<Program>,
    numbers: HashMap<String, FunctionId>,
    /// The names of those that are being emitted.
    open: Vec<String>,
}

impl<'c> Emitter<'_, 'c> {
    /// A loop, with its functions.
    pub(super) fn rounds(&mut self, op: Operation<'c>, flow: &Flow) -> Result<While> {
        let Flow::While { condition, body } = flow;
        let mut args = Vec::new();
        for operand in op.operands() {
            let (root, view) = self.place(op, operand)?;
            if !view.is_dense() {
                return Err(op.error("internal: a loop is given a view that is not dense"));
            }
            args.push(Arg::read(root));
        }
        for result in op.results() {
            args.push(Arg::write(self.make(result)?));
        }
        for result in op.results() {
            args.push(Arg::write(self.buffer(result)?));
        }
        self.program.buffers.push(Buffer { dtype: DType::Bool, shape: Vec::new(), alias: None });
        args.push(Arg::write(Root::Buffer(self.program.buffers.len() as u32 - 1)));
        let (condition, condition_symbols) = self.function(op, condition)?;
        let (body, body_symbols) = self.function(op, body)?;
        keep_sizes(&mut self.functions.programs[body.0 as usize]);
        Ok(While { condition, body, args, condition_symbols, body_symbols })
    }

    /// The number of a function, and the values of its symbols at `op`.
    fn function(&mut self, op: Operation<'c>, name: &str) -> Result<(FunctionId, Vec<DimId>)> {
        let function =
            find_function(op, name).ok_or_else(|| op.error(format!("names '@{name}', which does not exist")))?;
        let symbols = Shapes::of(function)?.symbols;
        if symbols.iter().any(|symbol| symbol.argument >= op.operand_count()) {
            return Err(op.error(format!("names '@{name}', which takes more than {} operands", op.operand_count())));
        }
        let values = symbols.iter().map(|symbol| self.sizes.id(&self.shapes.symbol_value(op, symbol)));
        let values = values.collect::<Result<_>>()?;
        if let Some(number) = self.functions.numbers.get(name) {
            return Ok((*number, values));
        }
        if self.functions.open.iter().any(|other| other == name) {
            return Err(op.error(format!("names '@{name}', which runs this again")));
        }
        self.functions.open.push(name.to_owned());
        let program = emit(function, self.device, self.constants, self.functions)?;
        self.functions.open.pop();
        let number = FunctionId(self.functions.programs.len() as u32);
        self.functions.programs.push(program);
        self.functions.numbers.insert(name.to_owned(), number);
        Ok((number, values))
    }
}

/// What a round makes of a value must have its sizes.
fn keep_sizes(body: &mut Program) {
    for (input, output) in body.inputs.iter().zip(&body.outputs) {
        for (left, right) in output.shape.iter().zip(&input.shape).filter(|(left, right)| left != right) {
            let message =
                format!("a loop keeps the sizes of its values, those of '{}' in '@{}'", input.name, body.name);
            let constraint = Constraint { left: *left, right: *right, message };
            if !body.constraints.contains(&constraint) {
                body.constraints.push(constraint);
            }
        }
    }
}
