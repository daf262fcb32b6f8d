//! Ops and regions of a file.

use std::rc::Rc;

use super::bytes::{Bytes, Read};
use super::{File, IR, vhlo};
use crate::stablehlo::program::{Argument, Attribute, Location, Op, Region};

/// How deep regions may nest.
const DEPTH: usize = 64;

/// Parts that an op may have.
const HAS_ATTRIBUTES: u8 = 1;
const HAS_RESULTS: u8 = 1 << 1;
const HAS_OPERANDS: u8 = 1 << 2;
const HAS_SUCCESSORS: u8 = 1 << 3;
const HAS_REGIONS: u8 = 1 << 4;
const HAS_USE_ORDERS: u8 = 1 << 5;
const HAS_PROPERTIES: u8 = 1 << 6;

/// The values of a function, which its regions number one after the other.
#[derive(Clone, Copy)]
struct Scope {
    /// What the file calls number 0: regions that use no value from around them count from there again.
    base: usize,
    /// The number of the next value that is made.
    next: usize,
    /// Behind the numbers of all regions around.
    end: usize,
}

impl<'f> File<'f> {
    /// The op at the top, which is the module.
    pub(super) fn module(&self) -> Read<Op> {
        let mut bytes = self.ir.clone();
        let mut ops = Vec::new();
        self.block(&mut bytes, &mut ops, &mut Vec::new(), &mut Scope { base: 0, next: 0, end: 0 }, 0)?;
        match ops.pop() {
            Some(module) if ops.is_empty() && module.name == "builtin.module" => Ok(module),
            _ => bytes.fail("there is no module"),
        }
    }

    /// The one block of a region.
    fn block(
        &self,
        bytes: &mut Bytes<'f>,
        ops: &mut Vec<Op>,
        arguments: &mut Vec<Argument>,
        scope: &mut Scope,
        depth: usize,
    ) -> Read<()> {
        if depth == DEPTH {
            return bytes.fail(format!("regions nest deeper than {DEPTH}"));
        }
        let (count, has_arguments) = bytes.flagged_count()?;
        if has_arguments {
            for _ in 0..bytes.count()? {
                arguments.push(self.argument(bytes, scope)?);
            }
            // Orders of uses are said since version 3.
            if self.version >= 3 && bytes.byte()? != 0 {
                use_orders(bytes, arguments.len())?;
            }
        }
        for _ in 0..count {
            ops.push(self.op(bytes, scope, depth)?);
        }
        Ok(())
    }

    fn argument(&self, bytes: &mut Bytes<'f>, scope: &mut Scope) -> Read<Argument> {
        // Locations that are not known are left out since version 4; the number of the type says so.
        let (ty, has_location) = if self.version >= 4 {
            let (index, has_location) = bytes.flagged()?;
            (self.entries.type_number(bytes, index)?, has_location)
        } else {
            (self.entries.ty(bytes)?, true)
        };
        let location = if has_location { self.entries.location(bytes)? } else { Rc::new(Location::Unknown) };
        Ok(Argument { value: scope.take(bytes)?, ty, location })
    }

    fn op(&self, bytes: &mut Bytes<'f>, scope: &mut Scope, depth: usize) -> Read<Op> {
        let (dialect, name, is_registered) = self.ops[bytes.index(self.ops.len())?];
        let mask = bytes.byte()?;
        let has = |part: u8| mask & part != 0;
        let location = self.entries.location(bytes)?;
        let mut attributes = Vec::new();
        if has(HAS_ATTRIBUTES) {
            attributes = match self.entries.attribute(bytes)? {
                Attribute::Table(entries) => entries,
                _ => return bytes.fail(format!("the attributes of '{dialect}.{name}' have no names")),
            };
        }
        if has(HAS_PROPERTIES) {
            attributes.extend(self.properties(bytes, dialect, name, is_registered)?);
        }
        let mut types = Vec::new();
        if has(HAS_RESULTS) {
            for _ in 0..bytes.count()? {
                types.push(self.entries.ty(bytes)?);
            }
        }
        let mut operands = Vec::new();
        if has(HAS_OPERANDS) {
            for _ in 0..bytes.count()? {
                let number = usize::try_from(bytes.varint()?).ok();
                operands.push(number.and_then(|number| scope.base.checked_add(number)).unwrap_or(usize::MAX));
            }
        }
        if has(HAS_SUCCESSORS) {
            return bytes.fail("blocks that branch are not part of StableHLO");
        }
        if self.version >= 3 && has(HAS_USE_ORDERS) {
            use_orders(bytes, types.len())?;
        }
        let mut regions = Vec::new();
        if has(HAS_REGIONS) {
            let (count, is_isolated) = bytes.flagged_count()?;
            regions.resize(count, Region::default());
            let outer = if spelled(dialect, name) == "func.func" { Scope { base: 0, next: 0, end: 0 } } else { *scope };
            self.regions(bytes, &mut regions, outer, is_isolated, depth)?;
        }
        // Regions number their values from the end of those around, whichever have been made.
        let results = types.into_iter().map(|ty| Ok((scope.take(bytes)?, ty))).collect::<Read<Vec<_>>>()?;
        Ok(Op { name: spelled(dialect, name), operands, results, attributes, regions, location })
    }

    fn regions(
        &self,
        bytes: &mut Bytes<'f>,
        regions: &mut [Region],
        scope: Scope,
        is_isolated: bool,
        depth: usize,
    ) -> Read<()> {
        // What sees nothing around is a section of its own since version 2.
        let mut own = None;
        if is_isolated && self.version >= 2 {
            let (number, section) = bytes.section()?;
            if number != IR {
                return section.fail(format!("section {number} in place of regions"));
            }
            own = Some(section);
        }
        let bytes = own.as_mut().unwrap_or(bytes);
        for region in regions {
            let blocks = bytes.varint()?;
            if blocks == 0 {
                continue;
            }
            if blocks > 1 {
                return bytes.fail("a region of several blocks is not part of StableHLO");
            }
            let values = bytes.count()?;
            let base = if is_isolated { scope.end } else { scope.base };
            let mut inner = Scope { base, next: scope.end, end: scope.end + values };
            self.block(bytes, &mut region.ops, &mut region.arguments, &mut inner, depth + 1)?;
        }
        Ok(())
    }

    /// The attributes that an op has as properties.
    fn properties(
        &self,
        bytes: &mut Bytes<'f>,
        dialect: &str,
        name: &str,
        is_registered: bool,
    ) -> Read<Vec<(String, Attribute)>> {
        if !is_registered {
            return Ok(match self.entries.attribute(bytes)? {
                Attribute::Table(entries) => entries,
                _ => Vec::new(),
            });
        }
        let mut properties = self.properties[bytes.index(self.properties.len())?].clone();
        if dialect != "vhlo" {
            return Ok(Vec::new());
        }
        let names = vhlo::attributes(name).iter();
        names.map(|name| Ok(((*name).to_owned(), self.entries.attribute(&mut properties)?))).collect()
    }
}

impl Scope {
    fn take(&mut self, bytes: &Bytes<'_>) -> Read<usize> {
        if self.next == self.end {
            return bytes.fail("a region has more values than it says");
        }
        self.next += 1;
        Ok(self.next - 1)
    }
}

/// Passes the orders in which values are used.
fn use_orders(bytes: &mut Bytes<'_>, values: usize) -> Read<()> {
    let records = if values > 1 { bytes.count()? } else { 1 };
    for _ in 0..records {
        if values > 1 {
            bytes.varint()?;
        }
        let (count, _) = bytes.flagged_count()?;
        for _ in 0..count {
            bytes.varint()?;
        }
    }
    Ok(())
}

/// The name that text has for an op.
fn spelled(dialect: &str, name: &str) -> String {
    let plain = match dialect {
        "vhlo" => match name.rsplit_once("_v") {
            Some((plain, version)) if version.bytes().all(|digit| digit.is_ascii_digit()) => plain,
            _ => name,
        },
        _ => name,
    };
    match (dialect, plain) {
        ("vhlo", "func") => "func.func".to_owned(),
        ("vhlo", "call") => "func.call".to_owned(),
        (_, "return") => "return".to_owned(),
        ("vhlo", plain) => format!("stablehlo.{plain}"),
        _ => format!("{dialect}.{plain}"),
    }
}
