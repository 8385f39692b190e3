//! The only door to gix: finding a repository, its refs, its objects and its history. Each worker thread owns a [`Handle`] of
//! its own. Knows no SQL, no JSON and no command line.

pub mod config;
pub mod diff;
pub mod history;
pub mod mailmap;
mod packs;
pub mod patch;
pub mod refs;
pub mod repository;
pub mod state;
mod surroundings;
mod trees;
pub mod walk;

pub use repository::{GIT_LIMIT, Handle, ObjectError, ObjectKind, Repository, Sought};
