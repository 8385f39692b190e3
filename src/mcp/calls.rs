//! The calls that are under way: each is a task with a token of its own, is answered once, and not at all when the client takes it back.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use serde_json::{Map, Value};

use super::message::{self, Code};
use super::pace::Pace;
use super::session::{Asked, Offer, Reaction};
use super::{Turn, result_of};
use crate::clock::Clock;
use crate::executor::{LocalExecutor, Task};
use crate::progress::Reader;
use crate::report::Gone;
use crate::shutdown::{Part, Token};

/// Calls that may be under way. Those beyond are refused: each takes memory.
const AT_ONCE: usize = 64;
/// Between two notes of how far a call is.
const EVERY: Duration = Duration::from_millis(100);

/// A tool that is called.
#[derive(Debug)]
pub struct Call {
    /// Its name, one of the offer.
    pub tool: &'static str,
    /// What it is given.
    pub arguments: Map<String, Value>,
    /// Tells when the answer isn't wanted any more. The future is dropped then, too.
    pub token: Token,
    /// Where somebody wants to know how far it is.
    watch: Option<Sender<Reader>>,
}

impl Call {
    /// Whether somebody wants to know how far it is.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// Lets them look at it by `reader`; who is the first is the only one.
    pub fn show(&self, reader: Reader) {
        if let Some(watch) = &self.watch {
            let _ = watch.try_send(reader);
        }
    }
}

/// What has come of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What a model is told; without it, what is `structured`.
    pub said: Option<String>,
    /// The answer, as the schema of the tool has it.
    pub structured: Option<Value>,
    /// Whether it failed. What is wrong with the arguments is a failure too, which a model may mend.
    pub is_error: bool,
}

impl Outcome {
    /// It can't be done as it was asked, or at all.
    pub fn failed(said: impl Into<String>) -> Self {
        Self { said: Some(said.into()), structured: None, is_error: true }
    }
}

/// How an answer is given.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// By itself.
    Alone,
    /// With those of the messages that came with it, once all are there.
    Together(Rc<RefCell<Together>>),
}

#[derive(Debug)]
pub(super) struct Together {
    left: usize,
    answers: Vec<Value>,
}

impl Reply {
    /// Waits for so many answers.
    pub(super) fn together(left: usize) -> Self {
        Self::Together(Rc::new(RefCell::new(Together { left, answers: Vec::new() })))
    }

    /// What is written now that there is this answer, or none will come.
    fn with(&self, answer: Option<Value>) -> Option<Value> {
        let Self::Together(all) = self else { return answer };
        let mut all = all.borrow_mut();
        all.left = all.left.saturating_sub(1);
        all.answers.extend(answer);
        let is_all = all.left == 0 && !all.answers.is_empty();
        is_all.then(|| Value::Array(std::mem::take(&mut all.answers)))
    }
}

/// Whatever all calls share, and which there are.
pub(super) struct Calls<'a, W, T> {
    offer: &'a Offer,
    write: &'a W,
    tools: &'a T,
    clock: &'a Clock,
    /// Cancelled when nobody reads any more.
    token: &'a Token,
    /// Those under way, by the ids of their requests as JSON has them: `1` is not `"1"`.
    under_way: RefCell<HashMap<String, (u64, Part)>>,
    /// How many have begun. An id may come again once its first call was taken back, and that one ends later.
    begun: Cell<u64>,
}

impl<'a, W, T> Calls<'a, W, T>
where
    W: AsyncFn(&Value) -> Result<(), Gone>,
    T: AsyncFn(Call) -> Outcome,
{
    pub(super) fn new(offer: &'a Offer, write: &'a W, tools: &'a T, clock: &'a Clock, token: &'a Token) -> Self {
        Self { offer, write, tools, clock, token, under_way: RefCell::default(), begun: Cell::new(0) }
    }

    /// Does what is to be done; what takes long as a task, which ends with its answer.
    pub(super) async fn take<'c>(&'c self, turn: Turn, executor: &LocalExecutor<'c>) -> Option<Task<()>> {
        let Turn { reaction, reply } = turn;
        match reaction {
            Reaction::Nothing => {}
            Reaction::Answer(answer) => self.give(&reply, Some(answer)).await,
            // Whoever is dropped is cancelled. One that has been answered, or never was, is nothing to speak of.
            Reaction::Cancel(id) => drop(self.under_way.borrow_mut().remove(&id.to_string())),
            Reaction::Call(asked) => match self.begin(&asked) {
                Ok(begun) => return Some(executor.spawn(self.call(asked, begun, reply))),
                Err(refusal) => self.give(&reply, Some(refusal)).await,
            },
        }
        None
    }

    /// Notes that it is under way, or says why it can't be.
    fn begin(&self, asked: &Asked) -> Result<(u64, Token), Value> {
        let mut under_way = self.under_way.borrow_mut();
        let key = asked.request.id.to_string();
        if under_way.contains_key(&key) {
            return Err(asked.request.error(Code::InvalidRequest, "a request of this id is under way"));
        }
        if under_way.len() >= AT_ONCE {
            return Err(asked.request.error(Code::Busy, &format!("{AT_ONCE} calls are under way: wait for one")));
        }
        let part = self.token.part();
        let (number, token) = (self.begun.get(), part.token().clone());
        self.begun.set(number + 1);
        under_way.insert(key, (number, part));
        Ok((number, token))
    }

    /// Forgets the call with this number; whether its answer was still wanted.
    fn is_over(&self, id: &Value, number: u64) -> bool {
        let mut under_way = self.under_way.borrow_mut();
        let key = id.to_string();
        let is_own = under_way.get(&key).is_some_and(|(own, _)| *own == number);
        is_own && under_way.remove(&key).is_some()
    }

    async fn call(&self, asked: Asked, (number, token): (u64, Token), reply: Reply) {
        let Asked { request, era, tool, arguments, progress } = asked;
        let (watch, watched) = async_channel::bounded(1);
        let watch = progress.is_some().then_some(watch);
        let call = Call { tool: self.offer.tools[tool].name, arguments, token: token.clone(), watch };
        let follow = async {
            match progress {
                Some(name) => self.follow(&name, &watched).await,
                None => std::future::pending().await,
            }
        };
        let work = async { Some((self.tools)(call).await) };
        let outcome = token.unless_cancelled(Box::pin(smol::future::or(work, follow))).await.flatten();
        let is_wanted = self.is_over(&request.id, number);
        let answer = outcome.filter(|_| is_wanted).map(|it| era.answer(self.offer, &request, result_of(it)));
        self.give(&reply, answer).await;
    }

    /// Tells how far the call is whose progress is called `name`, for as long as it is polled.
    async fn follow<N>(&self, name: &Value, watched: &Receiver<Reader>) -> N {
        if let Ok(mut reader) = watched.recv().await {
            let mut pace = Pace::default();
            while let Some(now) = reader.next().await {
                if let Some(step) = pace.step(&now) {
                    self.say(&message::notification("notifications/progress", step.told(name))).await;
                    self.clock.sleep(EVERY).await;
                }
            }
        }
        std::future::pending().await
    }

    async fn give(&self, reply: &Reply, answer: Option<Value>) {
        let message = reply.with(answer);
        if let Some(message) = message {
            self.say(&message).await;
        }
    }

    async fn say(&self, message: &Value) {
        if (self.write)(message).await.is_err() {
            self.token.cancel();
        }
    }
}
