//! Dtypes of elementwise ops are PyTorch's.

use thunder_trace::DType::{self, *};
use thunder_trace::{Operand, Spec, Tensor, Tracer, context};

/// The dtype of a choice between two operands, which is their common one.
fn common<'t>(a: impl Into<Operand<'t>>, b: impl Into<Operand<'t>>, condition: Tensor<'t>) -> DType {
    condition.where_(a, b).dtype()
}

/// `torch.promote_types`.
const TABLE: [[DType; 10]; 10] = [
    //      u8    i8   i16  i32  i64  f16  bf16  f32  f64  bool
    /*u8*/
    [U8, I16, I16, I32, I64, F16, BF16, F32, F64, U8],
    /*i8*/ [I16, I8, I16, I32, I64, F16, BF16, F32, F64, I8],
    /*i16*/ [I16, I16, I16, I32, I64, F16, BF16, F32, F64, I16],
    /*i32*/ [I32, I32, I32, I32, I64, F16, BF16, F32, F64, I32],
    /*i64*/ [I64, I64, I64, I64, I64, F16, BF16, F32, F64, I64],
    /*f16*/ [F16, F16, F16, F16, F16, F16, F32, F32, F64, F16],
    /*bf16*/ [BF16, BF16, BF16, BF16, BF16, F32, BF16, F32, F64, BF16],
    /*f32*/ [F32, F32, F32, F32, F32, F32, F32, F32, F64, F32],
    /*f64*/ [F64, F64, F64, F64, F64, F64, F64, F64, F64, F64],
    /*bool*/ [U8, I8, I16, I32, I64, F16, BF16, F32, F64, Bool],
];
const ORDER: [DType; 10] = [U8, I8, I16, I32, I64, F16, BF16, F32, F64, Bool];

#[test]
fn tensors_promote_as_in_the_table() {
    let context = context();
    let tracer = Tracer::new(&context);
    let inputs = (Spec::new(Bool, [2]), ORDER.map(|dtype| Spec::new(dtype, [2])));
    let model = |_, (condition, tensors): (Tensor<'_>, [Tensor<'_>; 10])| {
        for (a, row) in tensors.into_iter().zip(TABLE) {
            for (b, expected) in tensors.into_iter().zip(row) {
                assert_eq!(common(a, b, condition), expected, "{a} and {b}");
            }
        }
    };
    tracer.function("main", inputs, model).expect("the model is right");
}

fn of<'t>(tensors: [Tensor<'t>; 10], dtype: DType) -> Tensor<'t> {
    tensors.into_iter().find(|tensor| tensor.dtype() == dtype).expect("there is a tensor of each dtype")
}

#[test]
fn operands_of_less_weight_count_only_where_they_are_of_a_higher_kind() {
    let context = context();
    let tracer = Tracer::new(&context);
    let dims = ORDER.map(|dtype| Spec::new(dtype, [2]));
    let rank_zero = ORDER.map(|dtype| Spec::new(dtype, ()));
    let model = |_, (condition, dims, zero): (Tensor<'_>, [Tensor<'_>; 10], [Tensor<'_>; 10])| {
        for (a, b, expected) in [(I8, I64, I8), (I32, F64, F64), (F16, F32, F16), (Bool, U8, U8), (Bool, F16, F16)] {
            assert_eq!(common(of(dims, a), of(zero, b), condition), expected, "{a}[2] and {b}[]");
        }
        for (a, int, float) in
            [(U8, U8, F32), (I64, I64, F32), (Bool, I64, F32), (F16, F16, F16), (BF16, BF16, BF16), (F64, F64, F64)]
        {
            assert_eq!(common(of(dims, a), 1, condition), int, "{a}[2] and 1");
            assert_eq!(common(0.5, of(dims, a), condition), float, "0.5 and {a}[2]");
            assert_eq!(common(of(zero, a), 1, condition), int, "{a}[] and 1");
        }
        assert_eq!(common(of(dims, I8), false, condition), I8);
        assert_eq!(common(1, 2, condition), I64);
        assert_eq!(common(1, 2.0, condition), F32);
    };
    tracer.function("main", (Spec::new(Bool, [2]), dims, rank_zero), model).expect("the model is right");
}

#[test]
fn functions_without_integer_values_make_floats() {
    let context = context();
    let tracer = Tracer::new(&context);
    tracer
        .function("main", (Spec::new(I32, [2]), Spec::new(F16, [2])), |_, (int, half)| {
            assert_eq!((int / int).dtype(), F32);
            assert_eq!((int / half).dtype(), F16);
            assert_eq!(int.exp().dtype(), F32);
            assert_eq!(half.exp().dtype(), F16);
            assert_eq!(int.floor_divide(2).dtype(), I32);
            assert_eq!(int.sum(..).dtype(), I64);
            assert_eq!(int.eq(1).sum(0).dtype(), I64);
            assert_eq!(half.sum(..).dtype(), F16);
            assert_eq!(int.lt(0.5).dtype(), Bool);
            assert_eq!(int.argmax(0).dtype(), I64);
        })
        .expect("the model is right");
}
