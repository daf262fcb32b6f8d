//! The exec dialect: what the planner decided.
