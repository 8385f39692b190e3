//! The events of a command as one answer: as many as were asked for, and how many there were beyond these.

use async_channel::Receiver;
use serde_json::Value;

use crate::error::exit;
use crate::events::tool::Answer;

/// The bytes that all events of an answer may have.
const MOST_BYTES: usize = 2 << 20;
/// Events of repositories and warnings that are kept, whatever the limit, and as many errors: they and the answer don't crowd each other out.
const AROUND: usize = 100;

/// What is kept, and for how much more there is room.
struct Kept {
    events: Vec<Value>,
    left_out: u64,
    bytes: usize,
    /// Events of the answer itself.
    told: usize,
    /// Those around it.
    around: usize,
    /// Errors.
    errors: usize,
}

/// Gathers the lines of a stream until it ends: at most `limit` events of what was asked for, and a hundred around it. What is left out is read
/// all the same, so that the end says how it went. That a repository was begun, or ended well, is no part of the answer, and not counted where
/// there is no room for it.
pub async fn gather(lines: Receiver<Vec<u8>>, limit: usize) -> Answer {
    let mut kept = Kept { events: Vec::new(), left_out: 0, bytes: 0, told: limit, around: AROUND, errors: AROUND };
    let mut end = None;
    while let Ok(piece) = lines.recv().await {
        for line in piece.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            end = kept.take(line).or(end);
        }
    }
    let Kept { mut events, left_out, .. } = kept;
    let says = |name: &str| end.as_ref().and_then(|end: &Value| end.get(name));
    let complete = left_out == 0 && says("complete").and_then(Value::as_bool).unwrap_or(false);
    let exit_code = says("exit_code").and_then(Value::as_u64).and_then(|code| u8::try_from(code).ok());
    events.extend(end);
    Answer { events, left_out, complete, exit_code: exit_code.unwrap_or(exit::FATAL) }
}

impl Kept {
    /// Takes the next line, and gives it back if it is the last.
    fn take(&mut self, line: &[u8]) -> Option<Value> {
        // Its first bytes say what it is: what isn't kept isn't read.
        let is = |name: &str| line.starts_with(format!("{{\"type\":\"{name}\"").as_bytes());
        if is("end") {
            return serde_json::from_slice(line).ok();
        }
        if is("progress") {
            return None;
        }
        let went_well = is("repo-end") && memchr::memmem::find(line, b"\"status\":\"ok\"").is_some();
        if (is("repo") || went_well) && self.around == 0 {
            return None;
        }
        let is_around = ["begin", "repo", "repo-end", "warning"].into_iter().any(is);
        let room = match is_around {
            true => &mut self.around,
            false if is("error") => &mut self.errors,
            false => &mut self.told,
        };
        if *room == 0 || self.bytes + line.len() > MOST_BYTES {
            // What comes after one that is left out is left out too: what is told is the beginning.
            *room = 0;
            self.left_out += 1;
            return None;
        }
        *room -= 1;
        self.bytes += line.len();
        self.events.extend(serde_json::from_slice::<Value>(line).ok());
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(pieces: &[String], limit: usize) -> Answer {
        let (sender, lines) = async_channel::unbounded();
        for piece in pieces {
            sender.try_send(piece.clone().into_bytes()).expect("there is room");
        }
        drop(sender);
        smol::block_on(gather(lines, limit))
    }

    fn types(answer: &Answer) -> Vec<&str> {
        answer.events.iter().filter_map(|event| event["type"].as_str()).collect()
    }

    const END: &str = "{\"type\":\"end\",\"status\":\"ok\",\"complete\":true,\"exit_code\":1}\n";

    #[test]
    fn it_is_the_stream_without_its_progress() {
        let pieces =
            ["{\"type\":\"begin\"}\n{\"type\":\"progress\"}\n", "{\"type\":\"match\"}\n", END].map(str::to_owned);
        let answer = gathered(&pieces, 10);
        assert_eq!(types(&answer), ["begin", "match", "end"]);
        assert_eq!((answer.left_out, answer.complete, answer.exit_code), (0, true, 1));
    }

    #[test]
    fn what_is_beyond_the_limit_is_counted_and_warnings_leave_room_for_it() {
        let warnings = "{\"type\":\"warning\"}\n".repeat(AROUND + 4);
        let matches = "{\"type\":\"match\"}\n".repeat(5);
        let answer = gathered(&[warnings, matches, END.to_owned()], 3);
        assert_eq!(types(&answer)[AROUND - 1..], ["warning", "match", "match", "match", "end"]);
        assert_eq!((answer.left_out, answer.complete, answer.exit_code), (6, false, 1));
    }

    #[test]
    fn of_many_repositories_the_answer_is_whole_and_no_error_is_lost() {
        let frames = |number: usize| {
            let status = if number % 100 == 7 { "failed" } else { "ok" };
            format!("{{\"type\":\"repo\"}}\n{{\"type\":\"repo-end\",\"repo\":\"r{number}\",\"status\":\"{status}\"}}\n")
        };
        let mut pieces: Vec<String> = (0..60).map(frames).collect();
        pieces.push("{\"type\":\"error\"}\n{\"type\":\"match\"}\n".into());
        pieces.push(END.into());
        let answer = gathered(&pieces, 1);
        assert_eq!((answer.left_out, answer.complete, answer.exit_code), (0, true, 1));
        assert_eq!(types(&answer)[AROUND..], ["error", "match", "end"]);
    }

    #[test]
    fn one_that_is_too_large_is_left_out_with_what_comes_after() {
        let large = format!("{{\"type\":\"interdiff\",\"text\":\"{}\"}}\n", "x".repeat(MOST_BYTES));
        let answer =
            gathered(&["{\"type\":\"verdict\"}\n".into(), large, "{\"type\":\"verdict\"}\n".into(), END.into()], 9);
        assert_eq!((types(&answer), answer.left_out), (vec!["verdict", "end"], 2));
    }

    #[test]
    fn a_stream_that_was_cut_off_has_failed() {
        let answer = gathered(&["{\"type\":\"begin\"}\n".into()], 9);
        assert_eq!((answer.complete, answer.exit_code), (false, exit::FATAL));
    }
}
