//! What this processor can do.

/// Those of `names` (LLVM's names) that this processor lacks or that are unknown here.
pub(crate) fn missing(names: &[String]) -> Vec<String> {
    names.iter().filter(|name| !has(name)).cloned().collect()
}

macro_rules! detect {
    ($name:expr, $detected:ident: $($feature:tt)*) => {
        match $name {
            $($feature => std::arch::$detected!($feature),)*
            _ => false,
        }
    };
}

#[cfg(target_arch = "x86_64")]
fn has(name: &str) -> bool {
    // LLVM's names of features that Rust calls otherwise, or that follow from the architecture.
    match name {
        "cx8" | "cmov" | "mmx" | "x87" | "64bit" => return true,
        "cx16" => return std::arch::is_x86_feature_detected!("cmpxchg16b"),
        "rdrnd" => return std::arch::is_x86_feature_detected!("rdrand"),
        "sahf" => return true,
        _ => {}
    }
    detect!(name, is_x86_feature_detected:
        "fxsr" "sse" "sse2" "sse3" "ssse3" "sse4.1" "sse4.2" "sse4a" "popcnt" "lzcnt" "bmi1" "bmi2"
        "avx" "avx2" "fma" "f16c" "aes" "pclmulqdq" "vaes" "vpclmulqdq" "gfni" "sha" "movbe" "adx"
        "rdseed" "xsave" "xsavec" "xsaveopt" "xsaves" "avxvnni"
        "avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl" "avx512vnni" "avx512bf16" "avx512fp16"
        "avx512ifma" "avx512vbmi" "avx512vbmi2" "avx512bitalg" "avx512vpopcntdq"
        "avx512vp2intersect")
}

#[cfg(target_arch = "aarch64")]
fn has(name: &str) -> bool {
    detect!(name, is_aarch64_feature_detected:
        "neon" "fp" "fp16" "dotprod" "sve" "sve2" "bf16" "i8mm" "lse" "aes" "sha2" "rdm" "fhm")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn has(_name: &str) -> bool {
    false
}
