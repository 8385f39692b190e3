//! Several repositories: those that are registered, looking at one, mirrors of what lies elsewhere, and doing something with many at
//! once.
//!
//! Owns which repositories there are, and that a mirror is whole or not there. Refuses output, what a commit means, and settings of a
//! repository, which lie beside its entry but are `config`'s.

mod claim;
mod debris;
mod limit;
pub mod mirror;
mod place;
pub mod registry;
mod shard;

pub use limit::{Limit, MOST, Slot};
pub use place::{Found, Place, Source, look, place_of};
pub use registry::{Entry, Listing, Registry, Selection};
pub use shard::Shard;
