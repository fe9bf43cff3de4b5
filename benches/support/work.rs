//! What a load asks for: the messages of the calls, and what their answers mean for the next ones.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::{Duration, Instant};

use prost::Message;
use quotad::rpc::pb;

pub const RESERVE: &str = "/quotad.v1.QuotaService/Reserve";
pub const COMMIT: &str = "/quotad.v1.QuotaService/Commit";
pub const BATCH: &str = "/quotad.v1.QuotaService/Batch";
pub const STREAM: &str = "/quotad.v1.QuotaService/Stream";

/// A load: each lane has one call in flight.
pub trait Work {
    /// The next call of a lane: its message is added to the bodies. `None` if the lane is done.
    fn begin(&mut self, lane: usize, bodies: &mut Vec<u8>) -> Option<&'static str>;

    /// What came; `None` if the call was refused. Answers how many operations that were.
    fn answered(&mut self, lane: usize, message: Option<&[u8]>) -> u64;
}

/// Users of an organization, in an order that no prefetcher knows.
pub struct Users {
    request: pb::ReserveRequest,
    count: usize,
    at: usize,
    /// Where there are several organizations.
    organizations: usize,
}

impl Users {
    pub fn of(organization: &str, count: usize) -> Self {
        Self {
            request: reserve(organization, String::new()),
            count,
            at: 7,
            organizations: 0,
        }
    }

    /// Those of the large books (`kept::who`).
    pub fn of_many(organizations: usize, count: usize) -> Self {
        Self {
            organizations,
            ..Self::of("", count)
        }
    }

    /// A Reserve for the next one.
    fn next(&mut self) -> &pb::ReserveRequest {
        self.at = (self.at.wrapping_mul(1_103_515_245).wrapping_add(12_345)) % (1 << 31);
        let mut number = self.at % self.count;
        let subject = self.request.subject.as_mut().expect("it has one");
        if self.organizations > 0 {
            subject.organization.clear();
            write!(
                subject.organization,
                "acme-{:02}",
                number % self.organizations
            )
            .unwrap();
            number /= self.organizations;
        }
        subject.user.clear();
        write!(subject.user, "user-{number:04}").unwrap();
        &self.request
    }
}

/// Reserve and Commit in turn, on each lane, until the time is over.
pub struct Pairs {
    users: Users,
    lanes: Vec<Option<Vec<u8>>>,
    until: Instant,
}

impl Pairs {
    pub fn new(users: Users, lasts: Duration) -> Self {
        Self {
            users,
            lanes: Vec::new(),
            until: Instant::now() + lasts,
        }
    }
}

impl Work for Pairs {
    fn begin(&mut self, lane: usize, bodies: &mut Vec<u8>) -> Option<&'static str> {
        if self.lanes.len() <= lane {
            self.lanes.resize(lane + 1, None);
        }
        if let Some(id) = self.lanes[lane].take() {
            commit(id).encode(bodies).unwrap();
            return Some(COMMIT);
        }
        if Instant::now() >= self.until {
            return None;
        }
        self.users.next().encode(bodies).unwrap();
        self.lanes[lane] = Some(Vec::new());
        Some(RESERVE)
    }

    fn answered(&mut self, lane: usize, message: Option<&[u8]>) -> u64 {
        let message = message.expect("the plan covers it");
        if self.lanes[lane].is_some() {
            self.lanes[lane] = Some(reservation(message));
        }
        1
    }
}

/// Reserves alone; the ids of those that were granted are kept for [`Commits`].
pub struct Reserves {
    users: Users,
    pub granted: Vec<Vec<u8>>,
    denied: bool,
    until: Instant,
}

impl Reserves {
    pub fn new(users: Users, denied: bool, lasts: Duration) -> Self {
        Self {
            users,
            granted: Vec::new(),
            denied,
            until: Instant::now() + lasts,
        }
    }
}

impl Work for Reserves {
    fn begin(&mut self, _: usize, bodies: &mut Vec<u8>) -> Option<&'static str> {
        if Instant::now() >= self.until {
            return None;
        }
        self.users.next().encode(bodies).unwrap();
        Some(RESERVE)
    }

    fn answered(&mut self, _: usize, message: Option<&[u8]>) -> u64 {
        assert_eq!(message.is_none(), self.denied, "granted or denied");
        self.granted.extend(message.map(reservation));
        1
    }
}

/// The Commits of reservations.
pub struct Commits(pub Vec<Vec<u8>>);

impl Work for Commits {
    fn begin(&mut self, _: usize, bodies: &mut Vec<u8>) -> Option<&'static str> {
        commit(self.0.pop()?).encode(bodies).unwrap();
        Some(COMMIT)
    }

    fn answered(&mut self, _: usize, message: Option<&[u8]>) -> u64 {
        message.expect("the hold is open");
        1
    }
}

/// For calls that begin when their time comes: a Commit if a reservation is there and it is its turn, else a Reserve.
pub struct Arrivals {
    users: Users,
    open: VecDeque<Vec<u8>>,
    is_reserve: Vec<bool>,
}

impl Arrivals {
    pub fn new(users: Users) -> Self {
        Self {
            users,
            open: VecDeque::new(),
            is_reserve: Vec::new(),
        }
    }

    /// Reservations that were not committed.
    pub fn rest(self) -> Commits {
        Commits(self.open.into())
    }
}

impl Work for Arrivals {
    fn begin(&mut self, number: usize, bodies: &mut Vec<u8>) -> Option<&'static str> {
        let open = if number % 2 == 1 {
            self.open.pop_front()
        } else {
            None
        };
        self.is_reserve.push(open.is_none());
        if let Some(id) = open {
            commit(id).encode(bodies).unwrap();
            return Some(COMMIT);
        }
        self.users.next().encode(bodies).unwrap();
        Some(RESERVE)
    }

    fn answered(&mut self, number: usize, message: Option<&[u8]>) -> u64 {
        let message = message.expect("the plan covers it");
        if self.is_reserve[number] {
            self.open.push_back(reservation(message));
        }
        1
    }
}

/// Batches: so many Reserves, then their Commits.
pub struct Batches {
    users: Users,
    size: usize,
    lanes: Vec<Vec<Vec<u8>>>,
    until: Instant,
}

impl Batches {
    pub fn new(users: Users, size: usize, lasts: Duration) -> Self {
        Self {
            users,
            size,
            lanes: Vec::new(),
            until: Instant::now() + lasts,
        }
    }

    /// The operations of the next request of a lane; none if it is done.
    fn operations(&mut self, lane: usize) -> Vec<pb::Operation> {
        if self.lanes.len() <= lane {
            self.lanes.resize(lane + 1, Vec::new());
        }
        let ids = std::mem::take(&mut self.lanes[lane]);
        if !ids.is_empty() {
            let commits = ids
                .into_iter()
                .map(|id| pb::operation::Request::Commit(commit(id)));
            return commits.map(operation).collect();
        }
        if Instant::now() >= self.until {
            return Vec::new();
        }
        let reserves =
            (0..self.size).map(|_| pb::operation::Request::Reserve(self.users.next().clone()));
        reserves.map(operation).collect()
    }

    fn outcomes(&mut self, lane: usize, outcomes: Vec<pb::Outcome>) -> u64 {
        let count = outcomes.len() as u64;
        for outcome in outcomes {
            match outcome.result {
                Some(pb::outcome::Result::Reserve(reserved)) => {
                    self.lanes[lane].push(reserved.reservation.expect("granted").id);
                }
                Some(pb::outcome::Result::Commit(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        count
    }
}

impl Work for Batches {
    fn begin(&mut self, lane: usize, bodies: &mut Vec<u8>) -> Option<&'static str> {
        let operations = self.operations(lane);
        if operations.is_empty() {
            return None;
        }
        pb::BatchRequest { operations }.encode(bodies).unwrap();
        Some(BATCH)
    }

    fn answered(&mut self, lane: usize, message: Option<&[u8]>) -> u64 {
        let answer = pb::BatchResponse::decode(message.expect("a batch is answered")).unwrap();
        self.outcomes(lane, answer.outcomes)
    }
}

/// On the open call of a connection: messages of one operation each, so many in flight.
pub fn stream(
    wire: &mut super::wire::Wire,
    in_flight: usize,
    users: Users,
    lasts: Duration,
) -> u64 {
    let mut work = Batches::new(users, 1, lasts);
    let (mut next, mut body) = (Vec::new(), Vec::new());
    let (mut busy, mut count) = (0, 0);
    wire.wait(true);
    let mut say = |work: &mut Batches, lane: usize, wire: &mut super::wire::Wire| {
        let operations = work.operations(lane);
        let goes_on = !operations.is_empty();
        if goes_on {
            let tag = lane as u64;
            body.clear();
            let request = pb::StreamRequest { tag, operations };
            request.encode(&mut body).unwrap();
            wire.say(&body);
        }
        goes_on
    };
    for lane in 0..in_flight {
        busy += usize::from(say(&mut work, lane, wire));
    }
    wire.flush();
    while busy > 0 {
        wire.receive(|_, message| {
            let message = message.expect("the call stays open");
            let answer = pb::StreamResponse::decode(message).unwrap();
            count += work.outcomes(answer.tag as usize, answer.outcomes);
            next.push(answer.tag as usize);
        });
        for lane in next.drain(..) {
            busy -= usize::from(!say(&mut work, lane, wire));
        }
        wire.flush();
    }
    count
}

fn operation(request: pb::operation::Request) -> pb::Operation {
    pb::Operation {
        request: Some(request),
    }
}

fn reservation(message: &[u8]) -> Vec<u8> {
    let answer = pb::ReserveResponse::decode(message).unwrap();
    answer.reservation.expect("granted").id
}

/// Holds 100 credits.
pub fn reserve(organization: &str, user: String) -> pb::ReserveRequest {
    pb::ReserveRequest {
        subject: Some(pb::Subject {
            organization: organization.to_owned(),
            environment: "production".to_owned(),
            user,
            ..Default::default()
        }),
        cost: Some(pb::Cost {
            amount: Some(pb::cost::Amount::Credits(100)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Books 80 of them.
pub fn commit(reservation_id: Vec<u8>) -> pb::CommitRequest {
    pb::CommitRequest {
        reservation_id,
        actual: Some(pb::commit_request::Actual::Amount(80)),
        excess: 0,
    }
}
