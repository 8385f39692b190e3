//! How people are shown things: with colour or without, in Unicode or ASCII, how wide. Decided once, from what was typed, the
//! environment and the terminal.

use std::ffi::OsString;
use std::io::Write as _;

use unicode_width::UnicodeWidthStr as _;

/// Columns where neither `COLUMNS` nor a terminal says how many there are.
const USUAL_WIDTH: usize = 80;
/// Below this, a line holds so little that it is better to let the terminal break it.
const LEAST_WIDTH: usize = 20;

pub(super) const BOLD: &str = "1";
pub(super) const DIM: &str = "2";
pub(super) const RED: &str = "31";
pub(super) const GREEN: &str = "32";
pub(super) const YELLOW: &str = "33";
pub(super) const MAGENTA: &str = "35";
pub(super) const CYAN: &str = "36";

/// When colour is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal that can show it, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always, unless `NO_COLOR` says otherwise: as configuration may ask for it.
    Preferred,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How text for people looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
pub struct Look {
    /// Whether to use colour.
    pub color: bool,
    /// Whether marks may be other than ASCII.
    pub unicode: bool,
    /// Columns of a line.
    pub width: usize,
    /// Whether repositories are named, there being several.
    pub names: bool,
    /// Whether text may be a link.
    pub links: bool,
}

impl Look {
    /// What fits this process's stdout, which ends at a `terminal` or doesn't, and the environment.
    #[must_use]
    pub fn of_stdout(color: Color, terminal: bool) -> Self {
        let width = console::Term::stdout().size_checked().map(|(_, columns)| columns.into());
        Self::decide(color, |name| std::env::var_os(name), terminal, width)
    }

    /// What fits the environment, and a stdout that is a `terminal` of so many columns or isn't one.
    ///
    /// `--color` comes first, then `NO_COLOR` (no-color.org), what is configured, `CLICOLOR_FORCE` and `CLICOLOR` (bixense.com/clicolors), then
    /// whether the terminal can do it. A locale that isn't UTF-8, and the Linux console, whose fonts lack the marks, get ASCII.
    fn decide(color: Color, variable: impl Fn(&str) -> Option<OsString>, terminal: bool, width: Option<usize>) -> Self {
        let text = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty())?;
            Some(value.to_string_lossy().into_owned())
        };
        let term = text("TERM");
        let color = match color {
            Color::Never => false,
            Color::Auto | Color::Preferred if text("NO_COLOR").is_some() => false,
            Color::Always | Color::Preferred => true,
            Color::Auto if text("CLICOLOR_FORCE").is_some_and(|force| force != "0") => true,
            Color::Auto => {
                let dumb = term.as_deref().is_none_or(|term| term == "dumb");
                terminal && !dumb && text("CLICOLOR").is_none_or(|wanted| wanted != "0")
            }
        };
        // The first that is set decides (POSIX.1-2024, 8.2).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(text).unwrap_or_default().to_ascii_lowercase();
        let utf8 = locale.contains("utf-8") || locale.contains("utf8");
        let columns = text("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|&columns| columns > 0);
        Self {
            color,
            unicode: utf8 && term.as_deref() != Some("linux"),
            width: columns.or(width).unwrap_or(USUAL_WIDTH).max(LEAST_WIDTH),
            names: false,
            links: terminal && has_links(text),
        }
    }

    /// `text` as a link to `address` (OSC 8), if there may be one.
    pub(super) fn link(self, address: &str, text: &[u8], out: &mut Vec<u8>) {
        if self.links && !address.is_empty() && !address.chars().any(|letter| letter.is_control() || !letter.is_ascii())
        {
            let _ = write!(out, "\x1b]8;;{address}\x1b\\");
            out.extend_from_slice(text);
            out.extend_from_slice(b"\x1b]8;;\x1b\\");
        } else {
            out.extend_from_slice(text);
        }
    }

    /// `text` between the SGR sequence `code` and its end (ECMA-48), if colour is wanted.
    pub(super) fn paint(self, code: &str, text: &str, out: &mut Vec<u8>) {
        let _ = if self.color && !text.is_empty() {
            write!(out, "\x1b[{code}m{text}\x1b[m")
        } else {
            write!(out, "{text}")
        };
    }

    /// What stands for things left out.
    pub(super) fn ellipsis(self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }
}

/// Whether the terminal makes links of OSC 8, by what it says of itself: there is no asking. `FORCE_HYPERLINK` says so for it, or that it doesn't.
fn has_links(variable: impl Fn(&str) -> Option<String>) -> bool {
    if let Some(forced) = variable("FORCE_HYPERLINK") {
        return forced != "0";
    }
    // Those in between may not pass it on.
    if variable("TMUX").is_some() || variable("STY").is_some() {
        return false;
    }
    let number = |name: &str| variable(name).and_then(|version| version.parse::<u64>().ok());
    let is_one_of = |name: &str, known: &[&str]| variable(name).is_some_and(|value| known.contains(&value.as_str()));
    // GNOME Terminal and its kin since VTE 0.50, Konsole since 21.04.
    number("VTE_VERSION").is_some_and(|version| version >= 5000)
        || number("KONSOLE_VERSION").is_some_and(|version| version >= 210_400)
        || is_one_of("TERM", &["xterm-kitty", "alacritty", "foot", "foot-extra", "xterm-ghostty", "wezterm"])
        || is_one_of("TERM_PROGRAM", &["iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper"])
        || ["WT_SESSION", "DOMTERM", "KITTY_WINDOW_ID"].iter().any(|name| variable(name).is_some())
}

/// The columns that `text` takes on a terminal; East Asian wide letters take two, combining marks none.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// Appends blanks.
pub(super) fn blanks(count: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + count, b' ');
}

/// The words of `text` on lines of at most `width` columns; a word that is wider stands alone.
pub(super) fn wrap<'t>(words: impl IntoIterator<Item = &'t str>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(color: Color, environment: &[(&str, &str)], terminal: bool, width: Option<usize>) -> Look {
        let variable = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Look::decide(color, variable, terminal, width)
    }

    #[test]
    fn colour_is_for_terminals_unless_someone_says_otherwise() {
        let xterm = ("TERM", "xterm");
        for (asked, environment, terminal, color) in [
            (Color::Auto, &[xterm][..], true, true),
            (Color::Auto, &[xterm], false, false),
            (Color::Auto, &[], true, false),
            (Color::Auto, &[("TERM", "dumb")], true, false),
            (Color::Auto, &[xterm, ("NO_COLOR", "1")], true, false),
            (Color::Auto, &[xterm, ("NO_COLOR", "")], true, true),
            (Color::Auto, &[xterm, ("CLICOLOR", "0")], true, false),
            (Color::Auto, &[("CLICOLOR_FORCE", "1")], false, true),
            (Color::Auto, &[("CLICOLOR_FORCE", "0")], false, false),
            (Color::Auto, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false, false),
            (Color::Always, &[("TERM", "dumb"), ("NO_COLOR", "1")], false, true),
            (Color::Never, &[xterm, ("CLICOLOR_FORCE", "1")], true, false),
            (Color::Preferred, &[("CLICOLOR", "0")], false, true),
            (Color::Preferred, &[("NO_COLOR", "1")], true, false),
        ] {
            assert_eq!(look(asked, environment, terminal, None).color, color, "{asked:?} {environment:?} {terminal}");
        }
    }

    #[test]
    fn links_are_for_terminals_that_have_them() {
        for (environment, terminal, links) in [
            (&[("VTE_VERSION", "7600")][..], true, true),
            (&[("VTE_VERSION", "7600")], false, false),
            (&[("VTE_VERSION", "4800")], true, false),
            (&[("TERM", "xterm-256color")], true, false),
            (&[("TERM", "xterm-kitty")], true, true),
            (&[("TERM", "xterm-kitty"), ("TMUX", "x")], true, false),
            (&[("TERM", "xterm"), ("FORCE_HYPERLINK", "1")], true, true),
            (&[("TERM", "xterm-kitty"), ("FORCE_HYPERLINK", "0")], true, false),
        ] {
            assert_eq!(look(Color::Auto, environment, terminal, None).links, links, "{environment:?}");
        }
        let shown = |links, address: &str| {
            let mut out = Vec::new();
            Look { links, ..look(Color::Never, &[], true, None) }.link(address, b"#1", &mut out);
            String::from_utf8(out).expect("UTF-8")
        };
        assert_eq!(shown(true, "https://x/1"), "\x1b]8;;https://x/1\x1b\\#1\x1b]8;;\x1b\\");
        assert_eq!((shown(false, "https://x/1"), shown(true, "https://x/\x1b\\")), ("#1".to_owned(), "#1".to_owned()));
    }

    #[test]
    fn the_locale_decides_what_letters_there_are() {
        for (environment, unicode) in [
            (&[][..], false),
            (&[("LANG", "C")], false),
            (&[("LANG", "en_GB.UTF-8")], true),
            (&[("LANG", "en_GB.utf8")], true),
            (&[("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8"), ("LANG", "C")], true),
            (&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")], false),
            (&[("LANG", "en_GB.UTF-8"), ("TERM", "linux")], false),
        ] {
            assert_eq!(look(Color::Auto, environment, true, None).unicode, unicode, "{environment:?}");
        }
    }

    #[test]
    fn the_width_is_what_the_user_says_then_the_terminal_then_80() {
        let width = |environment: &[(&str, &str)], terminal| look(Color::Auto, environment, true, terminal).width;
        assert_eq!(width(&[("COLUMNS", "100")], Some(200)), 100);
        assert_eq!(width(&[("COLUMNS", "0")], Some(200)), 200);
        assert_eq!(width(&[("COLUMNS", "wide")], None), 80);
        assert_eq!(width(&[], None), 80);
        assert_eq!(width(&[("COLUMNS", "1")], None), LEAST_WIDTH);
    }

    #[test]
    fn lines_break_between_words_by_the_columns_that_they_take() {
        assert_eq!(wrap(["one", "two", "three"], 7), ["one two", "three"]);
        assert_eq!(wrap(["unbreakable", "a"], 4), ["unbreakable", "a"]);
        assert_eq!(wrap(["日本", "語", "é"], 7), ["日本 語", "é"]);
        assert_eq!(wrap([], 7), [""; 0]);
    }
}
