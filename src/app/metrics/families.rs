//! Families of metrics, written one after the other. A family of which there is nothing is left out.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::domain::time::Timestamp;
use crate::world::histogram::Durations;

/// Where they are written to.
pub(super) struct Families<'e>(pub(super) DescriptorEncoder<'e>);

/// A label and its value.
pub(super) type Label<'l> = (&'static str, &'l str);

/// A name, without unit and `_total`, its unit, and what it says.
pub(super) type Family = (&'static str, Option<Unit>, &'static str);

/// Credits.
pub(super) fn credits() -> Option<Unit> {
    Some(Unit::Other("credits".to_owned()))
}

/// An instant as metrics tell it, in seconds since 1970.
pub(super) fn seconds(at: Timestamp) -> f64 {
    nanos(at.nanos().max(0).unsigned_abs())
}

/// Nanoseconds as seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "a float is what Prometheus keeps"
)]
pub(super) fn nanos(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

impl Families<'_> {
    /// A gauge with labels.
    pub(super) fn gauges<'l, V: EncodeGaugeValue, const N: usize>(
        &mut self,
        family: Family,
        values: impl IntoIterator<Item = ([Label<'l>; N], V)>,
    ) -> fmt::Result {
        self.each(family, MetricType::Gauge, values, |mut metric, value| {
            metric.encode_gauge(&value)
        })
    }

    /// A gauge.
    pub(super) fn gauge(&mut self, family: Family, value: impl EncodeGaugeValue) -> fmt::Result {
        self.gauges(family, [([], value)])
    }

    /// A counter with labels.
    pub(super) fn counters<'l, const N: usize>(
        &mut self,
        family: Family,
        values: impl IntoIterator<Item = ([Label<'l>; N], u64)>,
    ) -> fmt::Result {
        self.each(family, MetricType::Counter, values, |mut metric, value| {
            metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    /// A counter.
    pub(super) fn counter(&mut self, family: Family, value: u64) -> fmt::Result {
        self.counters(family, [([], value)])
    }

    /// Histograms with labels, in seconds.
    pub(super) fn histograms<'l, const N: usize>(
        &mut self,
        family: Family,
        values: impl IntoIterator<Item = ([Label<'l>; N], Durations)>,
    ) -> fmt::Result {
        self.each(
            family,
            MetricType::Histogram,
            values,
            |mut metric, value| {
                let bounds = value.bounds_ns.iter().map(|&bound| nanos(bound));
                let bounds = bounds.chain([f64::INFINITY]);
                let buckets: Vec<_> = bounds.zip(value.counts.iter().copied()).collect();
                let (sum, count) = (nanos(value.sum_ns), value.count());
                metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
            },
        )
    }

    fn each<'l, V, const N: usize>(
        &mut self,
        (name, unit, help): Family,
        kind: MetricType,
        values: impl IntoIterator<Item = ([Label<'l>; N], V)>,
        write: impl Fn(MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (labels, value) in values {
            write(metric.encode_family(&labels)?, value)?;
        }
        Ok(())
    }
}
