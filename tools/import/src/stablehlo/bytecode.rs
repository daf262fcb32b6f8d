//! StableHLO as portable bytecode: MLIR's bytecode format, with ops, types and attributes of the VHLO dialect.
//!
//! The container is <https://mlir.llvm.org/docs/BytecodeFormat>, versions 1 to 6; what VHLO has in it is laid down by the
//! StableHLO project. Every number of the file is checked before it is believed: sizes are within their section, counts
//! are no more than there are bytes, indices are within their table.

mod attributes;
mod bytes;
mod ir;
mod vhlo;

use std::collections::BTreeMap;

use attributes::Entries;
use bytes::{Bytes, Damage, Read};

use super::program::Program;

/// The versions of the format that are known.
const VERSIONS: std::ops::RangeInclusive<u64> = 1..=6;

/// Numbers of sections.
const STRINGS: u8 = 0;
const DIALECTS: u8 = 1;
const ATTRIBUTES: u8 = 2;
const OFFSETS: u8 = 3;
const IR: u8 = 4;
const DIALECT_VERSIONS: u8 = 7;
const PROPERTIES: u8 = 8;
const SECTIONS: usize = 9;

/// Reads a module; an error says at which byte.
pub(crate) fn read(file: &[u8]) -> Result<Program, (usize, String)> {
    let damage = |damage: Damage| (damage.at, damage.message);
    let module = File::open(file).and_then(|file| file.module()).map_err(damage)?;
    Program::of(module, BTreeMap::new()).map_err(|message| (file.len(), message))
}

/// The parts of a file.
struct File<'f> {
    version: u64,
    /// Of each op by number: its dialect, its name, and whether it was registered when it was written.
    ops: Vec<(&'f str, &'f str, bool)>,
    entries: Entries<'f>,
    /// The properties of ops by number.
    properties: Vec<Bytes<'f>>,
    ir: Bytes<'f>,
}

impl<'f> File<'f> {
    fn open(file: &'f [u8]) -> Read<Self> {
        let mut bytes = Bytes::new(file);
        bytes.pass(4)?;
        let version = bytes.varint()?;
        if !VERSIONS.contains(&version) {
            return bytes.fail(format!("version {version} of MLIR's bytecode is not known, only 1 to 6"));
        }
        bytes.text_to_null()?;
        let mut sections: [Option<Bytes<'f>>; SECTIONS] = [const { None }; SECTIONS];
        while !bytes.is_done() {
            let (number, section) = bytes.section()?;
            match sections.get_mut(usize::from(number)) {
                Some(place @ None) => *place = Some(section),
                Some(Some(_)) => return section.fail(format!("section {number} is there twice")),
                None => return section.fail(format!("there is no section of number {number}")),
            }
        }
        let end = Bytes::at_end(file);
        let mut section = |number: u8| match sections[usize::from(number)].take() {
            Some(section) => Ok(section),
            None => end.fail(format!("section {number} is missing")),
        };
        let strings = strings(section(STRINGS)?)?;
        let (dialects, ops) = dialects(section(DIALECTS)?, version, &strings)?;
        let entries = Entries::read(section(ATTRIBUTES)?, section(OFFSETS)?, &dialects, &strings)?;
        let ir = section(IR)?;
        let properties = match section(PROPERTIES) {
            Ok(section) => properties(section)?,
            Err(_) => Vec::new(),
        };
        Ok(Self { version, ops, entries, properties, ir })
    }
}

/// The table of strings, whose sizes stand before it in reverse.
fn strings<'f>(mut section: Bytes<'f>) -> Read<Vec<&'f str>> {
    let count = section.count()?;
    let sizes: Vec<usize> = (0..count).map(|_| section.size()).collect::<Read<_>>()?;
    let mut strings = Vec::with_capacity(count);
    for size in sizes.into_iter().rev() {
        let mut part = section.part(size)?;
        match part.rest().split_last() {
            Some((0, text)) => match std::str::from_utf8(text) {
                Ok(text) => strings.push(text),
                // Names are text; what is not, such as a backend's configuration, is none that is asked for.
                Err(_) => strings.push(""),
            },
            _ => return part.fail("a string does not end"),
        }
        part.pass(size)?;
    }
    Ok(strings)
}

/// Names of dialects and of ops.
type Names<'f> = (Vec<&'f str>, Vec<(&'f str, &'f str, bool)>);

fn dialects<'f>(mut section: Bytes<'f>, version: u64, strings: &[&'f str]) -> Read<Names<'f>> {
    let named = |section: &Bytes<'f>, index: u64| {
        let name = usize::try_from(index).ok().and_then(|index| strings.get(index).copied());
        name.map_or_else(|| section.fail(format!("there is no string {index}")), Ok)
    };
    let count = section.count()?;
    let mut dialects = Vec::with_capacity(count);
    for _ in 0..count {
        let (name, is_versioned) = section.flagged()?;
        dialects.push(named(&section, name)?);
        if is_versioned {
            let (number, versions) = section.section()?;
            if number != DIALECT_VERSIONS {
                return versions.fail(format!("section {number} in place of a dialect's version"));
            }
        }
    }
    let mut ops = Vec::new();
    if version >= 4 {
        section.count()?;
    }
    while !section.is_done() {
        let dialect = section.index(dialects.len())?;
        for _ in 0..section.count()? {
            // Whether an op is registered is said since version 5.
            let (name, is_registered) = if version >= 5 { section.flagged()? } else { (section.varint()?, false) };
            ops.push((dialects[dialect], named(&section, name)?, is_registered));
        }
    }
    Ok((dialects, ops))
}

fn properties<'f>(mut section: Bytes<'f>) -> Read<Vec<Bytes<'f>>> {
    let count = section.count()?;
    let one = |section: &mut Bytes<'f>| {
        let size = section.size()?;
        section.part(size)
    };
    (0..count).map(|_| one(&mut section)).collect()
}
