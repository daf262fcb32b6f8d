//! Which code runs on which GPU.

use std::fmt;

use super::error::{CudaError, Result};

/// The architecture of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Architecture {
    major: u32,
    minor: u32,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sm_{}{}", self.major, self.minor)
    }
}

impl Architecture {
    /// From the driver's numbers.
    pub(super) const fn of(major: i32, minor: i32) -> Self {
        Self { major: major.unsigned_abs(), minor: minor.unsigned_abs() }
    }

    pub(super) fn is_at_least(self, other: Self) -> bool {
        (self.major, self.minor) >= (other.major, other.minor)
    }

    /// Whether PTX for `wanted` runs on `self`, a GPU called `name`.
    ///
    /// PTX for an architecture runs on newer ones; with an `a` behind, on no other; with an `f`, on its family.
    pub(super) fn check(self, wanted: &str, name: &str) -> Result {
        let suffix = wanted.chars().last().filter(char::is_ascii_alphabetic);
        let number = wanted.strip_prefix("sm_").map(|number| number.trim_end_matches(['a', 'f']));
        let number = number.and_then(|number| number.parse::<u32>().ok());
        let runs = number.is_some_and(|number| {
            let (own, same_family) = (self.major * 10 + self.minor, self.major == number / 10);
            match suffix {
                None => own >= number,
                Some('a') => own == number,
                Some('f') => own >= number && same_family,
                Some(_) => false,
            }
        });
        if runs {
            return Ok(());
        }
        let (wanted, name) = (wanted.to_owned(), name.to_owned());
        Err(CudaError::Architecture { wanted, name, found: self.to_string() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn code_runs_on_its_own_architecture_and_on_what_follows() {
        let runs = |major, minor, wanted| Architecture::of(major, minor).check(wanted, "gpu").is_ok();
        assert!(runs(9, 0, "sm_80") && runs(9, 0, "sm_90") && runs(9, 0, "sm_90a") && runs(12, 0, "sm_90"));
        assert!(!runs(8, 6, "sm_90") && !runs(10, 0, "sm_90a") && !runs(8, 9, "sm_90a"));
        assert!(runs(10, 3, "sm_100f") && !runs(12, 0, "sm_100f") && !runs(10, 0, "sm_103f"));
        assert!(!runs(9, 0, "gfx942") && !runs(9, 0, "") && !runs(9, 0, "sm_90z"));
        let error = Architecture::of(8, 0).check("sm_90a", "NVIDIA A100").unwrap_err();
        let message = "compiled for sm_90a, and 'NVIDIA A100' is sm_80; compile it with --target cuda:sm_80";
        assert_eq!(error.to_string(), message);
    }
}
