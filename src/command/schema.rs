//! `git bhfuil schema`: the JSON Schema of one line of the stream.

/// Prints the schema.
pub(super) fn run() -> u8 {
    super::printed(format!("{:#}\n", crate::events::schema()))
}
