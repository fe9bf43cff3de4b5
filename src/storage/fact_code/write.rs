//! Facts to bytes. On the way of every request: nothing is allocated if `out` has room.

use crate::domain::fact::{Charged, Extended, Fact, Held, Settled, Tag};
use crate::storage::bytes::{put_number, put_signed, put_text, put_u64};
use crate::storage::parts::{self, Frame, put_slot, put_time};
use crate::storage::plan_code::PlanHash;

use super::{CHOSEN, CLASS_SHIFT, ELSEWHERE, ID, LABEL, LATE, OVERRUN, RATE, SHARE, TAG, TRIAL};

/// Appends a fact. A plan is written as its hash: `plan`.
#[inline]
pub(in crate::storage) fn encode(fact: &Fact, frame: &Frame, plan: &PlanHash, out: &mut Vec<u8>) {
    match fact {
        Fact::Held(held) => put_held(out, held, frame),
        Fact::Committed(settled) => put_settled(out, 9, settled, frame),
        Fact::Released(settled) => put_settled(out, 10, settled, frame),
        Fact::Charged(charged) => put_charged(out, charged, frame),
        Fact::Extended(extended) => put_extended(out, extended, frame),
        Fact::Expired { slot, at, share } => {
            out.push(11);
            put_slot(out, *slot);
            put_time(out, *at, frame.base);
            put_number(out, *share);
        }
        Fact::Forgotten { shard, count } => {
            out.extend_from_slice(&[19, *shard]);
            put_number(out, (*count).into());
        }
        _ => put_rare(out, fact, frame, plan),
    }
}

/// Facts that are not every request's.
fn put_rare(out: &mut Vec<u8>, fact: &Fact, frame: &Frame, hash: &PlanHash) {
    match fact {
        Fact::OrganizationNamed { organization, name } => {
            parts::put_head(out, 1, *organization);
            put_text(out, name);
        }
        Fact::Planned { at, plan: _ } => {
            out.push(2);
            put_time(out, *at, frame.base);
            out.extend_from_slice(&hash.0);
        }
        Fact::CycleOpened {
            organization,
            book,
            span,
            calendar,
            rolled_over,
        } => {
            parts::put_head(out, 3, *organization);
            put_number(out, (*book).into());
            parts::put_span(out, *span, frame);
            parts::put_calendar(out, calendar, frame);
            put_number(out, *rolled_over);
        }
        Fact::EntitlementChanged { organization, at } => {
            parts::put_head(out, 4, *organization);
            put_time(out, *at, frame.base);
        }
        Fact::EnvironmentNamed {
            organization,
            book,
            environment: row,
            name,
        } => parts::put_named(out, 5, *organization, [*book, *row], name),
        Fact::UserNamed {
            organization,
            book,
            user: row,
            name,
        } => parts::put_named(out, 6, *organization, [*book, *row], name),
        Fact::Adjusted {
            place,
            credits,
            reason,
            at,
            share,
            tag,
        } => {
            let shard = place.organization.shard;
            let flags = tag
                .as_ref()
                .map_or(0, |tag| TAG | tag_flags(tag, shard, frame));
            out.extend_from_slice(&[13, flags, shard]);
            parts::put_place(out, place);
            put_signed(out, *credits);
            put_text(out, reason);
            put_time(out, *at, frame.base);
            put_number(out, *share);
            if let Some(tag) = tag {
                put_tag(out, tag, flags);
            }
        }
        Fact::Crossed {
            organization,
            book,
            account,
            percent,
            at,
            used,
            limit,
        } => {
            parts::put_head(out, 14, *organization);
            put_number(out, (*book).into());
            parts::put_account(out, account);
            put_number(out, (*percent).into());
            put_time(out, *at, frame.base);
            put_number(out, *used);
            put_number(out, *limit);
        }
        Fact::ExtensionRequested {
            organization,
            book,
            extension,
            by,
        } => {
            parts::put_head(out, 15, *organization);
            put_number(out, (*book).into());
            parts::put_extension(out, extension, frame);
            put_text(out, by);
        }
        Fact::Labelled {
            organization,
            book,
            label,
            names,
        } => {
            parts::put_head(out, 20, *organization);
            put_number(out, (*book).into());
            put_number(out, (*label).into());
            parts::put_label(out, names);
        }
        Fact::DayOpened {
            organization,
            book,
            day,
            date,
        } => {
            parts::put_head(out, 21, *organization);
            put_number(out, (*book).into());
            put_number(out, (*day).into());
            parts::put_date(out, *date);
        }
        Fact::DaysClosed { organization } => parts::put_head(out, 22, *organization),
        Fact::DaysFiled {
            organization,
            before,
        } => {
            parts::put_head(out, 23, *organization);
            put_number(out, (*before).into());
        }
        Fact::Audited {
            organization,
            audit,
        } => {
            parts::put_head(out, 24, *organization);
            parts::put_audit(out, audit, frame);
        }
        Fact::TrialStarted {
            organization,
            user,
            period,
        } => {
            parts::put_head(out, 16, *organization);
            put_text(out, user);
            parts::put_period(out, period, frame);
        }
        Fact::Told {
            organization,
            count,
        } => {
            parts::put_head(out, 17, *organization);
            put_number(out, (*count).into());
        }
        Fact::Resumed { at } => {
            out.push(18);
            put_time(out, at.wall, frame.base);
            put_time(out, at.steady, frame.base);
        }
        // `encode` has these. They are named so that a new kind is missed by the compiler, not by us.
        Fact::Held(_)
        | Fact::Extended(_)
        | Fact::Committed(_)
        | Fact::Released(_)
        | Fact::Expired { .. }
        | Fact::Charged(_)
        | Fact::Forgotten { .. } => {}
    }
}

/// A flag, if it is so.
#[inline]
fn flag(flag: u8, is_so: bool) -> u8 {
    if is_so { flag } else { 0 }
}

/// 9 and 10: flags, slot, committed, at; then what the flags say: overrun, share, label.
#[inline]
fn put_settled(out: &mut Vec<u8>, kind: u8, settled: &Settled, frame: &Frame) {
    let flags = flag(LATE, settled.late)
        | flag(OVERRUN, settled.overrun != 0)
        | flag(SHARE, settled.share != 0)
        | flag(LABEL, settled.label.is_some());
    out.extend_from_slice(&[kind, flags]);
    put_slot(out, settled.slot);
    put_number(out, settled.committed);
    put_time(out, settled.at, frame.base);
    for part in [settled.overrun, settled.share] {
        if part != 0 {
            put_number(out, part);
        }
    }
    if let Some(label) = settled.label {
        put_number(out, label.into());
    }
}

/// 7: flags, slot, place, amount, at, how much later it expires, sequence, fingerprint; then what the flags say: the
/// place's shard, the id, trial, rate, share.
#[inline]
fn put_held(out: &mut Vec<u8>, held: &Held, frame: &Frame) {
    let (tag, place) = (&held.tag, &held.place);
    let flags = tag_flags(tag, place.organization.shard, frame)
        | flag(TRIAL, held.trial != 0)
        | flag(RATE, held.rate.is_some())
        | flag(SHARE, held.share != 0)
        | (parts::class_bits(held.class) << CLASS_SHIFT);
    out.extend_from_slice(&[7, flags]);
    put_slot(out, tag.slot);
    parts::put_place(out, place);
    put_number(out, held.amount);
    put_time(out, held.at, frame.base);
    put_time(out, held.expires, held.at);
    put_number(out, held.sequence);
    put_u64(out, tag.fingerprint);
    if flags & ELSEWHERE != 0 {
        out.push(place.organization.shard);
    }
    if flags & ID != 0 {
        out.extend_from_slice(&tag.id);
    }
    if held.trial != 0 {
        out.push(held.trial);
    }
    if let Some(rate) = held.rate {
        parts::put_rate(out, rate);
    }
    if held.share != 0 {
        put_number(out, held.share);
    }
}

/// 12: flags, shard, place, amount, at; then what the flags say: overrun, trial, share, and the tag.
#[inline]
fn put_charged(out: &mut Vec<u8>, charged: &Charged, frame: &Frame) {
    let place = &charged.place;
    let shard = place.organization.shard;
    let tagged = charged.tag.as_ref();
    let flags = tagged.map_or(0, |tag| TAG | tag_flags(tag, shard, frame))
        | flag(OVERRUN, charged.overrun != 0)
        | flag(TRIAL, charged.trial != 0)
        | flag(SHARE, charged.share != 0);
    out.extend_from_slice(&[12, flags, shard]);
    parts::put_place(out, place);
    put_number(out, charged.amount);
    put_time(out, charged.at, frame.base);
    if charged.overrun != 0 {
        put_number(out, charged.overrun);
    }
    if charged.trial != 0 {
        out.push(charged.trial);
    }
    if charged.share != 0 {
        put_number(out, charged.share);
    }
    if let Some(tag) = tagged {
        put_tag(out, tag, flags);
    }
}

/// 8: flags, slot, additional, at, how much later it expires; then what the flags say: share, and the tag.
fn put_extended(out: &mut Vec<u8>, extended: &Extended, frame: &Frame) {
    let tagged = extended.tag.as_ref();
    let flags = tagged.map_or(0, |tag| TAG | tag_flags(tag, extended.slot.shard, frame))
        | flag(SHARE, extended.share != 0);
    out.extend_from_slice(&[8, flags]);
    put_slot(out, extended.slot);
    put_number(out, extended.additional);
    put_time(out, extended.at, frame.base);
    put_time(out, extended.expires, extended.at);
    if extended.share != 0 {
        put_number(out, extended.share);
    }
    if let Some(tag) = tagged {
        put_tag(out, tag, flags);
    }
}

/// What there is to say of a tag in a fact whose other part is in this shard.
#[inline]
fn tag_flags(tag: &Tag, shard: u8, frame: &Frame) -> u8 {
    flag(CHOSEN, tag.chosen)
        | flag(ID, !parts::is_known(&tag.id, tag.slot, frame))
        | flag(ELSEWHERE, tag.slot.shard != shard)
}

/// A tag: index, generation, fingerprint; then what the flags say: shard, id.
fn put_tag(out: &mut Vec<u8>, tag: &Tag, flags: u8) {
    put_number(out, tag.slot.index.into());
    put_number(out, tag.slot.generation.into());
    put_u64(out, tag.fingerprint);
    if flags & ELSEWHERE != 0 {
        out.push(tag.slot.shard);
    }
    if flags & ID != 0 {
        out.extend_from_slice(&tag.id);
    }
}
