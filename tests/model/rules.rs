//! The rules that have to be seen at work, and how often they were.

use std::collections::{BTreeMap, BTreeSet};

use quotad::domain::standing::State;
use quotad::engine::answer::{Account, Denial, Notice, Reason};

use crate::orders::deeds::Doing;
use crate::orders::{Order, Outcome};
use crate::reference::{Event, Failure};

macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        /// A rule at work.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $($rule),* }
        impl Rule {
            pub const ALL: &'static [Rule] = &[$(Rule::$rule),*];
        }
    };
}

rules! {
    QuotaExceeded, OverageBlocked, EntitlementNotAvailable, TrialExhausted, TrialExpired, ResourceLimit,
    UserNamed, EnvironmentNamed, PoolNamed, OrganizationNamed,
    SetAsidePays, PoolBasePays, EnvironmentBasePays, ExtensionPays, AllowancePays, TrialPays,
    PayDownStored, ShareGivenBack, ShareShrunkByChange,
    MarkOfUser, MarkOfEnvironment, MarkOfPool, MarkOfOrganization, MarkByChange, SeveralMarksAtOnce, ExtensionNotice,
    CommitWithinHold, CommitReturnsRest, CommitAboveHold, CommitOverrun, CommitRejected, CommitLate,
    CommitInClosedCycle, Released, ReleasedExpired, Extended, ExtendDenied, ExtendLengthensClosed,
    PartialGrant, MinDenied, ZeroGranted, ZeroDenied, FreeNeverRefused, MakerGranted,
    Expired, ExpiredAfterBoundary, Boundary, BoundaryWithOpenHolds, CalendarChanged,
    RolledOver, RolloverCapped, GrantEdge, OverAllocatedCapBinds, WouldBeDenied,
    RepeatReserve, RepeatCharge, RepeatCommit, RepeatRelease, RepeatExtend, RepeatOtherContents,
    OtherOutcome, UnknownReservation, UnknownOrganization, Invalid,
    PlanApplied, PlanSame, PlanRefusedSum, PlanRefusedAllocation,
    ExtensionGranted, ExtensionRefused, TrialStarted, TrialStartRefused, TrialRenewed, TrialRenewalRefused,
    Adjusted, AdjustRefused, RepeatDeed, RepeatDeedRefused, Forgotten,
    StateOk, StateWarning, StateExhausted, StateOverage, StateBlocked,
}

/// How often each rule was at work, and the figures of the whole run.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    pub operations: u64,
    pub worlds: u64,
    pub decisions: u64,
    pub denials: u64,
    pub rebuilt: u64,
    /// Engines restored from a copy, compared, and gone on with.
    pub restored: u64,
    pub restored_entries: u64,
    /// Facts that were recorded after the beginning of those copies.
    pub restored_facts: u64,
    /// Orders while those copies were under way.
    pub orders_while_copying: u64,
    pub copies_abandoned: u64,
    pub usage: UsageCoverage,
    pub rules: BTreeMap<Rule, u64>,
}

impl Coverage {
    pub fn count(&mut self, rule: Rule) {
        *self.rules.entry(rule).or_default() += 1;
    }

    pub fn event(&mut self, event: Event) {
        self.count(match event {
            Event::Expired => Rule::Expired,
            Event::DeedRepeated => Rule::RepeatDeed,
            Event::ExpiredAfterBoundary => Rule::ExpiredAfterBoundary,
            Event::Boundary => Rule::Boundary,
            Event::BoundaryWithOpenHolds => Rule::BoundaryWithOpenHolds,
            Event::CalendarChanged => Rule::CalendarChanged,
            Event::RolledOver => Rule::RolledOver,
            Event::RolloverCapped => Rule::RolloverCapped,
            Event::GrantEdge => Rule::GrantEdge,
            Event::PaidDown => Rule::PayDownStored,
            Event::ShareReturned => Rule::ShareGivenBack,
            Event::ShareShrunkByChange => Rule::ShareShrunkByChange,
            Event::SetAsidePaid => Rule::SetAsidePays,
            Event::PoolBasePaid => Rule::PoolBasePays,
            Event::EnvironmentBasePaid => Rule::EnvironmentBasePays,
            Event::ExtensionPaid => Rule::ExtensionPays,
            Event::AllowancePaid => Rule::AllowancePays,
            Event::TrialPaid => Rule::TrialPays,
            Event::WouldBeDenied => Rule::WouldBeDenied,
            Event::OverAllocatedCapBinds => Rule::OverAllocatedCapBinds,
            Event::CommitInClosedCycle => Rule::CommitInClosedCycle,
            Event::MarkByChange => Rule::MarkByChange,
            Event::CommitAboveHold => Rule::CommitAboveHold,
            Event::ReleasedExpired => Rule::ReleasedExpired,
            Event::ExtendLengthensClosed => Rule::ExtendLengthensClosed,
            Event::FreeNeverRefused => Rule::FreeNeverRefused,
            Event::MakerGranted => Rule::MakerGranted,
        });
    }

    pub fn notices(&mut self, notices: &[Notice]) {
        for notice in notices {
            self.count(match notice {
                Notice::Extension { .. } => Rule::ExtensionNotice,
                Notice::CycleClosed { .. } | Notice::Audit(_) => continue,
                Notice::Threshold {
                    account: Account::User(_),
                    ..
                } => Rule::MarkOfUser,
                Notice::Threshold {
                    account: Account::Environment(_),
                    ..
                } => Rule::MarkOfEnvironment,
                Notice::Threshold {
                    account: Account::Pool,
                    ..
                } => Rule::MarkOfPool,
                Notice::Threshold {
                    account: Account::Organization,
                    ..
                } => Rule::MarkOfOrganization,
            });
        }
        if notices.len() > 1 {
            self.count(Rule::SeveralMarksAtOnce);
        }
    }

    /// What an order and its answer show. `asked` is the price of a request, `fresh` whether it was not sent before.
    pub fn outcome(&mut self, order: &Order, outcome: &Outcome, fresh: bool) {
        if let Some(denial) = outcome.denial() {
            self.denial(denial);
        }
        if matches!(
            order,
            Order::Reserve { .. }
                | Order::Charge { .. }
                | Order::Check { .. }
                | Order::Extend { .. }
        ) {
            self.decisions += 1;
            self.denials += u64::from(outcome.denial().is_some());
        }
        if let Outcome::Failed(failure) = outcome {
            return self.failure(order, *failure, fresh);
        }
        match outcome {
            Outcome::Reserved { standing, .. }
            | Outcome::Committed { standing, .. }
            | Outcome::Released { standing, .. }
            | Outcome::Allowed { standing, .. } => self.state(standing.state),
            _ => {}
        }
        self.success(order, outcome, fresh);
    }

    fn success(&mut self, order: &Order, outcome: &Outcome, fresh: bool) {
        let repeat = |rule| if fresh { None } else { Some(rule) };
        let rule = match (order, outcome) {
            (Order::Reserve { .. }, Outcome::Reserved { .. }) => repeat(Rule::RepeatReserve),
            (Order::Charge { .. }, Outcome::Committed { .. }) => repeat(Rule::RepeatCharge),
            (Order::Extend { .. }, Outcome::Denied(_)) => Some(Rule::ExtendDenied),
            (Order::Extend { .. }, _) => Some(if fresh {
                Rule::Extended
            } else {
                Rule::RepeatExtend
            }),
            (Order::Commit { .. }, Outcome::Denied(_)) => Some(Rule::CommitRejected),
            (
                Order::Commit { .. },
                Outcome::Committed {
                    returned,
                    overrun,
                    late,
                    ..
                },
            ) => {
                if *overrun > 0 {
                    self.count(Rule::CommitOverrun);
                }
                if *returned > 0 {
                    self.count(Rule::CommitReturnsRest);
                }
                match (fresh, late) {
                    (false, _) => Some(Rule::RepeatCommit),
                    (true, true) => Some(Rule::CommitLate),
                    (true, false) => Some(Rule::CommitWithinHold),
                }
            }
            (Order::Release { .. }, _) => Some(if fresh {
                Rule::Released
            } else {
                Rule::RepeatRelease
            }),
            (Order::Plan(_), Outcome::Changed(changed)) => Some(if *changed {
                Rule::PlanApplied
            } else {
                Rule::PlanSame
            }),
            (Order::Deed(_), _) if !fresh => None,
            (Order::Deed(deed), _) => Some(match deed.doing {
                Doing::Extension => Rule::ExtensionGranted,
                Doing::StartTrial { .. } => Rule::TrialStarted,
                Doing::RenewTrial { .. } => Rule::TrialRenewed,
                Doing::Adjust { .. } => Rule::Adjusted,
            }),
            _ => None,
        };
        if let Some(rule) = rule {
            self.count(rule);
        }
    }

    fn failure(&mut self, order: &Order, failure: Failure, fresh: bool) {
        self.count(match (order, failure) {
            (_, Failure::UnknownOrganization) => Rule::UnknownOrganization,
            (_, Failure::UnknownReservation) => Rule::UnknownReservation,
            (Order::Plan(_), Failure::RefusedAllocation) => Rule::PlanRefusedAllocation,
            (Order::Plan(_), _) => Rule::PlanRefusedSum,
            (Order::Deed(_), _) if !fresh => Rule::RepeatDeedRefused,
            (Order::Deed(deed), _) => match deed.doing {
                Doing::Extension => Rule::ExtensionRefused,
                Doing::StartTrial { .. } => Rule::TrialStartRefused,
                Doing::RenewTrial { .. } => Rule::TrialRenewalRefused,
                Doing::Adjust { .. } => Rule::AdjustRefused,
            },
            (_, Failure::Precondition) => Rule::OtherOutcome,
            (_, Failure::Invalid) if !fresh => Rule::RepeatOtherContents,
            _ => Rule::Invalid,
        });
    }

    fn denial(&mut self, denial: &Denial) {
        self.count(match denial.reason {
            Reason::QuotaExceeded => Rule::QuotaExceeded,
            Reason::OverageBlocked => Rule::OverageBlocked,
            Reason::EntitlementNotAvailable => Rule::EntitlementNotAvailable,
            Reason::TrialExhausted => Rule::TrialExhausted,
            Reason::TrialExpired => Rule::TrialExpired,
            Reason::ResourceLimit => Rule::ResourceLimit,
        });
        self.count(match denial.account {
            Account::User(_) => Rule::UserNamed,
            Account::Environment(_) => Rule::EnvironmentNamed,
            Account::Pool => Rule::PoolNamed,
            Account::Organization => Rule::OrganizationNamed,
        });
        if denial.requested == 0 {
            self.count(Rule::ZeroDenied);
        }
        self.state(denial.state);
    }

    fn state(&mut self, state: State) {
        self.count(match state {
            State::Ok => Rule::StateOk,
            State::Warning => Rule::StateWarning,
            State::Exhausted => Rule::StateExhausted,
            State::Overage => Rule::StateOverage,
            State::Blocked => Rule::StateBlocked,
        });
    }

    pub fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.worlds += other.worlds;
        self.decisions += other.decisions;
        self.denials += other.denials;
        self.rebuilt += other.rebuilt;
        self.restored += other.restored;
        self.restored_entries += other.restored_entries;
        self.restored_facts += other.restored_facts;
        self.orders_while_copying += other.orders_while_copying;
        self.copies_abandoned += other.copies_abandoned;
        self.usage.add(&other.usage);
        for (&rule, count) in &other.rules {
            *self.rules.entry(rule).or_default() += count;
        }
    }

    pub fn of(&self, rule: Rule) -> u64 {
        self.rules.get(&rule).copied().unwrap_or(0)
    }

    /// In percent, rounded down.
    pub fn denial_share(&self) -> u64 {
        self.denials * 100 / self.decisions.max(1)
    }

    pub fn print(&self) {
        self.usage.print();
        println!(
            "model: {} operations in {} worlds, {} decisions, {} % denials, {} boundaries with holds open, \
             {} comparisons with the engine rebuilt from the facts",
            self.operations,
            self.worlds,
            self.decisions,
            self.denial_share(),
            self.of(Rule::BoundaryWithOpenHolds),
            self.rebuilt,
        );
        println!(
            "model: {} engines restored from copies ({} entries, {} orders between their steps, {} facts after them) and \
             gone on with, {} copies abandoned",
            self.restored,
            self.restored_entries,
            self.orders_while_copying,
            self.restored_facts,
            self.copies_abandoned,
        );
        for row in Rule::ALL.chunks(4) {
            let cells: Vec<_> = row
                .iter()
                .map(|rule| format!("{:<25}{:>6}", format!("{rule:?}"), self.of(*rule)))
                .collect();
            println!("  {}", cells.join("  "));
        }
    }
}

/// How much of usage was compared.
#[derive(Clone, Debug, Default)]
pub struct UsageCoverage {
    pub comparisons: u64,
    pub rows: u64,
    pub balances: u64,
    pub filed: u64,
    pub with_small_bounds: u64,
    pub groupings: BTreeSet<u64>,
}

impl UsageCoverage {
    pub fn add(&mut self, other: &Self) {
        self.comparisons += other.comparisons;
        self.rows += other.rows;
        self.balances += other.balances;
        self.filed += other.filed;
        self.with_small_bounds += other.with_small_bounds;
        self.groupings.extend(&other.groupings);
    }

    pub fn print(&self) {
        println!(
            "model: usage compared {} times ({} with bounds of 0 to 3 rows and labels), {} rows, in {} of 64 groupings; {} \
             cycles added up to their balances; {} days filed",
            self.comparisons,
            self.with_small_bounds,
            self.rows,
            self.groupings.len(),
            self.balances,
            self.filed,
        );
    }

    /// Whether enough was compared to show anything.
    pub fn is_wide(&self) {
        assert_eq!(self.groupings.len(), 64);
        for figure in [
            self.comparisons,
            self.rows,
            self.balances,
            self.filed,
            self.with_small_bounds,
        ] {
            assert!(figure >= 1_000, "{self:?}");
        }
    }
}
