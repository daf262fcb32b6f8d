//! Tensors that `torch.save` wrote, as torch up to 2.8 stores weights: a zip archive in the archive, with a pickle that
//! says which storage each tensor is a part of.
//!
//! The pickle is read as data and never run: of its opcodes, those that state dictionaries are made of build values; of
//! the functions it may name, those that rebuild tensors become what they rebuild. Anything else is refused, so that no
//! pickle can do more than name bytes of its own archive.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use thunder_tensor::DType;

/// How deep values may nest.
const DEPTH: u32 = 32;

/// A tensor as a pickle describes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    /// The storage, which is the entry `data/KEY`.
    pub(crate) key: String,
    /// The type of its elements, or the name of one that Thunder lacks.
    pub(crate) dtype: Result<DType, String>,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

/// The tensors of a dictionary by their names; a tensor alone has none.
pub(crate) fn tensors(pickle: &[u8]) -> Result<BTreeMap<String, Stored>, String> {
    let root = Reader { bytes: pickle, at: 0 }.run()?;
    Ok(match &*root {
        Value::Dict(entries) => entries.borrow().clone(),
        Value::Tensor(stored) => BTreeMap::from([(String::new(), stored.clone())]),
        _ => BTreeMap::new(),
    })
}

#[derive(Debug)]
enum Value {
    /// None and truth values, which say nothing about tensors.
    Nothing,
    Int(i64),
    Text(String),
    /// A function or class, by its name.
    Global(String),
    Tuple(Vec<Rc<Value>>, u32),
    /// A dictionary, of which only tensors under names are kept.
    Dict(RefCell<BTreeMap<String, Stored>>),
    Storage {
        key: String,
        dtype: Result<DType, String>,
    },
    Tensor(Stored),
}

impl Value {
    fn depth(&self) -> u32 {
        match self {
            Self::Tuple(_, depth) => *depth,
            _ => 0,
        }
    }

    fn sizes(&self) -> Result<Vec<usize>, String> {
        let Self::Tuple(parts, _) = self else { return Err("sizes are no tuple".to_owned()) };
        parts.iter().map(|part| part.size()).collect()
    }

    fn size(&self) -> Result<usize, String> {
        match self {
            Self::Int(value) => usize::try_from(*value).map_err(|_| format!("{value} is no size")),
            _ => Err("a size is no number".to_owned()),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn run(mut self) -> Result<Rc<Value>, String> {
        let mut stack: Vec<Rc<Value>> = Vec::new();
        let mut marks: Vec<usize> = Vec::new();
        let mut memo: HashMap<u64, Rc<Value>> = HashMap::new();
        loop {
            let at = self.at;
            let short = || format!("its pickle needs more values than it has, at byte {at}");
            let opcode = self.take(1)?[0];
            let value = match opcode {
                // PROTO, FRAME.
                0x80 => {
                    self.take(1)?;
                    continue;
                }
                0x95 => {
                    self.take(8)?;
                    continue;
                }
                b'.' => return stack.pop().ok_or_else(short),
                b'(' => {
                    marks.push(stack.len());
                    continue;
                }
                b'}' => Value::Dict(Default::default()),
                b')' => Value::Tuple(Vec::new(), 1),
                b'N' | 0x88 | 0x89 => Value::Nothing,
                b'K' => Value::Int(self.number(1)? as i64),
                b'M' => Value::Int(self.number(2)? as i64),
                b'J' => Value::Int(i64::from(self.number(4)? as u32 as i32)),
                0x8a => {
                    let length = self.number(1)? as usize;
                    let bytes = self.take(length)?;
                    if length > 8 {
                        return Err(format!("its pickle has a number of {length} bytes"));
                    }
                    let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
                    let mut wide = if is_negative { [0xff; 8] } else { [0; 8] };
                    wide[..length].copy_from_slice(bytes);
                    Value::Int(i64::from_le_bytes(wide))
                }
                b'X' => Value::Text(self.text(4)?),
                0x8c => Value::Text(self.text(1)?),
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    Value::Global(format!("{module}.{name}"))
                }
                0x93 => match (stack.pop().as_deref(), stack.pop().as_deref()) {
                    (Some(Value::Text(name)), Some(Value::Text(module))) => Value::Global(format!("{module}.{name}")),
                    _ => return Err(short()),
                },
                b't' => {
                    let mark = marks.pop().filter(|mark| *mark <= stack.len()).ok_or_else(short)?;
                    tuple(stack.split_off(mark))?
                }
                0x85..=0x87 => {
                    let from = stack.len().checked_sub(usize::from(opcode - 0x84)).ok_or_else(short)?;
                    tuple(stack.split_off(from))?
                }
                b'q' | b'r' | 0x94 => {
                    let number = match opcode {
                        b'q' => self.number(1)?,
                        b'r' => self.number(4)?,
                        _ => memo.len() as u64,
                    };
                    memo.insert(number, Rc::clone(stack.last().ok_or_else(short)?));
                    continue;
                }
                b'h' | b'j' => {
                    let number = self.number(if opcode == b'h' { 1 } else { 4 })?;
                    let value = memo.get(&number).ok_or_else(|| format!("its pickle has no value {number}"))?;
                    stack.push(Rc::clone(value));
                    continue;
                }
                b's' | b'u' => {
                    let from = if opcode == b's' { stack.len().checked_sub(2) } else { marks.pop() };
                    let from = from.filter(|from| *from <= stack.len()).ok_or_else(short)?;
                    let items = stack.split_off(from);
                    let Some(Value::Dict(entries)) = stack.last().map(|value| &**value) else { return Err(short()) };
                    for pair in items.chunks_exact(2) {
                        if let (Value::Text(name), Value::Tensor(stored)) = (&*pair[0], &*pair[1]) {
                            entries.borrow_mut().insert(name.clone(), stored.clone());
                        }
                    }
                    continue;
                }
                b'Q' => storage(&*stack.pop().ok_or_else(short)?)?,
                b'R' => {
                    let (arguments, function) = (stack.pop().ok_or_else(short)?, stack.pop().ok_or_else(short)?);
                    let (Value::Global(name), Value::Tuple(arguments, _)) = (&*function, &*arguments) else {
                        return Err(short());
                    };
                    match called(name, arguments)? {
                        Called::Same(value) => {
                            stack.push(value);
                            continue;
                        }
                        Called::New(value) => value,
                    }
                }
                // BUILD, which gives an ordered dictionary attributes: it has none that say anything.
                b'b' => {
                    stack.pop().ok_or_else(short)?;
                    continue;
                }
                other => return Err(format!("its pickle has opcode {other:#04x} at byte {at}, which no tensors need")),
            };
            stack.push(Rc::new(value));
        }
    }

    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("its pickle ends at byte {}, within a value", self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn number(&mut self, bytes: usize) -> Result<u64, String> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn text(&mut self, width: usize) -> Result<String, String> {
        let length = self.number(width)? as usize;
        let bytes = self.take(length)?.to_vec();
        String::from_utf8(bytes).map_err(|_| "its pickle has a name that is no text".to_owned())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or("its pickle ends within a name")?;
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(line)
    }
}

fn tuple(parts: Vec<Rc<Value>>) -> Result<Value, String> {
    let depth = 1 + parts.iter().map(|part| part.depth()).max().unwrap_or(0);
    if depth > DEPTH {
        return Err(format!("its pickle nests values more than {DEPTH} deep"));
    }
    Ok(Value::Tuple(parts, depth))
}

/// `("storage", class, key, device, length)`.
fn storage(id: &Value) -> Result<Value, String> {
    let Value::Tuple(parts, _) = id else { return Err("its pickle names a storage by no tuple".to_owned()) };
    let [kind, class, key, ..] = &parts[..] else { return Err("its pickle names a storage by too little".to_owned()) };
    match (&**kind, &**class, &**key) {
        (Value::Text(kind), Value::Global(class), Value::Text(key)) if kind == "storage" => {
            Ok(Value::Storage { key: key.clone(), dtype: dtype(class) })
        }
        _ => Err("its pickle names a storage by something else".to_owned()),
    }
}

fn dtype(class: &str) -> Result<DType, String> {
    Ok(match class {
        "torch.FloatStorage" => DType::F32,
        "torch.DoubleStorage" => DType::F64,
        "torch.HalfStorage" => DType::F16,
        "torch.BFloat16Storage" => DType::BF16,
        "torch.ComplexFloatStorage" => DType::C64,
        "torch.ComplexDoubleStorage" => DType::C128,
        "torch.LongStorage" => DType::I64,
        "torch.IntStorage" => DType::I32,
        "torch.ShortStorage" => DType::I16,
        "torch.CharStorage" => DType::I8,
        "torch.ByteStorage" => DType::U8,
        "torch.BoolStorage" => DType::Bool,
        other => return Err(other.to_owned()),
    })
}

enum Called {
    Same(Rc<Value>),
    New(Value),
}

/// What the functions that state dictionaries name would return.
fn called(name: &str, arguments: &[Rc<Value>]) -> Result<Called, String> {
    match (name, arguments) {
        ("collections.OrderedDict", _) => Ok(Called::New(Value::Dict(Default::default()))),
        ("torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state", [tensor, ..]) => {
            Ok(Called::Same(Rc::clone(tensor)))
        }
        ("torch._utils._rebuild_tensor_v2", [storage, offset, shape, strides, ..]) => {
            let Value::Storage { key, dtype } = &**storage else { return Err("a tensor without a storage".to_owned()) };
            let (key, dtype) = (key.clone(), dtype.clone());
            let (offset, shape, strides) = (offset.size()?, shape.sizes()?, strides.sizes()?);
            Ok(Called::New(Value::Tensor(Stored { key, dtype, offset, shape, strides })))
        }
        // Of dtypes that storages have no classes for, such as floats of 8 bits.
        ("torch._utils._rebuild_tensor_v3", [storage, offset, shape, strides, _, _, dtype]) => {
            let (Value::Storage { key, .. }, Value::Global(dtype)) = (&**storage, &**dtype) else {
                return Err("a tensor without a storage or a dtype".to_owned());
            };
            let dtype = match dtype.as_str() {
                "torch.float8_e4m3fn" => Ok(DType::F8E4M3FN),
                "torch.float8_e5m2" => Ok(DType::F8E5M2),
                "torch.float8_e4m3fnuz" => Ok(DType::F8E4M3FNUZ),
                "torch.float8_e5m2fnuz" => Ok(DType::F8E5M2FNUZ),
                other => Err(other.to_owned()),
            };
            let (offset, shape, strides) = (offset.size()?, shape.sizes()?, strides.sizes()?);
            Ok(Called::New(Value::Tensor(Stored { key: key.clone(), dtype, offset, shape, strides })))
        }
        _ => Err(format!("its pickle calls '{name}', which the importer never runs")),
    }
}

#[cfg(test)]
mod tests {
    use super::{DType, tensors};

    /// `OrderedDict` with one tensor, as torch writes it: `w`, of storage `0`.
    fn pickle(function: &str, class: &str) -> Vec<u8> {
        let head = b"\x80\x02}q\x00(X\x01\x00\x00\x00wq\x01";
        let call = format!("c{function}\nq\x02");
        let storage = format!(
            "((X\x07\x00\x00\x00storageq\x03c{class}\nq\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00cpuq\x06K\x06tq\x07Q"
        );
        let rest = b"K\x02K\x02K\x02\x86K\x01K\x02\x86\x89ccollections\nOrderedDict\n)RtRu.";
        [head.as_slice(), call.as_bytes(), storage.as_bytes(), rest].concat()
    }

    const REBUILD: &str = "torch._utils\n_rebuild_tensor_v2";

    #[test]
    fn tensors_are_found_by_name() {
        let found = tensors(&pickle(REBUILD, "torch\nFloatStorage")).unwrap();
        let w = &found["w"];
        assert_eq!((w.key.as_str(), w.dtype.clone(), w.offset), ("0", Ok(DType::F32), 2));
        assert_eq!((&w.shape[..], &w.strides[..]), (&[2, 2][..], &[1, 2][..]));
        let found = tensors(&pickle(REBUILD, "torch\nQUInt8Storage")).unwrap();
        assert_eq!(found["w"].dtype, Err("torch.QUInt8Storage".to_owned()));
    }

    /// A dictionary with one tensor of 4 floats of 8 bits, as torch writes it.
    #[test]
    fn tensors_say_the_dtype_that_their_storage_does_not() {
        let bytes = b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v3\n((X\x07\x00\x00\x00storage\
            ctorch.storage\nUntypedStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQK\x00K\x04\x85K\x01\x85\x89\
            ccollections\nOrderedDict\n)Rctorch\nfloat8_e5m2\ntRs.";
        let w = &tensors(bytes).unwrap()["w"];
        assert_eq!((w.key.as_str(), w.dtype.clone(), &w.shape[..]), ("0", Ok(DType::F8E5M2), &[4][..]));
    }

    #[test]
    fn nothing_is_run() {
        let refused = |bytes: &[u8]| tensors(bytes).unwrap_err();
        assert_eq!(
            refused(&pickle("os\nsystem", "torch\nFloatStorage")),
            "its pickle calls 'os.system', which the importer never runs"
        );
        assert_eq!(
            refused(b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R."),
            "its pickle calls '__builtin__.eval', which the importer never runs"
        );
        assert_eq!(refused(b"\x80\x02ios\nsystem\n."), "its pickle has opcode 0x69 at byte 2, which no tensors need");
    }

    #[test]
    fn damaged_pickles_are_errors() {
        let whole = pickle(REBUILD, "torch\nFloatStorage");
        for length in 0..whole.len() {
            assert!(tensors(&whole[..length]).is_err(), "{length} bytes");
        }
        for at in 0..whole.len() {
            for byte in [0, 0x28, 0x52, 0x7f, 0x85, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                _ = tensors(&changed);
            }
        }
        let deep = [b"\x80\x02)".as_slice(), &[0x85; 1000], b"."].concat();
        assert_eq!(tensors(&deep).unwrap_err(), "its pickle nests values more than 32 deep");
        assert_eq!(tensors(b"\x80\x02h\x07.").unwrap_err(), "its pickle has no value 7");
    }
}
