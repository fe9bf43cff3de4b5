//! Everything impure, behind small traits.

pub mod clock;
pub mod sync;
pub mod vitals;
