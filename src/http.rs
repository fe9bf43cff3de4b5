//! HTTP: the probes, and the management listener.

pub mod management;
pub mod probes;
