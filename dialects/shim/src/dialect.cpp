// Dialects, operations, types and attributes whose meaning lives in Rust.
//
// An operation here is an `OperationName::Impl` that forwards every hook to a
// table of C callbacks; a dialect is an `ExtensibleDialect` that adds constant
// materialization. MLIR identifies a dialect by a static type, so a fixed pool
// of types stands for the dialects that Rust code defines.

#include "mlir/IR/Dialect.h"
#include "mlir-c/IR.h"
#include "mlir/CAPI/IR.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/ExtensibleDialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Transforms/InliningUtils.h"
#include <mutex>

#include "shim.h"

using namespace mlir;

namespace {

//===-- Traits ------------------------------------------------------------===//

struct TraitEntry {
  const char *name;
  TypeID id;
  LogicalResult (*verify)(Operation *);
};

LogicalResult verifySymbolTable(Operation *op) { return detail::verifySymbolTable(op); }
LogicalResult accept(Operation *) { return success(); }

const TraitEntry *findTrait(StringRef name) {
  namespace impl = OpTrait::impl;
  static const TraitEntry table[] = {
      {"commutative", TypeID::get<OpTrait::IsCommutative>(), accept},
      {"idempotent", TypeID::get<OpTrait::IsIdempotent>(), impl::verifyIsIdempotent},
      {"involution", TypeID::get<OpTrait::IsInvolution>(), impl::verifyIsInvolution},
      {"terminator", TypeID::get<OpTrait::IsTerminator>(), impl::verifyIsTerminator},
      {"isolated_from_above", TypeID::get<OpTrait::IsIsolatedFromAbove>(), impl::verifyIsIsolatedFromAbove},
      {"constant_like", TypeID::get<OpTrait::ConstantLike>(), accept},
      {"same_type", TypeID::get<OpTrait::SameOperandsAndResultType>(), impl::verifySameOperandsAndResultType},
      {"same_operand_types", TypeID::get<OpTrait::SameTypeOperands>(), impl::verifySameTypeOperands},
      {"same_shape", TypeID::get<OpTrait::SameOperandsAndResultShape>(), impl::verifySameOperandsAndResultShape},
      {"same_element_type", TypeID::get<OpTrait::SameOperandsAndResultElementType>(),
       impl::verifySameOperandsAndResultElementType},
      {"elementwise", TypeID::get<OpTrait::Elementwise>(), accept},
      {"symbol_table", TypeID::get<OpTrait::SymbolTable>(), verifySymbolTable},
      {"affine_scope", TypeID::get<OpTrait::AffineScope>(), accept},
      {"automatic_allocation_scope", TypeID::get<OpTrait::AutomaticAllocationScope>(), accept},
      {"no_terminator", TypeID::get<OpTrait::NoTerminator>(), accept},
      {"single_block", TypeID::get<OpTrait::SingleBlock>(), accept},
      {"recursive_memory_effects", TypeID::get<OpTrait::HasRecursiveMemoryEffects>(), accept},
      {"no_region_arguments", TypeID::get<OpTrait::NoRegionArguments>(), impl::verifyNoRegionArguments},
  };
  for (const TraitEntry &entry : table)
    if (name == entry.name) return &entry;
  return nullptr;
}

LogicalResult verifySingleBlocks(Operation *op) {
  for (auto [index, region] : llvm::enumerate(op->getRegions()))
    if (!region.empty() && !region.hasOneBlock())
      return op->emitOpError() << "expects region #" << index << " to have 0 or 1 blocks";
  return success();
}

//===-- Operations --------------------------------------------------------===//

class RustOp : public OperationName::Impl {
public:
  RustOp(StringRef name, Dialect *dialect, TypeID id, const ThunderOp &table)
      : Impl(name, dialect, id, detail::InterfaceMap()), table(table) {
    for (intptr_t i = 0; i < table.nTraits; ++i)
      if (const TraitEntry *entry = findTrait(unwrap(table.traits[i]))) traits.push_back(entry);
  }

  const ThunderOp table;
  SmallVector<const TraitEntry *> traits;

  template <template <typename> class Trait> bool is() { return hasTrait(TypeID::get<Trait>()); }

  LogicalResult foldHook(Operation *op, ArrayRef<Attribute> operands, SmallVectorImpl<OpFoldResult> &results) final {
    if (is<OpTrait::IsCommutative>())
      if (succeeded(OpTrait::impl::foldCommutative(op, operands, results))) return success();
    OpFoldResult single;
    if (is<OpTrait::IsInvolution>()) single = OpTrait::impl::foldInvolution(op);
    if (!single && is<OpTrait::IsIdempotent>()) single = OpTrait::impl::foldIdempotent(op);
    if (single) {
      results.push_back(single);
      return success();
    }
    if (!table.fold) return failure();
    SmallVector<MlirAttribute> constants;
    for (Attribute attr : operands) constants.push_back(wrap(attr));
    SmallVector<ThunderFoldResult> folded(op->getNumResults());
    int outcome = table.fold(table.data, wrap(op), constants.data(), folded.data());
    if (outcome == ThunderFoldNone) return failure();
    if (outcome == ThunderFoldReplaced)
      for (const ThunderFoldResult &result : folded) {
        if (result.value.ptr)
          results.push_back(unwrap(result.value));
        else
          results.push_back(unwrap(result.attribute));
      }
    return success();
  }
  void getCanonicalizationPatterns(RewritePatternSet &set, MLIRContext *context) final {
    if (table.patterns) table.patterns(table.data, wrap(&set), wrap(context));
  }
  bool hasTrait(TypeID id) final {
    return llvm::any_of(traits, [&](const TraitEntry *t) { return t->id == id; });
  }
  OperationName::ParseAssemblyFn getParseAssemblyFn() final {
    return [this](OpAsmParser &parser, OperationState &state) -> ParseResult {
      ThunderAsmParser wrapped{&parser, &parser, &state, {}, {}};
      return unwrapResult(table.parse(table.data, &wrapped));
    };
  }
  void populateDefaultAttrs(const OperationName &, NamedAttrList &attrs) final {
    if (table.defaults) table.defaults(table.data, wrap(dialect->getContext()), &attrs);
  }
  void printAssembly(Operation *op, OpAsmPrinter &printer, StringRef defaultDialect) final {
    // An op whose invariants do not hold must still print, in generic form.
    StringRef opName = op->getName().getStringRef();
    if (!defaultDialect.empty() && op->getDialect() && op->getDialect()->getNamespace() == defaultDialect &&
        opName.count('.') == 1)
      opName = opName.drop_front(defaultDialect.size() + 1);
    ThunderAsmPrinter wrapped{&printer, &printer};
    printer.getStream() << opName;
    table.print(table.data, wrap(op), &wrapped);
  }
  LogicalResult verifyInvariants(Operation *op) final {
    // Structure first: what traits assume about operand counts comes from it.
    if (failed(unwrapResult(table.structure(table.data, wrap(op))))) return failure();
    for (const TraitEntry *trait : traits)
      if (trait->id != TypeID::get<OpTrait::IsIsolatedFromAbove>() &&
          trait->id != TypeID::get<OpTrait::SymbolTable>() && failed(trait->verify(op)))
        return failure();
    if (is<OpTrait::SingleBlock>() && failed(verifySingleBlocks(op))) return failure();
    return table.verify ? unwrapResult(table.verify(table.data, wrap(op))) : success();
  }
  LogicalResult verifyRegionInvariants(Operation *op) final {
    if (is<OpTrait::IsIsolatedFromAbove>() && failed(OpTrait::impl::verifyIsIsolatedFromAbove(op))) return failure();
    if (is<OpTrait::SymbolTable>() && failed(verifySymbolTable(op))) return failure();
    return table.verifyRegions ? unwrapResult(table.verifyRegions(table.data, wrap(op))) : success();
  }

  std::optional<Attribute> getInherentAttr(Operation *op, StringRef name) final {
    for (StringAttr declared : getAttributeNames())
      if (declared == name) return op->getDiscardableAttr(name);
    return std::nullopt;
  }
  void setInherentAttr(Operation *op, StringAttr name, Attribute value) final { op->setDiscardableAttr(name, value); }
  void populateInherentAttrs(Operation *, NamedAttrList &) final {}
  LogicalResult verifyInherentAttrs(OperationName, NamedAttrList &, function_ref<InFlightDiagnostic()>) final {
    return success();
  }
  int getOpPropertyByteSize() final { return 0; }
  void initProperties(OperationName, OpaqueProperties, OpaqueProperties) final {}
  void deleteProperties(OpaqueProperties) final {}
  void populateDefaultProperties(OperationName, OpaqueProperties) final {}
  LogicalResult setPropertiesFromAttr(OperationName, OpaqueProperties, Attribute,
                                      function_ref<InFlightDiagnostic()> emitError) final {
    emitError() << "keeps its attributes in a dictionary, not in properties";
    return failure();
  }
  Attribute getPropertiesAsAttr(Operation *) final { return {}; }
  void copyProperties(OpaqueProperties, OpaqueProperties) final {}
  bool compareProperties(OpaqueProperties, OpaqueProperties) final { return true; }
  llvm::hash_code hashProperties(OpaqueProperties) final { return {}; }

private:
  static LogicalResult unwrapResult(MlirLogicalResult result) { return success(result.value != 0); }
};

RustOp *rustOp(OperationName name) {
  return static_cast<RustOp *>(static_cast<OperationName::Impl *>(name.getAsOpaquePointer()));
}

//===-- Interfaces --------------------------------------------------------===//

struct EffectsModel : MemoryEffectOpInterface::FallbackModel<EffectsModel> {
  void getEffects(Operation *op, SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) const {
    const ThunderOp &table = rustOp(op->getName())->table;
    if (!table.effects) return;
    auto add = [](int kind, MlirValue value, void *user) {
      auto &effects = *static_cast<SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> *>(user);
      MemoryEffects::Effect *kinds[] = {MemoryEffects::Read::get(), MemoryEffects::Write::get(),
                                        MemoryEffects::Allocate::get(), MemoryEffects::Free::get()};
      if (!value.ptr)
        effects.emplace_back(kinds[kind]);
      else if (auto result = dyn_cast<OpResult>(unwrap(value)))
        effects.emplace_back(kinds[kind], result);
      else if (!unwrap(value).use_empty())
        effects.emplace_back(kinds[kind], &*unwrap(value).use_begin());
    };
    table.effects(table.data, wrap(op), add, &effects);
  }
};

struct SpeculationModel : ConditionallySpeculatable::FallbackModel<SpeculationModel> {
  Speculation::Speculatability getSpeculatability(Operation *op) const {
    return Speculation::Speculatability(rustOp(op->getName())->table.speculatable);
  }
};

struct SymbolModel : SymbolOpInterface::FallbackModel<SymbolModel> {
  static StringRef attrName() { return SymbolTable::getSymbolAttrName(); }
  StringAttr getNameAttr(Operation *op) const { return op->getAttrOfType<StringAttr>(attrName()); }
  void setName(Operation *op, StringAttr name) const { op->setAttr(attrName(), name); }
  SymbolTable::Visibility getVisibility(Operation *op) const { return SymbolTable::getSymbolVisibility(op); }
  bool isNested(Operation *op) const { return getVisibility(op) == SymbolTable::Visibility::Nested; }
  bool isPrivate(Operation *op) const { return getVisibility(op) == SymbolTable::Visibility::Private; }
  bool isPublic(Operation *op) const { return getVisibility(op) == SymbolTable::Visibility::Public; }
  void setVisibility(Operation *op, SymbolTable::Visibility vis) const { SymbolTable::setSymbolVisibility(op, vis); }
  void setNested(Operation *op) const { setVisibility(op, SymbolTable::Visibility::Nested); }
  void setPrivate(Operation *op) const { setVisibility(op, SymbolTable::Visibility::Private); }
  void setPublic(Operation *op) const { setVisibility(op, SymbolTable::Visibility::Public); }
  std::optional<SymbolTable::UseRange> getSymbolUses(Operation *op, Operation *from) const {
    return SymbolTable::getSymbolUses(op, from);
  }
  bool symbolKnownUseEmpty(Operation *op, Operation *from) const { return SymbolTable::symbolKnownUseEmpty(op, from); }
  LogicalResult replaceAllSymbolUses(Operation *op, StringAttr symbol, Operation *from) const {
    return SymbolTable::replaceAllSymbolUses(op, symbol, from);
  }
  bool isOptionalSymbol(Operation *) const { return false; }
  bool canDiscardOnUseEmpty(Operation *op) const { return isPrivate(op); }
  bool isDeclaration(Operation *) const { return false; }
};

struct GraphRegionModel : RegionKindInterface::FallbackModel<GraphRegionModel> {
  static RegionKind getRegionKind(unsigned) { return RegionKind::Graph; }
  static bool hasSSADominance(unsigned) { return false; }
};

// `InferTypeOpInterface` asks without an operation, so its model must know by
// its own type which op it serves: slots of a pool, bound as ops register.
constexpr unsigned inferSlots = 512;
const ThunderOp *inferTables[inferSlots];
std::mutex inferMutex;

LogicalResult inferWith(const ThunderOp *table, MLIRContext *context, std::optional<Location> location,
                        ValueRange operands, DictionaryAttr attributes, SmallVectorImpl<Type> &types) {
  SmallVector<MlirValue> values;
  for (Value value : operands) values.push_back(wrap(value));
  Location loc = location.value_or(UnknownLoc::get(context));
  auto add = [](MlirType type, void *user) { static_cast<SmallVectorImpl<Type> *>(user)->push_back(unwrap(type)); };
  return success(
      table->infer(table->data, wrap(loc), values.size(), values.data(), wrap(Attribute(attributes)), add, &types)
          .value != 0);
}

bool compatible(TypeRange inferred, TypeRange actual) {
  return inferred.size() == actual.size() && succeeded(verifyCompatibleShapes(inferred, actual));
}

// Kept small: one pair of functions a slot is all that is instantiated.
template <unsigned N> struct InferSlot {
  static LogicalResult infer(MLIRContext *c, std::optional<Location> l, ValueRange o, DictionaryAttr a,
                             OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {
    return inferWith(inferTables[N], c, l, o, a, types);
  }
  static LogicalResult refine(MLIRContext *c, std::optional<Location> l, ValueRange o, DictionaryAttr a,
                              OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {
    SmallVector<Type> inferred;
    if (failed(inferWith(inferTables[N], c, l, o, a, inferred)) || !compatible(inferred, types)) return failure();
    types.assign(inferred.begin(), inferred.end());
    return success();
  }
};

using InferConcept = detail::InferTypeOpInterfaceInterfaceTraits::Concept;

template <unsigned... N> InferConcept inferConcept(unsigned slot, std::integer_sequence<unsigned, N...>) {
  static constexpr decltype(InferConcept::inferReturnTypes) infer[] = {InferSlot<N>::infer...};
  static constexpr decltype(InferConcept::refineReturnTypes) refine[] = {InferSlot<N>::refine...};
  return InferConcept{infer[slot], refine[slot], compatible};
}

/// MLIR default-constructs models, so the slot reaches this one by the thread.
thread_local unsigned attachingSlot = 0;

struct InferModel : InferConcept {
  using Interface = InferTypeOpInterface;
  InferModel() : InferConcept(inferConcept(attachingSlot, std::make_integer_sequence<unsigned, inferSlots>())) {}
};

/// Binds a slot for `table`, or finds the one bound before: contexts share it.
std::optional<unsigned> inferSlot(const ThunderOp *table) {
  std::lock_guard<std::mutex> lock(inferMutex);
  for (unsigned slot = 0; slot < inferSlots; ++slot) {
    if (inferTables[slot] && inferTables[slot]->data == table->data) return slot;
    if (!inferTables[slot]) {
      inferTables[slot] = table;
      return slot;
    }
  }
  return std::nullopt;
}

struct Inliner : DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;
  bool isLegalToInline(Operation *, Operation *, bool) const final { return true; }
  bool isLegalToInline(Region *, Region *, bool, IRMapping &) const final { return true; }
  bool isLegalToInline(Operation *, Region *, bool, IRMapping &) const final { return true; }
};

//===-- Dialects ----------------------------------------------------------===//

constexpr unsigned dialectSlots = 32;
std::mutex dialectMutex;
std::string dialectNames[dialectSlots];

class RustDialect : public ExtensibleDialect {
public:
  RustDialect(StringRef name, MLIRContext *context, TypeID id, const ThunderDialect &table)
      : ExtensibleDialect(name, context, id), table(table) {
    addInterfaces<Inliner>();
    for (intptr_t i = 0; i < table.nDependent; ++i) context->getOrLoadDialect(unwrap(table.dependent[i]));
    for (intptr_t i = 0; i < table.nOps; ++i) defineOp(table.ops[i]);
    for (intptr_t i = 0; i < table.nTypes; ++i) defineParametric<DynamicTypeDefinition>(table.types[i]);
    for (intptr_t i = 0; i < table.nAttributes; ++i) defineParametric<DynamicAttrDefinition>(table.attributes[i]);
  }

  Operation *materializeConstant(OpBuilder &builder, Attribute value, Type type, Location loc) final {
    if (!table.materialize) return nullptr;
    MlirOperation op = table.materialize(table.data, wrap(value), wrap(type), wrap(loc));
    return op.ptr ? builder.insert(unwrap(op)) : nullptr;
  }

  Type parseType(DialectAsmParser &parser) const final {
    return parseNamed<Type>(parser, "type", [&](StringRef name, Type &type) {
      return parseOptionalDynamicType(name, parser, type);
    });
  }
  void printType(Type type, DialectAsmPrinter &printer) const final { (void)printIfDynamicType(type, printer); }
  Attribute parseAttribute(DialectAsmParser &parser, Type) const final {
    return parseNamed<Attribute>(parser, "attribute", [&](StringRef name, Attribute &attr) {
      return parseOptionalDynamicAttr(name, parser, attr);
    });
  }
  void printAttribute(Attribute attr, DialectAsmPrinter &printer) const final {
    (void)printIfDynamicAttr(attr, printer);
  }

private:
  const ThunderDialect table;
  TypeIDAllocator ids;

  template <typename T, typename Parse> T parseNamed(DialectAsmParser &parser, StringRef what, Parse parse) const {
    StringRef name;
    T parsed;
    if (parser.parseKeyword(&name)) return T();
    OptionalParseResult result = parse(name, parsed);
    if (result.has_value()) return succeeded(*result) ? parsed : T();
    parser.emitError(parser.getNameLoc(), "dialect '") << getNamespace() << "' has no " << what << " '" << name << "'";
    return T();
  }

  void defineOp(const ThunderOp &op) {
    auto model = std::make_unique<RustOp>(unwrap(op.name), this, ids.allocate(), op);
    SmallVector<StringRef> attributes;
    for (intptr_t i = 0; i < op.nAttributes; ++i) attributes.push_back(unwrap(op.attributes[i]));
    RegisteredOperationName::insert(std::move(model), attributes);
    RegisteredOperationName name = *RegisteredOperationName::lookup(unwrap(op.name), getContext());
    if (op.knowsEffects) name.attachInterface<EffectsModel>();
    if (op.speculatable) name.attachInterface<SpeculationModel>();
    if (op.isSymbol) name.attachInterface<SymbolModel>();
    if (op.isGraphRegion) name.attachInterface<GraphRegionModel>();
    if (op.infer)
      if (std::optional<unsigned> slot = inferSlot(&op)) {
        attachingSlot = *slot;
        name.attachInterface<InferModel>();
      }
  }

  void add(std::unique_ptr<DynamicTypeDefinition> def) { registerDynamicType(std::move(def)); }
  void add(std::unique_ptr<DynamicAttrDefinition> def) { registerDynamicAttr(std::move(def)); }

  template <typename Definition> void defineParametric(const ThunderParametric &entry) {
    auto verify = [entry](function_ref<InFlightDiagnostic()> emitError, ArrayRef<Attribute> params) -> LogicalResult {
      SmallVector<MlirAttribute> wrapped;
      for (Attribute param : params) wrapped.push_back(wrap(param));
      auto report = [](MlirStringRef message, void *user) {
        (*static_cast<function_ref<InFlightDiagnostic()> *>(user))() << unwrap(message);
      };
      return success(entry.verify(entry.data, wrapped.size(), wrapped.data(), report, &emitError).value != 0);
    };
    auto parse = [entry](AsmParser &parser, SmallVectorImpl<Attribute> &params) -> ParseResult {
      ThunderAsmParser wrapped{&parser, nullptr, nullptr, {}, {}};
      auto add = [](MlirAttribute attr, void *user) {
        static_cast<SmallVectorImpl<Attribute> *>(user)->push_back(unwrap(attr));
      };
      return success(entry.parse(entry.data, &wrapped, add, &params).value != 0);
    };
    auto print = [entry](AsmPrinter &printer, ArrayRef<Attribute> params) {
      SmallVector<MlirAttribute> wrapped;
      for (Attribute param : params) wrapped.push_back(wrap(param));
      ThunderAsmPrinter target{&printer, nullptr};
      entry.print(entry.data, wrapped.size(), wrapped.data(), &target);
    };
    add(Definition::get(unwrap(entry.name), this, std::move(verify), std::move(parse), std::move(print)));
  }
};

/// Gives dialect slot `N` the static identity that MLIR's registry asks for.
template <unsigned N> struct Slot : RustDialect {
  static const ThunderDialect *bound;
  static StringRef getDialectNamespace() { return dialectNames[N]; }
  explicit Slot(MLIRContext *context) : RustDialect(dialectNames[N], context, TypeID::get<Slot<N>>(), *bound) {}
};
template <unsigned N> const ThunderDialect *Slot<N>::bound = nullptr;

template <unsigned... N>
void insertSlot(unsigned slot, DialectRegistry &registry, const ThunderDialect *table,
                std::integer_sequence<unsigned, N...>) {
  (void)((slot == N ? (Slot<N>::bound = table,
                       registry.insert(
                           TypeID::get<Slot<N>>(), dialectNames[N],
                           [](MLIRContext *context) -> Dialect * { return context->getOrLoadDialect<Slot<N>>(); }),
                       true)
                    : false) ||
         ...);
}

template <unsigned... N> bool isRustDialect(TypeID id, std::integer_sequence<unsigned, N...>) {
  return ((id == TypeID::get<Slot<N>>()) || ...);
}

} // namespace

extern "C" bool thunderDialectRegister(MlirDialectRegistry registry, const ThunderDialect *table) {
  std::lock_guard<std::mutex> lock(dialectMutex);
  StringRef name = unwrap(table->name);
  for (unsigned slot = 0; slot < dialectSlots; ++slot) {
    if (!dialectNames[slot].empty() && dialectNames[slot] != name) continue;
    dialectNames[slot] = name.str();
    insertSlot(slot, *unwrap(registry), table, std::make_integer_sequence<unsigned, dialectSlots>());
    return true;
  }
  return false;
}

extern "C" const void *thunderOperationData(MlirOperation operation) {
  Operation *op = unwrap(operation);
  if (!op->getName().isRegistered()) return nullptr;
  if (!isRustDialect(op->getDialect()->getTypeID(), std::make_integer_sequence<unsigned, dialectSlots>()))
    return nullptr;
  return rustOp(op->getName())->table.data;
}

extern "C" bool thunderOperationHasTrait(MlirOperation op, MlirStringRef name) {
  const TraitEntry *entry = findTrait(unwrap(name));
  return entry && unwrap(op)->getName().hasTrait(entry->id);
}

extern "C" bool thunderTraitExists(MlirStringRef name) { return findTrait(unwrap(name)) != nullptr; }

extern "C" bool thunderOperationIsPure(MlirOperation op) { return isPure(unwrap(op)); }

extern "C" void thunderAttributesAdd(void *list, MlirStringRef name, MlirAttribute value) {
  auto &attrs = *static_cast<NamedAttrList *>(list);
  if (!attrs.get(unwrap(name))) attrs.append(unwrap(name), unwrap(value));
}

static ExtensibleDialect *dialectAt(Location location, MlirStringRef name) {
  return dyn_cast_or_null<ExtensibleDialect>(location.getContext()->getOrLoadDialect(unwrap(name)));
}

template <typename T, typename Definition>
static T makeParametric(Location location, Definition *definition, intptr_t nParams, const MlirAttribute *params) {
  if (!definition) return T();
  SmallVector<Attribute> attrs;
  for (intptr_t i = 0; i < nParams; ++i) attrs.push_back(unwrap(params[i]));
  return T::getChecked([&] { return emitError(location); }, definition, attrs);
}

extern "C" MlirType thunderTypeGet(MlirLocation loc, MlirStringRef dialect, MlirStringRef name, intptr_t nParams,
                                   const MlirAttribute *params) {
  ExtensibleDialect *owner = dialectAt(unwrap(loc), dialect);
  auto *def = owner ? owner->lookupTypeDefinition(unwrap(name)) : nullptr;
  return wrap(Type(makeParametric<DynamicType>(unwrap(loc), def, nParams, params)));
}

extern "C" MlirAttribute thunderAttributeGet(MlirLocation loc, MlirStringRef dialect, MlirStringRef name,
                                             intptr_t nParams, const MlirAttribute *params) {
  ExtensibleDialect *owner = dialectAt(unwrap(loc), dialect);
  auto *def = owner ? owner->lookupAttrDefinition(unwrap(name)) : nullptr;
  return wrap(Attribute(makeParametric<DynamicAttr>(unwrap(loc), def, nParams, params)));
}

template <typename T, typename Definition>
static bool parametersOf(T parametric, Definition *definition, MlirStringRef dialect, MlirStringRef name,
                         void (*add)(MlirAttribute, void *), void *user) {
  if (definition->getDialect()->getNamespace() != unwrap(dialect) || definition->getName() != unwrap(name))
    return false;
  for (Attribute param : parametric.getParams()) add(wrap(param), user);
  return true;
}

extern "C" bool thunderTypeParameters(MlirType type, MlirStringRef dialect, MlirStringRef name,
                                      void (*add)(MlirAttribute, void *), void *user) {
  auto dynamic = dyn_cast<DynamicType>(unwrap(type));
  return dynamic && parametersOf(dynamic, dynamic.getTypeDef(), dialect, name, add, user);
}

extern "C" bool thunderAttributeParameters(MlirAttribute attr, MlirStringRef dialect, MlirStringRef name,
                                           void (*add)(MlirAttribute, void *), void *user) {
  auto dynamic = dyn_cast<DynamicAttr>(unwrap(attr));
  return dynamic && parametersOf(dynamic, dynamic.getAttrDef(), dialect, name, add, user);
}

/// Parses text, with or without a `module` around it, or bytecode.
extern "C" MlirModule thunderModuleParse(MlirContext context, MlirStringRef source, MlirStringRef name) {
  OwningOpRef<ModuleOp> module =
      parseSourceString<ModuleOp>(unwrap(source), ParserConfig(unwrap(context)), unwrap(name));
  return MlirModule{module.release().getAsOpaquePointer()};
}
