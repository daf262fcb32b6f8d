// Machine code from the LLVM dialect, and its in-memory loader.

#include "mlir-c/IR.h"
#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Support.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

using namespace llvm;

namespace {

using Text = void (*)(MlirStringRef text, void *user);
enum { EmitObject, EmitAssembly, EmitLlvm };

void initializeTargets() {
  [[maybe_unused]] static int done = [] {
    InitializeNativeTarget(), InitializeNativeTargetAsmPrinter(), InitializeNativeTargetAsmParser();
    LLVMInitializeNVPTXTargetInfo(), LLVMInitializeNVPTXTarget();
    return LLVMInitializeNVPTXTargetMC(), LLVMInitializeNVPTXAsmPrinter(), 0;
  }();
}

bool fail(const Twine &message, Text error, void *user) {
  error(wrap(StringRef(message.str())), user);
  return false;
}

/// Every feature of the host with its sign, in alphabetical order.
std::string hostFeatures() {
  StringMap<bool> features = sys::getHostCPUFeatures();
  SmallVector<std::string> signs;
  for (auto &feature : features) signs.push_back((feature.second ? "+" : "-") + feature.first().str());
  sort(signs, [](StringRef a, StringRef b) { return a.drop_front() < b.drop_front(); });
  return join(signs, ",");
}

OptimizationLevel pipelineLevel(int level) {
  using Level = OptimizationLevel;
  return std::array{Level::O0, Level::O1, Level::O2, Level::O3}[level];
}

void optimize(Module &module, TargetMachine &machine, int level) {
  PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.SLPVectorization = tuning.LoopInterleaving = level >= 2;
  PassBuilder builder(&machine, tuning);
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager graphs;
  ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  OptimizationLevel opt = pipelineLevel(level);
  (level == 0 ? builder.buildO0DefaultPipeline(opt) : builder.buildPerModuleDefaultPipeline(opt)).run(module, modules);
}

} // namespace

extern "C" {

void thunderHostCpu(Text result, void *user) { result(wrap(sys::getHostCPUName()), user); }

void thunderHostFeatures(Text result, void *user) { result(wrap(StringRef(hostFeatures())), user); }

bool thunderCodegenEmit(MlirOperation op, MlirStringRef system, MlirStringRef cpu, MlirStringRef features, int level,
                        int kind, Text result, Text error, void *user) {
  initializeTargets();
  mlir::Operation *source = unwrap(op);
  mlir::registerBuiltinDialectTranslation(*source->getContext());
  mlir::registerLLVMDialectTranslation(*source->getContext());
  mlir::registerNVVMDialectTranslation(*source->getContext());

  LLVMContext context;
  std::string problems;
  context.setDiagnosticHandlerCallBack(
      [](const DiagnosticInfo *info, void *into) {
        if (info->getSeverity() != DS_Error) return;
        raw_string_ostream stream(*static_cast<std::string *>(into));
        DiagnosticPrinterRawOStream printer(stream);
        info->print(printer);
        stream << '\n';
      },
      &problems);
  mlir::ScopedDiagnosticHandler handler(source->getContext(), [&](mlir::Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error) return mlir::failure();
    raw_string_ostream(problems) << diagnostic << '\n';
    return mlir::success();
  });
  std::unique_ptr<Module> module = mlir::translateModuleToLLVMIR(source, context, "thunder");
  if (!module) return fail("the module does not translate to LLVM IR: " + StringRef(problems).rtrim(), error, user);

  bool native = unwrap(cpu) == "native";
  std::string name = (native ? sys::getHostCPUName() : unwrap(cpu)).str();
  std::string flags = native ? hostFeatures() : "";
  if (features.length) flags += (flags.empty() ? "" : ",") + unwrap(features).str();
  Triple triple(system.length ? unwrap(system).str() : sys::getProcessTriple());
  std::string problem;
  const Target *target = TargetRegistry::lookupTarget(triple, problem);
  if (!target) return fail(problem, error, user);
  std::unique_ptr<MCSubtargetInfo> cpus(target->createMCSubtargetInfo(triple, "", ""));
  if (!cpus->isCPUStringValid(name)) return fail("unknown CPU '" + name + "'", error, user);
  std::unique_ptr<TargetMachine> machine(target->createTargetMachine(triple, name, flags, TargetOptions(), Reloc::PIC_,
                                                                     std::nullopt, CodeGenOptLevel(level)));
  if (!machine) return fail("no code generator for " + triple.str(), error, user);

  module->setTargetTriple(triple);
  module->setDataLayout(machine->createDataLayout());
  for (Function &function : *module) {
    if (function.isDeclaration()) continue;
    function.addFnAttr("target-cpu", name);
    function.addFnAttr("target-features", flags);
    // LLVM takes 256 bits on some CPUs that have 512; it counts only where they do.
    function.addFnAttr("prefer-vector-width", "512");
    function.addFnAttr(Attribute::NoUnwind);
  }
  optimize(*module, *machine, level);

  SmallString<0> bytes;
  raw_svector_ostream stream(bytes);
  if (kind == EmitLlvm) {
    module->print(stream, nullptr);
  } else {
    legacy::PassManager codegen;
    auto type = kind == EmitObject ? CodeGenFileType::ObjectFile : CodeGenFileType::AssemblyFile;
    if (machine->addPassesToEmitFile(codegen, stream, nullptr, type))
      return fail("no " + Twine(kind == EmitObject ? "objects" : "assembly") + " for " + triple.str(), error, user);
    codegen.run(*module);
  }
  if (!problems.empty()) return fail(StringRef(problems).rtrim(), error, user);
  result(wrap(bytes.str()), user);
  return true;
}

void *thunderJitCreate(MlirStringRef object, Text error, void *user) {
  initializeTargets();
  auto give = [&](Error problem) { return fail(toString(std::move(problem)), error, user), nullptr; };
  auto jit = orc::LLJITBuilder().create();
  if (!jit) return give(jit.takeError());
  // What objects call is in libc and libm, which every process has.
  auto process = orc::DynamicLibrarySearchGenerator::GetForCurrentProcess((*jit)->getDataLayout().getGlobalPrefix());
  if (!process) return give(process.takeError());
  (*jit)->getMainJITDylib().addGenerator(std::move(*process));
  if (Error problem = (*jit)->addObjectFile(MemoryBuffer::getMemBufferCopy(unwrap(object), "kernels")))
    return give(std::move(problem));
  return jit->release();
}

void *thunderJitLookup(void *jit, MlirStringRef name, Text error, void *user) {
  auto address = static_cast<orc::LLJIT *>(jit)->lookup(unwrap(name));
  if (address) return address->toPtr<void *>();
  fail(toString(address.takeError()), error, user);
  return nullptr;
}

void thunderJitDestroy(void *jit) { delete static_cast<orc::LLJIT *>(jit); }
}
