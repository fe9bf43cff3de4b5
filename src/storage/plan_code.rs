//! The plan as JSON (being written).
use std::fmt;
/// The name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PlanHash(pub(super) [u8; 32]);
impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
impl PlanHash {
    pub(super) fn of(_b: &[u8]) -> Self {
        todo!()
    }
}
impl Default for PlanHash {
    fn default() -> Self {
        Self([0; 32])
    }
}
impl std::str::FromStr for PlanHash {
    type Err = ();
    fn from_str(_: &str) -> Result<Self, ()> {
        todo!()
    }
}
pub(super) fn to_json(_p: &crate::domain::plan::Plan) -> Vec<u8> {
    todo!()
}
pub(super) fn from_json(_b: &[u8]) -> Result<crate::domain::plan::Plan, String> {
    todo!()
}
