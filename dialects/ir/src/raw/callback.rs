//! The C tables of Rust dialects: every callback enters here, guarded against panics.

use super::assembly::{Parsed, Parser, Printer, Unresolved};
use super::attribute::Attribute;
use super::context::Location;
use super::diagnostic::{emit, guard};
use super::operation::Operation;
use super::scope::{Editing, Scope};
use super::types::Type;
use super::value::Value;
use super::{outcome, read, text};
use crate::diagnostic::{Error, Severity};
use crate::dialect::Dialect;
use crate::format;
use crate::op::{EffectSpec, FoldOutcome, Folded, OpDef, View, infer_types};
use crate::parametric::ParametricDef;
use crate::rewrite::Patterns;
use mlir_sys::*;
use std::ffi::c_void;
use thunder_mlir_shim::asm::{AsmParser, AsmPrinter};
use thunder_mlir_shim::dialect as shim;

/// The C table of a dialect; made once and kept for the life of the process.
pub(crate) fn dialect_table(dialect: &'static Dialect) -> *const shim::Dialect {
    let table = dialect.table.get_or_init(|| Table(build_table(dialect)));
    &raw const *table.0
}

/// A finished C table.
pub(crate) struct Table(&'static shim::Dialect);

// SAFETY: the table and all it points to are never written after they are made.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

fn leak<T: 'static>(items: Vec<T>) -> (isize, *const T) {
    let items: &'static [T] = Vec::leak(items);
    (items.len() as isize, items.as_ptr())
}

fn texts(items: impl IntoIterator<Item = &'static str>) -> (isize, *const MlirStringRef) {
    leak(items.into_iter().map(text).collect())
}

fn build_table(dialect: &'static Dialect) -> &'static shim::Dialect {
    for def in &dialect.ops {
        def.home.get_or_init(|| dialect);
    }
    let (n_ops, ops) = leak(dialect.ops.iter().map(|def| op_table(def)).collect());
    let parametric = |defs: &[&'static ParametricDef]| leak(defs.iter().map(|def| parametric_table(def)).collect());
    let (n_types, types) = parametric(&dialect.types);
    let (n_attributes, attributes) = parametric(&dialect.attributes);
    let (n_dependent, dependent) = texts(dialect.dependent.iter().copied());
    Box::leak(Box::new(shim::Dialect {
        data: (&raw const *dialect).cast(),
        name: text(dialect.name),
        n_ops,
        ops,
        n_types,
        types,
        n_attributes,
        attributes,
        n_dependent,
        dependent,
        materialize: dialect.materialize.is_some().then_some(materialize as _),
    }))
}

fn op_table(def: &'static OpDef) -> shim::Op {
    let (n_traits, traits) = texts(def.traits.iter().copied());
    for name in &def.traits {
        // SAFETY: the name is valid during the call.
        let known = unsafe { shim::thunderTraitExists(text(name)) };
        assert!(known, "'{}' names the trait '{name}', which does not exist", def.name);
    }
    let (n_attributes, attributes) = texts(def.attributes.iter().map(|a| a.name));
    let infers = def.hooks.infer.is_some() || def.has_trait("same_type");
    shim::Op {
        data: (&raw const *def).cast(),
        name: text(def.name),
        n_traits,
        traits,
        n_attributes,
        attributes,
        knows_effects: !matches!(def.effects, EffectSpec::Unknown),
        is_symbol: def.is_symbol,
        is_graph_region: def.is_graph_region,
        speculatable: match def.effects {
            EffectSpec::Pure => 1,
            _ if def.has_trait("recursive_memory_effects") => 2,
            _ => 0,
        },
        parse,
        print,
        structure,
        verify: def.hooks.verify.is_some().then_some(verify as _),
        verify_regions: def.hooks.verify_regions.is_some().then_some(verify_regions as _),
        fold: def.hooks.fold.is_some().then_some(fold as _),
        patterns: def.hooks.canonicalize.is_some().then_some(patterns as _),
        defaults: def.attributes.iter().any(|a| a.default.is_some()).then_some(defaults as _),
        effects: matches!(def.effects, EffectSpec::Custom(_)).then_some(effects as _),
        infer: infers.then_some(infer as _),
    }
}

fn parametric_table(def: &'static ParametricDef) -> shim::Parametric {
    shim::Parametric {
        data: (&raw const *def).cast(),
        name: text(def.mnemonic()),
        verify: verify_parameters,
        parse: parse_parameters,
        print: print_parameters,
    }
}

/// # Safety
/// `data` is the `data` field of a table made by [`op_table`].
unsafe fn definition(data: *const c_void) -> &'static OpDef {
    // SAFETY: the caller promises it; definitions live as long as the process.
    unsafe { &*data.cast() }
}

/// Runs a callback over a live operation; its error or panic is reported there.
///
/// # Safety
/// `data` is of an op table, and `op` is alive.
unsafe fn over<T>(
    data: *const c_void,
    op: MlirOperation,
    body: impl for<'c> FnOnce(&'static OpDef, &View<'c>) -> Result<T, Error>,
) -> Option<T> {
    let scope = Scope::new(Editing::Refused("a hook of an operation inserts and erases nothing"), None);
    // SAFETY: the caller promises both.
    let (def, op) = unsafe { (definition(data), Operation::from_raw(op, &scope)) };
    let view = View::live(op, def);
    match guard(|| body(def, &view)) {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            report_at(op, &error);
            None
        }
        Err(panic) => {
            op.emit_text(Severity::Error, &format!("'{}' op {panic}", def.name), &[]);
            None
        }
    }
}

/// Emits an error of ours at `op`, unless MLIR has reported it already.
pub(crate) fn report_at(op: Operation<'_>, error: &Error) {
    match error {
        Error::Located { message, .. } => {
            let prefix = format!("'{}' op ", op.name());
            let message = message.strip_prefix(&prefix).unwrap_or(message);
            op.emit_text(Severity::Error, &format!("{prefix}{message}"), &[]);
        }
        Error::Diagnostics(all) => {
            for diagnostic in all {
                op.emit_text(diagnostic.severity, &diagnostic.to_string(), &[]);
            }
        }
    }
}

unsafe extern "C" fn structure(data: *const c_void, op: MlirOperation) -> MlirLogicalResult {
    // SAFETY: MLIR passes a live operation and the data of its table.
    outcome(unsafe { over(data, op, |def, view| def.check(view)) }.is_some())
}

unsafe extern "C" fn verify(data: *const c_void, op: MlirOperation) -> MlirLogicalResult {
    // SAFETY: MLIR passes a live operation and the data of its table.
    outcome(unsafe { over(data, op, |def, view| def.hooks.verify.map_or(Ok(()), |f| f(view))) }.is_some())
}

unsafe extern "C" fn verify_regions(data: *const c_void, op: MlirOperation) -> MlirLogicalResult {
    // SAFETY: MLIR passes a live operation and the data of its table.
    let done = unsafe { over(data, op, |def, view| def.hooks.verify_regions.map_or(Ok(()), |f| f(view))) };
    outcome(done.is_some())
}

unsafe extern "C" fn parse(data: *const c_void, parser: *mut AsmParser) -> MlirLogicalResult {
    // SAFETY: MLIR passes a live parser of an operation and the data of its table.
    let (def, p) = unsafe { (definition(data), Parser::from_raw(parser, true)) };
    let parsed = guard(|| match def.hooks.parse {
        Some(custom) => custom(&p),
        None => format::parse(def, &p),
    });
    outcome(match parsed {
        Ok(parsed) => parsed.is_ok(),
        Err(panic) => {
            p.error(&panic);
            false
        }
    })
}

unsafe extern "C" fn print(data: *const c_void, op: MlirOperation, printer: *mut AsmPrinter) {
    // SAFETY: MLIR passes a live operation, a live printer and the data of its table.
    unsafe {
        let p = Printer::from_raw(printer, true);
        over(data, op, |def, view| {
            match def.hooks.print {
                Some(custom) => custom(view, &p),
                None => format::print(def, view, &p),
            }
            Ok(())
        });
    }
}

unsafe extern "C" fn fold(
    data: *const c_void,
    op: MlirOperation,
    constants: *const MlirAttribute,
    results: *mut shim::FoldResult,
) -> i32 {
    // SAFETY: MLIR passes one constant or null per operand, room for one entry per result, a live
    // operation and the data of its table.
    let folded = unsafe {
        over(data, op, |def, view| {
            let operation = view.operation();
            let constants: Vec<Option<Attribute<'_>>> =
                (0..operation.operand_count()).map(|i| Attribute::from_nullable(*constants.add(i))).collect();
            let Some(hook) = def.hooks.fold else { return Ok(shim::FOLD_NONE) };
            match hook(view, &constants) {
                None => Ok(shim::FOLD_NONE),
                Some(FoldOutcome::InPlace) => Ok(shim::FOLD_IN_PLACE),
                Some(FoldOutcome::Replaced(values)) => {
                    if values.len() != operation.result_count() {
                        return Err(operation.error(format!(
                            "folds to {} values, but has {} results",
                            values.len(),
                            operation.result_count()
                        )));
                    }
                    for (index, value) in values.into_iter().enumerate() {
                        let entry = &mut *results.add(index);
                        entry.value = MlirValue { ptr: std::ptr::null_mut() };
                        entry.attribute = MlirAttribute { ptr: std::ptr::null() };
                        match value {
                            Folded::Constant(attribute) => entry.attribute = attribute.to_raw(),
                            Folded::Value(value) => entry.value = value.to_raw(),
                        }
                    }
                    Ok(shim::FOLD_REPLACED)
                }
            }
        })
    };
    folded.unwrap_or(shim::FOLD_NONE)
}

unsafe extern "C" fn patterns(data: *const c_void, set: MlirRewritePatternSet, cx: MlirContext) {
    // SAFETY: MLIR passes a live set and context, and the data of an op table.
    unsafe {
        let def = definition(data);
        let added = guard(|| {
            let mut patterns = Patterns::new();
            if let Some(canonicalize) = def.hooks.canonicalize {
                canonicalize(&mut patterns);
            }
            super::rewrite::add_all(set, cx, patterns).map_err(|error| error.message())
        });
        if let Err(problem) = added.and_then(|added| added) {
            let location = Location::from_raw(mlirLocationUnknownGet(cx));
            emit(location, Severity::Error, &format!("patterns of '{}': {problem}", def.name));
        }
    }
}

unsafe extern "C" fn defaults(data: *const c_void, cx: MlirContext, list: *mut c_void) {
    // SAFETY: MLIR passes a live context and attribute list, and the data of an op table.
    unsafe {
        let cx = super::context::ContextRef::from_raw(cx);
        for spec in &definition(data).attributes {
            if let Some(default) = spec.default
                && let Ok(value) = guard(|| default(cx))
            {
                shim::thunderAttributesAdd(list, text(spec.name), value.to_raw());
            }
        }
    }
}

unsafe extern "C" fn effects(data: *const c_void, op: MlirOperation, add: shim::AddEffect, user: *mut c_void) {
    // SAFETY: MLIR passes a live operation, the data of its table, and a callback for its user data.
    unsafe {
        over(data, op, |def, view| {
            if let EffectSpec::Custom(effects) = def.effects {
                for effect in effects(view) {
                    let value = effect.value.map_or(MlirValue { ptr: std::ptr::null_mut() }, |v| v.to_raw());
                    add(effect.kind as i32, value, user);
                }
            }
            Ok(())
        });
    }
}

unsafe extern "C" fn infer(
    data: *const c_void,
    location: MlirLocation,
    n_operands: isize,
    operands: *const MlirValue,
    attributes: MlirAttribute,
    add: shim::AddType,
    user: *mut c_void,
) -> MlirLogicalResult {
    let scope = Scope::default();
    // SAFETY: MLIR passes live values with their count, an attribute dictionary or null, and a
    // callback for its user data.
    unsafe {
        let def = definition(data);
        let location = Location::from_raw(location);
        let values: Vec<_> = (0..n_operands as usize).map(|i| Value::from_raw(*operands.add(i), &scope)).collect();
        let attributes =
            Attribute::from_nullable(attributes).unwrap_or_else(|| Attribute::dictionary(location.context(), &[]));
        let plan = View::planned(def, location, values, attributes);
        let types = guard(|| {
            check_operand_types(def, &plan)?;
            infer_types(def, &plan)
        });
        match types {
            Ok(Ok(types)) => {
                types.into_iter().for_each(|ty| add(ty.to_raw(), user));
                outcome(true)
            }
            Ok(Err(error)) => {
                emit(location, Severity::Error, &format!("'{}' op {}", def.name, def.without_name(&error)));
                outcome(false)
            }
            Err(panic) => {
                emit(location, Severity::Error, &format!("'{}' op {panic}", def.name));
                outcome(false)
            }
        }
    }
}

/// Whether planned operands have the types that inference may rely on.
pub(crate) fn check_operand_types(def: &OpDef, plan: &View<'_>) -> Result<(), String> {
    let count = plan.operands().len();
    let fixed = def.operands.iter().filter(|o| o.arity == crate::op::Arity::One).count();
    let loose = def.operands.len() - fixed;
    if count < fixed || (loose == 0 && count != fixed) {
        return Err(format!("expects {fixed} operands, but has {count}"));
    }
    for (field, spec) in def.operands.iter().enumerate() {
        for value in plan.operand_group(field) {
            if !(spec.constraint.accepts)(value.ty()) {
                let label = if spec.label.is_empty() { String::new() } else { format!("{} ", spec.label) };
                return Err(format!(
                    "{label}operand '{}' must be {}, but is '{}'",
                    spec.name,
                    (spec.constraint.description)(),
                    value.ty()
                ));
            }
        }
    }
    Ok(())
}

/// Resolves operands and returns them as values for inference.
pub(crate) fn resolve_all<'c>(p: &Parser<'c>, operands: &[Unresolved], types: &[Type<'c>]) -> Parsed<Vec<Value<'c>>> {
    let scope: &'c Scope = parse_scope();
    let mut values = Vec::new();
    for (operand, ty) in operands.iter().zip(types) {
        let raw = p.resolve(*operand, *ty)?;
        // SAFETY: the parser keeps its values alive while it parses the operation.
        values.push(unsafe { Value::from_raw(raw, scope) });
    }
    Ok(values)
}

/// Nothing is erased while an operation is parsed: one scope per thread serves every parser.
fn parse_scope() -> &'static Scope {
    thread_local! {
        static SCOPE: &'static Scope = Box::leak(Box::default());
    }
    SCOPE.with(|scope| *scope)
}

unsafe extern "C" fn materialize(
    data: *const c_void,
    value: MlirAttribute,
    ty: MlirType,
    location: MlirLocation,
) -> MlirOperation {
    // SAFETY: MLIR passes live, non-null arguments and the data of a dialect table.
    unsafe {
        let dialect: &'static Dialect = &*data.cast();
        let location = Location::from_raw(location);
        let (value, ty) = (Attribute::from_raw(value), Type::from_raw(ty));
        let name = guard(|| dialect.materialize.and_then(|hook| hook(value, ty)));
        match name {
            Ok(Some(def)) => {
                let cx = location.context().to_raw();
                let attribute =
                    MlirNamedAttribute { name: mlirIdentifierGet(cx, text("value")), attribute: value.to_raw() };
                let mut state = mlirOperationStateGet(text(def.name), location.to_raw());
                mlirOperationStateAddAttributes(&mut state, 1, &attribute);
                let result = ty.to_raw();
                mlirOperationStateAddResults(&mut state, 1, &result);
                mlirOperationCreate(&mut state)
            }
            Ok(None) => MlirOperation { ptr: std::ptr::null_mut() },
            Err(panic) => {
                emit(location, Severity::Error, &panic);
                MlirOperation { ptr: std::ptr::null_mut() }
            }
        }
    }
}

unsafe fn parameters<'c>(n: isize, params: *const MlirAttribute) -> Vec<Attribute<'c>> {
    // SAFETY: MLIR passes `n` valid attributes.
    unsafe { (0..n as usize).map(|i| Attribute::from_raw(*params.add(i))).collect() }
}

unsafe extern "C" fn verify_parameters(
    data: *const c_void,
    n: isize,
    params: *const MlirAttribute,
    report: shim::Report,
    user: *mut c_void,
) -> MlirLogicalResult {
    // SAFETY: MLIR passes valid parameters, the data of the table, and a callback for its user data.
    unsafe {
        let def: &'static ParametricDef = &*data.cast();
        let params = parameters(n, params);
        let message = match guard(|| def.check(&params)) {
            Ok(Ok(())) => return outcome(true),
            Ok(Err(error)) => error.message(),
            Err(panic) => panic,
        };
        report(text(&message), user);
        outcome(false)
    }
}

unsafe extern "C" fn parse_parameters(
    data: *const c_void,
    parser: *mut AsmParser,
    add: shim::AddAttribute,
    user: *mut c_void,
) -> MlirLogicalResult {
    // SAFETY: MLIR passes a live parser, the data of the table, and a callback for its user data.
    unsafe {
        let def: &'static ParametricDef = &*data.cast();
        let p = Parser::from_raw(parser, false);
        match guard(|| def.parse_tail(&p)) {
            Ok(Ok(params)) => {
                params.into_iter().for_each(|param| add(param.to_raw(), user));
                outcome(true)
            }
            Ok(Err(_)) => outcome(false),
            Err(panic) => {
                p.error(&panic);
                outcome(false)
            }
        }
    }
}

unsafe extern "C" fn print_parameters(
    data: *const c_void,
    n: isize,
    params: *const MlirAttribute,
    printer: *mut AsmPrinter,
) {
    // SAFETY: MLIR passes valid parameters, a live printer and the data of the table.
    unsafe {
        let def: &'static ParametricDef = &*data.cast();
        let params = parameters(n, params);
        let p = Printer::from_raw(printer, false);
        // A panic here has no place to be reported: the text stays incomplete.
        _ = guard(|| def.print_tail(&params, &p));
    }
}

/// Text that MLIR passes to a callback.
///
/// # Safety
/// Valid during the callback.
pub(crate) unsafe fn argument_text<'a>(raw: MlirStringRef) -> &'a str {
    // SAFETY: the caller promises it.
    unsafe { read(raw) }
}
