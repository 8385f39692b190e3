//! The only door to rusqlite. One database for each git common directory, under `$XDG_CACHE_HOME/git-bhfuil/`: what would be
//! slow to find out again. All of it can be deleted at any time; git is the truth. Knows no gix and no events.

pub mod answers;
mod aside;
pub mod blocks;
pub mod checks;
pub mod cursors;
pub mod database;
mod file_system;
pub mod folder;
pub mod history;
pub mod holders;
pub mod location;
mod migration;
pub mod patches;
pub mod placed;
pub mod postings;
mod repository;
mod schema;
mod segments;
pub mod state;
mod tagged;
pub mod tasks;
pub mod trim;
pub mod views;
pub mod words;

pub use repository::{Cache, LIGHT, Pass, Snapshot, SnapshotRef, StoredGraph, digest};
