//! A release line and its place in the order of all lines.
//!
//! Owns names and order. Refuses where a name was found (`branch`, `tags`).

use std::cmp::Ordering;

use super::branch::is_unnumbered;
use super::pieces::{Piece, pieces};
use super::version::Version;

/// A release line: what is maintained under one name. Two refs are of one line if their lines are equal.
///
/// Ordered from older to newer: named series by the alphabet (`queens`, `train`), then numbers (`2023.1`, `2025.1`), then
/// what follows the latest release (`maint`), then the mainline. Among numbers the wider line comes after the lines within
/// it: 1.2, 1.10, 1 (`release-1.x`), 2.0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    // The order of the fields is the order of the lines.
    rank: Rank,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Rank {
    Series,
    Numbered(Numbers),
    Unnumbered,
    Mainline,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Numbers(Vec<u64>);

impl Ord for Numbers {
    fn cmp(&self, other: &Self) -> Ordering {
        let shared = self.0.len().min(other.0.len());
        self.0[..shared].cmp(&other.0[..shared]).then_with(|| other.0.len().cmp(&self.0.len()))
    }
}

impl PartialOrd for Numbers {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Line {
    /// The line that is meant by `text`, as in `Cc: stable # 5.10` or on a command line: `5.10`, `v5.10`, `5.10.y`, `16`,
    /// `train`, `mainline`. A `+` behind it is not part of it.
    ///
    /// `None` if it is neither a number nor one word of two or more ASCII letters.
    #[must_use]
    pub fn named(text: &[u8]) -> Option<Self> {
        let pieces = pieces(text);
        let first = pieces.first().filter(|first| first.start == 0)?;
        if first.text.len() == text.len() && text.len() > 1 && text.is_ascii() && !first.is_number() {
            let name = String::from_utf8_lossy(text).to_ascii_lowercase();
            return Some(match name.as_str() {
                "mainline" => Self::mainline(),
                // The branch has no other line than the tag that ends it, `stable-eol`.
                name if is_unnumbered(name.as_bytes()) => Self::unnumbered(name),
                name => Self::series(name),
            });
        }
        let numbers = if first.is("v") { &pieces[1..] } else { &pieces[..] };
        let count = numbers.iter().take_while(|piece| piece.is_number()).count();
        let open = numbers[count..].iter().all(is_open);
        (open && numbers.first().is_some_and(|first| first.is_number() && first.is_attached()))
            .then(|| Self::numbered(&numbers[..count]))
    }

    /// The line whose [`Line::name`] is `name`, for those who have but the name of one.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        if is_unnumbered(name.as_bytes()) {
            return Self::unnumbered(name);
        }
        Self::named(name.as_bytes()).filter(|line| line.name == name).unwrap_or_else(|| Self::series(name))
    }

    /// The line that the newest work goes to.
    #[must_use]
    pub fn mainline() -> Self {
        Self { rank: Rank::Mainline, name: "mainline".to_owned() }
    }

    pub(super) fn series(name: &str) -> Self {
        Self { rank: Rank::Series, name: name.to_owned() }
    }

    /// A line that follows the latest release, whichever that is (git's own `maint`).
    pub(super) fn unnumbered(name: &str) -> Self {
        Self { rank: Rank::Unnumbered, name: name.to_owned() }
    }

    pub(super) fn numbered(numbers: &[Piece<'_>]) -> Self {
        let mut name = String::new();
        for number in numbers {
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(&String::from_utf8_lossy(number.text));
        }
        Self { rank: Rank::Numbered(Numbers(numbers.iter().map(Piece::number).collect())), name }
    }

    /// The name: `2025.1`, `255`, `5.10`, `train`, `maint`, `mainline`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the mainline.
    #[must_use]
    pub fn is_mainline(&self) -> bool {
        self.rank == Rank::Mainline
    }

    /// Whether its name says nothing of versions: the mainline, `maint`. Such a line counts every tag that it contains.
    #[must_use]
    pub fn is_unversioned(&self) -> bool {
        matches!(self.rank, Rank::Mainline | Rank::Unnumbered)
    }

    /// Whether it is a named series.
    #[must_use]
    pub fn is_series(&self) -> bool {
        self.rank == Rank::Series
    }

    /// Whether a version with these numbers is one of this line by its numbers alone: 255.4 is of 255, 5 is of 5.0.
    #[must_use]
    pub fn covers(&self, version: &Version) -> bool {
        let Rank::Numbered(Numbers(line)) = &self.rank else { return false };
        let numbers = version.numbers();
        !numbers.is_empty() && line.iter().enumerate().all(|(at, number)| numbers.get(at).unwrap_or(&0) == number)
    }

    /// The first number of its name; `None` if it has none.
    pub(super) fn first_number(&self) -> Option<u64> {
        match &self.rank {
            Rank::Numbered(Numbers(numbers)) => numbers.first().copied(),
            _ => None,
        }
    }

    /// How many numbers its name has; 0 if it has none.
    pub(super) fn depth(&self) -> usize {
        match &self.rank {
            Rank::Numbered(Numbers(numbers)) => numbers.len(),
            _ => 0,
        }
    }
}

/// Whether a piece stands for any number: `x` of `1.x`, `y` of `5.10.y`.
pub(super) fn is_open(piece: &Piece<'_>) -> bool {
    piece.is_any(&["x", "y", "z"]) && !piece.is_attached()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line::named(text.as_bytes()).unwrap_or_else(|| panic!("{text} names a line"))
    }

    #[test]
    fn lines_stand_from_the_oldest_to_the_mainline() {
        let order =
            ["queens", "stein", "train", "zed", "1.2", "1.10", "1", "2.0", "2", "255", "2023.1", "2025.1", "2025.2"];
        let mut lines: Vec<_> = order.iter().map(|name| line(name)).collect();
        lines.extend([Line::unnumbered("maint"), line("mainline")]);
        let mut sorted = lines.clone();
        sorted.reverse();
        sorted.sort();
        assert_eq!(sorted, lines);
    }

    #[test]
    fn a_line_is_known_again_by_its_name() {
        let named = ["queens", "1.10", "1", "22.04", "255", "mainline"].map(line);
        let made = [Line::unnumbered("maint"), Line::unnumbered("lts"), Line::series("my_line-2"), Line::series("x")];
        for line in named.into_iter().chain(made) {
            assert_eq!(Line::of_name(line.name()), line);
        }
    }

    #[test]
    fn one_line_has_one_name() {
        for (text, name) in [
            ("5.10", "5.10"),
            ("v5.10", "5.10"),
            ("5.10.y", "5.10"),
            ("5.10+", "5.10"),
            ("7.x", "7"),
            ("22.04", "22.04"),
            ("Train", "train"),
            ("mainline", "mainline"),
        ] {
            assert_eq!(line(text).name(), name, "{text}");
        }
        assert!(line("mainline").is_mainline());
        for text in ["", "v", "-1", "1.2-rc1", "as far as 2.6", "x1", "\u{e9}"] {
            assert_eq!(Line::named(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_line_covers_the_versions_that_start_with_its_numbers() {
        let covers = |name: &str, version: &str| {
            line(name).covers(&Version::parse(version.as_bytes()).unwrap_or_else(|| panic!("{version}")))
        };
        assert!(covers("255", "v255.4"));
        assert!(covers("255", "255-rc1"));
        assert!(covers("5.0", "v5-rc1"));
        assert!(!covers("25", "255"));
        assert!(!covers("5.1", "5"));
        assert!(!covers("train", "1.0"));
        assert!(!covers("mainline", "1.0"));
    }
}
