//! The repositories that are looked after. Owns where a mirror lies and that it is whole; refuses output, and what a commit means.

mod claim;
mod debris;
pub mod mirror;
