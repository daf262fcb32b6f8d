//! Sizes that are not known before the program runs.

use thunder_interface::interpret;
use thunder_trace::{DType, Dim, HostTensor, Spec, Tracer, cat, context, stack};

use crate::function;

fn shown(dims: &[Dim]) -> String {
    format!("{dims:?}")
}

#[test]
fn shapes_are_expressions_over_names() {
    let context = context();
    let tracer = Tracer::new(&context);
    let (batch, length) = (Dim::new("batch"), Dim::new("length"));
    let inputs = (Spec::new(DType::F32, (&batch, &length, 12)), Spec::new(DType::F32, (&batch, 12)));
    tracer
        .function("main", inputs, |cx, (x, y)| {
            assert_eq!(shown(&x.shape()), "[batch, length, 12]");
            assert_eq!(shown(&x.sum(1).shape()), "[batch, 12]");
            assert_eq!(shown(&(x.sum(1) + y).shape()), "[batch, 12]");
            assert_eq!(shown(&x.reshape((x.size(0), x.size(1), 3, -1)).shape()), "[batch, length, 3, 4]");
            assert_eq!(shown(&x.flatten(0, 1).shape()), "[batch * length, 12]");
            assert_eq!(shown(&x.reshape([-1, 6]).shape()), "[batch * length * 2, 6]");
            assert_eq!(shown(&x.flatten(0, 1).unflatten(0, (&batch, -1)).shape()), "[batch, length, 12]");
            assert_eq!(shown(&cat(&[x, x], 1).shape()), "[batch, length + length, 12]");
            assert_eq!(shown(&x.slice(1, 1..).shape()), "[batch, max(length - 1, 0), 12]");
            assert_eq!(shown(&x.unsqueeze(1).shape()), "[batch, 1, length, 12]");
            assert_eq!(shown(&cx.zeros((&length + 1, 2), DType::F32).shape()), "[length + 1, 2]");
            assert_eq!(y.size(0), batch);
            assert_eq!(y.size(-1).known(), Some(12));
        })
        .expect("the model is right");
    let module = tracer.finish();
    let text = function(&module).to_text(false, false);
    assert!(text.contains(r#"thunder.dims = ["batch", "length", ""]"#), "{text}");
    assert!(text.contains(r#"thunder.dims = ["batch", ""]"#), "{text}");
}

#[test]
fn one_program_serves_all_sizes() {
    let context = context();
    let tracer = Tracer::new(&context);
    let (rows, columns) = (Dim::new("rows"), Dim::new("columns"));
    tracer
        .function("main", Spec::new(DType::F32, (&rows, &columns)), |cx, x| {
            let positions = cx.arange(x.size(1), DType::F32);
            let both = stack(&[x + positions, x * 0.0 + 1.0], 0);
            both.reshape((&columns, -1, 1)).reshape((2, &rows, -1)).sum(1) + cx.full([&columns], 0.5, DType::F32)
        })
        .expect("the model is right");
    let module = tracer.finish();
    for (rows, columns) in [(1, 1), (2, 3), (5, 4)] {
        let x = HostTensor::from_fn(DType::F32, [rows, columns], |at| (at[0] * 10 + at[1]) as f64);
        let y = interpret(module.operation(), "main", &[x]).expect("the program runs").remove(0);
        let expected = HostTensor::from_fn(DType::F32, [2, columns], |at| {
            let sum = |of: &dyn Fn(usize) -> f64| (0..rows).map(of).sum::<f64>();
            let sum = if at[0] == 0 { sum(&|row| (row * 10 + 2 * at[1]) as f64) } else { rows as f64 };
            sum + 0.5
        });
        assert_eq!(y.to_vec::<f64>(), expected.to_vec::<f64>(), "{rows} rows of {columns}");
    }
}

#[test]
fn expressions_print_with_as_few_parentheses_as_they_need() {
    let (a, b) = (Dim::new("a"), Dim::new("b"));
    assert_eq!((&a * (&b + 1)).to_string(), "a * (b + 1)");
    assert_eq!((&a + &b * 2).to_string(), "a + b * 2".replace("b * 2", "(b * 2)"));
    assert_eq!(((&a + &b) * 2 - 1).to_string(), "(a + b) * 2 - 1");
    assert_eq!((Dim::from(6) / 2 + 1).known(), Some(4));
}
