// Dialect conversion, all of whose decisions are callbacks.

#include "mlir/Transforms/DialectConversion.h"
#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Rewrite.h"
#include "mlir/Dialect/ControlFlow/Transforms/StructuralTypeConversions.h"
#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "mlir/IR/Iterators.h"

#include "shim.h"

using namespace mlir;

// MLIR defines this in a source file; only the member below is used, through references of MLIR's.
struct mlir::detail::ConversionPatternRewriterImpl {
  bool wasOpReplaced(Operation *op) const;
};

namespace {
using AddType = void (*)(MlirType type, void *into);
using AddValue = void (*)(MlirValue value, void *into);
using Convert = int (*)(void *user, MlirType type, AddType add, void *into);
using Materialize = void (*)(void *user, bool toTarget, MlirRewriterBase rewriter, MlirLocation loc, intptr_t nTypes,
                             const MlirType *types, intptr_t nInputs, const MlirValue *inputs, MlirType original,
                             AddValue add, void *into);
using Run = MlirLogicalResult (*)(MlirOperation op, const intptr_t *sizes, const MlirValue *operands,
                                  MlirRewriterBase rewriter, void *user);

struct Conversion {
  explicit Conversion(MLIRContext &context) : target(context), patterns(&context) {}
  ConversionTarget target;
  RewritePatternSet patterns;
  std::vector<std::unique_ptr<TypeConverter>> converters;
};

class RustPattern : public ConversionPattern {
public:
  RustPattern(StringRef root, unsigned benefit, MLIRContext *context) : ConversionPattern(root, benefit, context) {}
  RustPattern(unsigned benefit, MLIRContext *context) : ConversionPattern(MatchAnyOpTypeTag(), benefit, context) {}
  void bind(const void *converter) { typeConverter = static_cast<const TypeConverter *>(converter); }
  LogicalResult matchAndRewrite(Operation *op, ArrayRef<ValueRange> operands,
                                ConversionPatternRewriter &rewriter) const override {
    auto sizes = llvm::map_to_vector(operands, [](ValueRange range) { return intptr_t(range.size()); });
    SmallVector<MlirValue> values;
    for (ValueRange range : operands)
      for (Value value : range) values.push_back(wrap(value));
    auto base = wrap(static_cast<RewriterBase *>(&rewriter));
    return success(run(wrap(op), sizes.data(), values.data(), base, user.get()).value != 0);
  }
  Run run;
  std::shared_ptr<void> user;
};

ConversionPatternRewriter *converting(MlirRewriterBase rewriter) {
  return static_cast<ConversionPatternRewriter *>(unwrap(rewriter));
}
} // namespace
extern "C" {

/// `legality` answers 1 for legal, 0 for illegal, or -1 where it has no opinion.
void *thunderConversionCreate(MlirContext context, int (*legality)(MlirOperation op, void *user), void *user) {
  auto *conversion = new Conversion(*unwrap(context));
  conversion->target.markUnknownOpDynamicallyLegal([=](Operation *op) -> std::optional<bool> {
    int answer = legality(wrap(op), user);
    return answer < 0 ? std::nullopt : std::optional<bool>(answer);
  });
  return conversion;
}
void thunderConversionDestroy(void *conversion) { delete static_cast<Conversion *>(conversion); }
MlirRewritePatternSet thunderConversionPatterns(void *conversion) {
  return wrap(&static_cast<Conversion *>(conversion)->patterns);
}

/// Makes an op legal with all that it contains.
void thunderConversionKeep(void *conversion, MlirStringRef name) {
  ConversionTarget &target = static_cast<Conversion *>(conversion)->target;
  OperationName op(unwrap(name), static_cast<Conversion *>(conversion)->patterns.getContext());
  target.addLegalOp(op);
  target.markOpRecursivelyLegal(op, {});
}

/// A type converter that lives as long as the conversion. `convert` answers 1 with types, 0 on failure, or -1
/// where it has no opinion; `materialize` adds values, or none on failure.
void *thunderConversionConverter(void *conversion, Convert convert, Materialize materialize, void *user) {
  auto converter = std::make_unique<TypeConverter>();
  converter->addConversion([=](Type type, SmallVectorImpl<Type> &types) -> std::optional<LogicalResult> {
    auto add = [](MlirType type, void *into) { static_cast<SmallVectorImpl<Type> *>(into)->push_back(unwrap(type)); };
    int answer = convert(user, wrap(type), add, &types);
    return answer < 0 ? std::nullopt : std::optional<LogicalResult>(success(answer));
  });
  auto cast = [=](bool toTarget, OpBuilder &builder, TypeRange types, ValueRange inputs, Location loc, Type original) {
    IRRewriter rewriter(builder);
    auto wrapped = llvm::map_to_vector(types, [](Type type) { return wrap(type); });
    auto values = llvm::map_to_vector(inputs, [](Value value) { return wrap(value); });
    SmallVector<Value> made;
    auto add = [](MlirValue value, void *into) { static_cast<SmallVector<Value> *>(into)->push_back(unwrap(value)); };
    materialize(user, toTarget, wrap(static_cast<RewriterBase *>(&rewriter)), wrap(loc), wrapped.size(),
                wrapped.data(), values.size(), values.data(), wrap(original), add, &made);
    return made;
  };
  converter->addSourceMaterialization([=](OpBuilder &builder, Type type, ValueRange inputs, Location loc) {
    SmallVector<Value> made = cast(false, builder, type, inputs, loc, {});
    return made.empty() ? Value() : made.front();
  });
  converter->addTargetMaterialization(
      [=](OpBuilder &builder, TypeRange types, ValueRange inputs, Location loc, Type original) {
        return cast(true, builder, types, inputs, loc, original);
      });
  auto &converters = static_cast<Conversion *>(conversion)->converters;
  return converters.emplace_back(std::move(converter)).get();
}

/// Adds MLIR's patterns that carry types through functions, calls and branches (0), or structured control flow (1).
void thunderConversionUpstream(void *conversion, const void *converter, int which) {
  auto &[target, patterns, converters] = *static_cast<Conversion *>(conversion);
  const TypeConverter &types = *static_cast<const TypeConverter *>(converter);
  if (which == 1) return scf::populateSCFStructuralTypeConversionsAndLegality(types, patterns, target);
  populateAnyFunctionOpInterfaceTypeConversionPattern(patterns, types);
  populateCallOpTypeConversionPattern(patterns, types);
  populateReturnOpTypeConversionPattern(patterns, types);
  cf::populateCFStructuralTypeConversions(types, patterns);
}

/// Adds a pattern over the op `root`, or over any where it is empty.
void thunderConversionPattern(void *conversion, const void *converter, MlirStringRef root, unsigned benefit, Run run,
                              void (*destroy)(void *), void *user) {
  RewritePatternSet &set = static_cast<Conversion *>(conversion)->patterns;
  MLIRContext *context = set.getContext();
  auto pattern = root.length ? std::make_unique<RustPattern>(unwrap(root), benefit, context)
                             : std::make_unique<RustPattern>(benefit, context);
  pattern->bind(converter);
  pattern->run = run;
  pattern->user = std::shared_ptr<void>(user, destroy);
  set.add(std::move(pattern));
}

/// Converts what is below `root` once: partially (0), fully (1), or only telling what could be (2).
MlirLogicalResult thunderConversionRun(void *conversion, MlirOperation root, int mode,
                                       void (*add)(MlirOperation op, void *into), void *into) {
  auto &[target, patterns, converters] = *static_cast<Conversion *>(conversion);
  SmallVector<Operation *> ops;
  for (Region &region : unwrap(root)->getRegions())
    for (Block &block : ForwardDominanceIterator<>::makeIterable(region))
      for (Operation &op : block) ops.push_back(&op);
  if (ops.empty()) return wrap(success());
  FrozenRewritePatternSet frozen(std::move(patterns));
  if (mode < 2)
    return wrap(mode ? applyFullConversion(ops, target, frozen) : applyPartialConversion(ops, target, frozen));
  DenseSet<Operation *> legal;
  ConversionConfig config;
  config.legalizableOps = &legal;
  LogicalResult result = applyAnalysisConversion(ops, target, frozen, config);
  unwrap(root)->walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (legal.contains(op)) add(wrap(op), into);
  });
  return wrap(result);
}

/// Whether a pattern of the running conversion has replaced or erased `op`; MLIR deletes it at the end.
bool thunderConversionReplaced(MlirRewriterBase rewriter, MlirOperation op) {
  return converting(rewriter)->getImpl().wasOpReplaced(unwrap(op));
}

/// Replaces each result by `sizes` many values.
void thunderConversionReplace(MlirRewriterBase rewriter, MlirOperation op, const intptr_t *sizes,
                              const MlirValue *values) {
  SmallVector<SmallVector<Value>> groups(unwrap(op)->getNumResults());
  for (auto &group : groups)
    for (intptr_t n = *sizes++; n; --n) group.push_back(unwrap(*values++));
  converting(rewriter)->replaceOpWithMultiple(unwrap(op), std::move(groups));
}

/// Gives the blocks of a region the argument types that the converter says.
bool thunderConversionRegion(MlirRewriterBase rewriter, MlirRegion region, const void *converter) {
  auto *types = static_cast<const TypeConverter *>(converter);
  return succeeded(converting(rewriter)->convertRegionTypes(unwrap(region), *types));
}

} // extern "C"
