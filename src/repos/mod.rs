//! Several repositories: those that are registered, and doing something with many at once.

mod limit;

pub use limit::{Limit, MOST, Slot};
