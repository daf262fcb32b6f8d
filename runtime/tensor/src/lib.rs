//! Host tensors: dtypes, storage, comparison, files.
