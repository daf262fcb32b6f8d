use thunder_ir_macros::AttrKind;

#[derive(AttrKind)]
pub enum Data {
    One,
    Two(i64),
}

#[derive(AttrKind)]
pub enum Nothing {}

#[derive(AttrKind)]
pub struct Tuple(i64);

#[derive(AttrKind)]
pub struct Generic<T> {
    value: T,
}

#[derive(AttrKind)]
pub union Union {
    a: u32,
    b: f32,
}

fn main() {}
