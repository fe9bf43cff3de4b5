//! The fields of a step, taken one by one; what nobody takes is an error.

use std::time::Duration;

use crate::config::units;
use crate::domain::time::Timestamp;

use super::node::{Entry, Fault, Node};

/// The fields of one mapping that are left to be taken.
pub(super) struct Fields<'a> {
    what: &'a str,
    line: usize,
    entries: Vec<&'a Entry>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(what: &'a str, node: &'a Node) -> Result<Self, Fault> {
        let entries = node.entries(what)?.iter().collect();
        Ok(Self {
            what,
            line: node.line,
            entries,
            known: Vec::new(),
        })
    }

    /// The line that the mapping begins on.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// A field, if it is there.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(&self.entries.remove(index).value)
    }

    /// A field that must be there.
    pub(super) fn need(&mut self, key: &'static str) -> Result<&'a Node, Fault> {
        self.take(key)
            .ok_or_else(|| Fault::new(self.line, format!("{} needs `{key}`", self.what)))
    }

    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<String>, Fault> {
        self.take(key).map(|node| node.text(key)).transpose()
    }

    pub(super) fn whole(&mut self, key: &'static str) -> Result<Option<u64>, Fault> {
        self.take(key).map(|node| node.whole(key)).transpose()
    }

    pub(super) fn duration(&mut self, key: &'static str) -> Result<Option<Duration>, Fault> {
        self.take(key).map(duration).transpose()
    }

    /// Nothing may be left.
    pub(super) fn done(self) -> Result<(), Fault> {
        let Self {
            what,
            entries,
            known,
            ..
        } = self;
        match entries.first() {
            None => Ok(()),
            Some(Entry { key, line, .. }) if known.is_empty() => Err(Fault::new(
                *line,
                format!("unknown field `{key}`: {what} takes none"),
            )),
            Some(Entry { key, line, .. }) => {
                let known = known.join(", ");
                Err(Fault::new(
                    *line,
                    format!("unknown field `{key}`: {what} takes {known}"),
                ))
            }
        }
    }
}

/// A span of time: `90s`, `1h30m`.
pub(super) fn duration(node: &Node) -> Result<Duration, Fault> {
    units::duration(&node.text("a duration")?).map_err(|problem| node.fault(problem))
}

/// An instant: `2026-11-01T00:00:00Z`, or with an offset.
pub(super) fn instant(node: &Node) -> Result<Timestamp, Fault> {
    units::instant(&node.text("an instant")?).map_err(|problem| node.fault(problem))
}
