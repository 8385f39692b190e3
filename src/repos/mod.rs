//! Several repositories: those that are registered, and looking at one.
//!
//! Owns which repositories there are. Refuses output, and settings of a repository, which lie beside its entry but are `config`'s.

mod place;
pub mod registry;

pub use place::{Found, Place, Source, look, place_of};
pub use registry::{Entry, Listing, Registry, Selection};
