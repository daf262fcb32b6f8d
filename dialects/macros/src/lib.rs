//! Attribute and derive macros behind thunder-ir: ops, passes and attributes from structs.
