//! Several repositories: those that are registered, looking at one, and doing something with many at once.
//!
//! Owns which repositories there are. Refuses output, and settings of a repository, which lie beside its entry but are `config`'s.

mod limit;
mod place;
pub mod registry;

pub use limit::{Limit, MOST, Slot};
pub use place::{Found, Place, Source, look, place_of};
pub use registry::{Entry, Listing, Registry, Selection};
