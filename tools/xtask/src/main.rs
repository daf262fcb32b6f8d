//! Project automation: set-up, tests, tidy, demo.

fn main() {}
