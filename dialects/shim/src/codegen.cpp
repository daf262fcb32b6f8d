// Machine code from the LLVM dialect, and its in-memory loader.

#include "mlir-c/IR.h"
#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Support.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/Transforms/Utils/Cloning.h"

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

/// Writes errors of LLVM's into `problems`.
void keepErrors(LLVMContext &context, std::string &problems) {
  context.setDiagnosticHandlerCallBack(
      [](const DiagnosticInfo *info, void *into) {
        if (info->getSeverity() != DS_Error) return;
        raw_string_ostream stream(*static_cast<std::string *>(into));
        DiagnosticPrinterRawOStream printer(stream);
        info->print(printer);
        stream << '\n';
      },
      &problems);
}

/// What code is for, and how it is made.
struct Recipe {
  const Target *target;
  Triple triple;
  std::string cpu, features;
  int level, kind;

  std::unique_ptr<TargetMachine> machine() const {
    return std::unique_ptr<TargetMachine>(target->createTargetMachine(triple, cpu, features, TargetOptions(), Reloc::PIC_,
                                                                      std::nullopt, CodeGenOptLevel(level)));
  }

  /// Says what a module's functions are for, before it is optimized.
  bool prepare(Module &module, std::string &problems) const {
    std::unique_ptr<TargetMachine> code = machine();
    if (!code) return problems = "no code generator for " + triple.str(), false;
    module.setTargetTriple(triple);
    module.setDataLayout(code->createDataLayout());
    for (Function &function : module) {
      if (function.isDeclaration()) continue;
      function.addFnAttr("target-cpu", cpu);
      function.addFnAttr("target-features", features);
      // LLVM takes 256 bits on some CPUs that have 512; it counts only where they do.
      function.addFnAttr("prefer-vector-width", "512");
      function.addFnAttr(Attribute::NoUnwind);
    }
    return true;
  }

  /// Optimizes a prepared module and emits it.
  void emit(Module &module, SmallVectorImpl<char> &bytes, std::string &problems) const {
    std::unique_ptr<TargetMachine> code = machine();
    optimize(module, *code, level);
    raw_svector_ostream stream(bytes);
    if (kind == EmitLlvm) return module.print(stream, nullptr);
    legacy::PassManager codegen;
    auto type = kind == EmitObject ? CodeGenFileType::ObjectFile : CodeGenFileType::AssemblyFile;
    if (code->addPassesToEmitFile(codegen, stream, nullptr, type))
      problems += std::string("no ") + (kind == EmitObject ? "objects" : "assembly") + " for " + triple.str() + '\n';
    else
      codegen.run(module);
  }
};

/// A part of a module: bitcode, since modules of one context cannot be worked on by several threads.
struct Part {
  SmallString<0> bitcode, bytes;
  std::string problems;
};

/// Deals a module's functions out to at most `count` parts of about the same size. What is internal is copied to all.
std::vector<Part> split(Module &module, size_t count) {
  std::vector<std::pair<size_t, const Function *>> functions;
  for (const Function &function : module)
    if (!function.isDeclaration() && !function.hasLocalLinkage())
      functions.emplace_back(function.getInstructionCount(), &function);
  stable_sort(functions, [](auto &a, auto &b) { return a.first > b.first; });
  std::vector<Part> parts(std::max<size_t>(1, std::min(count, functions.size())));
  std::vector<size_t> sizes(parts.size());
  DenseMap<const GlobalValue *, size_t> places;
  for (auto [size, function] : functions) {
    size_t lightest = std::min_element(sizes.begin(), sizes.end()) - sizes.begin();
    sizes[lightest] += size, places[function] = lightest;
  }
  for (auto [index, part] : enumerate(parts)) {
    ValueToValueMapTy map;
    raw_svector_ostream stream(part.bitcode);
    // What is visible and no function is in the first part.
    WriteBitcodeToFile(*CloneModule(module, map, [&, index = index](const GlobalValue *value) {
      return value->hasLocalLinkage() || places.lookup(value) == index;
    }), stream);
  }
  return parts;
}

void emit(Part &part, const Recipe &recipe) {
  LLVMContext context;
  keepErrors(context, part.problems);
  auto module = parseBitcodeFile(MemoryBufferRef(part.bitcode.str(), "thunder"), context);
  if (module)
    recipe.emit(**module, part.bytes, part.problems);
  else
    part.problems += toString(module.takeError());
}

} // namespace

extern "C" {

void thunderHostCpu(Text result, void *user) { result(wrap(sys::getHostCPUName()), user); }

void thunderHostFeatures(Text result, void *user) { result(wrap(StringRef(hostFeatures())), user); }

bool thunderCodegenEmit(MlirOperation op, MlirStringRef system, MlirStringRef cpu, MlirStringRef features, int level,
                        int kind, size_t count, Text result, Text error, void *user) {
  initializeTargets();
  mlir::Operation *source = unwrap(op);
  mlir::registerBuiltinDialectTranslation(*source->getContext());
  mlir::registerLLVMDialectTranslation(*source->getContext());
  mlir::registerNVVMDialectTranslation(*source->getContext());

  LLVMContext context;
  std::string problems;
  keepErrors(context, problems);
  mlir::ScopedDiagnosticHandler handler(source->getContext(), [&](mlir::Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error) return mlir::failure();
    raw_string_ostream(problems) << diagnostic << '\n';
    return mlir::success();
  });
  std::unique_ptr<Module> module = mlir::translateModuleToLLVMIR(source, context, "thunder");
  if (!module) return fail("the module does not translate to LLVM IR: " + StringRef(problems).rtrim(), error, user);

  bool native = unwrap(cpu) == "native";
  Recipe recipe{nullptr, Triple(system.length ? unwrap(system).str() : sys::getProcessTriple()),
                (native ? sys::getHostCPUName() : unwrap(cpu)).str(), native ? hostFeatures() : "", level, kind};
  if (features.length) recipe.features += (recipe.features.empty() ? "" : ",") + unwrap(features).str();
  std::string problem;
  recipe.target = TargetRegistry::lookupTarget(recipe.triple, problem);
  if (!recipe.target) return fail(problem, error, user);
  std::unique_ptr<MCSubtargetInfo> cpus(recipe.target->createMCSubtargetInfo(recipe.triple, "", ""));
  if (!cpus->isCPUStringValid(recipe.cpu)) return fail("unknown CPU '" + recipe.cpu + "'", error, user);
  if (!recipe.prepare(*module, problem)) return fail(problem, error, user);

  std::vector<Part> parts;
  if (count > 1) {
    parts = split(*module, count);
    DefaultThreadPool threads;
    for (Part &part : parts) threads.async([&] { emit(part, recipe); });
    threads.wait();
  } else {
    recipe.emit(*module, parts.emplace_back().bytes, problems);
  }
  for (const Part &part : parts) problems += part.problems;
  if (!problems.empty()) return fail(StringRef(problems).rtrim(), error, user);
  for (const Part &part : parts) result(wrap(part.bytes.str()), user);
  return true;
}

void *thunderJitCreate(const MlirStringRef *objects, size_t count, Text error, void *user) {
  initializeTargets();
  auto give = [&](Error problem) { return fail(toString(std::move(problem)), error, user), nullptr; };
  auto jit = orc::LLJITBuilder().create();
  if (!jit) return give(jit.takeError());
  // What objects call is in libc and libm, which every process has.
  auto process = orc::DynamicLibrarySearchGenerator::GetForCurrentProcess((*jit)->getDataLayout().getGlobalPrefix());
  if (!process) return give(process.takeError());
  (*jit)->getMainJITDylib().addGenerator(std::move(*process));
  for (size_t index = 0; index < count; ++index)
    if (Error problem = (*jit)->addObjectFile(
            MemoryBuffer::getMemBufferCopy(unwrap(objects[index]), "kernels" + Twine(index))))
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
