//! NumPy's `.npy` files: versions 1 to 3, either byte order, row- or column-major.
//!
//! The header is a Python literal of a fixed form, which the parser here accepts and nothing more: an existing crate
//! reads it as general Python, and overflows its stack or its integers on corrupt files.

use std::fs;
use std::path::Path;

use crate::safetensors::{FileError, map};
use crate::{DType, Tensor};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads a `.npy` file.
///
/// Row-major little-endian elements stay in the mapped file, others are brought into that order. String, object
/// and structured types, and unsigned integers wider than 8 bits, are [`FileError::Unsupported`].
pub fn read_npy(path: impl AsRef<Path>) -> Result<Tensor, FileError> {
    let path = path.as_ref();
    let corrupt = |reason: String| FileError::Corrupt { path: path.to_owned(), format: "npy", reason };
    let owner = map(path, "npy")?;
    let (header, start) = Header::parse((*owner).as_ref()).map_err(corrupt)?;
    let (dtype, is_big_endian) = element_type(&header.descr).ok_or_else(|| FileError::Unsupported {
        path: path.to_owned(),
        what: "the array".to_owned(),
        dtype: header.descr.clone(),
        limit: "Thunder does not have",
    })?;
    let mut shape = header.shape;
    if header.is_column_major {
        shape.reverse();
    }
    let mut tensor =
        Tensor::from_owner(dtype, shape, owner.clone(), start).map_err(|error| corrupt(error.to_string()))?;
    let trailing = (*owner).as_ref().len() - start - tensor.bytes().len();
    if trailing != 0 {
        return Err(corrupt(format!("{trailing} bytes follow the last element")));
    }
    if is_big_endian {
        tensor.bytes_mut().chunks_exact_mut(dtype.part().size()).for_each(<[u8]>::reverse);
    }
    if header.is_column_major {
        let reversed: Vec<usize> = (0..tensor.rank()).rev().collect();
        tensor = tensor.transpose(&reversed).expect("reversing the axes is a permutation");
    }
    Ok(tensor)
}

/// Writes a tensor as a `.npy` file, row-major and little-endian.
///
/// NumPy has no `bf16`: such a tensor is [`FileError::Unsupported`].
pub fn write_npy(path: impl AsRef<Path>, tensor: &Tensor) -> Result<(), FileError> {
    let path = path.as_ref();
    let descr = match tensor.dtype() {
        DType::Bool => "|b1",
        DType::U8 => "|u1",
        DType::I8 => "|i1",
        DType::I16 => "<i2",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::F16 => "<f2",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::C64 => "<c8",
        DType::C128 => "<c16",
        DType::BF16 | DType::F8E4M3FN | DType::F8E5M2 | DType::F8E4M3FNUZ | DType::F8E5M2FNUZ => {
            return Err(FileError::Unsupported {
                path: path.to_owned(),
                what: "the tensor".to_owned(),
                dtype: tensor.dtype().to_string(),
                limit: "the npy format does not have; use safetensors",
            });
        }
    };
    let extents: String = tensor.shape().iter().map(|extent| format!("{extent}, ")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", extents.trim_end());
    // Version 2 has a longer length field; the elements start at a multiple of 64 bytes, after a newline.
    let (version, length_size) = if header.len() < 65_000 { (1u8, 2) } else { (2, 4) };
    let prefix = MAGIC.len() + 2 + length_size;
    let header_length = (prefix + header.len() + 1).next_multiple_of(64) - prefix;
    let mut bytes = Vec::with_capacity(prefix + header_length + tensor.bytes().len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend([version, 0]);
    bytes.extend_from_slice(&(header_length as u32).to_le_bytes()[..length_size]);
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(prefix + header_length - 1, b' ');
    bytes.push(b'\n');
    bytes.extend_from_slice(tensor.bytes());
    fs::write(path, bytes).map_err(|source| FileError::Io { path: path.to_owned(), source })
}

/// The dtype for a type string such as `<f4`, and whether it is big-endian.
fn element_type(descr: &str) -> Option<(DType, bool)> {
    let order = descr.chars().next()?;
    let dtype = match descr.get(1..)? {
        "b1" => DType::Bool,
        "u1" => DType::U8,
        "i1" => DType::I8,
        "i2" => DType::I16,
        "i4" => DType::I32,
        "i8" => DType::I64,
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        "c8" => DType::C64,
        "c16" => DType::C128,
        _ => return None,
    };
    match order {
        '<' | '=' | '|' => Some((dtype, false)),
        '>' => Some((dtype, true)),
        _ => None,
    }
}

struct Header {
    descr: String,
    is_column_major: bool,
    shape: Vec<usize>,
}

impl Header {
    /// The header, and where the elements start; what is wrong otherwise.
    fn parse(file: &[u8]) -> Result<(Self, usize), String> {
        let rest = file.strip_prefix(MAGIC).ok_or("it does not start with \\x93NUMPY")?;
        let (version, rest) = rest.split_first_chunk::<2>().ok_or("it ends in the version")?;
        let truncated = "it ends in the header";
        let (length, text) = match version[0] {
            1 => {
                let (length, text) = rest.split_first_chunk().ok_or(truncated)?;
                (u16::from_le_bytes(*length) as usize, text)
            }
            2 | 3 => {
                let (length, text) = rest.split_first_chunk().ok_or(truncated)?;
                (u32::from_le_bytes(*length) as usize, text)
            }
            major => return Err(format!("version {major} of the format is not known")),
        };
        let start = file.len() - text.len() + length;
        let text = text.get(..length).ok_or(truncated)?;
        let text = std::str::from_utf8(text).map_err(|error| format!("its header is not text: {error}"))?;
        Ok((Literal { rest: text }.header()?, start))
    }
}

/// The part of a Python literal that is still to be read.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn header(mut self) -> Result<Header, String> {
        let (mut descr, mut is_column_major, mut shape) = (None, None, None);
        self.expect("{")?;
        while !self.eat("}") {
            let key = self.string()?;
            self.expect(":")?;
            match key {
                "descr" => descr = Some(self.descr()?),
                "fortran_order" => is_column_major = Some(self.truth()?),
                "shape" => shape = Some(self.tuple()?),
                _ => return Err(format!("its header has an unknown key '{key}'")),
            }
            if !self.eat(",") {
                self.expect("}")?;
                break;
            }
        }
        if !self.rest.trim().is_empty() {
            return Err(format!("its header goes on after the closing brace: {}", self.excerpt()));
        }
        Ok(Header {
            descr: descr.ok_or("its header lacks 'descr'")?,
            is_column_major: is_column_major.ok_or("its header lacks 'fortran_order'")?,
            shape: shape.ok_or("its header lacks 'shape'")?,
        })
    }

    /// A type string; a structured type, which is a list, is returned as it stands for the error that names it.
    fn descr(&mut self) -> Result<String, String> {
        self.rest = self.rest.trim_start();
        if !self.rest.starts_with('[') {
            return self.string().map(str::to_owned);
        }
        let mut depth = 0usize;
        for (at, c) in self.rest.char_indices() {
            match c {
                '[' => depth += 1,
                ']' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let (list, rest) = self.rest.split_at(at + 1);
                self.rest = rest;
                return Ok(list.to_owned());
            }
        }
        Err("its type is a list without an end".to_owned())
    }

    fn string(&mut self) -> Result<&'a str, String> {
        self.rest = self.rest.trim_start();
        let quote = self.rest.chars().next().filter(|&c| c == '\'' || c == '"');
        let parts = quote.and_then(|quote| self.rest[1..].split_once(quote));
        let (text, rest) = parts.ok_or_else(|| format!("its header lacks a string at {}", self.excerpt()))?;
        self.rest = rest;
        Ok(text)
    }

    fn truth(&mut self) -> Result<bool, String> {
        if self.eat("True") {
            return Ok(true);
        }
        self.expect("False").map(|()| false)
    }

    fn tuple(&mut self) -> Result<Vec<usize>, String> {
        let mut shape = Vec::new();
        self.expect("(")?;
        while !self.eat(")") {
            self.rest = self.rest.trim_start();
            let digits = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let (number, rest) = self.rest.split_at(digits);
            let extent = number.parse().map_err(|_| format!("its shape has a bad extent at {}", self.excerpt()))?;
            shape.push(extent);
            // NumPy on Python 2 wrote long integers with a suffix.
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            if !self.eat(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.eat(token) { Ok(()) } else { Err(format!("its header lacks '{token}' at {}", self.excerpt())) }
    }

    fn excerpt(&self) -> String {
        let start: String = self.rest.trim().chars().take(20).collect();
        if start.is_empty() { "its end".to_owned() } else { format!("{start:?}") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Random;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn read(bytes: &[u8]) -> Result<Tensor, FileError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.npy");
        fs::write(&path, bytes).unwrap();
        read_npy(&path)
    }

    #[test]
    fn every_dtype_round_trips_without_copies() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.npy");
        for dtype in DType::ALL {
            for shape in [vec![], vec![5], vec![2, 0, 3], vec![2, 3, 4]] {
                let x = Random::new(3).uniform(dtype, shape, 0.0..2.0);
                match write_npy(&path, &x) {
                    Ok(()) => {
                        let read = read_npy(&path).unwrap();
                        assert_eq!(read, x);
                        assert!(read.is_external());
                        assert!(read.bytes().as_ptr().addr().is_multiple_of(64));
                    }
                    Err(error) => {
                        assert!(dtype == DType::BF16 || dtype.is_float8());
                        let lacks = format!("{dtype}, which the npy format does not have");
                        assert!(error.to_string().contains(&lacks), "{error}");
                    }
                }
            }
        }
    }

    #[test]
    fn writes_what_numpy_writes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.npy");
        write_npy(&path, &Tensor::from_vec([2], vec![1i16, -2]).unwrap()).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00v\x00");
        assert!(bytes[10..].starts_with(b"{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }  "));
        assert_eq!(&bytes[127..], b"\n\x01\x00\xfe\xff");
    }

    #[test]
    fn reads_other_orders() {
        let big = file("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }\n", &[0, 1, 0xff, 0xfe]);
        assert_eq!(read(&big).unwrap(), Tensor::from_vec([2], vec![1i16, -2]).unwrap());
        let columns = file("{'shape': (2, 3), 'fortran_order': True, 'descr': \"|u1\"}", &[1, 2, 3, 4, 5, 6]);
        assert_eq!(read(&columns).unwrap(), Tensor::from_vec([2, 3], vec![1u8, 3, 5, 2, 4, 6]).unwrap());
        let both = file("{'descr': '>f4','fortran_order': True,'shape': (1, 2L)}", &[0x3f, 0x80, 0, 0, 0x40, 0, 0, 0]);
        assert_eq!(read(&both).unwrap(), Tensor::from_vec([1, 2], vec![1.0f32, 2.0]).unwrap());
    }

    #[test]
    fn bad_files_are_errors_that_name_them() {
        let reason = |bytes: &[u8]| {
            let error = read(bytes).unwrap_err().to_string();
            assert!(error.contains("x.npy: "), "{error}");
            error
        };
        let shaped =
            |shape: &str| file(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}"), &[0; 4]);
        assert!(reason(b"").contains("the file is empty"));
        assert!(reason(b"PK\x03\x04").contains("does not start with"));
        assert!(reason(b"\x93NUMPY\x01").contains("ends in the version"));
        assert!(reason(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{").contains("ends in the header"));
        assert!(reason(b"\x93NUMPY\x09\x00\x00\x00").contains("version 9"));
        assert!(reason(&shaped("(2,)")).contains("needs 8 bytes, got 4"));
        assert!(reason(&shaped("(0,)")).contains("4 bytes follow"));
        assert!(reason(&shaped("(-1,)")).contains("bad extent at \"-1,)}\""));
        assert!(reason(&shaped("(99999999999999999999,)")).contains("bad extent"));
        assert!(reason(&shaped("(4294967296, 4294967296, 4294967296)")).contains("too large"));
        assert!(reason(&shaped("((((1,),),),)")).contains("bad extent"));
        assert!(reason(&file("{'descr': '<u4', 'fortran_order': False, 'shape': ()}", &[0; 4])).contains("type <u4"));
        assert!(
            reason(&file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", &[0; 4]))
                .contains("element type [('a', '<f4')], which Thunder does not have")
        );
        assert!(reason(&file("{'descr': '<f4', 'shape': ()}", &[0; 4])).contains("lacks 'fortran_order'"));
        assert!(reason(&file("{'descr': '|b1', 'fortran_order': False, 'shape': ()}", &[2])).contains("truth value"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn damaged_files_never_panic(at in 0usize..160, byte: u8, cut in 0usize..160) {
            let mut bytes = file("{'descr': [['<f4'], 'fortran_order': False, 'shape': (2, 3), }\n", &[1; 24]);
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(length - cut.saturating_sub(80).min(length));
            let _ = read(&bytes);
            let mut bytes = file("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n", &[1; 24]);
            let length = bytes.len();
            bytes[at % length] = byte;
            let _ = read(&bytes);
        }
    }
}
