// Passes whose work is done in Rust, and diagnostics with every severity.

#include "mlir/CAPI/Pass.h"
#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Support.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/Format.h"

#include "shim.h"

using namespace mlir;

namespace {

class RustPass : public Pass {
public:
  // Passes of one registration are told apart by the address of their table.
  explicit RustPass(const ThunderPass *table)
      : Pass(TypeID::getFromOpaquePointer(table),
             table->anchor.length ? std::optional<StringRef>(unwrap(table->anchor)) : std::nullopt),
        table(table) {
    for (intptr_t i = 0; i < table->nOptions; ++i) options.push_back(makeOption(table->options[i]));
  }
  RustPass(const RustPass &other) : RustPass(other.table) {
    copyOptionValuesFrom(&other);
    if (other.instance) instance = table->share(other.instance);
  }
  ~RustPass() override {
    if (instance) table->drop(instance);
  }

  StringRef getName() const override { return unwrap(table->name); }
  StringRef getArgument() const override { return unwrap(table->argument); }
  StringRef getDescription() const override { return unwrap(table->description); }
  // Runs before any worker thread does, so dialects may still be loaded.
  LogicalResult initialize(MLIRContext *context) override {
    for (intptr_t i = 0; i < table->nDependent; ++i)
      if (!context->getOrLoadDialect(unwrap(table->dependent[i])))
        return emitError(UnknownLoc::get(context)) << "pass '" << getArgument() << "' needs dialect '"
                                                   << unwrap(table->dependent[i]) << "', which is not registered";
    std::vector<std::string> texts;
    std::vector<intptr_t> counts;
    for (auto &option : options) counts.push_back(option->read(texts));
    std::vector<MlirStringRef> values;
    for (const std::string &text : texts) values.push_back(wrap(StringRef(text)));
    if (instance) table->drop(instance);
    instance = table->create(table->data, wrap(context), counts.data(), values.data());
    return success(instance != nullptr);
  }
  bool canScheduleOn(RegisteredOperationName) const override { return true; }
  bool canScheduleOn(Operation *op) const override {
    return !getOpName() || op->getName().getStringRef() == *getOpName();
  }
  void runOnOperation() override {
    if (!table->run(instance, wrap(getOperation()), this).value) signalPassFailure();
  }
  std::unique_ptr<Pass> clonePass() const override { return std::make_unique<RustPass>(*this); }
  LogicalResult runNested(OpPassManager &pipeline, Operation *op) { return runPipeline(pipeline, op); }

private:
  struct AnyOption {
    virtual ~AnyOption() = default;
    virtual intptr_t read(std::vector<std::string> &texts) = 0;
  };
  template <typename T> struct Scalar : AnyOption {
    Option<T> option;
    Scalar(Pass &pass, const ThunderOption &o, const T &initial)
        : option(pass, unwrap(o.name), llvm::cl::desc(unwrap(o.description)), llvm::cl::init(initial)) {}
    intptr_t read(std::vector<std::string> &texts) override {
      if constexpr (std::is_same_v<T, std::string>)
        texts.push_back(option.getValue());
      else if constexpr (std::is_same_v<T, bool>)
        texts.push_back(option.getValue() ? "true" : "false");
      else if constexpr (std::is_same_v<T, double>) {
        std::string text;
        llvm::raw_string_ostream(text) << llvm::format("%.17g", option.getValue());
        texts.push_back(text);
      } else
        texts.push_back(std::to_string(option.getValue()));
      return 1;
    }
  };
  struct List : AnyOption {
    ListOption<std::string> option;
    List(Pass &pass, const ThunderOption &o) : option(pass, unwrap(o.name), llvm::cl::desc(unwrap(o.description))) {}
    intptr_t read(std::vector<std::string> &texts) override {
      for (const std::string &text : option) texts.push_back(text);
      return option.size();
    }
  };

  std::unique_ptr<AnyOption> makeOption(const ThunderOption &o) {
    StringRef initial = unwrap(o.initial);
    switch (o.kind) {
    case ThunderOptionBool: return std::make_unique<Scalar<bool>>(*this, o, initial == "true");
    case ThunderOptionInt: {
      int64_t value = 0;
      initial.getAsInteger(10, value);
      return std::make_unique<Scalar<int64_t>>(*this, o, value);
    }
    case ThunderOptionUnsigned: {
      uint64_t value = 0;
      initial.getAsInteger(10, value);
      return std::make_unique<Scalar<uint64_t>>(*this, o, value);
    }
    case ThunderOptionFloat: {
      double value = 0;
      initial.getAsDouble(value);
      return std::make_unique<Scalar<double>>(*this, o, value);
    }
    case ThunderOptionList: return std::make_unique<List>(*this, o);
    default: return std::make_unique<Scalar<std::string>>(*this, o, initial.str());
    }
  }

  const ThunderPass *table;
  std::vector<std::unique_ptr<AnyOption>> options;
  void *instance = nullptr;
};

} // namespace

extern "C" void thunderPassRegister(const ThunderPass *table) {
  registerPass([table]() -> std::unique_ptr<Pass> { return std::make_unique<RustPass>(table); });
}

extern "C" void thunderPipelineRegister(MlirStringRef argument, MlirStringRef description, MlirStringRef body) {
  std::string text = unwrap(body).str();
  registerPassPipeline(
      unwrap(argument), unwrap(description),
      [text](OpPassManager &pm, StringRef options, function_ref<LogicalResult(const Twine &)> error) {
        if (!options.empty()) return error("this pipeline takes no options");
        return parsePassPipeline(text, pm, llvm::errs());
      },
      [](function_ref<void(const detail::PassOptions &)>) {});
}

extern "C" MlirLogicalResult thunderPassRunPipeline(void *pass, MlirOpPassManager pipeline, MlirOperation op) {
  return wrap(static_cast<RustPass *>(pass)->runNested(*unwrap(pipeline), unwrap(op)));
}

static DiagnosticSeverity severityOf(int kind) {
  switch (kind) {
  case 0: return DiagnosticSeverity::Error;
  case 1: return DiagnosticSeverity::Warning;
  case 2: return DiagnosticSeverity::Note;
  default: return DiagnosticSeverity::Remark;
  }
}

static void attach(InFlightDiagnostic &diagnostic, intptr_t nNotes, const MlirLocation *locations,
                   const MlirStringRef *notes) {
  for (intptr_t i = 0; i < nNotes; ++i) diagnostic.attachNote(unwrap(locations[i])) << unwrap(notes[i]);
}

extern "C" void thunderEmit(MlirLocation location, int severity, MlirStringRef message, intptr_t nNotes,
                            const MlirLocation *locations, const MlirStringRef *notes) {
  Location loc = unwrap(location);
  InFlightDiagnostic diagnostic = loc.getContext()->getDiagEngine().emit(loc, severityOf(severity));
  diagnostic << unwrap(message);
  attach(diagnostic, nNotes, locations, notes);
}

/// Like `thunderEmit` at an operation, which MLIR may then print as a note.
extern "C" void thunderOperationEmit(MlirOperation operation, int severity, MlirStringRef message, intptr_t nNotes,
                                     const MlirLocation *locations, const MlirStringRef *notes) {
  Operation *op = unwrap(operation);
  InFlightDiagnostic diagnostic = severity == 0   ? op->emitError()
                                  : severity == 1 ? op->emitWarning()
                                                  : op->emitRemark();
  diagnostic << unwrap(message);
  attach(diagnostic, nNotes, locations, notes);
}

namespace {
/// A pattern over any operation, since the C API knows patterns with one root.
class AnyPattern : public RewritePattern {
public:
  using Run = MlirLogicalResult (*)(MlirOperation, MlirRewriterBase, void *);
  AnyPattern(unsigned benefit, MLIRContext *context, Run run, void (*destroy)(void *), void *user)
      : RewritePattern(MatchAnyOpTypeTag(), benefit, context), run(run), destroy(destroy), user(user) {}
  ~AnyPattern() override { destroy(user); }
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    return success(run(wrap(op), wrap(static_cast<RewriterBase *>(&rewriter)), user).value != 0);
  }

private:
  Run run;
  void (*destroy)(void *);
  void *user;
};
} // namespace

extern "C" void thunderPatternAddAny(MlirRewritePatternSet patterns, unsigned benefit, AnyPattern::Run run,
                                     void (*destroy)(void *), void *user) {
  RewritePatternSet &set = *unwrap(patterns);
  set.add(std::make_unique<AnyPattern>(benefit, set.getContext(), run, destroy, user));
}
