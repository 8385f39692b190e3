//! The programs that configuration names for single files, kept from running: merge drivers, filters, text conversions. Whoever only
//! asks what a repository holds runs none of them.

use std::ffi::OsString;
use std::process::Command;

use super::questions::argument;

/// Variables, and what each stands for, as `git --config-env` takes values.
const VALUES: [(&str, &str); 3] = [(NOTHING, ""), (FALSE, "false"), (AS_IT_IS, "cat")];
const NOTHING: &str = "GIT_BHFUIL_VALUE_NOTHING";
const FALSE: &str = "GIT_BHFUIL_VALUE_FALSE";
const AS_IT_IS: &str = "GIT_BHFUIL_VALUE_AS_IT_IS";

/// What configuration names, each with what is used instead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Disarmed(Vec<OsString>);

impl Disarmed {
    /// Of `listing`, what `git config --list --name-only -z` writes.
    pub(super) fn of(listing: &[u8]) -> Self {
        let names = listing.split(|&byte| byte == 0);
        let options = names.filter_map(|name| {
            let mut option = b"--config-env=".to_vec();
            let instead = instead(name)?;
            option.extend([name, b"=", instead.as_bytes()].concat());
            Some(argument(&option))
        });
        Self(options.collect())
    }

    /// Has `command`, a git without its verb, run none of them.
    pub(super) fn apply(&self, command: &mut Command) {
        command.envs(VALUES).args(&self.0);
    }
}

/// The variable with the value to use for the setting `name`, if a program is named there.
fn instead(name: &[u8]) -> Option<&'static str> {
    let first = name.iter().position(|&byte| byte == b'.')?;
    let last = name.iter().rposition(|&byte| byte == b'.').filter(|&last| last > first)?;
    match (&name[..first], &name[last + 1..]) {
        // Without a value git gives up. One that fails leaves a conflict, and that is for whoever picks the commit to see to.
        (b"merge", b"driver") | (b"filter", b"required") => Some(FALSE),
        (b"filter", b"clean" | b"smudge" | b"process") => Some(NOTHING),
        (b"diff", b"textconv") => Some(AS_IT_IS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_program_for_files_is_set_to_one_that_does_nothing() {
        let listing =
            b"user.name\0merge.a=b.c.driver\0merge.driver\0merge.x.name\0filter.lfs.process\0diff.Pdf.textconv\0";
        let Disarmed(options) = Disarmed::of(listing);
        assert_eq!(
            options,
            [
                "--config-env=merge.a=b.c.driver=GIT_BHFUIL_VALUE_FALSE",
                "--config-env=filter.lfs.process=GIT_BHFUIL_VALUE_NOTHING",
                "--config-env=diff.Pdf.textconv=GIT_BHFUIL_VALUE_AS_IT_IS",
            ]
        );
        assert_eq!(Disarmed::of(b""), Disarmed::default());
    }
}
