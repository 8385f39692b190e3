//! Blocking git work on bounded threads, awaited from async code. Knows how work is cut into steps and in which order results
//! come out, not what a commit means.
//!
//! `walker` finds commits step by step, `stream` has them turned into output by the pool and hands the pieces out in order,
//! `discovery` finds what the cache's graph doesn't have yet.

pub mod discovery;
mod handles;
mod pool;
pub mod stream;
pub mod walker;

pub use handles::Handles;
pub use pool::{JobError, Pending, Pool};
