//! Ops stand at the model's lines, under the names of its layers.

use thunder_trace::nn::Linear;
use thunder_trace::{DType, Scope, Spec, Tensor, Tracer, context};

use crate::{function, ops};

fn spec() -> Spec {
    Spec::new(DType::F32, [4, 8])
}

#[test]
fn each_op_is_at_the_line_that_asked_for_it() {
    let context = context();
    let tracer = Tracer::new(&context);
    tracer.function("main", spec(), |_, x| two_lines(x)).expect("the model is right");
    let module = tracer.finish();
    let lines: Vec<_> = ops(&module).iter().map(|op| (op.name(), op.location().file_line_column())).collect();
    let at = |line: u32, column: u32| Some((file!(), TWO_LINES + line, column));
    assert_eq!(lines, [("thunder.relu", at(2, 15)), ("thunder.full", at(3, 5)), ("thunder.add", at(3, 5))]);
}

const TWO_LINES: u32 = line!();
fn two_lines(x: Tensor<'_>) -> Tensor<'_> {
    let y = x.relu();
    y + 1.0
}

#[test]
fn what_a_method_is_made_of_is_at_the_line_of_its_call() {
    let context = context();
    let tracer = Tracer::new(&context);
    let line = line!() + 1;
    tracer.function("main", spec(), |_, x| x.normalize(-1, 1e-12)).expect("the model is right");
    let module = tracer.finish();
    let lines: Vec<_> =
        ops(&module).iter().map(|op| op.location().file_line_column().map(|(_, line, _)| line)).collect();
    assert!(lines.len() > 4, "{module}");
    assert!(lines.iter().all(|at| *at == Some(line)), "{lines:?}");
}

#[test]
fn what_a_loop_is_made_of_is_at_its_own_lines() {
    let context = context();
    let tracer = Tracer::new(&context);
    let model = |cx: Scope<'_>, x| {
        let made = cx.while_loop(
            &[x],
            |v| {
                let positive = v[0].gt(0);
                positive.any([0, 1])
            },
            |v| {
                let next = v[0].relu();
                vec![next]
            },
        );
        made.len()
    };
    tracer
        .function("main", spec(), |cx, x| {
            assert_eq!(model(cx, x), 1);
            x
        })
        .expect("the model is right");
    let module = tracer.finish();
    let mut lines = Vec::new();
    module.operation().walk(|op| {
        if ["scf.while", "thunder.any", "thunder.relu"].contains(&op.name()) {
            lines.push((op.name(), op.location().file_line_column().map_or(0, |(_, line, _)| line)));
        }
    });
    lines.sort_unstable();
    let [("scf.while", start), ("thunder.any", condition), ("thunder.relu", body)] = lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!([condition - start, body - start], [4, 7], "{lines:?}");
}

struct Block<'t>(Scope<'t>, Linear<'t>);

const BLOCK: u32 = line!();
impl<'t> Block<'t> {
    #[track_caller]
    fn forward(&self, x: Tensor<'t>) -> Tensor<'t> {
        self.0.enter(|| self.1.forward(x).relu())
    }

    fn model(cx: Scope<'t>, x: Tensor<'t>) -> Tensor<'t> {
        let scope = cx.at("encoder").at(0);
        Block(scope, Linear::new(scope.at("dense"), 8, 8)).forward(x)
    }
}

#[test]
fn ops_of_layers_have_their_path_and_their_callers() {
    let context = context();
    let tracer = Tracer::new(&context);
    tracer.function("main", spec(), Block::model).expect("the model is right");
    let module = tracer.finish();
    let text = resolve(&function(&module).to_text(false, true));
    let site = |column: u32| format!("callsite(\"{0}\":{1}:{column} at \"{0}\":{2}:60)", file!(), BLOCK + 4, BLOCK + 9);
    for expected in [format!("loc(\"encoder.0.dense\"({}))", site(32)), format!("loc(\"encoder.0\"({}))", site(43))] {
        assert!(text.contains(&expected), "no {expected} in\n{text}");
    }
}

/// Puts the locations that MLIR prints as aliases in their place.
fn resolve(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        let alias = text.lines().find_map(|line| {
            let (name, location) = line.strip_prefix('#')?.split_once(" = loc(")?;
            let is_final = !location.contains("#loc");
            Some((format!("#{name}"), location.strip_suffix(')')?.to_owned())).filter(|_| is_final)
        });
        let Some((name, location)) = alias else { return text };
        let line = format!("{name} = loc({location})\n");
        text = text.replace(&line, "");
        for end in [")", " at", "("] {
            text = text.replace(&format!("{name}{end}"), &format!("{location}{end}"));
        }
    }
}

#[test]
fn parameters_are_at_the_line_that_declares_their_layer() {
    let context = context();
    let tracer = Tracer::new(&context);
    let line = line!() + 1;
    tracer.function("main", spec(), |cx, x| Linear::new(cx.at("head"), 8, 2).forward(x)).expect("the model is right");
    let module = tracer.finish();
    let text = resolve(&function(&module).to_text(false, true));
    assert!(text.contains(&format!("loc(\"head\"(\"{}\":{line}:", file!())), "{text}");
}

#[test]
fn what_a_front_end_reads_stands_at_its_own_lines() {
    let context = context();
    let tracer = Tracer::new(&context).of_file("model.zip");
    let traced = tracer.function("main", spec(), |cx, x| {
        let y = cx.quote("layer", "model.py", 7, || x.relu());
        y.exp()
    });
    traced.expect("the model is right");
    let module = tracer.finish();
    let lines: Vec<_> = ops(&module).iter().map(|op| op.location().file_line_column()).collect();
    assert_eq!(lines, [Some(("model.py", 7, 1)), Some(("model.zip", 1, 1))]);
    let text = module.operation().to_text(false, true);
    assert!(text.contains(r#"loc("layer"("#), "{text}");
}
