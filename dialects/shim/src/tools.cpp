// MLIR's own tools over a registry that Rust fills, and what their command lines know.

#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Support.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"
#include "llvm/Support/CommandLine.h"

using namespace mlir;
namespace cl = llvm::cl;
using Add = void (*)(MlirStringRef name, MlirStringRef help, void *user);

// MLIR tells the options of a pass only on stdout; an explicit instantiation may name private members.
template <auto Member> struct Reach {
  friend const auto &optionsOf(const PassRegistryEntry &entry) { return entry.*Member; }
};
template struct Reach<&PassRegistryEntry::optHandler>;
const auto &optionsOf(const PassRegistryEntry &entry);

static const PassRegistryEntry *lookup(StringRef name) {
  const PassRegistryEntry *pass = PassInfo::lookup(name);
  return pass ? pass : PassPipelineInfo::lookup(name);
}

/// Keeps what is declared already, LLVM's flags about machines and such, out of `--help`.
static void hideFlags() {
  for (auto &flag : cl::getRegisteredOptions())
    if (flag.second->getOptionHiddenFlag() == cl::NotHidden) flag.second->setHiddenFlag(cl::Hidden);
}

extern "C" int thunderOptMain(int argc, char **argv, MlirDialectRegistry registry,
                              bool (*review)(bool accepted, MlirStringRef errors, void *user), void *user) {
  hideFlags();
  registerAllGPUToLLVMIRTranslations(*unwrap(registry));
  std::string overview = registerCLIOptions("Parses, transforms and prints MLIR.", *unwrap(registry)), text;
  static cl::opt<std::string> input(cl::Positional, cl::desc("<input file>"), cl::init("-"));
  static cl::opt<std::string> output("o", cl::desc("Output filename"), cl::value_desc("filename"), cl::init("-"));
  llvm::raw_string_ostream errors(text);
  bool accepted = cl::ParseCommandLineOptions(argc, argv, overview, &errors);
  bool goes = review(accepted, wrap(StringRef(text)), user);
  return goes ? asMainReturnCode(MlirOptMain(argc, argv, input, output, *unwrap(registry))) : 1;
}
extern "C" int thunderLspMain(int argc, char **argv, MlirDialectRegistry registry) {
  hideFlags();
  return asMainReturnCode(MlirLspServerMain(argc, argv, *unwrap(registry)));
}
extern "C" int thunderReduceMain(int argc, char **argv, MlirContext context) {
  hideFlags();
  return asMainReturnCode(mlirReduceMain(argc, argv, *unwrap(context)));
}

/// Tells every flag that `thunderOptMain` has declared; passes and pipelines are among them.
extern "C" void thunderFlags(Add add, void *user) {
  for (auto &[name, flag] : cl::getRegisteredOptions())
    add(wrap(name), wrap(lookup(name) ? lookup(name)->getPassDescription() : flag->HelpStr), user);
}
/// Tells the options of a pass or pipeline; false where there is none of this name.
extern "C" bool thunderPassOptions(MlirStringRef name, Add add, void *user) {
  const PassRegistryEntry *pass = lookup(unwrap(name));
  if (pass)
    optionsOf (*pass)([&](const detail::PassOptions &options) {
      for (auto &[name, option] : ((const cl::SubCommand &)options).OptionsMap)
        add(wrap(name), wrap(option->HelpStr), user);
    });
  return pass;
}
/// Whether MLIR can build a pipeline from text; if not, tells why.
extern "C" bool thunderPipelineCheck(MlirStringRef pipeline, Add report, void *user) {
  std::string text;
  llvm::raw_string_ostream errors(text);
  bool parsed = succeeded(parsePassPipeline(unwrap(pipeline), errors));
  report(wrap(StringRef(text)), {}, user);
  return parsed;
}
