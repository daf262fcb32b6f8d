//! Tests over the whole of Thunder.
