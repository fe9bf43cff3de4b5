//! One client at work: it asks, notes the answer, and asks on, until the connection breaks.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use quotad::rpc::pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::ask::{Ask, Hold, TTL_SHORT, Told, new_id};
use super::chance::Chance;
use super::client::{self, Client};
use super::note::{Log, Sent};
use super::plan::{ORGANIZATIONS, USERS, Who};

/// A client holds no more reservations than this: the bound of what is compared after each kill.
const HOLDS_MAX: usize = 40;

/// Messages in flight on a stream.
const STREAM_DEPTH: usize = 4;

/// How a client talks.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    Unary,
    Batch,
    Stream,
}

pub struct Lane {
    pub log: Log,
    pub chance: Chance,
}

/// On its way. With what it was answered before, if it was.
struct Flying {
    ask: Ask,
    first: Option<Told>,
}

impl Lane {
    /// Asks until nobody answers any more; answers what it noted.
    pub async fn run(mut self, mut client: Client, way: Way) -> Log {
        match way {
            Way::Unary => while self.one(&mut client).await {},
            Way::Batch => while self.several(&mut client).await {},
            Way::Stream => self.stream(client).await,
        }
        self.log
    }

    async fn one(&mut self, client: &mut Client) -> bool {
        let (flying, from) = (self.next(), SystemTime::now());
        let told = client::call(client, &flying.ask).await;
        self.landed(vec![flying], told.map(|told| vec![told]), from)
    }

    async fn several(&mut self, client: &mut Client) -> bool {
        let (flying, from) = (self.some(), SystemTime::now());
        let asks: Vec<_> = flying.iter().map(|it| it.ask.clone()).collect();
        let told = client::batch(client, &asks).await;
        self.landed(flying, told, from)
    }

    async fn stream(&mut self, mut client: Client) {
        let (to, from) = mpsc::channel(STREAM_DEPTH);
        let mut flying = VecDeque::new();
        let mut tag = 0;
        let mut send = |lane: &mut Self, flying: &mut VecDeque<_>| {
            let some = lane.some();
            let asks: Vec<_> = some.iter().map(|it| it.ask.clone()).collect();
            tag += 1;
            let operations = client::operations(&asks);
            flying.push_back((tag, some, SystemTime::now()));
            // If the other side is gone, the answers say so.
            to.try_send(pb::StreamRequest { tag, operations }).is_ok()
        };
        for _ in 0..STREAM_DEPTH {
            send(self, &mut flying);
        }
        if let Ok(answers) = client.stream(ReceiverStream::new(from)).await {
            let mut answers = answers.into_inner();
            while let Ok(Some(answer)) = answers.message().await {
                let (tag, some, since) = flying.pop_front().expect("an answer to a question");
                assert!(
                    answer.tag == tag && answer.failure.is_none(),
                    "answers come in the order of the requests: {answer:?}"
                );
                let told = answer.outcomes.into_iter().map(Told::of_outcome).collect();
                if !self.landed(some, Some(told), since) || !send(self, &mut flying) {
                    break;
                }
            }
        }
        for (_, some, since) in flying {
            self.landed(some, None, since);
        }
    }

    /// Notes what came back; answers whether to go on.
    fn landed(&mut self, flying: Vec<Flying>, told: Option<Vec<Told>>, from: SystemTime) -> bool {
        let Some(told) = told else {
            for it in flying {
                self.doubt(it);
            }
            return false;
        };
        assert_eq!(flying.len(), told.len(), "one answer for each operation");
        let mut goes_on = true;
        for (it, told) in flying.into_iter().zip(told) {
            if !told.is_answer() {
                self.doubt(it);
                goes_on = false;
                continue;
            }
            let sent = it.first.as_ref().map_or(Sent::First, Sent::Again);
            self.log.note(it.ask, told, sent, from);
        }
        goes_on && self.log.wrongs.is_empty()
    }

    /// What was asked again is no doubt: it was answered before.
    fn doubt(&mut self, it: Flying) {
        match it.first {
            None => self.log.doubts.push(it.ask),
            Some(first) => self.log.done.push_back((it.ask, first)),
        }
    }

    fn some(&mut self) -> Vec<Flying> {
        (0..self.chance.between(1, 8))
            .map(|_| self.next())
            .collect()
    }

    fn next(&mut self) -> Flying {
        let ask = match self.chance.below(100) {
            0..36 if self.log.holds.len() < HOLDS_MAX => self.reserve(),
            0..64 => self.settle(true),
            64..70 => self.settle(false),
            70..78 => self.extend(),
            78..93 => self.charge(),
            _ => return self.again(),
        };
        Flying { ask, first: None }
    }

    fn again(&mut self) -> Flying {
        let count = self.log.done.len();
        if count == 0 {
            let ask = self.charge();
            return Flying { ask, first: None };
        }
        let (ask, first) = self.log.done[self.chance.below(count)].clone();
        Flying {
            ask,
            first: Some(first),
        }
    }

    fn who(&mut self) -> Who {
        Who {
            organization: self.chance.below(ORGANIZATIONS),
            user: self.chance.below(USERS),
        }
    }

    /// Some reservations end by themselves while this runs, most do not.
    fn ttl(&mut self) -> Duration {
        if self.chance.percent(25) {
            let longest = u64::try_from(TTL_SHORT.as_millis()).unwrap();
            Duration::from_millis(self.chance.between(300, longest))
        } else {
            Duration::from_secs(self.chance.between(600, 3_600))
        }
    }

    fn reserve(&mut self) -> Ask {
        let who = self.who();
        let id = who.has_ids().then(|| new_id(&mut self.chance));
        Ask::Reserve {
            who,
            id,
            amount: self.chance.between(1, 12),
            ttl: self.ttl(),
        }
    }

    fn charge(&mut self) -> Ask {
        let who = self.who();
        let id = who.has_ids().then(|| new_id(&mut self.chance));
        Ask::Charge {
            who,
            id,
            amount: self.chance.between(1, 9),
        }
    }

    /// Takes one of the holds, unless it is one that is left alone.
    fn hold(&mut self) -> Option<Hold> {
        let count = self.log.holds.len();
        (0..count.min(4)).find_map(|_| {
            let at = self.chance.below(count);
            let rests = self.log.holds[at].rests(SystemTime::now());
            (!rests).then(|| self.log.holds.swap_remove(at))
        })
    }

    /// Commits all of a hold, less or more; or releases it.
    fn settle(&mut self, commits: bool) -> Ask {
        let Some(hold) = self.hold() else {
            return self.instead();
        };
        if !commits {
            return Ask::Release { hold };
        }
        let amount = match self.chance.below(10) {
            0..4 => hold.held,
            4..7 => self.chance.between(0, hold.held),
            _ => hold.held + self.chance.between(1, 5),
        };
        Ask::Commit { hold, amount }
    }

    /// Where there is nothing to settle or to extend.
    fn instead(&mut self) -> Ask {
        if self.log.holds.len() < HOLDS_MAX {
            self.reserve()
        } else {
            self.charge()
        }
    }

    fn extend(&mut self) -> Ask {
        let Some(hold) = self.hold() else {
            return self.instead();
        };
        Ask::Extend {
            hold,
            id: new_id(&mut self.chance),
            additional: self.chance.between(0, 4),
            ttl: self.ttl(),
        }
    }
}
