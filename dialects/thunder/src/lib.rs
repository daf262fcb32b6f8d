//! The thunder dialect: tensor programs as primitives and composites.
