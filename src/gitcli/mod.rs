//! The only door to the `git` program: what gix can't answer as git does ([questions](rev_parse)), clone and fetch ([`transfer`]),
//! and passwords ([`credential`]). It is the user's own git: credential helpers, ssh, proxies and hooks are as configured there.
//!
//! Both pipes are always drained. A child never outlives the future that waits for it: when that is cancelled, out of time or
//! dropped, the child and all that it started get SIGTERM, and SIGKILL if that isn't enough, and are gone when it returns. (A drop
//! blocks for that: for milliseconds, or a quarter of a second before SIGKILL.) Whom a git leaves behind that ends by itself, such as
//! a credential cache, it leaves on purpose. What outlives its terminal, one of ours, leads a [`session`]. Owns processes and what git says; refuses to decide what is tried again
//! (`retry`) and where a clone lies (`repos`).

pub mod credential;
mod disarm;
mod failure;
pub mod merge_tree;
mod open_files;
mod process;
mod program;
pub mod progress;
mod questions;
pub mod session;
pub mod transfer;
mod tree;
pub mod witness;

pub use self::failure::{Cause, Judgement, judge, without_password};
pub use self::open_files::allow_open_files;
pub use self::process::{Ended, end_all};
pub use self::program::{Bounds, Program, Stop, can_prompt};
pub use self::progress::Progress;
pub use self::questions::{
    Revisions, argument, check_safe, config_list, date, file_at, interdiff, list_refs, read_patch, rev_list, rev_parse,
    version,
};
pub use self::tree::{Identity, end_orphans};
