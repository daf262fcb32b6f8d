//! Operations of PyTorch as its own table of tests, `op_db`, has them: samples as exported programs, what becomes of
//! each, and the table of that.
//!
//! `tests/goldens/op_db.py` writes the samples.

pub mod choices;
pub mod claims;
pub mod close;
pub mod gpu;
pub mod run;
pub mod samples;
pub mod table;
