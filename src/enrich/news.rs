//! What becomes known beside the stream: outcomes of issues, and repositories that were looked at.

use std::cell::RefCell;

use async_channel::Receiver;

use super::places::Placed;
use super::question::Outcome;

/// Both, as they come.
#[derive(Debug)]
pub(super) struct News {
    outcomes: Receiver<Outcome>,
    placed: Receiver<Placed>,
    /// What was waited for and not taken yet.
    first: RefCell<Option<Piece>>,
}

/// One of them.
#[derive(Debug)]
pub(super) enum Piece {
    Outcome(Box<Outcome>),
    Placed(Placed),
}

impl News {
    pub(super) fn new(outcomes: Receiver<Outcome>, placed: Receiver<Placed>) -> Self {
        Self { outcomes, placed, first: RefCell::default() }
    }

    /// Waits until there is some.
    pub(super) async fn wait(&self) {
        if self.first.borrow().is_none() {
            let outcome = async { self.outcomes.recv().await.map(|outcome| Piece::Outcome(Box::new(outcome))) };
            let placed = async { self.placed.recv().await.map(Piece::Placed) };
            match smol::future::or(outcome, placed).await {
                Ok(piece) => *self.first.borrow_mut() = Some(piece),
                // Both ends are here as long as this is.
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// The next that is there.
    pub(super) fn take(&self) -> Option<Piece> {
        let outcome = || self.outcomes.try_recv().ok().map(|outcome| Piece::Outcome(Box::new(outcome)));
        self.first.borrow_mut().take().or_else(|| self.placed.try_recv().ok().map(Piece::Placed)).or_else(outcome)
    }
}
