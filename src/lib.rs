//! Where is this change?
pub mod cache;
pub mod cli;
pub mod command;
pub mod config;
pub mod describe;
pub mod error;
pub mod events;
pub mod facts;
pub mod git;
pub mod gitcli;
pub mod graph;
pub mod index;
pub mod pipeline;
pub mod report;
pub mod shutdown;
