//! The only door to gix: finding a repository, its refs, its objects and its history. Each worker thread owns a [`Handle`] of
//! its own. Knows no SQL, no JSON and no command line.

pub mod config;
pub mod diff;
mod handle;
pub mod history;
pub mod mailmap;
mod object;
mod packs;
pub mod patch;
pub mod refs;
pub mod repository;
pub mod state;
mod surroundings;
mod trees;
pub mod walk;

pub use handle::Handle;
pub use object::{ObjectError, ObjectKind};
pub use repository::{GIT_LIMIT, Repository, Sought};
