//! Lines that somebody else in the program gets, sorted out of the stream by their types.

use async_channel::Sender;

use super::output::Gone;

/// Who gets the lines of some types of events, as JSON Lines, instead of those who read stdout.
#[derive(Debug, Clone)]
pub struct Aside {
    /// The types, as the wire names them.
    pub types: &'static [&'static str],
    /// Types of which nobody gets anything, nor are they counted.
    pub mute: &'static [&'static str],
    /// Where whole lines go in, many at once. Closed it ends the run, as a reader of stdout does who goes away.
    pub lines: Sender<Vec<u8>>,
}

impl Aside {
    /// Whether events of this type come to somebody.
    pub(super) fn tells(&self, name: &str) -> bool {
        !self.mute.contains(&name)
    }

    /// Sends the lines that are wanted, and returns the others.
    pub(super) async fn take(&self, piece: Vec<u8>) -> Result<Vec<u8>, Gone> {
        if piece.is_empty() {
            return if self.lines.is_closed() { Err(Gone) } else { Ok(piece) };
        }
        let (wanted, rest) = self.sort(piece);
        if !wanted.is_empty() {
            self.lines.send(wanted).await.map_err(|_| Gone)?;
        }
        Ok(rest)
    }

    fn sort(&self, piece: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
        let lines = || piece.split_inclusive(|&byte| byte == b'\n');
        if lines().all(|line| self.wants(line)) {
            return (piece, Vec::new());
        }
        let told = lines().filter(|line| !is_of(self.mute, line));
        let (wanted, rest): (Vec<&[u8]>, Vec<&[u8]>) = told.partition(|line| self.wants(line));
        (wanted.concat(), rest.concat())
    }

    fn wants(&self, line: &[u8]) -> bool {
        is_of(self.types, line) && !is_of(self.mute, line)
    }
}

/// Whether `line` is of one of `types`. The type stands first in every line.
fn is_of(types: &[&str], line: &[u8]) -> bool {
    let name = line.strip_prefix(br#"{"type":""#).and_then(|rest| rest.split(|&byte| byte == b'"').next());
    name.is_some_and(|name| types.iter().any(|known| known.as_bytes() == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_types_that_are_wanted_go_aside() {
        let (lines, taken) = async_channel::bounded(4);
        let aside = Aside { types: &["ref", "commit", "match"], mute: &["match"], lines };
        let commit: &[u8] = b"{\"type\":\"commit\",\"subject\":\"a\\nb\"}\n";
        let warning: &[u8] = b"{\"type\":\"warning\",\"message\":\"\\\"type\\\":\\\"commit\\\"\"}\n";
        let hit: &[u8] = b"{\"type\":\"match\"}\n";
        let end: &[u8] = b"{\"type\":\"repo-end\"}\n";
        for (piece, wanted, rest) in [
            ([commit, warning, commit, end].concat(), [commit, commit].concat(), [warning, end].concat()),
            ([commit, commit].concat(), [commit, commit].concat(), Vec::new()),
            (warning.to_vec(), Vec::new(), warning.to_vec()),
            ([hit, warning].concat(), Vec::new(), warning.to_vec()),
            (hit.to_vec(), Vec::new(), Vec::new()),
        ] {
            assert_eq!(smol::block_on(aside.take(piece)), Ok(rest));
            assert_eq!(taken.try_recv().unwrap_or_default(), wanted);
        }
        drop(taken);
        assert_eq!(smol::block_on(aside.take(commit.to_vec())), Err(Gone));
        assert_eq!(smol::block_on(aside.take(Vec::new())), Err(Gone), "who writes seldom hears of it too");
    }
}
