//! HTTP: the probes.

pub mod probes;
