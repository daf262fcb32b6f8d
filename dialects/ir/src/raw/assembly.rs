//! MLIR's assembly parser and printer, for operations, types and attributes of Rust dialects.

use super::attribute::Attribute;
use super::block::{Block, Region};
use super::context::{ContextRef, Location};
use super::operation::Operation;
use super::types::Type;
use super::value::Value;
use super::{read, text};
use mlir_sys::*;
use std::ffi::c_char;
use std::marker::PhantomData;
use thunder_mlir_shim::asm::*;

/// The parser could not go on; it has said why in a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseFailure;

/// What a parsing function returns.
pub type Parsed<T = ()> = Result<T, ParseFailure>;

/// An operand that was named but whose type is not known yet.
#[derive(Clone, Copy, Debug)]
pub struct Unresolved(i64);

/// A place in the source, for errors.
#[derive(Clone, Copy)]
pub struct Place(*const c_char);

/// Reads the custom form of an operation, type or attribute.
pub struct Parser<'c> {
    raw: *mut AsmParser,
    for_op: bool,
    lifetime: PhantomData<&'c ()>,
}

fn done(ok: bool) -> Parsed {
    if ok { Ok(()) } else { Err(ParseFailure) }
}

fn optional<T>(outcome: i32, value: impl FnOnce() -> T) -> Parsed<Option<T>> {
    match outcome {
        0 => Ok(None),
        1 => Ok(Some(value())),
        _ => Err(ParseFailure),
    }
}

impl<'c> Parser<'c> {
    /// # Safety
    /// `raw` is alive for `'c`; `for_op` says whether it parses an operation.
    pub(crate) unsafe fn from_raw(raw: *mut AsmParser, for_op: bool) -> Self {
        Self { raw, for_op, lifetime: PhantomData }
    }

    #[track_caller]
    fn op(&self) -> *mut AsmParser {
        assert!(self.for_op, "only the parser of an operation can do this");
        self.raw
    }

    /// The owning context.
    pub fn context(&self) -> ContextRef<'c> {
        // SAFETY: the parser is alive.
        unsafe { ContextRef::from_raw(thunderParserContext(self.raw)) }
    }

    /// Where the thing being parsed starts.
    pub fn location(&self) -> Location<'c> {
        // SAFETY: the parser is alive.
        unsafe { Location::from_raw(thunderParserLocation(self.raw)) }
    }

    /// The place of the next token.
    pub fn here(&self) -> Place {
        // SAFETY: the parser is alive.
        Place(unsafe { thunderParserHere(self.raw) })
    }

    /// Reports an error at `place`; for use as `return Err(p.error_at(..))`.
    pub fn error_at(&self, place: Place, message: &str) -> ParseFailure {
        // SAFETY: the place points into the source that is being parsed.
        unsafe { thunderParserError(self.raw, place.0, text(message)) }
        ParseFailure
    }

    /// Reports an error at the start of the thing being parsed.
    pub fn error(&self, message: &str) -> ParseFailure {
        // SAFETY: null means the start.
        unsafe { thunderParserError(self.raw, std::ptr::null(), text(message)) }
        ParseFailure
    }

    fn punctuation(&self, token: &str, optional: bool) -> bool {
        let kind = match token.as_bytes() {
            [one] => i32::from(*one),
            b"->" => i32::from(b'>') << 8 | i32::from(b'-'),
            b"..." => i32::from(b'.'),
            _ => panic!("'{token}' is not punctuation of MLIR"),
        };
        // SAFETY: the parser is alive.
        unsafe { thunderParserPunctuation(self.raw, kind, optional) != 0 }
    }

    /// Expects punctuation: one of `( ) [ ] { } < > , : = ? * + - / | -> ...`.
    pub fn token(&self, token: &str) -> Parsed {
        done(self.punctuation(token, false))
    }

    /// Takes punctuation if it is next.
    pub fn try_token(&self, token: &str) -> bool {
        self.punctuation(token, true)
    }

    /// Expects this keyword.
    pub fn keyword(&self, keyword: &str) -> Parsed {
        // SAFETY: the parser is alive.
        done(unsafe { thunderParserKeyword(self.raw, text(keyword), false) })
    }

    /// Takes this keyword if it is next.
    pub fn try_keyword(&self, keyword: &str) -> bool {
        // SAFETY: the parser is alive.
        unsafe { thunderParserKeyword(self.raw, text(keyword), true) }
    }

    /// Expects any keyword.
    pub fn any_keyword(&self) -> Parsed<String> {
        let mut out = text("");
        // SAFETY: the parser is alive; the keyword is a slice of its source.
        unsafe {
            done(thunderParserAnyKeyword(self.raw, false, &mut out))?;
            Ok(read(out).to_owned())
        }
    }

    /// Expects a string literal.
    pub fn string(&self) -> Parsed<String> {
        let mut out = text("");
        // SAFETY: the parser is alive and owns the text until its next string.
        unsafe {
            done(thunderParserString(self.raw, false, &mut out))?;
            Ok(read(out).to_owned())
        }
    }

    /// Takes an integer if one is next.
    pub fn try_integer(&self) -> Parsed<Option<i64>> {
        let mut value = 0;
        // SAFETY: the parser is alive.
        let outcome = unsafe { thunderParserInteger(self.raw, &mut value) };
        optional(outcome, || value)
    }

    /// Expects an integer.
    pub fn integer(&self) -> Parsed<i64> {
        let here = self.here();
        self.try_integer()?.ok_or_else(|| self.error_at(here, "expected an integer"))
    }

    /// Expects a float literal, or an integer to be read as one.
    pub fn float(&self) -> Parsed<f64> {
        let mut value = 0.0;
        // SAFETY: the parser is alive.
        let ok = unsafe { thunderParserFloat(self.raw, &mut value) };
        done(ok.value != 0)?;
        Ok(value)
    }

    /// Expects a type.
    pub fn ty(&self) -> Parsed<Type<'c>> {
        let mut raw = MlirType { ptr: std::ptr::null() };
        // SAFETY: the parser is alive; the type is not null on success.
        unsafe {
            let outcome = thunderParserType(self.raw, false, &mut raw);
            optional(outcome, || Type::from_raw(raw))?.ok_or(ParseFailure)
        }
    }

    /// Takes a type if one is next.
    pub fn try_ty(&self) -> Parsed<Option<Type<'c>>> {
        let mut raw = MlirType { ptr: std::ptr::null() };
        // SAFETY: the parser is alive; the type is not null on success.
        unsafe {
            let outcome = thunderParserType(self.raw, true, &mut raw);
            optional(outcome, || Type::from_raw(raw))
        }
    }

    /// Expects an attribute, with its own type after it.
    pub fn attribute(&self) -> Parsed<Attribute<'c>> {
        self.attribute_of(None)
    }

    /// Expects an attribute of a known type, which the text does not repeat.
    pub fn attribute_of(&self, ty: Option<Type<'c>>) -> Parsed<Attribute<'c>> {
        let ty = ty.map_or(MlirType { ptr: std::ptr::null() }, Type::to_raw);
        // SAFETY: the parser is alive; null after an error.
        unsafe { Attribute::from_nullable(thunderParserAttribute(self.raw, ty)).ok_or(ParseFailure) }
    }

    /// Expects `@name`.
    pub fn symbol_name(&self) -> Parsed<String> {
        // SAFETY: the parser is alive; null after an error.
        let attribute = unsafe { Attribute::from_nullable(thunderParserSymbolName(self.raw)) };
        Ok(attribute.ok_or(ParseFailure)?.as_string().unwrap_or_default().to_owned())
    }

    /// Parses `open item, item close`.
    pub fn list<T>(&self, open: &str, close: &str, mut item: impl FnMut(&Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.token(open)?;
        let mut items = Vec::new();
        if self.try_token(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if !self.try_token(",") {
                break;
            }
        }
        self.token(close)?;
        Ok(items)
    }

    /// Takes a dictionary of further attributes if one is next.
    pub fn attributes(&self) -> Parsed {
        // SAFETY: parses an operation.
        done(unsafe { thunderParserAttrDict(self.op(), false) }.value != 0)
    }

    /// Takes `attributes {...}` if it is next.
    pub fn attributes_with_keyword(&self) -> Parsed {
        // SAFETY: parses an operation.
        done(unsafe { thunderParserAttrDict(self.op(), true) }.value != 0)
    }

    /// Expects an operand.
    pub fn operand(&self) -> Parsed<Unresolved> {
        // SAFETY: parses an operation.
        let index = unsafe { thunderParserOperand(self.op(), false) };
        if index < 0 { Err(ParseFailure) } else { Ok(Unresolved(index)) }
    }

    /// Takes an operand if one is next.
    pub fn try_operand(&self) -> Parsed<Option<Unresolved>> {
        // SAFETY: parses an operation.
        match unsafe { thunderParserOperand(self.op(), true) } {
            -1 => Ok(None),
            index if index < 0 => Err(ParseFailure),
            index => Ok(Some(Unresolved(index))),
        }
    }

    /// The place where an operand stands.
    pub fn place_of(&self, operand: Unresolved) -> Place {
        // SAFETY: parses an operation, and the index came from it.
        Place(unsafe { thunderParserOperandLocation(self.op(), operand.0) })
    }

    /// Appends an operand, now that its type is known, to the operation.
    pub(crate) fn resolve(&self, operand: Unresolved, ty: Type<'c>) -> Parsed<MlirValue> {
        // SAFETY: parses an operation, and the index came from it; null after an error.
        let value = unsafe { thunderParserResolve(self.op(), operand.0, ty.to_raw()) };
        if value.ptr.is_null() { Err(ParseFailure) } else { Ok(value) }
    }

    /// Appends operands, whose types are known now, to the operation.
    pub fn resolve_all(&self, operands: &[Unresolved], types: &[Type<'c>]) -> Parsed {
        if operands.len() != types.len() {
            return Err(self.error(&format!("{} operands present, but {} types given", operands.len(), types.len())));
        }
        operands.iter().zip(types).try_for_each(|(o, ty)| self.resolve(*o, *ty).map(|_| ()))
    }

    /// Expects `%name: type`, the argument of a region that follows.
    pub fn argument(&self) -> Parsed<(Unresolved, Option<Type<'c>>)> {
        let mut ty = MlirType { ptr: std::ptr::null() };
        // SAFETY: parses an operation; the type is null where none is given.
        unsafe {
            let index = thunderParserArgument(self.op(), &mut ty);
            if index < 0 {
                return Err(ParseFailure);
            }
            Ok((Unresolved(index), Type::from_nullable(ty)))
        }
    }

    /// Expects a region, whose entry block has these arguments.
    pub fn region(&self, arguments: &[(Unresolved, Type<'c>)]) -> Parsed {
        let names: Vec<_> = arguments.iter().map(|(name, _)| name.0).collect();
        let types: Vec<_> = arguments.iter().map(|(_, ty)| ty.to_raw()).collect();
        // SAFETY: parses an operation; indices came from it.
        let ok = unsafe { thunderParserRegion(self.op(), names.len() as isize, names.as_ptr(), types.as_ptr()) };
        done(ok.value != 0)
    }

    /// Takes a region if one is next.
    pub fn try_region(&self) -> Parsed<bool> {
        // SAFETY: parses an operation.
        let outcome = unsafe { thunderParserOptionalRegion(self.op()) };
        Ok(optional(outcome, || ())?.is_some())
    }

    /// Adds an empty region.
    pub fn empty_region(&self) {
        // SAFETY: parses an operation.
        unsafe { thunderParserEmptyRegion(self.op()) }
    }

    /// Expects a successor block.
    pub fn successor(&self) -> Parsed {
        // SAFETY: parses an operation.
        done(unsafe { thunderParserSuccessor(self.op(), false) } == 1)
    }

    /// Takes a successor block if one is next.
    pub fn try_successor(&self) -> Parsed<bool> {
        // SAFETY: parses an operation.
        let outcome = unsafe { thunderParserSuccessor(self.op(), true) };
        Ok(optional(outcome, || ())?.is_some())
    }

    /// Sets an attribute of the operation.
    pub fn set_attribute(&self, name: &str, value: Attribute<'c>) {
        // SAFETY: parses an operation; the name is copied.
        unsafe { thunderParserAddAttribute(self.op(), text(name), value.to_raw()) }
    }

    /// An attribute of the operation, if it was set.
    pub fn attribute_set(&self, name: &str) -> Option<Attribute<'c>> {
        // SAFETY: parses an operation; null where absent.
        unsafe { Attribute::from_nullable(thunderParserGetAttribute(self.op(), text(name))) }
    }

    /// All attributes set so far, as a dictionary.
    pub fn attributes_set(&self) -> Attribute<'c> {
        // SAFETY: parses an operation.
        unsafe { Attribute::from_raw(thunderParserAttributes(self.op())) }
    }

    /// Declares the types of further results.
    pub fn add_results(&self, types: &[Type<'c>]) {
        let raw: Vec<_> = types.iter().map(|ty| ty.to_raw()).collect();
        // SAFETY: parses an operation.
        unsafe { thunderParserAddTypes(self.op(), raw.len() as isize, raw.as_ptr()) }
    }
}

/// Writes the custom form of an operation, type or attribute.
pub struct Printer<'c> {
    raw: *mut AsmPrinter,
    for_op: bool,
    lifetime: PhantomData<&'c ()>,
}

impl<'c> Printer<'c> {
    /// # Safety
    /// `raw` is alive for `'c`; `for_op` says whether it prints an operation.
    pub(crate) unsafe fn from_raw(raw: *mut AsmPrinter, for_op: bool) -> Self {
        Self { raw, for_op, lifetime: PhantomData }
    }

    #[track_caller]
    fn op(&self) -> *mut AsmPrinter {
        assert!(self.for_op, "only the printer of an operation can do this");
        self.raw
    }

    /// Writes text as it is.
    pub fn text(&self, part: &str) -> &Self {
        // SAFETY: the printer is alive.
        unsafe { thunderPrinterText(self.raw, text(part)) }
        self
    }

    /// Writes a quoted, escaped string.
    pub fn string(&self, value: &str) -> &Self {
        // SAFETY: the printer is alive.
        unsafe { thunderPrinterString(self.raw, text(value)) }
        self
    }

    /// Writes `@name`.
    pub fn symbol_name(&self, name: &str) -> &Self {
        // SAFETY: the printer is alive.
        unsafe { thunderPrinterSymbolName(self.raw, text(name)) }
        self
    }

    /// Writes a type.
    pub fn ty(&self, ty: Type<'_>) -> &Self {
        // SAFETY: the printer is alive.
        unsafe { thunderPrinterType(self.raw, ty.to_raw()) }
        self
    }

    /// Writes an attribute and its type.
    pub fn attribute(&self, attribute: Attribute<'_>) -> &Self {
        // SAFETY: the printer is alive.
        unsafe { thunderPrinterAttribute(self.raw, attribute.to_raw(), true) }
        self
    }

    /// Writes an attribute without its type.
    pub fn attribute_without_type(&self, attribute: Attribute<'_>) -> &Self {
        // SAFETY: the printer is alive.
        unsafe { thunderPrinterAttribute(self.raw, attribute.to_raw(), false) }
        self
    }

    /// Writes items with `, ` between them.
    pub fn separated<T>(&self, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&Self, T)) -> &Self {
        for (index, value) in items.into_iter().enumerate() {
            if index > 0 {
                self.text(", ");
            }
            item(self, value);
        }
        self
    }

    /// Writes an operand's name.
    pub fn operand(&self, value: Value<'_>) -> &Self {
        // SAFETY: prints an operation; the value is alive.
        unsafe { thunderPrinterOperand(self.op(), value.to_raw()) }
        self
    }

    /// Writes a region, with or without the arguments of its entry block and its terminators.
    pub fn region(&self, region: Region<'_>, arguments: bool, terminators: bool) -> &Self {
        // SAFETY: prints an operation; the region is alive.
        unsafe { thunderPrinterRegion(self.op(), region.to_raw(), arguments, terminators) }
        self
    }

    /// Writes a successor's name.
    pub fn successor(&self, block: Block<'_>) -> &Self {
        // SAFETY: prints an operation; the block is alive.
        unsafe { thunderPrinterSuccessor(self.op(), block.to_raw()) }
        self
    }

    /// Writes the attributes of `op` that are not in `elided`, in braces, if any.
    pub fn attributes(&self, op: Operation<'_>, elided: &[&str]) -> &Self {
        self.attribute_dictionary(op, elided, false)
    }

    /// Writes `attributes {...}` with those that are not in `elided`, if any.
    pub fn attributes_with_keyword(&self, op: Operation<'_>, elided: &[&str]) -> &Self {
        self.attribute_dictionary(op, elided, true)
    }

    fn attribute_dictionary(&self, op: Operation<'_>, elided: &[&str], keyword: bool) -> &Self {
        let raw: Vec<_> = elided.iter().map(|name| text(name)).collect();
        // SAFETY: prints an operation, which is alive.
        unsafe {
            thunderPrinterAttrDict(self.op(), op.to_raw(), raw.len() as isize, raw.as_ptr(), keyword);
        }
        self
    }
}
