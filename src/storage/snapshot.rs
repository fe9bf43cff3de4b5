//! stub
use super::error::FileError;
use super::fact_code::Frame;
use super::plan_code::PlanHash;
use crate::domain::time::Now;
use crate::engine::entry::*;
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) journal: u64,
    pub(super) number: u64,
    pub(super) frame: Frame,
    pub(super) now: Now,
    pub(super) segment: u64,
    pub(super) positions: Vec<u64>,
    pub(super) plan: PlanHash,
}
pub(super) struct Writer;
#[derive(Clone, Debug)]
pub(super) struct Counts {
    pub(super) entries: u64,
}
impl Writer {
    pub(super) fn new(
        _o: Box<dyn crate::world::disk::Output>,
        _h: &Header,
    ) -> std::io::Result<Self> {
        todo!()
    }
    pub(super) fn entry(&mut self, _e: &Entry<'_>) {
        todo!()
    }
    pub(super) fn flush(&mut self) -> std::io::Result<()> {
        todo!()
    }
    pub(super) fn finish(self) -> std::io::Result<Counts> {
        todo!()
    }
}
pub(super) fn verify(_s: &mut dyn std::io::Read, _f: &str) -> Result<(Header, Counts), FileError> {
    todo!()
}
pub(super) fn read(
    _s: &mut dyn std::io::Read,
    _f: &str,
    _e: &mut dyn FnMut(Entry<'_>) -> Result<(), Misfit>,
) -> Result<(Header, Counts), FileError> {
    todo!()
}
