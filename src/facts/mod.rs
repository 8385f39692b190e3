//! Pure bytes → facts, and the vocabulary that every room shares. Nothing here reads or writes anything.
//!
//! `commit`, `identity`, `date`, `text` and `trailers` read a commit object as `git log` shows it; `references` gathers what its
//! message says of other commits and issues, a file for each kind; `changes`, `line_diff` and `patch_id` say what it did;
//! `words` is what a search understands by a word.

pub mod change_id;
pub mod changes;
pub mod commit;
pub mod date;
pub mod diff_prefix;
pub mod fixes;
pub mod identity;
pub mod issues;
pub mod line_diff;
mod line_table;
pub mod oid;
mod once;
pub mod origins;
pub mod patch_id;
pub mod patterns;
pub mod references;
pub mod requests;
pub mod reverts;
pub mod text;
pub mod trailers;
pub mod words;

pub use oid::Oid;
