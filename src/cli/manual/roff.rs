//! Pages in the man(7) macros, written so that groff and mandoc read them alike and `mandoc -T lint` has nothing to say.
//!
//! Owns macros, escapes and the breaking of lines, so that what changes in a page shows as few changed lines. Refuses what a page says. The
//! text that it takes has `literals` between backticks, names of options and commands of their own accord bold, `<values>` in italics.

use std::fmt::Write as _;

use crate::install::MARK;

/// Columns of a line of the source; mandoc warns at 80.
const WIDTH: usize = 78;

/// A page as it is written.
#[derive(Debug)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// The head of the page `name` in `section` of the manual.
    pub(super) fn new(name: &str, section: u8) -> Self {
        let mut page = Self { text: String::new() };
        page.comment(MARK);
        let name = name.to_uppercase();
        page.line(&format!(
            ".TH \"{}\" \"{section}\" \"{}\" \"git\\-bhfuil {}\" \"git\\-bhfuil Manual\"",
            escaped(&name),
            super::DATE,
            env!("CARGO_PKG_VERSION")
        ));
        // A name that is broken in two can't be copied.
        page.line(".nh");
        page.line(".ad l");
        page
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    fn comment(&mut self, text: &str) {
        self.line(&format!(".\\\" {text}"));
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The line that apropos(1) finds the page by.
    pub(super) fn name(&mut self, name: &str, brief: &str) {
        self.line(&format!("{} \\- {}", escaped(name), escaped(brief)));
    }

    /// A section, in capitals.
    pub(super) fn section(&mut self, heading: &str) {
        self.line(&format!(".SH \"{}\"", escaped(heading)));
    }

    /// A part of a section.
    pub(super) fn part(&mut self, heading: &str) {
        self.line(&format!(".SS \"{}\"", escaped(heading)));
    }

    /// A paragraph that is the first under its heading, or follows the line of an entry.
    pub(super) fn text(&mut self, text: &str) {
        let mut column = 0;
        let mut line = String::new();
        for word in text_words(text) {
            if column > 0 && column + 1 + word.len() > WIDTH {
                self.line(&line);
                line.clear();
                column = 0;
            }
            if column > 0 {
                line.push(' ');
            }
            // What begins a line with a dot or a quote would be a request.
            if column == 0 && word.starts_with(['.', '\'']) {
                line.push_str("\\&");
            }
            line.push_str(&word);
            column = line.len();
        }
        if !line.is_empty() {
            self.line(&line);
        }
    }

    /// A further paragraph.
    pub(super) fn paragraph(&mut self, text: &str) {
        self.line(".PP");
        self.text(text);
    }

    /// Paragraphs, the first of which is the first under its heading.
    pub(super) fn paragraphs<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>) {
        for (at, text) in texts.into_iter().enumerate() {
            if at == 0 { self.text(text) } else { self.paragraph(text) }
        }
    }

    /// What is described, and below it its description.
    pub(super) fn entry(&mut self, head: &str, description: &str) {
        self.line(".TP");
        self.text(head);
        self.text(description);
    }

    /// The lines of a synopsis, each as it is.
    pub(super) fn synopsis(&mut self, lines: &[String]) {
        self.line(".nf");
        for line in lines {
            self.line(&text_words(line).join(" "));
        }
        self.line(".fi");
    }

    /// Lines of a terminal, moved in; `is_first` where nothing of the entry stands above them.
    pub(super) fn example(&mut self, what: &str, line: &str, is_first: bool) {
        if !is_first {
            self.line(".PP");
        }
        self.text(what);
        self.line(".PP");
        self.line(".RS 4");
        self.line(".nf");
        for line in line.lines() {
            self.line(&format!("\\fB{}\\fP", escaped(line)));
        }
        self.line(".fi");
        self.line(".RE");
    }
}

/// The words of a text as roff has them. A literal that has blanks in it is several.
fn text_words(text: &str) -> Vec<String> {
    let mut is_literal = false;
    let word = |word: &str| {
        let mut shown = String::new();
        for (at, piece) in word.split('`').enumerate() {
            is_literal ^= at > 0;
            if !piece.is_empty() {
                shown.push_str(&if is_literal { bold(piece) } else { plain(piece) });
            }
        }
        shown
    };
    text.split_whitespace().map(word).collect()
}

fn bold(word: &str) -> String {
    format!("\\fB{}\\fP", escaped(word))
}

/// A word of running text: options are bold, references to other pages too, and what stands between angle brackets is in italics.
fn plain(word: &str) -> String {
    if let Some(name) = word.find('(').filter(|&at| is_reference(word, at)) {
        return format!("{}{}", bold(&word[..name]), escaped(&word[name..]));
    }
    let mut shown = String::new();
    let mut rest = word;
    // An option, perhaps behind a bracket.
    let open = rest.len() - rest.trim_start_matches(['[', '(', '\'']).len();
    if rest[open..].starts_with('-') {
        let length = rest[open..].find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'));
        let end = length.map_or(rest.len(), |length| open + length);
        if end - open > 1 {
            let _ = write!(shown, "{}{}", escaped(&rest[..open]), bold(&rest[open..end]));
            rest = &rest[end..];
        }
    }
    while let Some((before, behind)) = rest.split_once('<') {
        let Some((value, after)) = behind.split_once('>') else { break };
        let _ = write!(shown, "{}\\fI<{}>\\fP", escaped(before), escaped(value));
        rest = after;
    }
    shown.push_str(&escaped(rest));
    shown
}

/// Whether a word is `name(7)`, perhaps with a sign behind it, its bracket `at` that place.
fn is_reference(word: &str, at: usize) -> bool {
    let section = &word.as_bytes()[at + 1..];
    let name = &word[..at];
    !name.is_empty()
        && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-')
        && matches!(section, [digit, b')', ..] if digit.is_ascii_digit())
}

/// Text that roff takes as it is.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => safe.push_str("\\e"),
            '-' => safe.push_str("\\-"),
            '\'' => safe.push_str("\\(aq"),
            '"' => safe.push_str("\\(dq"),
            '^' => safe.push_str("\\(ha"),
            '~' => safe.push_str("\\(ti"),
            '`' => safe.push_str("\\(ga"),
            letter if !letter.is_ascii() => {
                let _ = write!(safe, "\\[u{:04X}]", u32::from(letter));
            }
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        text_words(text).join(" ")
    }

    #[test]
    fn options_values_pages_and_literals_are_told_apart() {
        for (text, roff) in [
            ("plain words", "plain words"),
            ("a `literal one`, then", "a \\fBliteral\\fP \\fBone\\fP, then"),
            ("(`x`)", "(\\fBx\\fP)"),
            ("with --max-count=<n>.", "with \\fB\\-\\-max\\-count\\fP=\\fI<n>\\fP."),
            ("[--on=<glob>]", "[\\fB\\-\\-on\\fP=\\fI<glob>\\fP]"),
            ("- for standard input, -n 5", "\\- for standard input, \\fB\\-n\\fP 5"),
            ("see git-log(1).", "see \\fBgit\\-log\\fP(1)."),
            ("it's \\n \"q\" é", "it\\(aqs \\en \\(dqq\\(dq \\[u00E9]"),
            ("a < b", "a < b"),
        ] {
            assert_eq!(words(text), roff, "{text}");
        }
    }

    #[test]
    fn lines_are_short_and_none_is_a_request_by_mistake() {
        let mut page = Page::new("x", 1);
        page.text(&"word .dot 'quote ".repeat(40));
        let text = page.finish();
        assert!(text.lines().skip(4).all(|line| line.len() <= WIDTH + 2), "{text}");
        assert!(!text.lines().skip(4).any(|line| line.starts_with(['.', '\''])), "{text}");
    }
}
