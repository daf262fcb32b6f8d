//! Mistakes are errors at the model's line.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

use thunder_trace::nn::Linear;
use thunder_trace::{DType, ModelError, Scope, Spec, Tensor, TraceError, Tracer, cat, context};

/// The mistake of a model over an `f32[4, 8]`.
fn mistake(model: impl for<'t> FnOnce(Scope<'t>, Tensor<'t>) -> Tensor<'t>) -> ModelError {
    let context = context();
    let tracer = Tracer::new(&context);
    match tracer.function("main", Spec::new(DType::F32, [4, 8]), model) {
        Err(TraceError::Model(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_error_is_at_the_line_and_says_the_values() {
    let line = line!() + 1;
    let error = mistake(|_, x| x.matmul(x));
    assert_eq!(
        error.to_string(),
        format!("{}:{line}:34: 'thunder.matmul' op (C2) inner dimensions differ: 8 and 4", file!())
    );
}

#[test]
fn operators_fail_like_methods() {
    let line = line!() + 1;
    let error = mistake(|_, x| x + x.t());
    assert_eq!((error.location.file(), error.location.line()), (file!(), line));
    assert_eq!(error.message, "shapes [4, 8] and [8, 4] do not broadcast");
}

#[test]
fn the_error_names_the_layer_and_its_callers() {
    let line = line!() + 3;
    let error = mistake(|cx, x| {
        let block = cx.at("block");
        block.enter(|| Linear::new(block.at("dense"), 7, 2).forward(x))
    });
    assert_eq!(error.location.line(), line);
    assert_eq!(error.scope, "block.dense");
    assert_eq!(error.callers.len(), 1);
    assert!(error.to_string().ends_with("(C3) inner dimensions differ: 8 and 7 (in block.dense)"), "{error}");
}

/// What makes a mistake, and how its message begins.
type Mistake = (fn() -> ModelError, &'static str);

#[test]
fn every_kind_of_mistake_is_one_line() {
    let mistakes: [Mistake; 17] = [
        (|| mistake(|_, x| x.softmax(2)), "dimension 2 is out of range for a tensor of rank 2"),
        (|| mistake(|_, x| x.sum([0, -2])), "dimension 0 is named twice in [0, -2]"),
        (|| mistake(|_, x| x.reshape([5, -1])), "f32[4, 8] has 32 elements, which 5 does not divide"),
        (|| mistake(|_, x| x.reshape([4, 9])), "a tensor f32[4, 8] cannot have the shape [4, 9]"),
        (|| mistake(|_, x| x.reshape([-1, -1])), "more than one size of [-1, -1] is -1"),
        (|| mistake(|_, x| x.reshape((thunder_trace::Dim::new("n"), 8))), "no input has a dimension 'n'"),
        (|| mistake(|_, x| x.squeeze(0)), "dimension 0 of f32[4, 8] cannot be removed: its size is not 1"),
        (|| mistake(|_, x| x.expand([4, 9])), "shapes [4, 8] and [4, 9] do not broadcast"),
        (|| mistake(|_, x| x.select(0, 4)), "1 elements from 4 on are not in dimension 0 of f32[4, 8]"),
        (|| mistake(|_, x| x.chunk(3, 1)[0]), "8 elements do not divide into 3 equal parts"),
        (|| mistake(|_, x| x.to(DType::U8) + 300), "300 is no value of ui8"),
        (|| mistake(|_, x| x.to(DType::I32).layer_norm(1, None, None, 1e-5)), "'thunder.layer_norm' op (C1)"),
        (|| mistake(|_, _| cat(&[], 0)), "there is nothing to concatenate"),
        (
            || mistake(|cx, x| cx.while_loop(&[x], |v| v[0].gt(0), |v| v.to_vec())[0]),
            "the condition of a loop is one truth value, not i1[4, 8]",
        ),
        (
            || mistake(|cx, x| cx.while_loop(&[x], |v| v[0].gt(0).any([0, 1]), |v| vec![v[0].t()])[0]),
            "a loop carries f32[4, 8] as value #0, but makes f32[8, 4] of it",
        ),
        (
            || mistake(|cx, x| cx.while_loop(&[x], |v| v[0].gt(0).any([0, 1]), |_| Vec::new())[0]),
            "a loop of 1 values makes 0 in a round",
        ),
        (
            || mistake(|cx, _| cx.parameter("w", DType::F32, [2]) + cx.parameter("w", DType::F32, [3])),
            "parameter 'w' is f32[3] here, but f32[2] elsewhere",
        ),
    ];
    for (mistake, expected) in mistakes {
        let error = mistake();
        assert_eq!(error.location.file(), file!());
        assert!(error.message.starts_with(expected), "expected {expected}\nbut got  {}", error.message);
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn a_failed_function_leaves_nothing_behind() {
    let context = context();
    let tracer = Tracer::new(&context);
    let spec = || Spec::new(DType::F32, [2, 3]);
    tracer.function("main", spec(), |_, x| x.matmul(x)).expect_err("the shapes do not fit");
    tracer.function("main", spec(), |_, x| x.matmul(x.t())).expect("the shapes fit");
    let module = tracer.finish();
    assert_eq!(module.body().operations().len(), 1, "{module}");
    module.verify().expect("the module is valid");
}

#[test]
fn names_are_taken_once_and_functions_do_not_nest() {
    let context = context();
    let tracer = Tracer::new(&context);
    let spec = || Spec::new(DType::F32, [2]);
    tracer.function("main", spec(), |_, x| x).expect("the model is right");
    let line = line!() + 1;
    let error = tracer.function("main", spec(), |_, x| x).expect_err("the name is taken");
    assert_eq!(error.to_string(), format!("{}:{line}:24: function 'main' exists already", file!()));
    tracer
        .function("outer", spec(), |_, x| {
            let error = tracer.function("inner", spec(), |_, x| x).expect_err("functions do not nest");
            assert!(error.to_string().ends_with("function 'inner' is traced inside another one"), "{error}");
            x
        })
        .expect("the outer model is right");
}

#[test]
fn tensors_stay_in_their_function() {
    let context = context();
    let tracer = Tracer::new(&context);
    let spec = || Spec::new(DType::F32, [2]);
    let mut kept = None;
    tracer.function("first", spec(), |_, x| kept = Some(x)).expect("the model is right");
    let kept = kept.expect("the model ran");
    let error = tracer.function("second", spec(), |_, x| x + kept).expect_err("the tensor is another function's");
    assert!(error.to_string().ends_with("a tensor belongs to another function"), "{error}");
    let error = tracer.function("third", spec(), |_, _| kept).expect_err("the tensor is another function's");
    assert!(error.to_string().ends_with("a tensor belongs to another function"), "{error}");
}

thread_local! {
    static REPORTS: Cell<usize> = const { Cell::new(0) };
}

/// A mistake is no panic to whoever watches panics; a panic of the model's own goes on untouched.
#[test]
fn only_panics_of_the_model_are_reported_and_pass() {
    let before = take_hook();
    set_hook(Box::new(move |info| {
        REPORTS.set(REPORTS.get() + 1);
        // Other tests of this process may panic meanwhile.
        if info.payload().downcast_ref::<&str>() != Some(&"of the model's own") {
            before(info);
        }
    }));
    mistake(|_, x| x.matmul(x));
    assert_eq!(REPORTS.get(), 0);
    let context = context();
    let tracer = Tracer::new(&context);
    let model = |_: Scope<'_>, _: Tensor<'_>| -> () { panic!("of the model's own") };
    let outcome = catch_unwind(AssertUnwindSafe(|| tracer.function("main", Spec::new(DType::F32, [2]), model)));
    let payload = outcome.expect_err("the panic passes");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"of the model's own"));
    assert_eq!(REPORTS.get(), 1);
    tracer.function("main", Spec::new(DType::F32, [2]), |_, x| x).expect("the tracer is still good");
}
