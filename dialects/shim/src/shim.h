// The C interface between MLIR's C++ and Rust: callback tables and handles.
// `src/lib.rs` declares the same things in Rust, in the same order.
#ifndef THUNDER_SHIM_H
#define THUNDER_SHIM_H

#include "mlir-c/IR.h"
#include "mlir-c/Pass.h"
#include "mlir-c/Rewrite.h"
#include "mlir-c/Support.h"
#include "mlir/CAPI/Rewrite.h"
#include "mlir/CAPI/Support.h"
#include "mlir/IR/OpImplementation.h"

/// A parser with the names that one operation has mentioned so far.
struct ThunderAsmParser {
  mlir::AsmParser *parser;
  mlir::OpAsmParser *opParser; // null while parsing a type or attribute
  mlir::OperationState *state; // likewise
  llvm::SmallVector<mlir::OpAsmParser::UnresolvedOperand> operands;
  std::string text; // the last keyword or string parsed
};

struct ThunderAsmPrinter {
  mlir::AsmPrinter *printer;
  mlir::OpAsmPrinter *opPrinter; // null while printing a type or attribute
};

extern "C" {

struct ThunderFoldResult {
  MlirValue value;
  MlirAttribute attribute;
};
enum { ThunderFoldNone, ThunderFoldInPlace, ThunderFoldReplaced };
enum { ThunderEffectRead, ThunderEffectWrite, ThunderEffectAllocate, ThunderEffectFree };

/// One operation of a Rust dialect; null callbacks mean MLIR's default.
struct ThunderOp {
  const void *data;
  MlirStringRef name;
  intptr_t nTraits;
  const MlirStringRef *traits;
  intptr_t nAttributes;
  const MlirStringRef *attributes;
  bool knowsEffects; // without `effects`: it has none
  bool isSymbol;
  bool isGraphRegion;
  int speculatable; // an `mlir::Speculation::Speculatability`
  MlirLogicalResult (*parse)(const void *data, ThunderAsmParser *parser);
  void (*print)(const void *data, MlirOperation op, ThunderAsmPrinter *printer);
  MlirLogicalResult (*structure)(const void *data, MlirOperation op);
  MlirLogicalResult (*verify)(const void *data, MlirOperation op);
  MlirLogicalResult (*verifyRegions)(const void *data, MlirOperation op);
  int (*fold)(const void *data, MlirOperation op, const MlirAttribute *operands, ThunderFoldResult *results);
  void (*patterns)(const void *data, MlirRewritePatternSet set, MlirContext context);
  void (*defaults)(const void *data, MlirContext context, void *list);
  void (*effects)(const void *data, MlirOperation op, void (*add)(int kind, MlirValue value, void *user), void *user);
  MlirLogicalResult (*infer)(const void *data, MlirLocation loc, intptr_t nOperands, const MlirValue *operands,
                             MlirAttribute attributes, void (*add)(MlirType type, void *user), void *user);
};

/// One type or attribute of a Rust dialect; its parameters are attributes.
struct ThunderParametric {
  const void *data;
  MlirStringRef name;
  MlirLogicalResult (*verify)(const void *data, intptr_t nParams, const MlirAttribute *params,
                              void (*report)(MlirStringRef message, void *user), void *user);
  MlirLogicalResult (*parse)(const void *data, ThunderAsmParser *parser, void (*add)(MlirAttribute param, void *user),
                             void *user);
  void (*print)(const void *data, intptr_t nParams, const MlirAttribute *params, ThunderAsmPrinter *printer);
};

/// One dialect. The table and all it points to must live as long as the process.
struct ThunderDialect {
  const void *data;
  MlirStringRef name;
  intptr_t nOps;
  const ThunderOp *ops;
  intptr_t nTypes;
  const ThunderParametric *types;
  intptr_t nAttributes;
  const ThunderParametric *attributes;
  intptr_t nDependent;
  const MlirStringRef *dependent;
  MlirOperation (*materialize)(const void *data, MlirAttribute value, MlirType type, MlirLocation loc);
};

enum ThunderOptionKind { ThunderOptionBool, ThunderOptionInt, ThunderOptionUnsigned, ThunderOptionFloat,
                         ThunderOptionText, ThunderOptionList };
struct ThunderOption {
  MlirStringRef name;
  MlirStringRef description;
  int kind;
  MlirStringRef initial; // as text; lists start empty
};

/// One pass. The table and all it points to must live as long as the process.
struct ThunderPass {
  const void *data;
  MlirStringRef name;
  MlirStringRef argument;
  MlirStringRef description;
  MlirStringRef anchor; // empty: any operation
  intptr_t nDependent;
  const MlirStringRef *dependent;
  intptr_t nOptions;
  const ThunderOption *options;
  /// Builds an instance from option values: `counts[i]` texts for option `i`.
  /// Null means failure, with the diagnostic emitted at the context.
  void *(*create)(const void *data, MlirContext context, const intptr_t *counts, const MlirStringRef *values);
  void *(*share)(void *instance);
  void (*drop)(void *instance);
  MlirLogicalResult (*run)(void *instance, MlirOperation op, void *pass);
};

} // extern "C"

#endif
