// What the C API lacks of patterns and rewriters.

#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Rewrite.h"
#include "mlir/IR/PatternMatch.h"

#include "shim.h"

using namespace mlir;

namespace {
/// A pattern over any operation, since the C API knows patterns with one root.
class AnyPattern : public RewritePattern {
public:
  using Run = MlirLogicalResult (*)(MlirOperation, MlirRewriterBase, void *);
  AnyPattern(unsigned benefit, MLIRContext *context, Run run, void (*destroy)(void *), void *user)
      : RewritePattern(MatchAnyOpTypeTag(), benefit, context), run(run), user(user, destroy) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    return success(run(wrap(op), wrap(static_cast<RewriterBase *>(&rewriter)), user.get()).value != 0);
  }
  Run run;
  std::unique_ptr<void, void (*)(void *)> user;
};
} // namespace

extern "C" void thunderPatternAddAny(MlirRewritePatternSet patterns, unsigned benefit, AnyPattern::Run run,
                                     void (*destroy)(void *), void *user) {
  RewritePatternSet &set = *unwrap(patterns);
  set.add(std::make_unique<AnyPattern>(benefit, set.getContext(), run, destroy, user));
}

/// A rewriter with an insertion point of its own whose changes the driver behind `rewriter` hears of.
extern "C" MlirRewriterBase thunderRewriterFollow(MlirRewriterBase rewriter) {
  return wrap(static_cast<RewriterBase *>(new IRRewriter(*unwrap(rewriter))));
}

/// Moves the blocks of `from` to the end of `to`.
extern "C" void thunderRewriterMoveBlocks(MlirRewriterBase rewriter, MlirRegion from, MlirRegion to) {
  unwrap(rewriter)->inlineRegionBefore(*unwrap(from), *unwrap(to), unwrap(to)->end());
}

/// Adds the patterns of a PDL module, which is empty afterwards, to a set.
extern "C" void thunderPatternsAddPdl(MlirRewritePatternSet patterns, MlirPDLPatternModule module) {
  unwrap(patterns)->add(std::move(*unwrap(module)));
}

/// Tells the elements of a PDL value, of which a range has any number, and returns its kind.
extern "C" int thunderPdlValue(MlirPDLValue value, void (*add)(const void *element, void *user), void *user) {
  PDLValue::Kind kind = unwrap(value)->getKind();
  if (!*unwrap(value)) return static_cast<int>(kind);
  if (kind == PDLValue::Kind::TypeRange)
    for (Type type : unwrap(value)->cast<TypeRange>()) add(type.getAsOpaquePointer(), user);
  else if (kind == PDLValue::Kind::ValueRange)
    for (Value one : unwrap(value)->cast<ValueRange>()) add(one.getAsOpaquePointer(), user);
  else
    add(unwrap(value)->getAsOpaquePointer(), user);
  return static_cast<int>(kind);
}
