//! Nested inputs and outputs, and the names of their leaves.

use thunder_ir::Attribute;
use thunder_trace::{DType, HostTensor, Spec, Tensor, Tracer, Tree, context, leaves};

use crate::function;

#[derive(Tree)]
struct Cache<T> {
    keys: Vec<T>,
    mask: Option<T>,
}

#[derive(Tree)]
struct Request<T> {
    ids: T,
    cache: Cache<T>,
    pair: (T, [T; 2]),
    temperature: f64,
}

#[derive(Tree)]
struct Pair<T>(T, T);

fn request<T>(leaf: impl Fn() -> T, mask: Option<T>) -> Request<T> {
    let cache = Cache { keys: vec![leaf(), leaf()], mask };
    Request { ids: leaf(), cache, pair: (leaf(), [leaf(), leaf()]), temperature: 0.5 }
}

fn names(attributes: Option<Attribute<'_>>, entry: &str) -> Vec<String> {
    let attributes = attributes.and_then(|a| a.as_array()).expect("a function has attributes of its arguments");
    attributes.iter().filter_map(|a| Some(a.entry(entry)?.as_string()?.to_owned())).collect()
}

#[test]
fn leaves_are_named_by_their_paths() {
    let spec = || Spec::new(DType::F32, [2]);
    let context = context();
    let tracer = Tracer::new(&context);
    let inputs = (request(spec, Some(spec())), Spec::new(DType::F32, ()));
    tracer
        .function("main", inputs, |_, (request, scale): (Request<Tensor<'_>>, Tensor<'_>)| {
            assert_eq!(request.temperature, 0.5);
            assert_eq!(scale.rank(), 0);
            let outputs = request.pair.1.map(|x| x * scale);
            (Pair(request.ids, request.cache.keys[1]), outputs, ())
        })
        .expect("the model is right");
    let module = tracer.finish();
    assert_eq!(
        names(function(&module).attribute("arg_attrs"), "thunder.name"),
        ["0.ids", "0.cache.keys.0", "0.cache.keys.1", "0.cache.mask", "0.pair.0", "0.pair.1.0", "0.pair.1.1", "1"]
    );
    assert_eq!(names(function(&module).attribute("res_attrs"), "thunder.name"), ["0.0", "0.1", "1.0", "1.1"]);
}

#[test]
fn a_structure_at_the_top_adds_no_step() {
    let spec = || Spec::new(DType::F32, [2]);
    let context = context();
    let tracer = Tracer::new(&context);
    tracer.function("main", request(spec, None), |_, request| request.cache).expect("the model is right");
    let module = tracer.finish();
    let inputs = names(function(&module).attribute("arg_attrs"), "thunder.name");
    assert_eq!(inputs, ["ids", "cache.keys.0", "cache.keys.1", "pair.0", "pair.1.0", "pair.1.1"]);
    assert_eq!(names(function(&module).attribute("res_attrs"), "thunder.name"), ["keys.0", "keys.1"]);
}

#[test]
fn a_lone_tensor_is_the_input_or_the_output() {
    let context = context();
    let tracer = Tracer::new(&context);
    tracer.function("main", Spec::new(DType::F32, [2]), |_, x| x.exp()).expect("the model is right");
    let module = tracer.finish();
    assert_eq!(names(function(&module).attribute("arg_attrs"), "thunder.name"), ["input"]);
    assert_eq!(names(function(&module).attribute("res_attrs"), "thunder.name"), ["output"]);
}

#[test]
fn host_tensors_come_out_in_the_order_of_inputs() {
    let tensors = request(|| HostTensor::scalar(1.0f32), None);
    let paths: Vec<String> = leaves(tensors).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["ids", "cache.keys.0", "cache.keys.1", "pair.0", "pair.1.0", "pair.1.1"]);
}

#[test]
fn parameters_are_named_by_their_scopes_and_shared_by_name() {
    let context = context();
    let tracer = Tracer::new(&context);
    tracer
        .function("main", Spec::new(DType::I64, [3]), |cx, ids| {
            let table = || cx.at("embeddings").at("word").parameter("weight", DType::F32, [10, 4]);
            let hidden = ids.embedding(table());
            // Tied: the output layer has the weight of the embedding.
            hidden.linear(table(), cx.parameter("bias", DType::F32, [10]))
        })
        .expect("the model is right");
    let module = tracer.finish();
    let parameters = names(function(&module).attribute("arg_attrs"), "thunder.parameter");
    assert_eq!(parameters, ["embeddings.word.weight", "bias"]);
}
