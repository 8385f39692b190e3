//! Every parser that reads what a repository, a server or a user has written, held to what git says of the same bytes, or to what holds
//! of any: a corpus in `fixtures/fuzz`, and random changes of it.
//!
//! A run is short and always the same. Longer, and another one:
//!
//! ```sh
//! PROPTEST_CASES=20000 PROPTEST_RNG_SEED=$RANDOM cargo test --release --test fuzz
//! PROPTEST_CASES=20000 PROPTEST_RNG_SEED=$RANDOM cargo test --release --lib fuzz
//! ```
//!
//! What it finds becomes a file of the corpus, or a row of a test beside the parser.

mod commits;
mod mutations;
mod names;
mod program;
mod said;
#[path = "../support/mod.rs"]
mod support;
mod typed;
