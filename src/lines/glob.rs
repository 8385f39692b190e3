//! Globs over refnames, as `bhfuil.stable` and its like hold them.
//!
//! Owns `*` (anything, `/` too, unlike in a refspec), `?` (one byte), `[a-z]`, `[!a-z]`, `\` and the list of globs with
//! exclusions. Refuses to read configuration.

/// Globs of one setting. Of those that match, the last decides; `!` in front of one makes it exclude.
#[derive(Debug, Clone, Default)]
pub(super) struct Globs {
    globs: Vec<(bool, Vec<u8>)>,
}

impl Globs {
    pub(super) fn new(globs: &[String]) -> Self {
        let parse = |glob: &String| match glob.strip_prefix('!') {
            Some(excluded) => (false, excluded.as_bytes().to_vec()),
            None => (true, glob.as_bytes().to_vec()),
        };
        Self { globs: globs.iter().filter(|glob| !glob.is_empty()).map(parse).collect() }
    }

    /// Hands each glob as it was written to `then`, none of which is empty.
    pub(super) fn each(&self, mut then: impl FnMut(&[u8])) {
        for (include, glob) in &self.globs {
            let sign: &[u8] = if *include { b" " } else { b"!" };
            then(&[sign, glob].concat());
        }
    }

    /// Whether a ref with these names is chosen; `None` where the globs leave it to the built-in rules: there are none, or
    /// only exclusions, and none of them matches.
    pub(super) fn choose(&self, names: &[&[u8]]) -> Option<bool> {
        let hit = |glob: &[u8]| names.iter().any(|name| matches(glob, name));
        match self.globs.iter().rev().find(|(_, glob)| hit(glob)) {
            Some((include, _)) => Some(*include),
            None if self.globs.iter().any(|(include, _)| *include) => Some(false),
            None => None,
        }
    }
}

/// Whether all of `name` fits `glob`. Takes at most the product of both lengths.
pub(super) fn matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut at, mut rest) = (0, 0);
    // Where the last `*` stands, and how much of the name it had taken when the rest was tried last.
    let mut star = None;
    loop {
        if glob.get(at) == Some(&b'*') {
            star = Some((at, rest));
            at += 1;
        } else if rest == name.len() && at == glob.len() {
            return true;
        } else if let Some(next) = name.get(rest).and_then(|byte| step(glob, at, *byte)) {
            at = next;
            rest += 1;
        } else if let Some((starred, taken)) = star.filter(|(_, taken)| *taken < name.len()) {
            star = Some((starred, taken + 1));
            at = starred + 1;
            rest = taken + 1;
        } else {
            return false;
        }
    }
}

/// Where `glob` goes on after `byte`, if what stands at `at` takes it.
fn step(glob: &[u8], at: usize, byte: u8) -> Option<usize> {
    match *glob.get(at)? {
        b'?' => Some(at + 1),
        b'[' => match set(&glob[at + 1..], byte) {
            Some((holds, length)) => holds.then_some(at + 1 + length),
            None => (byte == b'[').then_some(at + 1),
        },
        b'\\' if at + 1 < glob.len() => (glob[at + 1] == byte).then_some(at + 2),
        literal => (literal == byte).then_some(at + 1),
    }
}

/// Whether the set that starts behind a `[` has `byte`, and how long it is with its `]`; `None` without a `]`.
fn set(set: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(set.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    // A `]` that comes first is a member.
    let end = start + 1 + set.get(start + 1..)?.iter().position(|member| *member == b']')?;
    let mut members = &set[start..end];
    let mut holds = false;
    loop {
        members = match members {
            [low, b'-', high, rest @ ..] => {
                holds |= (*low..=*high).contains(&byte);
                rest
            }
            [member, rest @ ..] => {
                holds |= *member == byte;
                rest
            }
            [] => return Some((holds != negated, end + 1)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names_across_slashes() {
        for (glob, name, expected) in [
            ("stable/*", "stable/2025.1", true),
            ("stable*", "stable/2025.1", true),
            ("*/2025.1", "refs/heads/stable/2025.1", true),
            ("stable", "stable/2025.1", false),
            ("v*-stable", "v255-stable", true),
            ("v*-stable", "v255-stable-2", false),
            ("v*a*b", "vaabab", true),
            ("v?.[0-9]", "v1.2", true),
            ("v?.[!0-9]", "v1.2", false),
            ("[]a]", "]", true),
            ("[x", "[x", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("**", "a/b", true),
        ] {
            assert_eq!(matches(glob.as_bytes(), name.as_bytes()), expected, "{glob} on {name}");
        }
    }

    #[test]
    fn a_glob_that_tries_everything_still_ends_soon() {
        assert!(!matches("*a".repeat(60).as_bytes(), "a".repeat(4000).replace('a', "ab").as_bytes()));
    }

    #[test]
    fn the_last_glob_that_matches_decides() {
        let globs = |list: &[&str]| Globs::new(&list.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(globs(&[]).choose(&[b"a"]), None);
        assert_eq!(globs(&["a"]).choose(&[b"a"]), Some(true));
        assert_eq!(globs(&["a"]).choose(&[b"b"]), Some(false));
        assert_eq!(globs(&["a*", "!ab"]).choose(&[b"ab"]), Some(false));
        assert_eq!(globs(&["a*", "!ab", "refs/*"]).choose(&[b"ab", b"refs/heads/ab"]), Some(true));
        assert_eq!(globs(&["!ab"]).choose(&[b"ab"]), Some(false));
        assert_eq!(globs(&["!ab"]).choose(&[b"a"]), None, "exclusions alone leave the rest to the built-in rules");
    }
}
