// Machine code from the LLVM dialect: object files and their in-memory loader.

#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

#include <cstdlib>
#include <cstring>
#include <string>

extern "C" {

/// The host's CPU name; the caller frees it with `thunderFree`.
char *thunderHostCpu() { return strdup(llvm::sys::getHostCPUName().str().c_str()); }

/// Frees what a `thunder...` function of this file allocated.
void thunderFree(char *bytes) { free(bytes); }
}
