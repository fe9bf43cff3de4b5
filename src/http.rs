//! HTTP: the probes, the management listener, and the page of metrics on both.

pub mod management;
pub mod metrics;
pub mod probes;
