//! Recurrent networks, step by step over a sequence whose length is known.

use thunder_trace::{Tensor, cat, stack};

use super::{Entry, many};
use crate::arguments::{Answer, Call, gap, malformed};

pub(super) const OPS: &[Entry] = &[
    many(&["aten.lstm.input"], |c| {
        let [h, state] = &c.tensors("hx")?[..] else { return malformed("'hx' has two states") };
        let (y, [h, state]) = network(c, [*h, *state], &Cell { gates: 4, step: lstm })?;
        Ok(vec![y, h, state])
    }),
    many(&["aten.gru.input"], |c| single(c, &Cell { gates: 3, step: gru })),
    many(&["aten.rnn_tanh.input"], |c| single(c, &Cell { gates: 1, step: |x, h, _| plain(x, h).map(Tensor::tanh) })),
    many(&["aten.rnn_relu.input"], |c| single(c, &Cell { gates: 1, step: |x, h, _| plain(x, h).map(Tensor::relu) })),
];

/// The longest sequence that is written step by step.
const LONGEST: i64 = 4096;

/// What a cell makes in one step, from what the input and the state give to its gates and from the state.
struct Cell {
    gates: i64,
    step: for<'t> fn(Tensor<'t>, Tensor<'t>, [Tensor<'t>; 2]) -> [Tensor<'t>; 2],
}

fn plain<'t>(x: Tensor<'t>, h: Tensor<'t>) -> [Tensor<'t>; 2] {
    [x + h; 2]
}

fn lstm<'t>(x: Tensor<'t>, h: Tensor<'t>, [_, state]: [Tensor<'t>; 2]) -> [Tensor<'t>; 2] {
    let gates = (x + h).chunk(4, -1);
    let state = gates[1].sigmoid() * state + gates[0].sigmoid() * gates[2].tanh();
    [gates[3].sigmoid() * state.tanh(), state]
}

fn gru<'t>(x: Tensor<'t>, h: Tensor<'t>, [before, _]: [Tensor<'t>; 2]) -> [Tensor<'t>; 2] {
    let (x, h) = (x.chunk(3, -1), h.chunk(3, -1));
    let (reset, update) = ((x[0] + h[0]).sigmoid(), (x[1] + h[1]).sigmoid());
    let new = (x[2] + reset * h[2]).tanh();
    [new + update * (before - new); 2]
}

fn single<'t>(c: &Call<'_, 't>, cell: &Cell) -> Answer<Vec<Tensor<'t>>> {
    let h = c.tensor("hx")?;
    let (y, [h, _]) = network(c, [h, h], cell)?;
    Ok(vec![y, h])
}

/// The outputs of the last layer, and the last states of all.
fn network<'t>(c: &Call<'_, 't>, states: [Tensor<'t>; 2], cell: &Cell) -> Answer<(Tensor<'t>, [Tensor<'t>; 2])> {
    let (x, weights) = (c.tensor("input")?, c.tensors("params")?);
    let (has_biases, layers) = (c.bool_or("has_biases", true)?, c.int("num_layers")?);
    let directions = if c.bool_or("bidirectional", false)? { 2 } else { 1 };
    if c.bool_or("train", false)? && c.float_or("dropout", 0.0)? != 0.0 && layers > 1 {
        return gap("dropout between layers: export the model in evaluation mode, after `model.eval()`");
    }
    // One step after the other: batch and features remain.
    let batched = x.rank() == 3;
    let first = batched && c.bool_or("batch_first", false)?;
    let mut x = if batched { x } else { x.unsqueeze(1) };
    let states = states.map(|state| if batched { state } else { state.unsqueeze(1) });
    if first {
        x = x.transpose(0, 1);
    }
    let Some(length @ 1..=LONGEST) = x.size(0).known() else {
        return gap(format!("a sequence of {} steps", x.size(0)));
    };
    let hidden = states[0].size(-1);
    let each = if has_biases { 4 } else { 2 };
    let expected =
        layers.checked_mul(directions).and_then(|cells| usize::try_from(cells).ok()).map(|cells| cells * each);
    if expected != Some(weights.len()) || weights.iter().any(|w| w.size(0) != hidden.clone() * cell.gates) {
        return gap(format!("{} weights for {layers} layers: projections are not supported", weights.len()));
    }
    let mut last: [Vec<Tensor<'t>>; 2] = [Vec::new(), Vec::new()];
    let mut parts = weights.chunks_exact(each).enumerate();
    for _ in 0..layers {
        let mut sides = Vec::new();
        for direction in 0..directions {
            let Some((number, weights)) = parts.next() else { return malformed("weights are missing") };
            let bias = |place: usize| has_biases.then(|| weights[place]);
            // What the inputs give is one product for all steps.
            let given = x.linear(weights[0], bias(2));
            let mut state = states.map(|state| state.select(0, number as i64));
            let mut outputs = Vec::new();
            for step in 0..length {
                let step = if direction == 0 { step } else { length - 1 - step };
                let own = state[0].linear(weights[1], bias(3));
                state = (cell.step)(given.select(0, step), own, state);
                outputs.push(state[0]);
            }
            if direction == 1 {
                outputs.reverse();
            }
            sides.push(stack(&outputs, 0));
            last.iter_mut().zip(state).for_each(|(last, state)| last.push(state));
        }
        x = if let [side] = sides[..] { side } else { cat(&sides, -1) };
    }
    let mut y = if first { x.transpose(0, 1) } else { x };
    let mut last = last.map(|states| stack(&states, 0));
    if !batched {
        y = y.squeeze(1);
        last = last.map(|states| states.squeeze(1));
    }
    Ok((y, last))
}
