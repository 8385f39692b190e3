//! Settings, in one typed view: built-in defaults, our own file, git's configuration (`bhfuil.*`), the environment (`GIT_BHFUIL_*`).
//! Options of a command come after these and are the command's business.
//!
//! - [`keys`] is the table of all settings; [`values`] what a value may be.
//! - [`syntax`] and [`edit`] read and change the text of a file; `load` reads the sources, [`cascade`] decides what counts.
//!
//! Owns what is set, where, and for whom. Refuses to be passed on whole: rooms below `command` get the values that they need, as
//! [`Settings`] has them.

pub mod cascade;
mod check;
pub mod edit;
mod exact;
pub mod keys;
mod live;
mod load;
mod own;
mod problem;
mod registered;
mod settings;
pub mod syntax;
pub mod values;

pub use cascade::{Level, Origin, Scope, Value, View};
pub use check::check;
pub use keys::{Key, Name};
pub use live::{Change, Changes, Config, Current, Sources};
pub use load::{Variables, own_path, process_variables};
pub use own::{OwnFile, template};
pub use problem::Problem;
pub use settings::{Settings, color, default_threads, pager, time_limit};
pub use values::{Color, MOST_THREADS};
