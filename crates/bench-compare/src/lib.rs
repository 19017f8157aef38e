//! bench-compare.
