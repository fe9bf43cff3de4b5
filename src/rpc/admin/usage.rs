//! Who used what: pages of sums.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::engine::usage::{UsageGroup, UsageQuery};
use crate::rpc::convert::admin::bad;
use crate::rpc::convert::usage::{Question, answered_row, keys, question};
use crate::rpc::pb;
use crate::rpc::status::Refusal;

use super::Parts;
use super::page::Asked;

/// Rows on a page where nothing is said.
const SIZE_DEFAULT: usize = 1_000;

/// Rows on a page at most.
const SIZE_MAX: usize = 10_000;

/// Answers questions about usage: hands over sums, one after the other, as long as it is told to go on (`true`).
pub type AskUsage =
    dyn Fn(&UsageQuery, &mut dyn FnMut(UsageGroup) -> bool) -> Result<(), Refusal> + Send + Sync;

/// Hands over what is shown of each sum, with its credits, until it is told to stop.
pub(super) fn each_sum(
    parts: &Parts,
    question: &Question,
    take: &mut dyn FnMut(Vec<String>, i64) -> bool,
) -> Result<(), Refusal> {
    if question.adds_up() {
        for (texts, credits) in sums(parts, question)? {
            if !take(texts, credits) {
                break;
            }
        }
        return Ok(());
    }
    (parts.ask_usage)(&question.query, &mut |sum| {
        !question.wants(&sum) || take(question.texts(&sum), sum.credits)
    })
}

/// All sums by what is shown of them, sorted.
fn sums(parts: &Parts, question: &Question) -> Result<BTreeMap<Vec<String>, i64>, Refusal> {
    let mut sums: BTreeMap<Vec<String>, i64> = BTreeMap::new();
    (parts.ask_usage)(&question.query, &mut |sum| {
        if question.wants(&sum) {
            let credits = sums.entry(question.texts(&sum)).or_default();
            *credits = credits.saturating_add(sum.credits);
        }
        true
    })?;
    Ok(sums)
}

pub(super) fn query_usage(
    parts: &Parts,
    wire: &pb::QueryUsageRequest,
) -> Result<pb::QueryUsageResponse, Refusal> {
    let shown = keys(&wire.group_by)?;
    let question = question(wire.filter.as_ref(), shown)?;
    let asked = Asked::sized(
        "QueryUsage",
        wire.page_size,
        &wire.page_token,
        SIZE_DEFAULT,
        SIZE_MAX,
    )?;
    let after = asked.after.as_deref();
    let after = after
        .map(|key| key_of(key, question.shown.len()))
        .transpose()?;
    let mut sums = sums(parts, &question)?;
    if question.shown.is_empty() {
        // One row, also of nothing.
        sums.entry(Vec::new()).or_default();
    }
    let total_credits = sums.values().fold(0_i64, |sum, it| sum.saturating_add(*it));
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let rest = sums.range::<Vec<String>, _>((from, Bound::Unbounded));
    let rest = rest.map(|(texts, credits)| {
        let row = answered_row(&question.shown, texts.clone(), *credits);
        (serde_json::Value::from(texts.clone()).to_string(), row)
    });
    let (rows, next_page_token) = asked.fill(rest);
    Ok(pb::QueryUsageResponse {
        rows,
        next_page_token,
        total_credits,
    })
}

/// The last row of the page before.
fn key_of(token: &str, length: usize) -> Result<Vec<String>, Refusal> {
    let key = serde_json::from_str::<Vec<String>>(token).ok();
    match key.filter(|key| key.len() == length) {
        Some(key) => Ok(key),
        None => bad(
            "page_token",
            "is none of this question's; ask the same as for the page before, or begin without one",
        ),
    }
}
