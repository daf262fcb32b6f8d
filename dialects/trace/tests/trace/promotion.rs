//! Dtypes of elementwise ops are PyTorch's.

use thunder_trace::DType::{self, *};
use thunder_trace::{Operand, Scalar, Spec, Tensor, Tracer, context};

/// What `tests/goldens/promotion.py` has of PyTorch: a row and a column for each operand.
const TABLE: &str = include_str!("../../../../tests/goldens/promotion.csv");
const DTYPES: [DType; 12] = [Bool, U8, I8, I16, I32, I64, F16, BF16, F32, F64, C64, C128];

/// The dtype of a choice between two operands, which is their common one.
fn common<'t>(a: Operand<'t>, b: Operand<'t>, condition: Tensor<'t>) -> String {
    condition.where_(a, b).dtype().to_string()
}

#[test]
fn pairs_of_operands_promote_as_in_the_table() {
    let context = context();
    let tracer = Tracer::new(&context);
    let (dims, zero) = (DTYPES.map(|dtype| Spec::new(dtype, [2])), DTYPES.map(|dtype| Spec::new(dtype, ())));
    let model = |_, (condition, dims, zero): (Tensor<'_>, [Tensor<'_>; 12], [Tensor<'_>; 12])| {
        let operand = |name: &str| -> Operand<'_> {
            match name {
                "bool" => return true.into(),
                "int" => return 1.into(),
                "float" => return 1.0.into(),
                "complex" => return Operand::Scalar(Scalar::Complex(0.0, 1.0)),
                _ => {}
            }
            let (dtype, brackets) = name.split_once('[').expect("a tensor has brackets");
            let tensors = if brackets == "]" { zero } else { dims };
            tensors
                .into_iter()
                .find(|x| x.dtype().to_string() == dtype)
                .expect("there is a tensor of each dtype")
                .into()
        };
        let mut lines = TABLE.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let others = lines.next().expect("the first line names the operands");
        let mut count = 0;
        for line in lines {
            for (other, expected) in others.iter().zip(&line).skip(1) {
                // There are no complex numbers of 32 bits; those of 64 hold their values.
                let expected = if *expected == "-" { &"complex<f32>" } else { expected };
                assert_eq!(common(operand(line[0]), operand(other), condition), *expected, "{} and {other}", line[0]);
                count += 1;
            }
        }
        assert_eq!(count, 28 * 28);
    };
    tracer.function("main", (Spec::new(Bool, [2]), dims, zero), model).expect("the model is right");
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
