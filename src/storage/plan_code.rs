//! The plan as a file: JSON that people can read, named by its hash, so that records and snapshots can refer to it and a
//! plan is on the disk once however often they do. What stands in it is `plan_code/mirror.rs`.

mod mirror;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::domain::plan::{OrganizationPlan, Plan};

/// Names a plan: the SHA-256 of its JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PlanHash(pub(super) [u8; 32]);

impl PlanHash {
    /// Of a plan's JSON.
    pub(super) fn of(json: &[u8]) -> Self {
        Self(Sha256::digest(json).into())
    }
}

impl fmt::Display for PlanHash {
    /// 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text is not 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoHash;

impl FromStr for PlanHash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let digit = |byte| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(NoHash),
        };
        if text.len() != 64 {
            return Err(NoHash);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(hash))
    }
}

/// Why a text is no plan.
#[derive(Debug, thiserror::Error)]
#[error("is no plan: {0}")]
pub(crate) struct NoPlan(#[from] serde_json::Error);

/// The JSON of a plan; always the same bytes for the same plan.
///
/// It says everything that `plan::check` lets pass. Beyond that, what must be at least 1 becomes 1, and a delay ends at 584
/// years.
pub(crate) fn to_json(plan: &Plan) -> Vec<u8> {
    // Cannot fail: all keys are texts, and a vector takes everything.
    serde_json::to_vec_pretty(&mirror::Plan::from(plan)).unwrap_or_default()
}

/// The plan of a JSON text.
///
/// # Errors
/// If the text does not say everything that a plan says, or anything more, or what no plan can say.
pub(crate) fn from_json(json: &[u8]) -> Result<Plan, NoPlan> {
    Ok(serde_json::from_slice::<mirror::Plan>(json)?.into())
}

/// The JSON of one organization's part of a plan.
pub(super) fn organization_to_json(plan: &OrganizationPlan) -> Vec<u8> {
    // Cannot fail, as above.
    serde_json::to_vec(&mirror::Organization::from(plan)).unwrap_or_default()
}

/// One organization's part of a plan, from its JSON.
///
/// # Errors
/// As [`from_json`].
pub(super) fn organization_from_json(json: &[u8]) -> Result<Arc<OrganizationPlan>, NoPlan> {
    let plan: mirror::Organization = serde_json::from_slice(json)?;
    Ok(Arc::new(plan.into()))
}

#[cfg(test)]
pub(super) mod arbitrary;
#[cfg(test)]
mod tests;
