// Passes whose work is done in Rust, and diagnostics with every severity.

#include "mlir/CAPI/Pass.h"
#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Support.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/FormatVariadic.h"

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
      // Sixteen digits after the first tell every double from every other.
      constexpr bool isFloat = std::is_same_v<T, double>;
      texts.push_back(llvm::formatv(isFloat ? "{0:e16}" : "{0}", option.getValue()).str());
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
    std::string initial = unwrap(o.initial).str();
    switch (o.kind) {
    case ThunderOptionBool: return std::make_unique<Scalar<bool>>(*this, o, initial == "true");
    case ThunderOptionInt: return std::make_unique<Scalar<int64_t>>(*this, o, std::atoll(initial.c_str()));
    case ThunderOptionUnsigned:
      return std::make_unique<Scalar<uint64_t>>(*this, o, std::strtoull(initial.c_str(), nullptr, 10));
    case ThunderOptionFloat: return std::make_unique<Scalar<double>>(*this, o, std::atof(initial.c_str()));
    case ThunderOptionList: return std::make_unique<List>(*this, o);
    default: return std::make_unique<Scalar<std::string>>(*this, o, initial);
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

/// Emits a diagnostic, where `operation` is not null at it: MLIR may then print it as a note.
extern "C" void thunderEmit(MlirLocation location, MlirOperation operation, int severity, MlirStringRef message,
                            intptr_t nNotes, const MlirLocation *locations, const MlirStringRef *notes) {
  auto kind = static_cast<DiagnosticSeverity>(severity);
  Operation *op = unwrap(operation);
  DiagnosticEngine &engine = unwrap(location).getContext()->getDiagEngine();
  InFlightDiagnostic diagnostic = !op                                   ? engine.emit(unwrap(location), kind)
                                  : kind == DiagnosticSeverity::Error   ? op->emitError()
                                  : kind == DiagnosticSeverity::Warning ? op->emitWarning()
                                                                        : op->emitRemark();
  diagnostic << unwrap(message);
  for (intptr_t i = 0; i < nNotes; ++i) diagnostic.attachNote(unwrap(locations[i])) << unwrap(notes[i]);
}
